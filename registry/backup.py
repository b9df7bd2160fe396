"""Copies of a registry to keep elsewhere, and back.

A backup is itself a registry's folder, without the graph (which is only an index): the journal up
to some entry, and every blob that those entries name. It is taken while commits go on, because
the journal only grows. Beside it ``backup.json`` says how many entries there are and what their
head is; it is written last, so an interrupted backup is not mistaken for a whole one.

A backup goes to a folder, where repeating it adds only what is new, or to one ``.tar`` file.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, Literal, Protocol, cast

from pressmark.registry import files
from pressmark.registry.blobs import BlobStore
from pressmark.registry.config import FILE_NAME as CONFIG_NAME
from pressmark.registry.config import Config
from pressmark.registry.errors import (
    BlobDamagedError,
    BlobMissingError,
    InvalidInputError,
    NotFoundError,
    StoreDamagedError,
)
from pressmark.registry.folders import local_path
from pressmark.registry.gc import collect_references, keys_of
from pressmark.registry.journal import GENESIS, Journal
from pressmark.registry.layout import OBJECTS, digest_of
from pressmark.registry.progress import MEGABYTE, SILENT, Progress, counting
from pressmark.registry.references import References, total_size
from pressmark.registry.registry import Registry
from pressmark.registry.storage import BLOCK_BYTES, full_disk_named

MANIFEST_NAME: Final = "backup.json"
JOURNAL_NAME: Final = "journal"
BLOBS_NAME: Final = "blobs"

_FORMAT: Final = 1
_MEMBER: Final = re.compile(
    rf"{BLOBS_NAME}/(objects|layouts)/[0-9a-f]/[0-9a-f]{{63}}"
    rf"|{JOURNAL_NAME}|{re.escape(CONFIG_NAME)}|{re.escape(MANIFEST_NAME)}"
)


@dataclass(frozen=True)
class Backup:
    """What a backup holds; also the content of ``backup.json``.

    Attributes:
        entries: Number of journal entries.
        head: Digest of the last one: it vouches for all.
        blobs: Number of files in the blob store.
        bytes: Their size together.
        format: Version of the backup's layout.
    """

    entries: int
    head: str
    blobs: int
    bytes: int
    format: int = _FORMAT


def backup(registry: Registry, target: Path | str, *, progress: Progress = SILENT) -> Backup:
    """Copy a registry, as it is now, while others may go on committing.

    Args:
        registry: The registry.
        target: A new folder, the folder of an earlier backup of the same registry, or a new file
            whose name ends in ``.tar``.
        progress: Is told of the blobs copied.

    Raises:
        InvalidInputError: The target holds something else, or is not on this machine.
        BlobMissingError: Bytes that the history needs are missing.
        BlobDamagedError: Bytes that the history names are damaged; run fsck first.
        StorageFullError: The target's disk is full.
    """
    target = local_path(target)
    with registry.blobs.lease(), full_disk_named(str(target)), _sink(target, registry) as sink:
        return _copy(registry, sink, progress)


def write_backup(registry: Registry, file: BinaryIO, *, progress: Progress = SILENT) -> Backup:
    """Write a backup as a tar file to anything that takes bytes, such as a connection.

    Raises:
        BlobMissingError: Bytes that the history needs are missing.
        BlobDamagedError: Bytes that the history names are damaged; run fsck first.
    """
    with registry.blobs.lease(), _tar_of(file, "w|") as sink:
        return _copy(registry, sink, progress)


def receive_backup(file: BinaryIO, target: Path | str, *, progress: Progress = SILENT) -> Backup:
    """Keep a backup that arrives as a tar file; what it holds is compared when it is restored.

    Args:
        file: Gives the bytes that `write_backup` wrote.
        target: A new folder, or a new file whose name ends in ``.tar``.
        progress: Is told of the files kept.

    Raises:
        InvalidInputError: The target is not empty or not on this machine, or what arrives is no
            backup.
        StorageFullError: The target's disk is full.
    """
    target = local_path(target)
    with full_disk_named(str(target)), _sink(target, None) as sink:
        members = _arriving(file)
        for name, size, stream in progress.track(members, None, "copying"):
            if name == MANIFEST_NAME:
                data = stream.read()
                made = _manifest(data, target)
                sink.write(MANIFEST_NAME, data)
                return made
            sink.copy(name, stream, size)
        raise InvalidInputError("what arrived is no whole backup", "ask for it again")


def _arriving(file: BinaryIO) -> Iterator[tuple[str, int, BinaryIO]]:
    try:
        with tarfile.open(fileobj=file, mode="r|") as archive:
            for member in archive:
                stream = archive.extractfile(member)
                if stream is None or not _MEMBER.fullmatch(member.name):
                    raise InvalidInputError(
                        f"what arrived holds {member.name!r}, as no backup does"
                    )
                yield member.name, member.size, cast(BinaryIO, stream)
    except tarfile.TarError as error:
        raise InvalidInputError(
            f"what arrived is no backup: {error}", "ask for it again"
        ) from error


def _copy(registry: Registry, sink: _Sink, progress: Progress) -> Backup:
    references = References()
    entries = collect_references(registry, references, progress=progress) - 1
    keys = _all_keys(registry.blobs, references)
    tracked = progress.track(sorted(keys), len(keys), "copying")
    size = sum(_copy_blob(registry.blobs, key, sink) for key in tracked)
    lines = list(islice(registry.journal.entries(), entries))
    head = lines[-1].digest if lines else GENESIS
    sink.write(JOURNAL_NAME, b"".join(entry.line for entry in lines))
    sink.write(CONFIG_NAME, (registry.root / CONFIG_NAME).read_bytes())
    made = Backup(entries, head, len(keys), size)
    sink.write(MANIFEST_NAME, _json(asdict(made)))
    return made


def restore(source: Path | str, target: Path | str, *, progress: Progress = SILENT) -> Backup:
    """Make a registry from a backup, after comparing every byte with its digest.

    Nothing is seen at the target before all of it was found to be whole. The restored registry
    keeps its blobs and its graph in its own folder, wherever those of the old one were.

    Args:
        source: A backup: a folder or a ``.tar`` file.
        target: The new registry's folder; it must not exist, or be empty.
        progress: Is told of the files copied and verified.

    Raises:
        NotFoundError: There is no complete backup at the source.
        InvalidInputError: The target is not empty, the source holds what no backup does, or one of
            them is not on this machine.
        StoreDamagedError: The backup is damaged; the message names every damage.
        StorageFullError: The target's disk is full.
    """
    source, target = local_path(source), local_path(target).absolute()
    if target.exists() and not files.is_empty_folder(target):
        raise InvalidInputError(
            f"{target} is not empty; nothing was restored",
            "name a folder that does not exist yet, and move it into place afterwards",
        )
    with full_disk_named(str(target)), files.new_folder(target) as staging:
        return _staged(source, staging, progress)


# -- where a backup goes -----------------------------------------------------------------------


class _Sink(Protocol):
    def has(self, name: str, size: int) -> bool: ...
    def write(self, name: str, data: bytes) -> None: ...
    def copy(self, name: str, stream: BinaryIO, size: int) -> None: ...


@contextmanager
def _sink(target: Path, registry: Registry | None) -> Iterator[_Sink]:
    if target.suffix == ".tar":
        with _new_tar(target) as sink:
            yield sink
        return
    if target.exists() and not files.is_empty_folder(target):
        if registry is None:
            raise InvalidInputError(f"{target} is not empty", "name a new folder, or a .tar file")
        _refuse_other_registry(target, registry)
    files.make_folder(target)
    yield _Folder(target)


def _refuse_other_registry(target: Path, registry: Registry) -> None:
    try:
        earlier = _manifest((target / MANIFEST_NAME).read_bytes(), target)
    except FileNotFoundError:
        if (target / BLOBS_NAME).is_dir() and not (target / CONFIG_NAME).exists():
            return  # the beginning of a backup that was interrupted
        raise InvalidInputError(
            f"{target} is neither empty nor a backup", "name a new folder, or a .tar file"
        ) from None
    known = earlier.entries == 0 or (
        earlier.entries <= registry.journal.refresh()
        and registry.journal.entry(earlier.entries).digest == earlier.head
    )
    if not known:
        raise InvalidInputError(
            f"{target} is the backup of another registry", "name a new folder, or a .tar file"
        )


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def has(self, name: str, size: int) -> bool:
        path = self._root / name
        return path.exists() and path.stat().st_size == size

    def write(self, name: str, data: bytes) -> None:
        files.write_atomic(self._root / name, data)

    def copy(self, name: str, stream: BinaryIO, size: int) -> None:  # noqa: ARG002 - for tar
        target = self._root / name
        files.make_folder(target.parent)
        with files.PendingFile(target.parent) as pending:
            shutil.copyfileobj(stream, pending.file, BLOCK_BYTES)
            pending.publish(target)


class _Tar:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive

    def has(self, name: str, size: int) -> bool:  # noqa: ARG002 - a tar file is always new
        return False

    def write(self, name: str, data: bytes) -> None:
        self.copy(name, io.BytesIO(data), len(data))

    def copy(self, name: str, stream: BinaryIO, size: int) -> None:
        # No time, owner or mode of this machine: equal backups are equal files.
        member = tarfile.TarInfo(name)
        member.size = size
        self._archive.addfile(member, stream)


@contextmanager
def _new_tar(target: Path) -> Iterator[_Tar]:
    if target.exists():
        raise InvalidInputError(f"{target} exists already", "name a new file")
    files.make_folder(target.absolute().parent)
    with files.PendingFile(target.absolute().parent) as pending:
        with _tar_of(pending.file, "w") as sink:
            yield sink
        pending.publish(target.absolute())


@contextmanager
def _tar_of(file: BinaryIO, mode: Literal["w", "w|"]) -> Iterator[_Tar]:
    with tarfile.open(fileobj=file, mode=mode, format=tarfile.PAX_FORMAT) as archive:
        yield _Tar(archive)


def _all_keys(blobs: BlobStore, references: References) -> set[str]:
    missing = sorted(digest for digest in references.required() if not blobs.has(digest))
    if missing:
        raise BlobMissingError(
            f"{references.describe(missing[0])}: the bytes {missing[0]} are missing "
            f"({len(missing)} such files)",
            "run pressmark fsck; pull or restore what it names, then back up",
        )
    keys = set[str]().union(*keys_of(blobs, references.named()).values())
    return {key for key in keys if blobs.storage.size(key) is not None}


class _Hashed(io.RawIOBase):
    """Hashes what is read through it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.hash.update(data)
        return data


