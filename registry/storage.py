"""Where blobs lie: a local folder with durable writes, or any file system that fsspec knows.

A `Storage` maps keys (relative POSIX paths such as ``objects/a/bcdef…``) to immutable bytes. It
knows nothing of digests. What was put under a key is durable and whole, or not there.
"""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, Protocol, cast

import fsspec

from pressmark.registry import files
from pressmark.registry.errors import BlobMissingError, InvalidInputError, StorageFullError

BLOCK_BYTES: Final = 1 << 20
"""Bytes moved at once; small enough to stay in the cache between reading, hashing and writing."""

_SHARDS: Final = "0123456789abcdef"
_TEMPORARY_FOLDER: Final = "tmp"
_DAMAGED_FOLDER: Final = "damaged"


class Batch:
    """Folders whose new names are not durable yet; syncing each once makes many writes cheap."""

    def __init__(self) -> None:
        self._folders: set[Path] = set()

    def add(self, folder: Path) -> None:
        """Note that a name in this folder is new."""
        self._folders.add(folder)

    def sync(self) -> None:
        """Make all noted names durable."""
        while self._folders:
            files.sync_folder(self._folders.pop())


class Upload(Protocol):
    """Bytes on their way to a key that is known only at the end."""

    def write(self, data: memoryview | bytes) -> object:
        """Append bytes."""

    def publish(self, key: str, batch: Batch) -> None:
        """Put all that was written under a key; durable when the batch is synced."""

    def discard(self) -> None:
        """Forget what was written; does nothing after `publish`."""


class Storage(Protocol):
    """A place for immutable bytes by key."""

    def size(self, key: str) -> int | None:
        """Give the bytes under a key, or None where there are none."""

    def modified(self, key: str) -> float:
        """Give the time of the last write or `touch`, in seconds since 1970."""

    def open(self, key: str) -> BinaryIO:
        """Open for reading; raises BlobMissingError."""

    def upload(self, size: int = 0) -> Upload:
        """Begin to write; the size, where it is known, lets the disk make room at once."""

    def touch(self, key: str, batch: Batch) -> None:
        """Make a key look newly written, so that a grace period begins again."""

    def remove(self, key: str) -> None:
        """Remove a key if it is there."""

    def set_aside(self, key: str) -> None:
        """Move a key to the folder ``damaged``, out of use but not lost."""

    def keys(self, folder: str) -> Iterator[str]:
        """List the keys under a top folder, in no order."""

    def leftovers(self) -> Iterator[tuple[str, int, float]]:
        """List temporary files: key, size in bytes, time of the last write."""


def open_storage(url: str | Path, folders: tuple[str, ...]) -> Storage:
    """Open a storage by path or URL and make its top folders.

    Args:
        url: A path, ``file://…``, ``memory://…`` or any other URL that fsspec opens.
        folders: Top folders in which keys are spread over 16 shards, by the first digit.

    Raises:
        InvalidInputError: fsspec does not know the URL's protocol, or a library for it is missing.
    """
    text = os.fspath(url)
    if "://" not in text:
        return LocalStorage(Path(text), folders)
    if text.startswith("file://"):
        return LocalStorage(Path(text.removeprefix("file://")), folders)
    try:
        file_system, root = fsspec.core.url_to_fs(text)
    except (ValueError, ImportError) as error:
        raise InvalidInputError(
            f"no blob store can be opened at {text}: {error}",
            "use a folder, or a URL whose fsspec library is installed (s3fs for s3://)",
        ) from error
    return RemoteStorage(file_system, root)


