"""``/v1/records``: records as they were committed, and new ones that other machines made."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pyoxigraph import RdfFormat

from pressmark.api.errors import UnsupportedMediaTypeError
from pressmark.api.schemas import schema
from pressmark.api.service.bodies import limited_body
from pressmark.api.service.dependencies import Store
from pressmark.api.service.prov_aq import link
from pressmark.api.service.representations import Answer, Kind, Resource, represented
from pressmark.api.service.resources import Name, answers, json_answer
from pressmark.api.service.security import needs
from pressmark.api.service.tokens import Scope
from pressmark.registry.documents import document_of, find_record
from pressmark.registry.errors import Violation
from pressmark.registry.journal import Entry
from pressmark.registry.known import RecordView, record_view
from pressmark.registry.record import record_from_rdf
from pressmark.registry.registry import Receipt, Registry

#: A record holds some kilobytes; a thousand times as much is no record.
_LONGEST: Final = 8 << 20
_MANY: Final = 500
_LAST: Final = 1 << 53
_FORMATS: Final = {
    "application/n-quads": RdfFormat.N_QUADS,
    "application/trig": RdfFormat.TRIG,
    "application/ld+json": RdfFormat.JSON_LD,
}


@dataclass(frozen=True)
class Judgement:
    """Whether a record may be committed.

    Attributes:
        conforms: Whether nothing speaks against it.
        violations: Every reason why not.
    """

    conforms: bool
    violations: tuple[Violation, ...]


@dataclass(frozen=True)
class RecordPage:
    """A page of the journal, oldest first.

    Attributes:
        records: Its entries: each vouches for a record and for all entries before it.
        next: What to give as `after` for the next page; None on the last.
    """

    records: tuple[Entry, ...]
    next: int | None


routes = APIRouter(prefix="/v1/records", tags=["records"])
_TEXT = {"schema": {"type": "string"}}
_BODIES = {"requestBody": {"content": dict.fromkeys(_FORMATS, _TEXT), "required": True}}


@routes.get("", summary="The journal", responses=answers(schema(RecordPage), 422))
def list_records(
    request: Request,
    registry: Store,
    after: Annotated[int, Query(ge=0, le=_LAST, description="A place in the journal.")] = 0,
    limit: Annotated[int, Query(ge=1, le=_MANY)] = 50,
) -> Response:
    """The journal's entries, oldest first: the digest of each record, chained to those before."""
    end = min(registry.journal.refresh(), after + limit)
    found = tuple(registry.journal.entry(place) for place in range(after + 1, end + 1))
    last = end if found and end < len(registry.journal) else None
    following = link(str(request.url.include_query_params(after=last)), "next")
    return json_answer(request, RecordPage(found, last), (following,) if last else ())


@routes.get("/{record}", summary="One record", responses=represented(schema(RecordView), 404))
def one_record(registry: Store, record: Name, answer: Answer) -> Response:
    """A record, by its place in the journal, its bundle's UUID or IRI, or its digest.

    As N-Quads: the very bytes that were committed, whose SHA-256 is its digest.
    """
    entry = find_record(registry, record)
    view = record_view(registry, entry)
    return answer(
        Resource(Kind.RECORD, lambda: view, lambda: document_of(registry, entry), view.bundle)
    )


@routes.post(
    "/validation",
    summary="Validate a record without storing it",
    openapi_extra=_BODIES,
    responses=answers(schema(Judgement), 413, 415),
)
async def validate_record(request: Request, registry: Store) -> Response:
    """Judges a record as a commit would."""
    kind, body = _kind(request), await limited_body(request, _LONGEST)
    return json_answer(request, await run_in_threadpool(_judged, registry, body, kind))


@routes.post(
    "",
    summary="Commit a record",
    dependencies=[Depends(needs(Scope.WRITE))],
    openapi_extra=_BODIES,
    responses=answers(schema(Receipt), 413, 415, 422),
)
async def commit_record(
    request: Request,
    registry: Store,
    publish: Annotated[
        bool, Query(description="Let SPARQL and other processes see it before the answer.")
    ] = False,
) -> Response:
    """Commits a record; the receipt says that it is there for good. Twice is as good as once."""
    kind, body = _kind(request), await limited_body(request, _LONGEST)
    receipt = await run_in_threadpool(_committed, registry, body, kind, publish=publish)
    return json_answer(request, receipt)


def _kind(request: Request) -> RdfFormat:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _FORMATS:
        raise UnsupportedMediaTypeError(
            f"a record cannot be sent as {kind or 'nothing'}", f"send {', '.join(_FORMATS)}"
        )
    return _FORMATS[kind]


def _committed(registry: Registry, body: bytes, kind: RdfFormat, *, publish: bool) -> Receipt:
    receipt = registry.commit(record_from_rdf(body, kind))
    if publish:
        registry.publish()
    return receipt


def _judged(registry: Registry, body: bytes, kind: RdfFormat) -> Judgement:
    violations = registry.violations(record_from_rdf(body, kind))
    return Judgement(not violations, violations)