def _copy_blob(blobs: BlobStore, key: str, sink: _Sink) -> int:
    """Copy one blob unless it is there, checking an object's digest; give its size."""
    size = blobs.storage.size(key) or 0
    name = f"{BLOBS_NAME}/{key}"
    if sink.has(name, size):
        return size
    with blobs.storage.open(key) as stream:
        hashed = _Hashed(stream)
        sink.copy(name, cast(BinaryIO, hashed), size)
    if key.startswith(OBJECTS) and hashed.hash.hexdigest() != digest_of(key):
        raise BlobDamagedError(
            f"the blob {digest_of(key)} is damaged; the backup is not complete",
            "run pressmark fsck to see what it belongs to",
        )
    return size


# -- where a backup comes from -----------------------------------------------------------------


def _staged(source: Path, staging: Path, progress: Progress) -> Backup:
    try:
        _unpack(progress.track(_members(source), _count(source), "copying"), source, staging)
    except tarfile.TarError as error:
        raise StoreDamagedError(f"{source} is not a whole .tar file: {error}") from error
    manifest = staging / MANIFEST_NAME
    if not manifest.exists():
        raise NotFoundError(
            f"there is no complete backup in {source}: it has no {MANIFEST_NAME}",
            "the backup was interrupted, or this is something else; name another one",
        )
    made = _manifest(manifest.read_bytes(), source)
    manifest.unlink()
    replace(Config.load(staging), blobs=BLOBS_NAME, graph="graph").save(staging)
    _verify(staging, made, source, progress)
    with Registry.open(staging) as registry:
        registry.reindex(progress=progress)
    return made