@contextmanager
def full_disk_named(where: str) -> Iterator[None]:
    """Turn "no space left" and "quota exceeded" into StorageFullError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StorageFullError(
            f"no space is left at {where}; nothing was stored",
            "free space (pressmark gc removes what no artifact uses), then repeat the command",
        ) from error


def reserve(file: BinaryIO, size: int) -> None:
    """Make room for a long file, all at once: faster, and a full disk is noticed before writing.

    Raises:
        OSError: There is no room (ENOSPC, EFBIG).
    """
    if size <= BLOCK_BYTES:
        return
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise


class LocalStorage:
    """A folder on a local disk."""

    def __init__(self, root: Path, folders: tuple[str, ...]) -> None:
        self.root = root
        self._prepare(folders)

    def _prepare(self, folders: tuple[str, ...]) -> None:
        # Shards are made once, so that a write never has to make (and sync) a folder.
        for folder in folders:
            last = self.root / folder / _SHARDS[-1]
            if not last.is_dir():
                files.make_folder(self.root / folder)
                for shard in _SHARDS:
                    (self.root / folder / shard).mkdir(exist_ok=True)
                files.sync_folder(self.root / folder)
        files.make_folder(self.root / _TEMPORARY_FOLDER)

    def path(self, key: str) -> Path:
        """Give the file of a key."""
        return self.root / key

    def size(self, key: str) -> int | None:
        """Give the bytes under a key, or None where there are none."""
        try:
            return self.path(key).stat().st_size
        except FileNotFoundError:
            return None

    def modified(self, key: str) -> float:
        """Give the time of the last write or `touch`, in seconds since 1970."""
        return self.path(key).stat().st_mtime

    def open(self, key: str) -> BinaryIO:
        """Open for reading."""
        try:
            return cast(BinaryIO, self.path(key).open("rb", buffering=0))
        except FileNotFoundError:
            raise _missing(key) from None

    def upload(self, size: int = 0) -> Upload:
        """Begin to write a file under a temporary name."""
        return _LocalUpload(self, size)

    def publish(self, pending: files.PendingFile, key: str, batch: Batch) -> None:
        """Give a complete file its name, which the batch will make durable."""
        target = self.path(key)
        if not target.parent.is_dir():
            files.make_folder(target.parent)
        pending.publish(target, names=False)
        batch.add(target.parent)

    def touch(self, key: str, batch: Batch) -> None:
        """Begin the grace period again.

        Another process may have renamed the file and not yet synced its folder; who relies on
        the file being there has to sync that too, so the folder joins the batch.
        """
        path = self.path(key)
        os.utime(path)
        batch.add(path.parent)

    def remove(self, key: str) -> None:
        """Remove a key if it is there."""
        files.remove(self.path(key))

    def set_aside(self, key: str) -> None:
        """Move a key to the folder ``damaged``; an older one there is replaced."""
        target = self.root / _DAMAGED_FOLDER / key.replace("/", "-")
        files.make_folder(target.parent)
        self.path(key).replace(target)
        files.sync_folder(self.path(key).parent)

    def keys(self, folder: str) -> Iterator[str]:
        """List the keys under a top folder."""
        with os.scandir(self.root / folder) as shards:
            names = sorted(shard.name for shard in shards if shard.is_dir())
        for shard in names:
            for name in os.listdir(self.root / folder / shard):  # noqa: PTH208 - names, not paths
                yield f"{folder}/{shard}/{name}"

    def leftovers(self) -> Iterator[tuple[str, int, float]]:
        """List temporary files: key, size in bytes, time of the last write."""
        for path in (self.root / _TEMPORARY_FOLDER).iterdir():
            with suppress(FileNotFoundError):  # its writer has just finished
                status = path.stat()
                yield f"{_TEMPORARY_FOLDER}/{path.name}", status.st_size, status.st_mtime


class _LocalUpload:
    def __init__(self, storage: LocalStorage, size: int) -> None:
        self._storage = storage
        self._pending = files.PendingFile(storage.root / _TEMPORARY_FOLDER)
        self.write = self._pending.file.write
        try:
            reserve(self._pending.file, size)
        except OSError:
            self.discard()
            raise

    def publish(self, key: str, batch: Batch) -> None:
        self._storage.publish(self._pending, key, batch)

    def discard(self) -> None:
        self._pending.__exit__(None, None, None)


class RemoteStorage:
    """Any file system that fsspec opens: an object store, a server, or memory.

    An object appears whole or not at all there, so nothing is renamed: the bytes are gathered in
    a local temporary file and put in one go, on condition that the key is still free where the
    file system can say so.
    """

    def __init__(self, file_system: Any, root: str) -> None:
        self._files = file_system
        self._root = root.rstrip("/")

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def size(self, key: str) -> int | None:
        """Give the bytes under a key, or None where there are none."""
        try:
            return int(self._files.size(self._path(key)))
        except FileNotFoundError:
            return None

    def modified(self, key: str) -> float:
        """Give the time of the last write; now, where the file system does not know."""
        try:
            return float(self._files.modified(self._path(key)).timestamp())
        except NotImplementedError:
            return time.time()

    def open(self, key: str) -> BinaryIO:
        """Open for reading."""
        try:
            return cast(BinaryIO, self._files.open(self._path(key), "rb"))
        except FileNotFoundError:
            raise _missing(key) from None

    def upload(self, size: int = 0) -> Upload:  # noqa: ARG002 - gathered locally
        """Begin to gather bytes."""
        return _RemoteUpload(self)

    def put(self, source: Path, key: str) -> None:
        """Put a whole file under a key, unless it is taken."""
        with suppress(FileExistsError):
            try:
                self._put(source, key, mode="create")
            except (TypeError, ValueError, NotImplementedError):  # no conditional put here
                if self.size(key) is None:
                    self._put(source, key)

    def _put(self, source: Path, key: str, **condition: str) -> None:
        # Never through `open(…, "wb")`: fsspec completes such an upload even after an error.
        if source.stat().st_size <= BLOCK_BYTES:
            self._files.pipe_file(self._path(key), source.read_bytes(), **condition)
        else:
            self._files.put_file(str(source), self._path(key), **condition)

    def touch(self, key: str, batch: Batch) -> None:
        """Do nothing: an object's time cannot be set without writing it again."""

    def remove(self, key: str) -> None:
        """Remove a key if it is there."""
        with suppress(FileNotFoundError):
            self._files.rm_file(self._path(key))

    def set_aside(self, key: str) -> None:
        """Move a key to the folder ``damaged``."""
        target = f"{_DAMAGED_FOLDER}/{key.replace('/', '-')}"
        self._files.mv(self._path(key), self._path(target))

    def keys(self, folder: str) -> Iterator[str]:
        """List the keys under a top folder."""
        for path in self._files.find(self._path(folder)):
            parts = PurePosixPath(path).parts[-2:]
            yield "/".join((folder, *parts))

    def leftovers(self) -> Iterator[tuple[str, int, float]]:
        """List nothing: no temporary object is ever made."""
        yield from ()


class _RemoteUpload:
    def __init__(self, storage: RemoteStorage) -> None:
        self._storage = storage
        self._file = tempfile.NamedTemporaryFile(prefix="pressmark-")  # noqa: SIM115
        self.write = self._file.write

    def publish(self, key: str, batch: Batch) -> None:  # noqa: ARG002 - a put is durable
        self._file.flush()
        self._storage.put(Path(self._file.name), key)
        self._file.close()

    def discard(self) -> None:
        self._file.close()


def _missing(key: str) -> BlobMissingError:
    return BlobMissingError(
        f"the blob {''.join(PurePosixPath(key).parts[1:])} is not in the store",
        "run pressmark fsck to see what is missing, and pressmark restore or pull to get it back",
    )
