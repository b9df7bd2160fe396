"""``/v1/artifacts``: what there is, where it comes from, and its bytes."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue
from pyoxigraph import NamedNode

from pressmark.api.plain import setting
from pressmark.api.schemas import schema
from pressmark.api.service.dependencies import ARTIFACT_IRI, After, Artifact, Store, iri_of
from pressmark.api.service.files import file_answer
from pressmark.api.service.prov_aq import lineage_link, link, provenance_links
from pressmark.api.service.representations import Answer, Kind, Resource, represented
from pressmark.api.service.resources import Name, answers, json_answer
from pressmark.ontology.terms import PM
from pressmark.registry.diff import Difference, diff
from pressmark.registry.documents import document_about
from pressmark.registry.errors import NotFoundError
from pressmark.registry.facts import ArtifactSummary, artifact_files
from pressmark.registry.lineage import Evidence, Origin
from pressmark.registry.lineage_page import (
    Direction,
    LineageFilter,
    LineagePage,
    lineage_page,
)
from pressmark.registry.search import artifact_kind, find, resolve
from pressmark.registry.views import ArtifactView, view

routes = APIRouter(prefix="/v1/artifacts", tags=["artifacts"])
_MANY: Final = 500
_LONGEST_LINEAGE: Final = 1000
_KINDS: Final[list[JsonValue]] = [
    name for name, term in vars(PM).items() if isinstance(term, NamedNode) and name[:1].isupper()
]


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
    kind: str | None = Field(
        default=None, examples=["PrunedModel"], json_schema_extra={"enum": _KINDS}
    )
    tag: str | None = None
    digest: str | None = Field(
        default=None,
        description="SHA-256 of a file, or 4+ digits of it.",
        json_schema_extra={"pattern": "^(sha256:)?[0-9a-f]{4,64}$"},
    )
    parameter: str | None = Field(
        default=None, examples=["sparsity=0.5"], json_schema_extra={"pattern": "^[^=]+=.*$"}
    )
    limit: int = Field(default=50, ge=1, le=_MANY)
    after: str | None = Field(
        default=None,
        description="`next` of the page before.",
        json_schema_extra=ARTIFACT_IRI,
    )


def _date_and_time(value: object) -> object:
    if isinstance(value, str) and "T" not in value.upper():
        raise ValueError("a date, a time and its zone are needed, as RFC 3339 writes them")
    return value


_Moment = Annotated[AwareDatetime, BeforeValidator(_date_and_time)]


def _only(
    kind: Annotated[
        str | None, Query(examples=["QuantizedModel"], json_schema_extra={"enum": _KINDS})
    ] = None,
    step: Annotated[
        str | None, Query(description="A step's name or class.", examples=["prune/wanda"])
    ] = None,
    since: Annotated[_Moment | None, Query(description="Made then or later.")] = None,
    until: Annotated[_Moment | None, Query(description="Made before.")] = None,
    origin: Annotated[Literal["declared", "executed"] | None, Query()] = None,
    evidence: Annotated[Literal["refuted", "none", "checked", "reproduced"] | None, Query()] = None,
) -> LineageFilter | None:
    """What is listed of a lineage; every edge is followed all the same."""
    if not any((kind, step, since, until, origin, evidence)):
        return None
    return LineageFilter(
        artifact_kind(kind) if kind else None,
        step,
        since,
        until,
        Origin[origin.upper()] if origin else None,
        Evidence[evidence.upper()] if evidence else None,
    )


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
        parameter=setting(filters.parameter) if filters.parameter is not None else None,
        limit=filters.limit,
        after=iri_of(filters.after),
    )
    last = found[-1].iri if len(found) == filters.limit else None
    links = () if last is None else (_next(request, last),)
    return json_answer(request, ArtifactPage(tuple(found), last), links)


@routes.get(
    "/{artifact}", summary="One artifact", responses=represented(schema(ArtifactView), 404, 409)
)
def artifact_facts(
    request: Request, registry: Store, artifact: Artifact, answer: Answer
) -> Response:
    """Everything that is known of one artifact.

    As RDF: the record that made it, and later ones about it (evidence, evaluations, aliases, tags,
    retirement).
    """
    return answer(
        Resource(
            Kind.ARTIFACT,
            lambda: view(registry, artifact),
            lambda: document_about(registry, [artifact]),
            artifact,
            (lineage_link(request, artifact),),
        )
    )


@routes.get(
    "/{artifact}/lineage",
    summary="Where it comes from, what became of it",
    responses=represented(schema(LineagePage), 404, 409, 422),
)
def artifact_lineage(
    request: Request,
    registry: Store,
    artifact: Artifact,
    answer: Answer,
    only: Annotated[LineageFilter | None, Depends(_only)],
    direction: Direction = Direction.ANCESTORS,
    depth: Annotated[int | None, Query(ge=1, description="Edges to follow.")] = None,
    limit: Annotated[int, Query(ge=1, le=_LONGEST_LINEAGE)] = 100,
    after: After = None,
) -> Response:
    """The history around an artifact, outward from it: artifacts, edges, how sure each edge is.

    Filters choose what is listed, not what is walked: what lies behind an artifact that is left out
    is found all the same. Each edge comes with the artifact that it made. As RDF: the records of
    the artifacts that are listed.
    """
    page = lineage_page(
        registry, artifact, direction, depth=depth, only=only, limit=limit, after=iri_of(after)
    )
    return answer(
        Resource(
            Kind.LINEAGE,
            lambda: page,
            lambda: document_about(registry, (one.iri for one in page.nodes)),
            artifact,
            () if page.next is None else (_next(request, page.next),),
        )
    )


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
    "/{artifact}/files/{name:path}",
    summary="The bytes of a file",
    responses=answers(None, 404, 409, 416)
    | {200: {"content": {"application/octet-stream": {}}}, 206: {"description": "A range"}},
)
def artifact_file(
    request: Request,
    registry: Store,
    artifact: Artifact,
    name: Annotated[str, Path(max_length=1000, examples=["config.json"])],
) -> Response:
    """A file of an artifact, whole or the one range that is asked for."""
    for entry in artifact_files(registry, artifact):
        if entry.name == name:
            response = file_answer(request, registry.blobs, entry)
            response.headers["Link"] = ", ".join(provenance_links(request, artifact))
            return response
    raise NotFoundError(
        f"{artifact.value} has no file {name!r}", "GET the artifact for the names of its files"
    )


def _next(request: Request, last: NamedNode) -> str:
    return link(str(request.url.include_query_params(after=last.value)), "next")
