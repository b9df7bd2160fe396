"""What happens to artifacts by decision: aliases, tags, retirement. Each is a recorded activity."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pyoxigraph import NamedNode

from pressmark.api.plain import schema
from pressmark.api.service.resources import Reference, answers, json_answer
from pressmark.api.service.security import circumstances_of, needs
from pressmark.api.service.tokens import Scope
from pressmark.registry import lifecycle
from pressmark.registry.facts import ArtifactSummary, summaries
from pressmark.registry.lifecycle import AliasChange
from pressmark.registry.registry import Registry
from pressmark.registry.search import resolve

_WRITER = Depends(needs(Scope.WRITE))
Name = Annotated[str, Path(max_length=100, examples=["prod"])]


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


def router(registry: Registry) -> APIRouter:
    """The routes that decide about artifacts, and those that tell what was decided."""
    routes = APIRouter(prefix="/v1", tags=["lifecycle"])

    def meant(reference: str) -> NamedNode:
        return resolve(registry, reference, paths=False)

    def now(request: Request, artifact: NamedNode) -> Response:
        return json_answer(request, summaries(registry, [artifact])[artifact])

    @routes.get("/aliases", summary="What each alias means", responses=answers(schema(AliasList)))
    def aliases(request: Request) -> Response:
        found = sorted(lifecycle.aliases(registry).items())
        return json_answer(request, AliasList(tuple(Alias(*each) for each in found)))

    @routes.get(
        "/aliases/{alias}", summary="What it meant", responses=answers(schema(AliasHistory), 404)
    )
    def history(request: Request, alias: Name) -> Response:
        changes = lifecycle.alias_history(registry, alias)
        return json_answer(request, AliasHistory(tuple(changes)))

    @routes.put(
        "/aliases/{alias}",
        summary="Let it mean an artifact from now on",
        dependencies=[_WRITER],
        responses=answers(schema(ArtifactSummary), 404, 409, 422),
    )
    def move(request: Request, alias: Name, target: Annotated[AliasTarget, Body()]) -> Response:
        artifact = meant(target.artifact)
        lifecycle.set_alias(registry, alias, artifact, circumstances_of(request))
        return now(request, artifact)

    @routes.put(
        "/artifacts/{artifact}/tags/{tag}",
        summary="Put a tag on it",
        dependencies=[_WRITER],
        responses=answers(schema(ArtifactSummary), 404, 409),
    )
    def tag(request: Request, artifact: Reference, tag: Name) -> Response:
        iri = meant(artifact)
        lifecycle.set_tag(registry, tag, iri, circumstances_of(request))
        return now(request, iri)

    @routes.delete(
        "/artifacts/{artifact}/tags/{tag}",
        summary="Take a tag off",
        dependencies=[_WRITER],
        responses=answers(schema(ArtifactSummary), 404, 409),
    )
    def untag(request: Request, artifact: Reference, tag: Name) -> Response:
        iri = meant(artifact)
        lifecycle.set_tag(registry, tag, iri, circumstances_of(request), remove=True)
        return now(request, iri)

    @routes.post(
        "/artifacts/{artifact}/retirement",
        summary="Withdraw it; its record stays",
        dependencies=[_WRITER],
        responses=answers(schema(ArtifactSummary), 404, 409, 422),
    )
    def retire(
        request: Request, artifact: Reference, why: Annotated[Retirement, Body()]
    ) -> Response:
        iri = meant(artifact)
        lifecycle.retire(registry, iri, why.reason, circumstances_of(request), force=why.force)
        return now(request, iri)

    return routes
