"""``/v1/artifacts``: what there is, where it comes from, and its bytes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pyoxigraph import NamedNode

from pressmark.api.plain import setting
from pressmark.api.schemas import schema
from pressmark.api.service.dependencies import Artifact, Store
from pressmark.api.service.files import file_answer
from pressmark.api.service.resources import Name, answers, json_answer
from pressmark.registry.diff import Difference, diff
from pressmark.registry.errors import InvalidInputError, NotFoundError
from pressmark.registry.facts import ArtifactSummary
from pressmark.registry.lineage import Lineage, ancestors, descendants, lineage_graph
from pressmark.registry.search import find, resolve
from pressmark.registry.verification import Verification
from pressmark.registry.verify import verify
from pressmark.registry.views import ArtifactView, view

routes = APIRouter(prefix="/v1/artifacts", tags=["artifacts"])
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


class Filters(BaseModel):
    """What the artifacts of a list must have; everything that is given must fit."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, description="`*` and `?` stand for any letters.")
    kind: str | None = Field(default=None, examples=["PrunedModel"])
    tag: str | None = None
    digest: str | None = Field(default=None, description="SHA-256 of a file, or 4+ digits of it.")
    parameter: str | None = Field(default=None, examples=["sparsity=0.5"])
    limit: int = Field(default=50, ge=1, le=_MANY)
    after: str | None = Field(default=None, description="`next` of the page before.")


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


@routes.get("", summary="List and search", responses=answers(schema(ArtifactPage), 404, 422))
def find_artifacts(
    request: Request, registry: Store, filters: Annotated[Filters, Query()]
) -> Response:
    """Lists artifacts that fit all that is given, newest first, a page at a time."""
    found = find(
        registry,
        name=filters.name,
        kind=filters.kind,
        tag=filters.tag,
        digest=filters.digest,
        parameter=setting(filters.parameter) if filters.parameter else None,
        limit=filters.limit,
        after=_iri(filters.after),
    )
    last = found[-1].iri if len(found) == filters.limit else None
    links = () if last is None else (_next(request, last),)
    return json_answer(request, ArtifactPage(tuple(found), last), links)


@routes.get(
    "/{artifact}", summary="One artifact", responses=answers(schema(ArtifactView), 404, 409)
)
def artifact_facts(request: Request, registry: Store, artifact: Artifact) -> Response:
    """Everything that is known of one artifact."""
    return json_answer(request, view(registry, artifact), _provenance(request))


@routes.get(
    "/{artifact}/lineage",
    summary="Where it comes from, what became of it",
    responses=answers(schema(Lineage), 404, 409, 422),
)
def artifact_lineage(
    request: Request,
    registry: Store,
    artifact: Artifact,
    direction: Direction = Direction.ANCESTORS,
    depth: Annotated[int | None, Query(ge=1, description="Edges to follow.")] = None,
) -> Response:
    """The history around an artifact: artifacts, edges, and how sure each edge is."""
    return json_answer(request, _WALKS[direction](registry, artifact, depth))


@routes.get(
    "/{artifact}/diff/{other}",
    summary="What is different",
    responses=answers(schema(Difference), 404, 409),
)
def artifact_difference(
    request: Request, registry: Store, artifact: Artifact, other: Name
) -> Response:
    """Files, tensors, facts, steps and measurements in which two artifacts differ."""
    return json_answer(request, diff(registry, artifact, resolve(registry, other, paths=False)))


@routes.get(
    "/{artifact}/verification",
    summary="Compare bytes, records, journal and graph",
    responses=answers(schema(Verification), 404, 409),
)
def artifact_verification(request: Request, registry: Store, artifact: Artifact) -> Response:
    """Whether an artifact and its whole history are what was recorded."""
    return json_answer(request, verify(registry, artifact))


@routes.get(
    "/{artifact}/files/{name:path}",
    summary="The bytes of a file",
    responses=answers(None, 404, 409, 416)
    | {200: {"content": {"application/octet-stream": {}}}, 206: {"description": "A range"}},
)
def artifact_file(request: Request, registry: Store, artifact: Artifact, name: str) -> Response:
    """A file of an artifact, whole or the one range that is asked for."""
    for entry in view(registry, artifact).files:
        if entry.name == name:
            return file_answer(request, registry.blobs, entry)
    raise NotFoundError(
        f"{artifact.value} has no file {name!r}", "GET the artifact for the names of its files"
    )


def _next(request: Request, last: NamedNode) -> str:
    return f'<{request.url.include_query_params(after=last.value)}>; rel="next"'


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
        raise InvalidInputError(
            f"{text!r} is not an IRI: {error}", "give `next` as it is"
        ) from None
