"""``/v1/records``: records that were made on other machines, validated and committed."""

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pyoxigraph import RdfFormat

from pressmark.api.errors import UnsupportedMediaTypeError
from pressmark.api.requests import limited_body
from pressmark.api.schemas import schema
from pressmark.api.service.dependencies import Store
from pressmark.api.service.resources import answers, json_answer
from pressmark.api.service.security import needs
from pressmark.api.service.tokens import Scope
from pressmark.registry.errors import Violation
from pressmark.registry.record import record_from_rdf
from pressmark.registry.registry import Receipt, Registry

#: A record holds some kilobytes; a thousand times as much is no record.
_LONGEST: Final = 8 << 20
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


routes = APIRouter(prefix="/v1/records", tags=["records"])
_BODIES = {"requestBody": {"content": {kind: {} for kind in _FORMATS}, "required": True}}


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
async def commit_record(request: Request, registry: Store) -> Response:
    """Commits a record; the receipt says that it is there for good. Twice is as good as once."""
    kind, body = _kind(request), await limited_body(request, _LONGEST)
    return json_answer(request, await run_in_threadpool(_committed, registry, body, kind))


def _kind(request: Request) -> RdfFormat:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _FORMATS:
        raise UnsupportedMediaTypeError(
            f"a record cannot be sent as {kind or 'nothing'}", f"send {', '.join(_FORMATS)}"
        )
    return _FORMATS[kind]


def _committed(registry: Registry, body: bytes, kind: RdfFormat) -> Receipt:
    return registry.commit(record_from_rdf(body, kind))


def _judged(registry: Registry, body: bytes, kind: RdfFormat) -> Judgement:
    violations = registry.violations(record_from_rdf(body, kind))
    return Judgement(not violations, violations)
