"""Who was refused what: kept for administrators, never with a secret in it."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from pressmark.api.schemas import schema
from pressmark.api.service.database import Database
from pressmark.api.service.rates import address
from pressmark.api.service.resources import answers, json_answer
from pressmark.api.service.security import needs
from pressmark.api.service.tokens import Principal, Scope
from pressmark.registry.ids import utc_now

#: The statuses that are refusals: nobody, not allowed, too slow, too much, too often.
STATUSES: Final = frozenset({401, 403, 408, 413, 429})
_KEPT: Final = 100_000
#: Of one client in a minute, and the longest path and reason.
_EACH, _LONGEST = 60, 500

routes = APIRouter(prefix="/v1/refusals", tags=["administration"])


@dataclass(frozen=True)
class Refusal:
    """A request that was refused.

    Attributes:
        at: When, xsd:dateTime in UTC.
        agent: The opaque identifier of whoever asked; "" where nobody was known.
        method: The HTTP method.
        path: What was asked for, without its query.
        status: The HTTP status.
        reason: Why, as the client was told.
        address: Where the request came from; of IPv6 only the network.
    """

    at: str
    agent: str
    method: str
    path: str
    status: int
    reason: str
    address: str


@dataclass(frozen=True)
class RefusalList:
    """Refusals, the newest first."""

    refusals: tuple[Refusal, ...]


class Refusals:
    """The refusals of a service; the oldest are forgotten after a hundred thousand.

    Whoever is refused again and again fills neither the disk nor the list: of each client so many
    are kept in a minute, and then only how many there were.

    Args:
        database: Where they are kept.
        clock: Gives seconds; only tests need another one.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._minute = 0
        self._counts: Counter[str] = Counter()
        self._left_out = 0

    def note(self, request: Request, status: int, reason: str) -> None:
        """Keeps a refusal."""
        principal: Principal | None = getattr(request.state, "principal", None)
        agent, place = principal.agent if principal else "", address(request)
        count, left_out = self._count(agent or place)
        if count > _EACH:
            return
        row = (agent, request.method, request.url.path[:_LONGEST], status, reason[:_LONGEST], place)
        self._insert(*row)
        if left_out:
            self._insert("", "", "", 0, f"{left_out:,} more were refused, and not kept", "")

    def _count(self, client: str) -> tuple[int, int]:
        """How often a client was refused in this minute, and how many were left out before it."""
        minute = int(self._clock() // 60)
        with self._lock:
            left_out = 0
            if minute != self._minute:
                left_out, self._left_out = self._left_out, 0
                self._minute, self._counts = minute, Counter()
            self._counts[client] += 1
            self._left_out += self._counts[client] > _EACH
            return self._counts[client], left_out

    def _insert(self, *values: object) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO refusal (at, agent, method, path, status, reason, address)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (utc_now(), *values),
            )
            connection.execute(
                "DELETE FROM refusal WHERE rowid <= (SELECT max(rowid) FROM refusal) - ?", (_KEPT,)
            )

    def newest(self, limit: int) -> list[Refusal]:
        """The newest refusals first."""
        rows = self._database.rows("SELECT * FROM refusal ORDER BY rowid DESC LIMIT ?", limit)
        return [Refusal(*row) for row in rows]


@routes.get(
    "",
    summary="Who was refused what",
    dependencies=[Depends(needs(Scope.ADMIN))],
    responses=answers(schema(RefusalList), 422),
)
def list_refusals(request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
    """The newest refusals, for administrators."""
    refusals: Refusals = request.app.state.refusals
    return json_answer(request, RefusalList(tuple(refusals.newest(limit))))
