"""Files of this machine to a server: in pieces, and gone on with where they were broken off.

A piece that does not arrive is sent again from where the server says that the upload ends. Which
uploads are under way is kept in the user's state folder, so that the same command, repeated after
an interruption, sends only what is missing.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from pressmark.api.errors import OffsetError, UnreachableError
from pressmark.api.remote.connection import ATTEMPTS, Connection
from pressmark.registry.errors import InvalidInputError, NotFoundError
from pressmark.registry.files import make_folder, write_atomic
from pressmark.registry.ids import sha256_file
from pressmark.registry.progress import MEGABYTE, Progress, counting

#: Bytes in one request, and in one write to the connection.
PIECE: Final = 32 << 20
_BLOCK: Final = 1 << 20
_TYPE: Final = "application/offset+octet-stream"


@dataclass(frozen=True)
class Sent:
    """A file that is on the server, and not registered yet.

    Attributes:
        name: Its name in the artifact.
        sha256: Its digest.
        upload: The identifier of its complete upload.
    """

    name: str
    sha256: str
    upload: str


class Uploader:
    """Sends files to a server.

    Args:
        connection: The server.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._begun = _Begun(connection.url)

    def send(self, found: Mapping[str, Path], progress: Progress) -> list[Sent]:
        """Sends files, each hashed before.

        Args:
            found: Name in the artifact -> file.
            progress: Is told of the bytes.

        Raises:
            UnreachableError: The connection broke again and again; what arrived is kept there.
            InvalidInputError: A file became shorter meanwhile.
        """
        hashed = progress.track(found.items(), len(found), "hashing")
        digests = {name: sha256_file(path) for name, path in hashed}
        size = sum(path.stat().st_size for path in found.values())
        with counting(progress, size, "uploading", MEGABYTE) as seen:
            return [self._send(name, path, digests[name], seen) for name, path in found.items()]

    def _send(self, name: str, path: Path, sha256: str, seen: Callable[[int], object]) -> Sent:
        size = path.stat().st_size
        upload, place = self._beginning(name, size, sha256)
        seen(place)
        with path.open("rb") as file:
            failures = 0
            while place < size:
                before = place
                try:
                    place = self._piece(upload, file, place, size)
                except (UnreachableError, OffsetError):
                    place = self._offset(upload)
                    failures = 1 if place > before else failures + 1
                    if failures == ATTEMPTS:
                        raise
                    self._connection.wait(failures)
                seen(max(place - before, 0))
        return Sent(name, sha256, upload)

    def _beginning(self, name: str, size: int, sha256: str) -> tuple[str, int]:
        """The upload of an earlier attempt, else a new one; and how many bytes of it are there."""
        known = self._begun.find(name, sha256)
        if known is not None:
            try:
                return known, self._offset(known)
            except NotFoundError:  # the server gave it up, or it was registered
                pass
        made = self._connection.send(
            dict[str, Any], "POST", "/v1/uploads", json={"name": name, "size": size}
        )
        self._begun.add(name, sha256, made["id"])
        return made["id"], 0

    def _offset(self, upload: str) -> int:
        return self._connection.member(int, "offset", f"/v1/uploads/{upload}")

    def _piece(self, upload: str, file: BinaryIO, first: int, size: int) -> int:
        length = min(PIECE, size - first)
        headers = {
            "Content-Type": _TYPE,
            "Upload-Offset": str(first),
            "Content-Length": str(length),
        }
        answer = self._connection.send(
            dict[str, Any],
            "PATCH",
            f"/v1/uploads/{upload}",
            content=_blocks(file, first, length),
            headers=headers,
        )
        return int(answer["offset"])


def _blocks(file: BinaryIO, first: int, length: int) -> Iterator[bytes]:
    file.seek(first)
    while length:
        data = file.read(min(_BLOCK, length))
        if not data:
            raise InvalidInputError(f"{file.name} became shorter meanwhile", "send it again")
        length -= len(data)
        yield data


class _Begun:
    """The uploads that were begun on a server, by name and digest, in the user's state folder."""

    def __init__(self, url: str) -> None:
        self._url = url

    def find(self, name: str, sha256: str) -> str | None:
        return self._read().get(self._key(name, sha256))

    def add(self, name: str, sha256: str, upload: str) -> None:
        known = {**self._read(), self._key(name, sha256): upload}
        newest = dict(list(known.items())[-_REMEMBERED:])
        make_folder(_state().parent)
        write_atomic(_state(), json.dumps(newest, indent=2).encode())

    def _key(self, name: str, sha256: str) -> str:
        return f"{self._url} {sha256} {name}"

    @staticmethod
    def _read() -> dict[str, str]:
        try:
            found = json.loads(_state().read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


_REMEMBERED: Final = 1000


def _state() -> Path:
    home = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(home) if home else Path.home() / ".local" / "state"
    return folder / "pressmark" / "uploads.json"
