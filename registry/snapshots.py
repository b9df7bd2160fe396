"""Copies of the graph for readers, so that they never wait for a writer.

An Oxigraph folder can be open in one process only. Whoever has it open therefore leaves behind a
copy made of hard links (some milliseconds, hardly any space), which nobody ever writes to::

    snapshots/000000000042-9f3c21ab/        a copy that holds the journal's entries 1 to 42
    snapshots/000000000042-9f3c21ab.lock    shared by those who read it
    snapshots/current                       a symbolic link: the one to open now

A reader takes the shared lock, and then looks whether the copy is still there: the writer removes
an old copy only while it holds that copy's lock alone. Nothing here needs to survive a power cut.
"""

from __future__ import annotations

import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pressmark.registry.errors import StoreDamagedError
from pressmark.registry.graph import EmbeddedGraph
from pressmark.registry.locking import FileLock

_CURRENT = "current"
_LOCK = ".lock"
_ATTEMPTS = 100


@dataclass(frozen=True)
class Snapshot:
    """An open copy.

    Attributes:
        name: Name of its folder.
        sequence: The last journal entry that it holds.
        graph: The copy, read-only. It is in use for as long as anything refers to it.
    """

    name: str
    sequence: int
    graph: EmbeddedGraph


class Snapshots:
    """The folder of copies.

    Args:
        folder: The folder; made by the first `publish`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def current(self) -> str | None:
        """The name of the copy to read now; None if there is none."""
        try:
            return str((self.folder / _CURRENT).readlink())
        except FileNotFoundError:
            return None

    def sequence(self) -> int:
        """The last journal entry in the current copy; -1 if there is no copy."""
        name = self.current()
        return -1 if name is None else _sequence(name)

    def open(self) -> Snapshot | None:
        """Opens the current copy; None if there is none that can be read."""
        for _ in range(_ATTEMPTS):
            name = self.current()
            if name is None:
                return None
            lock = FileLock(self.folder / f"{name}{_LOCK}")
            if (self.folder / name).is_dir() and lock.acquire(shared=True):
                if (self.folder / name).is_dir():
                    return self._opened(name, lock)
                lock.release()  # it was replaced and removed in the meantime: look again
        return None

    def publish(self, graph: EmbeddedGraph, sequence: int) -> None:
        """Copies an open graph and makes the copy the current one. Needs the write lock.

        Args:
            graph: The graph, open for writing.
            sequence: The last journal entry that it holds.
        """
        self.folder.mkdir(exist_ok=True)
        name = f"{sequence:012d}-{secrets.token_hex(4)}"
        graph.copy_to(self.folder / name)
        (self.folder / f"{name}{_LOCK}").touch()
        link = self.folder / f"{_CURRENT}.{secrets.token_hex(4)}"
        link.symlink_to(name)
        link.replace(self.folder / _CURRENT)
        self.collect()

    def collect(self) -> None:
        """Removes the copies that are neither current nor being read. Needs the write lock."""
        current = self.current()
        for path in sorted(self.folder.iterdir()):
            name = path.name.removesuffix(_LOCK)
            if path.is_symlink() and name != _CURRENT:
                path.unlink()
            elif not path.is_symlink() and name != current:
                self._remove(self.folder / name)

    def _remove(self, path: Path) -> None:
        lock = FileLock(path.with_name(f"{path.name}{_LOCK}"))
        if lock.acquire():
            shutil.rmtree(path, ignore_errors=True)
            lock.path.unlink(missing_ok=True)
            lock.release()

    def _opened(self, name: str, lock: FileLock) -> Snapshot | None:
        try:
            graph = EmbeddedGraph(self.folder / name, read_only=True, lock=lock)
        except StoreDamagedError:
            return None
        return Snapshot(name, _sequence(name), graph)


def _sequence(name: str) -> int:
    with suppress(ValueError):
        return int(name.partition("-")[0])
    return -1
