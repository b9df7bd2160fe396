"""Files that arrive in pieces: an upload can be broken off and gone on with, for many gigabytes.

An upload is a folder of two files: what was announced, and the bytes so far. Their number is the
offset at which to go on, so that whatever ends the server in the middle loses nothing.
"""

import json
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pressmark.api.errors import OffsetError, TooLargeError
from pressmark.registry.errors import InvalidInputError, NotFoundError
from pressmark.registry.folders import safe_name

#: Seconds after which an upload that nobody went on with is removed.
LIFETIME: Final = 24 * 3600.0
_FACTS, _BYTES = "upload.json", "bytes"


@dataclass(frozen=True)
class Upload:
    """An upload under way.

    Attributes:
        id: Its identifier.
        name: The file's name in the artifact.
        size: How many bytes it will have.
        offset: How many are here: where to go on.
        agent: Whose it is; nobody else finds it.
    """

    id: str
    name: str
    size: int
    offset: int
    agent: str


class Uploads:
    """The uploads under way, in a folder.

    Args:
        folder: The folder; made when it is needed.
        longest: The most bytes that a file may have.
    """

    def __init__(self, folder: Path, longest: int) -> None:
        self.folder = folder
        self._longest = longest
        self._receiving: set[str] = set()

    def begin(self, name: str, size: int, agent: str) -> Upload:
        """Announces a file.

        Raises:
            InvalidInputError: The name leads out of a folder.
            TooLargeError: It is longer than allowed, or than the disk has room for.
        """
        safe_name(name)
        self._collect()
        self.folder.mkdir(exist_ok=True)
        room = min(self._longest, shutil.disk_usage(self.folder).free)
        if size > room:
            raise TooLargeError(f"{name} would have {size:,} bytes; there is room for {room:,}")
        upload = Upload(secrets.token_hex(16), name, size, 0, agent)
        path = self.folder / upload.id
        path.mkdir()
        (path / _BYTES).touch()
        (path / _FACTS).write_text(json.dumps(asdict(upload)), encoding="utf-8")
        return upload

    def get(self, identifier: str, agent: str) -> Upload:
        """Tells how far an upload is.

        Raises:
            NotFoundError: There is none of that identifier, or it is somebody else's.
        """
        facts = self.folder / identifier / _FACTS
        if not identifier.isalnum() or not facts.is_file():
            raise _unknown(identifier)
        found = json.loads(facts.read_text(encoding="utf-8"))
        if found["agent"] != agent:
            raise _unknown(identifier)
        found["offset"] = self.path(identifier).stat().st_size
        return Upload(**found)

    def path(self, identifier: str) -> Path:
        """The file that holds the bytes so far."""
        return self.folder / identifier / _BYTES

    async def append(self, upload: Upload, offset: int, data: AsyncIterator[bytes]) -> Upload:
        """Adds bytes as they arrive; when the connection breaks, those that came stay.

        Raises:
            OffsetError: They do not begin where the upload ends, or another request is sending.
            TooLargeError: They go beyond the announced size; none of the excess is kept.
        """
        if offset != upload.offset:
            raise OffsetError(f"the upload is at {upload.offset}, the bytes begin at {offset}")
        if upload.id in self._receiving:
            raise OffsetError("another request is sending bytes of this upload", "wait for its end")
        self._receiving.add(upload.id)
        try:
            await self._receive(upload, data)
        finally:
            self._receiving.remove(upload.id)
        return self.get(upload.id, upload.agent)

    async def _receive(self, upload: Upload, data: AsyncIterator[bytes]) -> None:
        with self.path(upload.id).open("ab") as file:
            async for part in data:
                if file.tell() + len(part) > upload.size:
                    raise TooLargeError(f"{upload.name} was announced with {upload.size:,} bytes")
                file.write(part)

    def discard(self, upload: Upload) -> None:
        """Removes an upload and its bytes."""
        shutil.rmtree(self.folder / upload.id, ignore_errors=True)

    def complete(self, identifier: str, agent: str) -> Upload:
        """An upload that has all of its bytes.

        Raises:
            NotFoundError: There is none.
            InvalidInputError: Bytes are missing.
        """
        upload = self.get(identifier, agent)
        if upload.offset != upload.size:
            raise InvalidInputError(
                f"{upload.name} is not complete: {upload.offset:,} of {upload.size:,} bytes",
                f"PATCH the rest to /v1/uploads/{upload.id}",
            )
        return upload

    def _collect(self) -> None:
        if not self.folder.is_dir():
            return
        oldest = time.time() - LIFETIME
        for path in self.folder.iterdir():
            if (path / _BYTES).is_file() and (path / _BYTES).stat().st_mtime < oldest:
                shutil.rmtree(path, ignore_errors=True)


def _unknown(identifier: str) -> NotFoundError:
    return NotFoundError(f"there is no upload {identifier}", "begin one: POST /v1/uploads")
