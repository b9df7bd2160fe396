"""What happens to artifacts by decision: aliases, tags, retirement. Each is a recorded activity."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pyoxigraph import NamedNode

from pressmark.api.schemas import schema
from pressmark.api.service.dependencies import Artifact, Store
from pressmark.api.service.representations import Answer, Kind, Resource, represented
from pressmark.api.service.resources import Name, NewName, answers, json_answer
from pressmark.api.service.security import circumstances_of, needs
from pressmark.api.service.tokens import Scope
from pressmark.registry import lifecycle
from pressmark.registry.documents import document_about
from pressmark.registry.facts import ArtifactSummary, summaries
from pressmark.registry.lifecycle import AliasChange
from pressmark.registry.registry import Registry
from pressmark.registry.search import resolve

routes = APIRouter(prefix="/v1", tags=["lifecycle"])
_WRITER = Depends(needs(Scope.WRITE))


class AliasTarget(BaseModel):
    """What an alias is to mean."""

    model_config = ConfigDict(extra="forbid")

    artifact: str = Field(
        description="UUID, IRI, alias, name or digest.", max_length=200, examples=["int8"]
    )


class Retirement(BaseModel):
    """Why an artifact is withdrawn."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=2000, examples=["the licence was withdrawn"])
    force: bool = Field(default=False, description="Withdraw it even if an alias means it.")


@dataclass(frozen=True)
class Alias:
    """An alias and what it means now."""

    alias: str
    artifact: NamedNode


@dataclass(frozen=True)
class AliasList:
    """All aliases."""

    aliases: tuple[Alias, ...]


@dataclass(frozen=True)
class AliasHistory:
    """What an alias meant, newest first; the first entry holds now."""

    changes: tuple[AliasChange, ...]


@routes.get("/aliases", summary="What each alias means", responses=answers(schema(AliasList)))
def aliases(request: Request, registry: Store) -> Response:
    """Every alias and the artifact that it means now."""
    found = sorted(lifecycle.aliases(registry).items())
    return json_answer(request, AliasList(tuple(Alias(*each) for each in found)))


@routes.get(
    "/aliases/{alias:path}",
    summary="What it meant",
    responses=represented(schema(AliasHistory), 404),
)
def alias_history(registry: Store, alias: Name, answer: Answer) -> Response:
    """What an alias meant, when, and who decided it. As RDF: the records of each decision."""
    changes = lifecycle.alias_history(registry, alias)
    return answer(
        Resource(
            Kind.ALIAS,
            lambda: AliasHistory(tuple(changes)),
            lambda: document_about(registry, (change.activity for change in changes)),
        )
    )


@routes.put(
    "/aliases/{alias:path}",
    summary="Let it mean an artifact from now on",
    dependencies=[_WRITER],
    responses=answers(schema(ArtifactSummary), 404, 409, 422),
)
def move_alias(
    request: Request, registry: Store, alias: NewName, target: Annotated[AliasTarget, Body()]
) -> Response:
    """Lets an alias mean an artifact; what it meant before stays in its history."""
    artifact = resolve(registry, target.artifact, paths=False)
    lifecycle.set_alias(registry, alias, artifact, circumstances_of(request))
    return _now(request, registry, artifact)


@routes.put(
    "/artifacts/{artifact}/tags/{tag:path}",
    summary="Put a tag on it",
    dependencies=[_WRITER],
    responses=answers(schema(ArtifactSummary), 404, 409),
)
def put_tag(request: Request, registry: Store, artifact: Artifact, tag: NewName) -> Response:
    """Puts a tag on an artifact."""
    lifecycle.set_tag(registry, tag, artifact, circumstances_of(request))
    return _now(request, registry, artifact)


@routes.delete(
    "/artifacts/{artifact}/tags/{tag:path}",
    summary="Take a tag off",
    dependencies=[_WRITER],
    responses=answers(schema(ArtifactSummary), 404, 409),
)
def take_tag(request: Request, registry: Store, artifact: Artifact, tag: NewName) -> Response:
    """Takes a tag off an artifact."""
    lifecycle.set_tag(registry, tag, artifact, circumstances_of(request), remove=True)
    return _now(request, registry, artifact)


@routes.post(
    "/artifacts/{artifact}/retirement",
    summary="Withdraw it; its record stays",
    dependencies=[_WRITER],
    responses=answers(schema(ArtifactSummary), 404, 409, 422),
)
def retire(
    request: Request, registry: Store, artifact: Artifact, why: Annotated[Retirement, Body()]
) -> Response:
    """Withdraws an artifact from use."""
    lifecycle.retire(registry, artifact, why.reason, circumstances_of(request), force=why.force)
    return _now(request, registry, artifact)


def _now(request: Request, registry: Registry, artifact: NamedNode) -> Response:
    return json_answer(request, summaries(registry, [artifact])[artifact])
