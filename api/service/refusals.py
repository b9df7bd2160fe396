"""Who was refused what: kept for administrators, never with a secret in it."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from pressmark.api.schemas import schema
from pressmark.api.service.database import Database
from pressmark.api.service.resources import answers, json_answer
from pressmark.api.service.security import needs
from pressmark.api.service.tokens import Principal, Scope
from pressmark.registry.ids import utc_now

#: The statuses that are refusals: nobody, not allowed, too slow, too much, too often.
STATUSES: Final = frozenset({401, 403, 408, 413, 429})
_KEPT: Final = 100_000

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
    """

    at: str
    agent: str
    method: str
    path: str
    status: int
    reason: str


@dataclass(frozen=True)
class RefusalList:
    """Refusals, the newest first."""

    refusals: tuple[Refusal, ...]


class Refusals:
    """The refusals of a service; the oldest are forgotten after a hundred thousand.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, request: Request, status: int, reason: str) -> None:
        """Keeps a refusal."""
        principal: Principal | None = getattr(request.state, "principal", None)
        agent = principal.agent if principal else ""
        values = (utc_now(), agent, request.method, request.url.path, status, reason)
        with self._database.transaction() as connection:
            connection.execute("INSERT INTO refusal VALUES (?, ?, ?, ?, ?, ?)", values)
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
