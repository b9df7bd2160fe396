"""Caring for a server's registry, and for who may use it: for its administrators."""

import io
from collections.abc import Iterator
from typing import TypeVar
from urllib.parse import quote

from typing_extensions import Buffer

from pressmark.api.accounts import NewToken, TokenList
from pressmark.api.client import Administering
from pressmark.api.errors import UnexpectedAnswerError, UnreachableError
from pressmark.api.plain import UnexpectedShapeError, rebuilt
from pressmark.api.remote.connection import PATIENT, Connection
from pressmark.api.remote.problems import error_of
from pressmark.api.remote.watching import Shown, parsed
from pressmark.registry.backup import Backup, receive_backup
from pressmark.registry.fsck import Report
from pressmark.registry.gc import Swept
from pressmark.registry.progress import Progress

Result = TypeVar("Result")


class RemoteAdministering(Administering):
    """The bytes, tokens and people of a server.

    Args:
        connection: The server.
    """

    connection: Connection

    def gc(self, *, dry_run: bool, progress: Progress) -> Swept:
        given = {"dry_run": str(dry_run).lower()}
        return self._maintained(Swept, "gc", given, progress)

    def fsck(self, *, repair: bool, progress: Progress) -> Report:
        return self._maintained(Report, "fsck", {"repair": str(repair).lower()}, progress)

    def reindex(self, progress: Progress) -> int:
        return self._maintained(dict[str, int], "reindex", {}, progress)["bundles"]

    def backup(self, target: str, progress: Progress) -> Backup:
        accept = {"Accept": "application/x-tar", "Accept-Encoding": "identity"}
        with self.connection.stream("GET", "/v1/backup", headers=accept, timeout=PATIENT) as sent:
            file = io.BufferedReader(_Arriving(sent.iter_bytes()), 1 << 20)
            return receive_backup(file, target, progress=progress)

    def create_token(self, name: str, scope: str, label: str, days: int) -> NewToken:
        wanted = {"name": name, "scope": scope, "label": label, "days": days}
        return self.connection.send(NewToken, "POST", "/v1/tokens", json=wanted)

    def tokens(self) -> TokenList:
        return self.connection.get(TokenList, "/v1/tokens")

    def revoke_token(self, identifier: str) -> None:
        self.connection.answer("DELETE", f"/v1/tokens/{quote(identifier, safe='')}")

    def forget(self, name: str) -> None:
        self.connection.answer("DELETE", f"/v1/people/{quote(name, safe='')}")

    def _maintained(
        self, kind: type[Result], task: str, given: dict[str, str], progress: Progress
    ) -> Result:
        """Watches work that the server does, and gives what came of it."""
        shown = Shown(progress)
        place, headers = f"/v1/maintenance/{task}", {"Accept": "text/event-stream"}
        try:
            with self.connection.stream("POST", place, params=given, headers=headers) as sent:
                for event in parsed(sent.iter_lines()):
                    if event.kind == "result":
                        return rebuilt(kind, event.data)
                    if event.kind == "problem":
                        raise error_of(int(event.data.get("status", 500)), event.data)
                    shown.show(event)
        except UnexpectedShapeError as error:
            raise UnexpectedAnswerError(
                f"{self.connection.url} gave another result: {error}"
            ) from error
        finally:
            shown.close()
        raise UnreachableError(
            f"{self.connection.url} ended {task} without telling what came of it",
            "look at the server's log, and ask again",
        )


class _Arriving(io.RawIOBase):
    """Bytes that arrive, as a file to read from."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        while not self._left:
            data = next(self._parts, None)
            if data is None:
                return 0
            self._left = memoryview(data)
        view = memoryview(buffer).cast("B")
        size = min(len(view), len(self._left))
        view[:size], self._left = self._left[:size], self._left[size:]
        return size
