"""Files that arrive in pieces: an upload can be broken off and gone on with, for many gigabytes.

An upload is a folder of two files: what was announced, and the bytes so far. Their number is the
offset at which to go on, so that whatever ends the server in the middle loses nothing. The bytes
are sent by a client, or fetched from an address that it names (`pressmark.api.service.fetching`).
"""

import json
import math
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from pressmark.api.errors import OffsetError, TooLargeError, TooManyRequestsError
from pressmark.registry import files
from pressmark.registry.errors import InvalidInputError, NotFoundError
from pressmark.registry.folders import safe_name

#: Seconds after which an upload that nobody went on with is removed.
LIFETIME: Final = 24 * 3600.0
_AGAIN: Final = "DELETE it and begin another: POST /v1/uploads"
_FACTS, _BYTES = "upload.json", "bytes"
_SCRATCH: Final = "scratch-"


class State(StrEnum):
    """How far an upload is."""

    RECEIVING = "receiving"
    FETCHING = "fetching"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True)
class Upload:
    """An upload under way.

    Attributes:
        id: Its identifier.
        name: The file's name in the artifact.
        size: How many bytes it will have; None where a source has not told yet.
        offset: How many are here: where to go on.
        agent: Whose it is; nobody else finds it.
        state: How far it is.
        uri: Where it is fetched from; None where it is sent.
        sha256: The digest that its bytes must have; None where it is not known yet.
        version: The source's strong entity tag, by which a broken fetch is gone on with.
        problem: Why it cannot be fetched.
    """

    id: str
    name: str
    size: int | None
    offset: int
    agent: str
    state: State = State.RECEIVING
    uri: str | None = None
    sha256: str | None = None
    version: str | None = None
    problem: str | None = None


