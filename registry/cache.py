"""A bounded folder of whole files, so that what is far away and read often is fetched once.

Every command that reads a model needs its files whole: a step, its check, a re-run. Where blobs are
kept at a URL, `materialise` fetches each file once. `FileCache.use` lends the cached file itself. A
lent file must not be written to. That cannot be enforced (root ignores modes), so a
file that was touched is noticed by its time and made anew, and `FileCache.copy`, which gives the
file away, checks every byte.

Per file there are ``<digest>``, the bytes, with a time from long ago, and ``<digest>.use``, whose
lock is shared by those who read it and whose time says when that was last. The least recently
used files that nobody reads go first when the limit is exceeded. Any number of processes may
share the folder.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pressmark.registry import files
from pressmark.registry.blobs import BlobStore
from pressmark.registry.hashing import Lane, Ring
from pressmark.registry.layout import object_key
from pressmark.registry.storage import LocalStorage

FOLDER: Final = "cache"
"""Where a registry keeps its cache, in its own folder."""
LIMIT: Final = 32 << 30
"""Bytes that a registry's cache may hold."""

_UNTOUCHED_NS: Final = 1_000_000_000
_USE: Final = ".use"
_FILL: Final = ".fill"


def materialise(blobs: BlobStore, root: Path, digest: str, target: Path) -> None:
    """Write a file of a registry, by way of its cache where its blobs are not on this machine.

    Args:
        blobs: The registry's blobs.
        root: The registry's folder.
        digest: Which file.
        target: Where to; an existing file is replaced.

    Raises:
        BlobMissingError: It is not in the store.
        BlobDamagedError: The store's bytes are damaged.
    """
    if isinstance(blobs.storage, LocalStorage):
        blobs.materialise(digest, target)
    else:
        FileCache(root / FOLDER, LIMIT).copy(blobs, digest, target)


class FileCache:
    """A cache of files in one folder.

    Args:
        root: The folder; made if missing.
        limit: Bytes that may stay when nobody uses them.
    """

    def __init__(self, root: Path | str, limit: int) -> None:
        self.root = Path(root)
        self.limit = limit
        self.root.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def use(self, blobs: BlobStore, digest: str) -> Iterator[Path]:
        """Lend a file for reading; it stays for as long as the context.

        Args:
            blobs: Where it is taken from if it is not cached.
            digest: Which file.

        Raises:
            BlobMissingError: It is not in the store.
            BlobDamagedError: The store's bytes are damaged.
        """
        object_key(digest)  # refuses what is no digest: it becomes a name
        path = self.root / digest
        with _locked(path.with_name(digest + _USE), fcntl.LOCK_SH) as use:
            os.utime(use)
            if not _is_untouched(path):
                self._fill(blobs, digest, path)
            yield path

    def copy(self, blobs: BlobStore, digest: str, target: Path | str) -> None:
        """Write a file by way of the cache, checking its digest; it appears whole or not at all.

        Raises:
            BlobMissingError: It is not in the store.
            BlobDamagedError: The store's bytes are damaged.
        """
        target = Path(target)
        with self.use(blobs, digest) as cached, files.PendingFile(target.parent) as pending:
            if _copy(cached, pending) == digest:
                pending.file.close()
                pending.path.replace(target)
                return
        # Somebody has written to the cached file in spite of all: forget it.
        (self.root / digest).unlink(missing_ok=True)
        blobs.materialise(digest, target)

    def size(self) -> int:
        """Give the bytes of all cached files."""
        return sum(size for _, _, size in self._entries())

    def trim(self) -> int:
        """Remove the least recently used files until the limit is kept.

        Returns:
            How many bytes were removed. Files in use stay, even beyond the limit.
        """
        entries = sorted(self._entries())
        excess = sum(size for _, _, size in entries) - self.limit
        removed = 0
        for _, name, size in entries:
            if removed >= excess:
                break
            with suppress(BlockingIOError):
                lock = self.root / (name + _USE)
                with _locked(lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    (self.root / name).unlink(missing_ok=True)
                    removed += size
        return removed

    def _fill(self, blobs: BlobStore, digest: str, path: Path) -> None:
        # Who comes second waits for the first instead of fetching the same bytes.
        with _locked(path.with_name(digest + _FILL), fcntl.LOCK_EX):
            if not _is_untouched(path):
                blobs.materialise(digest, path)
                path.chmod(0o444)
                os.utime(path, ns=(_UNTOUCHED_NS, _UNTOUCHED_NS))
        self.trim()

    def _entries(self) -> Iterator[tuple[float, str, int]]:
        """Give each file's last use, name and size."""
        for lock in self.root.glob(f"*{_USE}"):
            with suppress(FileNotFoundError):
                name = lock.name.removesuffix(_USE)
                size = (self.root / name).stat().st_size
                yield lock.stat().st_mtime, name, size


@contextmanager
def _locked(path: Path, mode: int) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, mode)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_untouched(path: Path) -> bool:
    try:
        return path.stat().st_mtime_ns == _UNTOUCHED_NS
    except FileNotFoundError:
        return False


def _copy(source: Path, pending: files.PendingFile) -> str:
    with source.open("rb") as stream, Lane() as lane:
        digest = lane.digest()
        for block in Ring().blocks(stream):
            digest.update(block)
            pending.file.write(block.data)
        return digest.hexdigest().result()
