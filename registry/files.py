"""Durable file operations: the only place where the registry makes bytes survive a power cut.

POSIX promises little. Bytes that were written survive only after ``fsync`` of the file, a new or
changed *name* only after ``fsync`` of its folder, and a file that is overwritten in place can be
read half old and half new. So every file here is born under a temporary name, synced, renamed to
its final name, and its folder is synced; the journal alone is appended to, and synced each time.

Every operation passes through this module, and each is announced to `trace` after it was done.
The power-loss tests listen there and rebuild, at every point, what a disk is guaranteed to hold.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

Kind = Literal["sync", "rename", "append", "truncate", "remove", "folder", "sync-folder"]

#: What temporary files end in. One that is found later was left by a crash and means nothing.
TEMPORARY_SUFFIX = ".partial"


@dataclass(frozen=True)
class Operation:
    """One finished file operation.

    Attributes:
        kind: What was done. ``append`` and ``truncate`` are not durable until the next ``sync``
            of that file; ``rename``, ``remove`` and ``folder`` not until the next ``sync-folder``
            of the parent folder.
        path: The file or folder; for ``rename`` the new name.
    """

    kind: Kind
    path: Path


#: Called after every operation; None, outside of tests.
trace: Callable[[Operation], None] | None = None


def _done(kind: Kind, path: Path) -> None:
    if trace is not None:
        trace(Operation(kind, path))


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable (new, renamed and removed ones)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    _done("sync-folder", folder)


def make_folder(folder: Path) -> None:
    """Makes a folder and its missing parents, durably; one that exists is left as it is.

    Raises:
        NotADirectoryError: There is a file of that name, or of a parent's.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:  # another process was faster, or it is no folder
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder) from None
    _done("folder", folder)
    sync_folder(folder.parent)


class PendingFile:
    """A file that is being written under a temporary name, and published when it is complete.

    Use as a context manager; leaving it without `publish` removes the file::

        with PendingFile(folder) as pending:
            pending.file.write(data)
            pending.publish(folder / name)

    Args:
        folder: Where the temporary file lives: on the same file system as the final name.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
        self.file: BinaryIO = self.path.open("xb")
        self._published = False

    def __enter__(self) -> Self:
        return self

    def publish(self, target: Path, *, names: bool = True) -> None:
        """Syncs the bytes, then gives the file its final name (an existing one is replaced).

        Args:
            target: The final name.
            names: Whether to sync the target's folder too. A caller that publishes many files
                into one folder passes False and calls `sync_folder` once at the end.
        """
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        _done("sync", self.path)
        self.path.replace(target)
        self._published = True
        _done("rename", target)
        if names:
            sync_folder(target.parent)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> None:
        self.file.close()
        if not self._published:
            self.path.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Writes a whole file so that, whatever happens, the old or the new bytes are found there."""
    with PendingFile(path.parent) as pending:
        pending.file.write(data)
        pending.publish(path)


def append(descriptor: int, path: Path, data: bytes) -> None:
    """Appends to an open file and syncs it: durable when this returns.

    Args:
        descriptor: The file, opened for appending.
        path: Its path, for the trace.
        data: What to append.

    Raises:
        OSError: The disk is full or fails. Some of the bytes may have reached the file.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    _done("append", path)
    os.fdatasync(descriptor)
    _done("sync", path)


def truncate(descriptor: int, path: Path, size: int) -> None:
    """Cuts an open file to a size in bytes, durably."""
    os.ftruncate(descriptor, size)
    _done("truncate", path)
    os.fsync(descriptor)
    _done("sync", path)


def remove(path: Path) -> None:
    """Removes a file if it is there. Not durable until its folder is synced."""
    path.unlink(missing_ok=True)
    _done("remove", path)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Fills a folder that appears under its name when the block ends, complete, or not at all.

    Args:
        target: The folder; it must not exist, or be empty.

    Yields:
        A name beside it, for the folder that the block makes.
    """
    make_folder(target.parent)
    staging = target.with_name(f".{target.name}-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        yield staging
        if target.exists():
            target.rmdir()
        staging.rename(target)
        _done("rename", target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def is_empty_folder(path: Path) -> bool:
    """Whether a path is a folder that holds nothing."""
    return path.is_dir() and not any(path.iterdir())