class Uploads:
    """The uploads under way, in a folder.

    Args:
        folder: The folder; made when it is needed.
        longest: The most bytes that a file may have.
        at_once: How many one agent may be sending at the same time.
        begun: How many of one agent may wait for their bytes or their registration.

    Attributes:
        folder: The folder.
        longest: The most bytes that a file may have.
    """

    def __init__(
        self, folder: Path, longest: int, *, at_once: int = 16, begun: int = 10_000
    ) -> None:
        self.folder = folder
        self.longest = longest
        self._at_once, self._begun = at_once, begun
        self._receiving: dict[str, str] = {}  # upload -> whoever sends it

    def begin(self, name: str, size: int, agent: str) -> Upload:
        """Announces a file.

        Raises:
            InvalidInputError: The name leads out of a folder.
            TooLargeError: It is longer than allowed, or than the disk has room for.
            TooManyRequestsError: Too many of this agent wait already.
        """
        safe_name(name)
        self._prepare(agent)
        self.expect_room(name, size)
        return self._made(Upload(secrets.token_hex(16), name, size, 0, agent))

    def begin_fetch(self, name: str, uri: str, sha256: str | None, agent: str) -> Upload:
        """Announces a file that will be fetched.

        Raises:
            InvalidInputError: The name leads out of a folder.
            TooManyRequestsError: Too many of this agent wait already.
        """
        safe_name(name)
        self._prepare(agent)
        new = Upload(secrets.token_hex(16), name, None, 0, agent, State.FETCHING, uri, sha256)
        return self._made(new)

    def expect_room(self, name: str, size: int) -> None:
        """Refuses a file that is too long.

        Raises:
            TooLargeError: It is longer than allowed, or than the disk has room for.
        """
        self.expect_short(name, size)
        if size > (room := shutil.disk_usage(self.folder).free):
            raise TooLargeError(f"{name} would have {size:,} bytes; there is room for {room:,}")

    def expect_short(self, name: str, size: int) -> None:
        """Refuses a file that is longer than any may be.

        Raises:
            TooLargeError: It is.
        """
        if size > self.longest:
            raise TooLargeError(f"{name} has {size:,} bytes; it may have {self.longest:,}")

    def get(self, identifier: str, agent: str) -> Upload:
        """Tells how far an upload is.

        Raises:
            NotFoundError: There is none of that identifier, or it is somebody else's.
        """
        found = self._read(identifier)
        if found is None or found.agent != agent:
            raise _unknown(identifier)
        return found

    def all(self) -> list[Upload]:
        """Every upload, of everybody."""
        places = self.folder.iterdir() if self.folder.is_dir() else ()
        found = (self._read(place.name) for place in places)
        return [each for each in found if each is not None]

    def totals(self) -> tuple[int, int]:
        """How many uploads there are, and how many bytes of them are here."""
        sizes: list[int] = []
        for place in self.folder.glob(f"*/{_BYTES}"):
            with suppress(FileNotFoundError):  # it was discarded meanwhile
                sizes.append(place.stat().st_size)
        return len(sizes), sum(sizes)

    def keep(self, upload: Upload) -> None:
        """Keeps what has become of an upload.

        Raises:
            FileNotFoundError: It was discarded.
        """
        facts = json.dumps(asdict(upload)).encode()
        files.write_atomic(self.folder / upload.id / _FACTS, facts)

    def _made(self, upload: Upload) -> Upload:
        path = self.folder / upload.id
        path.mkdir(mode=0o700)  # an address may hold a signature
        (path / _BYTES).touch()
        self.keep(upload)
        return upload

    def _read(self, identifier: str) -> Upload | None:
        if not identifier.isalnum():
            return None
        try:
            told = json.loads((self.folder / identifier / _FACTS).read_bytes())
            here = self.path(identifier).stat().st_size
        except FileNotFoundError:
            return None
        state = State(told.get("state", State.RECEIVING))
        found = Upload(**told | {"state": state, "offset": here})
        sent = found.state is State.RECEIVING and found.offset == found.size
        return replace(found, state=State.COMPLETE) if sent else found

    def path(self, identifier: str) -> Path:
        """The file that holds the bytes so far."""
        return self.folder / identifier / _BYTES

    async def append(self, upload: Upload, offset: int, data: AsyncIterator[bytes]) -> Upload:
        """Adds bytes as they arrive; when the connection breaks, those that came stay.

        Raises:
            OffsetError: They do not begin where the upload ends, another request is sending, or
                they are fetched.
            TooLargeError: They go beyond the announced size; none of the excess is kept.
            TooManyRequestsError: This agent is sending as many others as it may.
        """
        if upload.uri is not None:
            raise OffsetError(f"{upload.name} is fetched, not sent")
        if offset != upload.offset:
            raise OffsetError(f"the upload is at {upload.offset}, the bytes begin at {offset}")
        if upload.id in self._receiving:
            raise OffsetError("another request is sending bytes of this upload", "wait for its end")
        if list(self._receiving.values()).count(upload.agent) >= self._at_once:
            raise TooManyRequestsError(
                f"{self._at_once} uploads are being sent already", "wait for the end of one"
            )
        self._receiving[upload.id] = upload.agent
        try:
            await self._receive(upload, data)
        finally:
            del self._receiving[upload.id]
        return self.get(upload.id, upload.agent)

    async def _receive(self, upload: Upload, data: AsyncIterator[bytes]) -> None:
        with self.path(upload.id).open("ab") as file:
            async for part in data:
                if file.tell() + len(part) > (upload.size or 0):
                    raise TooLargeError(f"{upload.name} was announced with {upload.size:,} bytes")
                file.write(part)

    def discard(self, upload: Upload) -> None:
        """Removes an upload and its bytes."""
        gone = self.folder / f"{upload.id}.gone"
        with suppress(FileNotFoundError):  # somebody else was faster
            (self.folder / upload.id).rename(gone)  # at once, for whoever writes to it
            shutil.rmtree(gone, ignore_errors=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for files on their way into the registry, on the same disk; then removed."""
        self._collect()
        self.folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=_SCRATCH) as folder:
            yield Path(folder)

    def complete(self, identifier: str, agent: str) -> Upload:
        """An upload that has all of its bytes.

        Raises:
            NotFoundError: There is none.
            InvalidInputError: Bytes are missing.
        """
        upload = self.get(identifier, agent)
        if upload.state is State.COMPLETE:
            return upload
        if upload.problem:
            raise InvalidInputError(f"{upload.name} was not fetched: {upload.problem}", _AGAIN)
        of = "" if upload.size is None else f" of {upload.size:,}"
        go_on = "GET" if upload.uri else "PATCH the rest to"
        raise InvalidInputError(
            f"{upload.name} is not complete: {upload.offset:,}{of} bytes",
            f"{go_on} /v1/uploads/{upload.id}",
        )

    def _prepare(self, agent: str) -> None:
        """Makes room for one more upload of an agent."""
        self._collect()
        self.folder.mkdir(exist_ok=True)
        if sum(1 for _ in self.folder.iterdir()) < self._begun:
            return  # of all agents together
        if sum(each.agent == agent for each in self.all()) >= self._begun:
            raise TooManyRequestsError(
                f"{self._begun:,} uploads wait already",
                "register them, or give them up: DELETE /v1/uploads/ID",
                60,
            )

    def _collect(self) -> None:
        if not self.folder.is_dir():
            return
        oldest = time.time() - LIFETIME
        for path in self.folder.iterdir():
            if _newest(path) < oldest:
                shutil.rmtree(path, ignore_errors=True)


def _newest(folder: Path) -> float:
    """When something was last written to a folder, whoever left it there."""
    try:
        return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))
    except FileNotFoundError:  # it was removed meanwhile
        return math.inf


def _unknown(identifier: str) -> NotFoundError:
    return NotFoundError(f"there is no upload {identifier}", "begin one: POST /v1/uploads")
