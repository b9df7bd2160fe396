"""Committing records through a server: the only process that may write its registry's graph."""

import time
from typing import Any, Final

import httpx2

from pressmark.registry.errors import (
    RecordRefusedError,
    StorageFullError,
    StoreError,
    StoreLockedError,
    Violation,
)
from pressmark.registry.record import Record
from pressmark.registry.registry import Receipt

_PAUSE: Final = 0.2
_BUSY: Final = 503
_FULL: Final = 507


class ServerCommitter:
    """Gives records to the server that holds the registry. Its files must be stored already.

    A record that is sent twice is committed once: whatever breaks on the way, it is sent again.

    Args:
        url: The server's address, such as "http://127.0.0.1:8080".
        token: A token with the scope write.
        patience: Seconds to go on when the server cannot be reached or is busy.
    """

    def __init__(self, url: str, token: str, patience: float = 30.0) -> None:
        self._url = url
        self._patience = patience
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/n-quads"}
        # The environment's proxies are for other hosts than the one that keeps this registry.
        self._client = httpx2.Client(base_url=url, headers=headers, timeout=60, trust_env=False)

    def commit(self, record: Record) -> Receipt:
        """Commits a record.

        Raises:
            RecordRefusedError: It does not conform.
            StorageFullError: The server has no space left.
            StoreLockedError: The server could not be reached.
            StoreError: It refused for another reason, such as a token that it does not know.
        """
        answer = self._sent(record.nquads)
        if answer.is_success:
            return Receipt(**answer.json())
        raise _refusal(_problem(answer), answer.status_code)

    def _sent(self, nquads: bytes) -> httpx2.Response:
        deadline = time.monotonic() + self._patience
        while True:
            last = time.monotonic() > deadline
            try:
                # The handle that commits waits until it can read what it committed.
                answer = self._client.post("/v1/records?publish=true", content=nquads)
                if answer.status_code != _BUSY or last:
                    return answer
            except httpx2.TransportError as error:
                if last:
                    raise StoreLockedError(
                        f"the server at {self._url} holds the registry and cannot be reached: "
                        f"{error}",
                        "start it again with `pressmark serve`, or end it for good",
                    ) from error
            time.sleep(_PAUSE)


def _problem(answer: httpx2.Response) -> dict[str, Any]:
    """The RFC 9457 problem that an answer is; its status where something else answered."""
    try:
        found: dict[str, Any] = answer.json()
    except ValueError:
        return {"detail": f"the server answered with status {answer.status_code}"}
    return found


def _refusal(problem: dict[str, Any], status: int) -> StoreError | RecordRefusedError:
    if "violations" in problem:
        return RecordRefusedError(tuple(Violation(**each) for each in problem["violations"]))
    kind = {_BUSY: StoreLockedError, _FULL: StorageFullError}.get(status, StoreError)
    return kind(f"the server refused a record: {problem['detail']}", problem.get("hint", ""))
