"""Audit reports over HTTP: written when they are asked for, or registered and kept."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pyoxigraph import NamedNode

from pressmark.api.schemas import schema
from pressmark.api.service.attempts import Attempts
from pressmark.api.service.dependencies import Artifact, Store
from pressmark.api.service.profiles import Profiles
from pressmark.api.service.resources import answers, json_answer, tagged
from pressmark.api.service.security import circumstances_of, needs
from pressmark.api.service.tokens import Principal, Scope
from pressmark.api.sparql.formats import negotiate
from pressmark.registry import report as reports
from pressmark.registry.errors import NotFoundError
from pressmark.registry.ids import new_iri
from pressmark.registry.report import FORMATS, KeptReport, Report

routes = APIRouter(prefix="/v1", tags=["reports"])

_JSON: Final = "json"
_UNKNOWN: Final = "application/octet-stream"
#: Media type -> name of the format, the preferred one first.
_OFFERED: Final[Mapping[str, str]] = MappingProxyType(
    {one.media_type: one.name for one in FORMATS.values()} | {"application/json": _JSON}
)
_ONE_OF: Final = f"^({'|'.join((*FORMATS, _JSON))})$"
_DOCUMENTS: Final = {
    one.media_type: {"schema": {"type": "object" if one.media_type.endswith("json") else "string"}}
    for one in FORMATS.values()
}
#: A report brings its style and its pictures with it. A kept one may have been written by another
#: program: whatever stands in it runs nothing, sends nothing and knows nothing of this service.
_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox"
)


@routes.get(
    "/artifacts/{artifact}/report",
    summary="An audit report, written now",
    responses=answers(None, 404, 406, 409, 422, 501)
    | {200: {"description": "The report", "model": schema(Report), "content": _DOCUMENTS}},
)
def artifact_report(
    request: Request,
    registry: Store,
    artifact: Artifact,
    format: Annotated[  # noqa: A002
        str | None, Query(pattern=_ONE_OF, description="Instead of the Accept header.")
    ] = None,
    verify: Annotated[bool, Query(description="Read and verify its bytes now.")] = True,
) -> Response:
    """Everything that is known of an artifact, as a document. Nothing is recorded."""
    chosen = format or _OFFERED[negotiate(request.headers.get("accept", ""), _OFFERED)]
    built = reports.build(registry, artifact, verified=verify, names=_names(request))
    if chosen == _JSON:
        return json_answer(request, built)
    written = FORMATS[chosen]
    name = f"{built.artifact.name}.report{written.suffix}"
    return _document(request, written.write(built, registry), written.media_type, name)


class Wanted(BaseModel):
    """The report to be written and kept."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: str = Field(default="html", pattern=f"^({'|'.join(FORMATS)})$")
    verify: bool = Field(default=True, description="Read and verify the artifact's bytes now.")


@routes.post(
    "/artifacts/{artifact}/reports",
    status_code=201,
    summary="Write an audit report and keep it",
    dependencies=[Depends(needs(Scope.WRITE))],
    responses=answers(None, 404, 409, 422, 501) | {201: {"model": schema(KeptReport)}},
)
def register_report(
    request: Request,
    registry: Store,
    artifact: Artifact,
    wanted: Annotated[Wanted, Body()],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> Response:
    """Writes a report, keeps its bytes, and records who asked for it and what it found.

    Sent again with the same Idempotency-Key it writes nothing more, and gives the same report.
    """
    iri = _planned(request, artifact, wanted, idempotency_key)
    try:
        kept = reports.kept_report(registry, iri)
    except NotFoundError:
        written, by = FORMATS[wanted.format], circumstances_of(request)
        kept = reports.register_report(
            registry, artifact, written, by, verified=wanted.verify, iri=iri
        )
    response = json_answer(request, kept)
    response.status_code = 201
    response.headers["Location"] = f"/v1/reports/{iri.value.removeprefix('urn:uuid:')}"
    return response


@routes.get(
    "/artifacts/{artifact}/reports",
    summary="The reports that were kept",
    responses=answers(schema(reports.KeptReports), 404, 409),
)
def artifact_reports(request: Request, registry: Store, artifact: Artifact) -> Response:
    """The reports on an artifact that were kept, oldest first."""
    return json_answer(request, reports.KeptReports(reports.kept_reports(registry, artifact)))


@routes.get(
    "/reports/{report}",
    summary="A kept report",
    responses=answers(None, 404, 422)
    | {200: {"description": "The report", "content": {**_DOCUMENTS, _UNKNOWN: {}}}},
)
def kept_report(
    request: Request,
    registry: Store,
    report: Annotated[str, Path(pattern="^(urn:uuid:)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")],
) -> Response:
    """The bytes of a report as they were registered."""
    iri = NamedNode(f"urn:uuid:{report.removeprefix('urn:uuid:')}")
    kept = reports.kept_report(registry, iri)
    body = registry.blobs.read(kept.sha256)
    return _document(request, body, kept.media_type, kept.name)


def _document(request: Request, body: bytes, kind: str, name: str) -> Response:
    """A document to be looked at; of a type that is not written here, only to be kept."""
    known = kind in _OFFERED
    shown = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
    response = tagged(request, body, shown if known else _UNKNOWN)
    place = "inline" if known else "attachment"
    response.headers["Content-Disposition"] = f"{place}; filename*=UTF-8''{quote(name, safe='')}"
    if kind == "text/html":
        response.headers["Content-Security-Policy"] = _PAGE_POLICY
    return response


def _names(request: Request) -> reports.Names:
    """Who people are, for those who are known themselves."""
    principal: Principal = request.state.principal
    profiles: Profiles = request.app.state.profiles
    return profiles.name_of if principal.agent else reports.nobody


def _planned(request: Request, artifact: NamedNode, wanted: Wanted, key: str | None) -> NamedNode:
    if key is None:
        return new_iri()
    digest = hashlib.sha256(f"{artifact.value} {wanted.model_dump_json()}".encode()).digest()
    attempts: Attempts = request.app.state.attempts
    principal: Principal = request.state.principal
    return attempts.planned(key, principal.agent, digest, datetime.now(UTC))
