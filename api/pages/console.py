"""``/console``: SPARQL and the packaged questions, through the same workers as ``/sparql``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from pressmark.api.pages.access import visitor
from pressmark.api.pages.rendering import page
from pressmark.api.service.dependencies import Queries, Store
from pressmark.api.service.problems import status_of
from pressmark.api.service.security import count_query
from pressmark.api.sparql.endpoint import answer_query
from pressmark.api.sparql.pool import QueryPool
from pressmark.api.sparql.text import read_query
from pressmark.ontology import questions
from pressmark.ontology.questions import GROUPS, INTERNAL, Question
from pressmark.registry import asking
from pressmark.registry.errors import PressmarkError
from pressmark.registry.registry import Registry

routes = APIRouter(prefix="/console", dependencies=[Depends(visitor)])
_ROWS: Final = 500
_FORMATS: Final[Mapping[str, str]] = {
    "csv": "text/csv",
    "json": "application/sparql-results+json",
    "ttl": "text/turtle",
    "jsonld": "application/ld+json",
}
_TABLES: Final = ("csv", "json")
_GRAPHS: Final = ("ttl", "jsonld")
_BEGINNING: Final = 20_000

Text = Annotated[str, Query(max_length=100_000)]
Format = Literal["csv", "json", "ttl", "jsonld"]


@dataclass(frozen=True)
class Result:
    """The answer to a query, as far as it is shown.

    Attributes:
        formats: What it can be downloaded as.
        columns: The columns of a table.
        rows: The first rows of it.
        count: How many rows there are.
        truth: The answer to an ASK query.
        graph: The beginning of the Turtle that a CONSTRUCT or DESCRIBE query gave.
    """

    formats: Sequence[str]
    columns: Sequence[str] = ()
    rows: Sequence[Mapping[str, Mapping[str, str]]] = ()
    count: int = 0
    truth: bool | None = None
    graph: str | None = None


@routes.get("")
async def console(
    request: Request,
    registry: Store,
    queries: Queries,
    query: Text = "",
    draft: Text = "",
    question: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """The console; with a query, or a question and what it asks about, the answer as well."""
    asked, text, error, result = None, query, None, None
    values = _values(request, question)
    if question or query:
        count_query(request)
    try:
        if question:
            asked = asking.question(question)
            text = await run_in_threadpool(_bound, registry, asked, values)
        if text:
            result = await _answered(queries, text)
    except PressmarkError as caught:
        error = caught
    return page(
        request,
        "console",
        status=status_of(error) if error else 200,
        groups=_groups(),
        asked=asked,
        values=values,
        text=text,
        draft=draft or query or _example(),
        error=error,
        result=result,
        limit=_ROWS,
    )


@routes.get("/answer")
async def answer(
    request: Request,
    queries: Queries,
    query: Text,
    format: Format,  # noqa: A002
) -> Response:
    """The whole answer to a query, as a file."""
    count_query(request)
    given = await answer_query(queries, query, _FORMATS[format])
    given.headers["Content-Disposition"] = f'attachment; filename="answer.{format}"'
    return given


def _values(request: Request, question: str) -> dict[str, str] | None:
    """What a question is to be asked about; None where it is only looked at."""
    given = {name: value for name, value in request.query_params.items() if name != "question"}
    was_sent = given.pop("ask", None) is not None
    filled = {name: value.strip() for name, value in given.items() if value.strip()}
    return filled if question and (was_sent or filled) else None


def _bound(registry: Registry, asked: Question, values: dict[str, str] | None) -> str:
    return "" if values is None else asking.bound(registry, asked, values, paths=False)


async def _answered(pool: QueryPool, text: str) -> Result:
    if read_query(text).form.gives_graph:
        given = await answer_query(pool, text, "text/turtle")
        turtle = bytes(given.body).decode()
        return Result(_GRAPHS, graph=turtle[:_BEGINNING], count=len(turtle))
    given = await answer_query(pool, text, _FORMATS["json"])
    return await run_in_threadpool(_table, bytes(given.body))


def _table(body: bytes) -> Result:
    found: dict[str, Any] = json.loads(body)
    if "boolean" in found:
        return Result(_TABLES[1:], truth=found["boolean"])
    rows = found["results"]["bindings"]
    return Result(_TABLES, found["head"]["vars"], rows[:_ROWS], len(rows))


def _groups() -> list[tuple[str, list[Question]]]:
    known = questions.questions()
    grouped = ((group, [q for q in known if q.group == group]) for group in GROUPS)
    return [(group, found) for group, found in grouped if found and group != INTERNAL]


@cache
def _example() -> str:
    """What stands in the console at first."""
    return files("pressmark.api.pages").joinpath("example.rq").read_text(encoding="utf-8")
