"""``/v1/assurances``: how sure the histories of many artifacts are, in one answer."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pyoxigraph import NamedNode

from pressmark.api.schemas import schema
from pressmark.api.service.dependencies import Store
from pressmark.api.service.resources import answers, json_answer
from pressmark.registry.lineage import Evidence, Origin, assurance
from pressmark.registry.registry import Registry
from pressmark.registry.search import resolve

#: As many as a page of artifacts is asked about in one request.
MANY = 100

routes = APIRouter(prefix="/v1/assurances", tags=["artifacts"])


@dataclass(frozen=True)
class ArtifactAssurance:
    """How sure an artifact's whole history is.

    Attributes:
        artifact: The artifact.
        origin: Executed only if every step of it was.
        evidence: Refuted if any step is; else the least that is known of every step.
        label: Both in words.
    """

    artifact: NamedNode
    origin: Origin
    evidence: Evidence
    label: str


@dataclass(frozen=True)
class AssuranceList:
    """How sure histories are, in the order in which they were asked for."""

    assurances: tuple[ArtifactAssurance, ...]


@routes.get(
    "", summary="How sure histories are", responses=answers(schema(AssuranceList), 404, 409, 422)
)
def list_assurances(
    request: Request,
    registry: Store,
    artifact: Annotated[
        list[str],
        Query(min_length=1, max_length=MANY, description="UUID, IRI, alias, name or digest."),
    ],
) -> Response:
    """Both axes of assurance of each artifact: the least of them along its history."""
    return json_answer(
        request, AssuranceList(tuple(_assurance(registry, name) for name in artifact))
    )


def _assurance(registry: Registry, name: str) -> ArtifactAssurance:
    artifact = resolve(registry, name, paths=False)
    found = assurance(registry, artifact)
    return ArtifactAssurance(artifact, found.origin, found.evidence, found.label)
