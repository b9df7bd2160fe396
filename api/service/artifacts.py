"""``/v1/artifacts``: what there is, where it comes from, and its bytes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pyoxigraph import NamedNode

from pressmark.api.plain import schema
from pressmark.api.service.files import file_answer
from pressmark.api.service.resources import Reference, answers, json_answer
from pressmark.registry.diff import Difference, diff
from pressmark.registry.errors import InvalidInputError, NotFoundError
from pressmark.registry.facts import ArtifactSummary
from pressmark.registry.lineage import Lineage, ancestors, descendants, lineage_graph
from pressmark.registry.registry import Registry
from pressmark.registry.search import find, resolve
from pressmark.registry.verification import Verification
from pressmark.registry.verify import verify
from pressmark.registry.views import ArtifactView, view

_MANY = 500


@dataclass(frozen=True)
class ArtifactPage:
    """A page of artifacts, newest first.

    Attributes:
        artifacts: The artifacts.
        next: What to give as `after` for the next page; None on the last.
    """

    artifacts: tuple[ArtifactSummary, ...]
    next: NamedNode | None


class Direction(StrEnum):
    """Which way to follow the history."""

    ANCESTORS = "ancestors"
    DESCENDANTS = "descendants"
    BOTH = "both"


_WALKS = {
    Direction.ANCESTORS: ancestors,
    Direction.DESCENDANTS: descendants,
    Direction.BOTH: lineage_graph,
}


def router(registry: Registry) -> APIRouter:
    """The reading routes over artifacts."""
    routes = APIRouter(prefix="/v1/artifacts", tags=["artifacts"])

    def meant(reference: str) -> NamedNode:
        return resolve(registry, reference, paths=False)

    @routes.get("", summary="List and search", responses=answers(schema(ArtifactPage), 404, 422))
    def list_(
        request: Request,
        name: Annotated[str | None, Query(description="`*` and `?` stand for any letters.")] = None,
        kind: Annotated[str | None, Query(examples=["PrunedModel"])] = None,
        tag: str | None = None,
        digest: Annotated[str | None, Query(description="SHA-256 of a file, or 4+ digits.")] = None,
        parameter: Annotated[str | None, Query(examples=["sparsity=0.5"])] = None,
        limit: Annotated[int, Query(ge=1, le=_MANY)] = 50,
        after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
    ) -> Response:
        found = find(
            registry,
            name=name,
            kind=kind,
            tag=tag,
            digest=digest,
            parameter=_setting(parameter),
            limit=limit,
            after=_iri(after),
        )
        last = found[-1].iri if len(found) == limit else None
        links = (
            (f'<{request.url.include_query_params(after=last.value)}>; rel="next"',) if last else ()
        )
        return json_answer(request, ArtifactPage(tuple(found), last), links)

    @routes.get(
        "/{artifact}", summary="One artifact", responses=answers(schema(ArtifactView), 404, 409)
    )
    def one(request: Request, artifact: Reference) -> Response:
        return json_answer(request, view(registry, meant(artifact)), _provenance(request))

    @routes.get(
        "/{artifact}/lineage",
        summary="Where it comes from, what became of it",
        responses=answers(schema(Lineage), 404, 409, 422),
    )
    def lineage(
        request: Request,
        artifact: Reference,
        direction: Direction = Direction.ANCESTORS,
        depth: Annotated[int | None, Query(ge=1, description="Edges to follow.")] = None,
    ) -> Response:
        return json_answer(request, _WALKS[direction](registry, meant(artifact), depth))

    @routes.get(
        "/{artifact}/diff/{other}",
        summary="What is different",
        responses=answers(schema(Difference), 404, 409),
    )
    def difference(request: Request, artifact: Reference, other: Reference) -> Response:
        return json_answer(request, diff(registry, meant(artifact), meant(other)))

    @routes.get(
        "/{artifact}/verification",
        summary="Compare bytes, records, journal and graph",
        responses=answers(schema(Verification), 404, 409),
    )
    def verification(request: Request, artifact: Reference) -> Response:
        return json_answer(request, verify(registry, meant(artifact)))

    @routes.get(
        "/{artifact}/files/{name:path}",
        summary="The bytes of a file",
        responses=answers(None, 404, 409, 416)
        | {200: {"content": {"application/octet-stream": {}}}, 206: {"description": "A range"}},
    )
    def file(request: Request, artifact: Reference, name: str) -> Response:
        iri = meant(artifact)
        for entry in view(registry, iri).files:
            if entry.name == name:
                return file_answer(request, registry.blobs, entry)
        raise NotFoundError(f"{iri.value} has no file {name!r}", "GET the artifact for its files")

    return routes


def _provenance(request: Request) -> tuple[str, ...]:
    """W3C PROV-AQ sections 3.1 and 4: where provenance is, and where queries are answered."""
    lineage = request.url.replace(path=f"{request.url.path}/lineage", query="")
    endpoint = request.url.replace(path="/sparql", query="")
    prov = "http://www.w3.org/ns/prov#"
    return (
        f'<{lineage}>; rel="{prov}has_provenance"',
        f'<{endpoint}>; rel="{prov}has_query_service"',
    )


def _iri(text: str | None) -> NamedNode | None:
    try:
        return NamedNode(text) if text else None
    except ValueError as error:
        raise InvalidInputError(f"{text!r} is not an IRI: {error}") from None


def _setting(text: str | None) -> tuple[str, str | int | float | bool] | None:
    if text is None:
        return None
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidInputError(f"{text!r} is no parameter", "write it as NAME=VALUE")
    return name, _scalar(value)


def _scalar(text: str) -> str | int | float | bool:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
