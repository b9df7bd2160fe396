"""An artifact's files from a server into a folder: in parallel, resumable, every byte verified.

Files arrive in a hidden folder beside the target, in ranges of some megabytes (RFC 9110 section
14). Which ranges are there is noted as they become durable, so that the same command goes on where
an earlier one was broken off. A file whose digest is wrong is thrown away and named; the folder
appears under its name only when all of it is right.
"""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import quote

from pyoxigraph import NamedNode

from pressmark.api.errors import UnreachableError
from pressmark.api.remote.connection import ATTEMPTS, Connection
from pressmark.registry import files
from pressmark.registry.descriptions import FileEntry
from pressmark.registry.errors import BlobDamagedError
from pressmark.registry.ids import sha256_file
from pressmark.registry.progress import MEGABYTE, Progress, counting

Named = Mapping[PurePosixPath, FileEntry]

#: Bytes that are asked for at once, and how many requests run at a time.
RANGE: Final = 64 << 20
CONNECTIONS: Final = 4
_NOTES: Final = "ranges.jsonl"


@dataclass(frozen=True)
class _Range:
    """Bytes of a file, from the first up to but not including the last."""

    name: str
    sha256: str
    first: int
    end: int


def download(
    connection: Connection, artifact: NamedNode, named: Named, target: Path, progress: Progress
) -> None:
    """Fetches files into a new folder.

    Args:
        connection: The server.
        artifact: Whose files they are.
        named: The files.
        target: The folder; it does not exist, or is empty.
        progress: Is told of the bytes.

    Raises:
        UnreachableError: The connection broke again and again; what arrived is kept.
        BlobDamagedError: Bytes do not have the recorded digest.
    """
    files.make_folder(target.parent)
    staging = target.with_name(f".{target.name}.download")
    with _notes(staging, artifact) as notes:
        wanted = [each for each in _ranges(named) if each not in notes.there]
        _prepare(staging / "files", named)
        size = sum(each.end - each.first for each in wanted)
        with (
            counting(progress, size, "downloading", MEGABYTE) as seen,
            ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="download") as pool,
        ):
            fetch = _Fetching(connection, artifact, staging / "files", notes, seen)
            try:
                for _ in pool.map(fetch, wanted):
                    pass
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        _verify(staging, named, progress)
    _publish(staging, target)


class _Notes:
    """Which ranges are there; one JSON line each, so that a broken line is lost alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.there: set[_Range] = set()
        for line in path.read_bytes().splitlines() if path.exists() else ():
            try:
                self.there.add(_Range(**json.loads(line)))
            except (ValueError, TypeError):  # the end of a line that was cut off
                continue

    def add(self, done: _Range) -> None:
        with self._path.open("ab") as file:
            file.write(json.dumps(vars(done)).encode() + b"\n")


@contextmanager
def _notes(staging: Path, artifact: NamedNode) -> Iterator[_Notes]:
    """The notes of an earlier download of the same artifact; those of another are thrown away."""
    owner = staging / "artifact"
    if staging.exists() and (not owner.exists() or owner.read_text() != artifact.value):
        shutil.rmtree(staging)
    staging.mkdir(exist_ok=True)
    owner.write_text(artifact.value)
    yield _Notes(staging / _NOTES)


def _ranges(named: Named) -> Iterator[_Range]:
    for name, entry in named.items():
        for first in range(0, entry.size, RANGE):
            yield _Range(str(name), entry.sha256, first, min(first + RANGE, entry.size))


def _prepare(folder: Path, named: Named) -> None:
    for name, entry in named.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("ab") as file:
            os.truncate(file.fileno(), entry.size)


class _Fetching:
    """Fetches single ranges; many threads may ask."""

    def __init__(
        self,
        connection: Connection,
        artifact: NamedNode,
        folder: Path,
        notes: _Notes,
        seen: Callable[[int], object],
    ) -> None:
        self._connection = connection
        self._path = f"/v1/artifacts/{artifact.value}/files"
        self._folder = folder
        self._notes = notes
        self._seen = seen
        self._one_at_a_time = threading.Lock()

    def __call__(self, wanted: _Range) -> None:
        descriptor = os.open(self._folder / wanted.name, os.O_WRONLY)
        try:
            self._fill(descriptor, wanted)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        with self._one_at_a_time:
            self._notes.add(wanted)

    def _fill(self, descriptor: int, wanted: _Range) -> None:
        """Goes on where a connection broke; gives up when nothing arrives any more."""
        place, failures = wanted.first, 0
        while place < wanted.end:
            before = place
            try:
                for data in self._bytes(wanted, place):
                    os.pwrite(descriptor, data, place)
                    place += len(data)
                    self._count(len(data))
            except UnreachableError:
                failures = 1 if place > before else failures + 1
                if failures == ATTEMPTS:
                    raise
                self._connection.wait(failures)

    def _count(self, size: int) -> None:
        with self._one_at_a_time:
            self._seen(size)

    def _bytes(self, wanted: _Range, first: int) -> Iterator[bytes]:
        headers = {
            "Range": f"bytes={first}-{wanted.end - 1}",
            "If-Range": f'"{wanted.sha256}"',
            "Accept": "application/octet-stream",
            "Accept-Encoding": "identity",
        }
        path = f"{self._path}/{quote(wanted.name)}"
        with self._connection.stream("GET", path, headers=headers) as answer:
            if answer.status_code != 206:
                raise BlobDamagedError(
                    f"{self._connection.url} has other bytes for {wanted.name} than it said before",
                    "pressmark verify ARTIFACT tells what is damaged there",
                )
            yield from answer.iter_bytes()


def _verify(staging: Path, named: Named, progress: Progress) -> None:
    checked = progress.track(named.items(), len(named), "verifying")
    for name, entry in checked:
        found = sha256_file(staging / "files" / name)
        if found != entry.sha256:
            shutil.rmtree(staging)
            raise BlobDamagedError(
                f"{name} arrived with the SHA-256 {found}, not {entry.sha256}",
                "repeat the command; if it happens again: pressmark verify ARTIFACT",
            )


def _publish(staging: Path, target: Path) -> None:
    folder = staging / "files"
    for path in (folder, *(each for each in folder.rglob("*") if each.is_dir())):
        files.sync_folder(path)
    if target.exists():
        target.rmdir()
    folder.rename(target)
    files.sync_folder(target.parent)
    shutil.rmtree(staging)
