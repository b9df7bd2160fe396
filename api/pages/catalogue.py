"""``/``: the artifacts, newest first, found by name, kind, tag, parameter and licence."""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field
from pyoxigraph import NamedNode, RdfFormat, parse

from pressmark.api.pages.access import Seen
from pressmark.api.pages.rendering import page, uuid
from pressmark.api.plain import setting
from pressmark.api.service.dependencies import Store
from pressmark.ontology import vocabulary
from pressmark.ontology.terms import PM, RDFS
from pressmark.registry.errors import NotFoundError, PressmarkError
from pressmark.registry.facts import ArtifactSummary, local_name
from pressmark.registry.lineage import Assurance, assurance
from pressmark.registry.registry import Registry
from pressmark.registry.search import find, resolve

routes = APIRouter()
_PAGE: Final = 50
_UUID: Final = r"^(|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$"


class Search(BaseModel):
    """What is looked for; what is empty may be anything."""

    q: str = Field("", max_length=200)
    kind: str = Field("", max_length=100)
    tag: str = Field("", max_length=200)
    parameter: str = Field("", max_length=300)
    license: str = Field("", max_length=200)
    after: str = Field("", pattern=_UUID)

    @property
    def name(self) -> str | None:
        """The pattern that names must fit: what was typed, anywhere in them."""
        if not self.q or any(mark in self.q for mark in "*?"):
            return self.q or None
        return f"*{self.q}*"

    @property
    def is_narrow(self) -> bool:
        """Whether anything but the words was given."""
        return any((self.kind, self.tag, self.parameter, self.license))

    def address(self, **changes: str) -> str:
        """Where the same is looked for, but for some changes."""
        given = {name: value for name, value in (self.model_dump() | changes).items() if value}
        return f"/?{urlencode(given)}" if given else "/"


@dataclass(frozen=True)
class Line:
    """An artifact in the list, and how sure its history is."""

    artifact: ArtifactSummary
    sure: Assurance


@routes.get("/")
def catalogue(
    request: Request, registry: Store, _: Seen, search: Annotated[Search, Query()]
) -> Response:
    """A page of artifacts; words that are no name but mean one artifact lead to it."""
    error, found = None, list[ArtifactSummary]()
    try:
        found = _found(registry, search)
        if not found and search.q and not search.is_narrow and not search.after:
            meant = resolve(registry, search.q.strip(), paths=False)
            return RedirectResponse(f"/artifacts/{uuid(meant)}", 303)
    except PressmarkError as caught:
        error = caught
    return page(
        request,
        "catalogue",
        status=200 if error is None or isinstance(error, NotFoundError) else 400,
        lines=[Line(one, assurance(registry, one.iri)) for one in found[:_PAGE]],
        more=found[_PAGE - 1].iri if len(found) > _PAGE else None,
        search=search,
        kinds=kinds(),
        error=error,
        entries=len(registry.journal),
    )


def _found(registry: Registry, search: Search) -> list[ArtifactSummary]:
    """One artifact more than a page shows, which tells that there is a next one."""
    return find(
        registry,
        name=search.name,
        kind=search.kind or None,
        tag=search.tag or None,
        parameter=setting(search.parameter) if search.parameter else None,
        license=search.license or None,
        limit=_PAGE + 1,
        after=NamedNode(f"urn:uuid:{search.after}") if search.after else None,
    )


@cache
def kinds() -> tuple[str, ...]:
    """The kinds of artifacts that have bytes, in the order of the vocabulary."""
    models = [
        local_name(triple.subject)
        for triple in parse(vocabulary(), format=RdfFormat.TURTLE)
        if triple.predicate == RDFS.subClassOf
        and triple.object == PM.ModelArtifact
        and isinstance(triple.subject, NamedNode)
        and triple.subject != PM.ExternalArtifact
    ]
    return (*models, local_name(PM.KVCachePolicy))