def _unpack(members: Iterator[tuple[str, BinaryIO]], source: Path, staging: Path) -> None:
    # The blob store makes all its folders at once, so that none is made (and synced) per blob.
    with BlobStore(staging / BLOBS_NAME).batch() as batch:
        for name, stream in members:
            if not _MEMBER.fullmatch(name):
                raise InvalidInputError(
                    f"{source} holds {name!r}, which is no part of a backup; nothing was restored",
                    "restore only what pressmark backup has written",
                )
            target = staging / name
            with files.PendingFile(staging) as pending:
                shutil.copyfileobj(stream, pending.file, BLOCK_BYTES)
                pending.publish(target, names=False)
            batch.add(target.parent)


def _count(source: Path) -> int:
    """How many files a backup has: all that is there, as it is or by the tar file's headers."""
    if source.is_dir():
        return sum(1 for _ in _files(source))
    if not source.exists():
        return 0
    with tarfile.open(source, "r:") as archive:
        return len(archive.getnames())


def _files(source: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if path.is_file() and not path.is_symlink() and _MEMBER.fullmatch(name):
            yield name, path


def _members(source: Path) -> Iterator[tuple[str, BinaryIO]]:
    if source.is_dir():
        for name, path in _files(source):
            with path.open("rb") as stream:
                yield name, stream
        return
    try:
        with tarfile.open(source, "r:") as archive:
            for member in archive:
                if member.isreg():
                    yield member.name, cast(BinaryIO, archive.extractfile(member))
    except FileNotFoundError:
        raise NotFoundError(f"there is no backup at {source}") from None


def _verify(staging: Path, made: Backup, source: Path, progress: Progress) -> None:
    problems = list(_problems(staging, made, progress))
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise StoreDamagedError(
            f"the backup {source} is damaged; nothing was restored:\n{listed}",
            "restore another backup, or pull the artifacts from another registry",
        )


def _problems(staging: Path, made: Backup, progress: Progress) -> Iterator[str]:
    journal = Journal(staging / JOURNAL_NAME)
    yield from (chain := journal.damages())
    if (len(journal), journal.head()) != (made.entries, made.head):
        yield f"the journal does not end with entry {made.entries}, digest {made.head}"
    if chain:
        return
    blobs, references = BlobStore(staging / BLOBS_NAME), References()
    for entry in progress.track(journal.entries(), made.entries, "reading the history"):
        try:
            references.add(entry, blobs.read(entry.bundle_digest))
        except (BlobMissingError, BlobDamagedError) as error:
            yield f"the bundle of journal entry {entry.sequence}: {error.message}"
    needed = sorted(references.required() - references.bundles)
    with counting(progress, total_size(blobs, needed), "verifying", MEGABYTE) as seen:
        for digest in needed:
            for damage in blobs.verify(digest, seen):
                yield f"{references.describe(digest)}: {damage}"


def _manifest(data: bytes, where: Path) -> Backup:
    try:
        found = Backup(**json.loads(data))
    except (ValueError, TypeError) as error:
        raise StoreDamagedError(f"{where / MANIFEST_NAME} is malformed: {error}") from error
    if found.format != _FORMAT:
        raise InvalidInputError(
            f"{where} has format {found.format}; this release reads format {_FORMAT}",
            "run `pip install --upgrade pressmark`",
        )
    return found


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
