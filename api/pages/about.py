"""``/about`` and ``/resources``: the registry itself, and whatever else has an IRI in it."""

from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pyoxigraph import NamedNode

from pressmark.api.pages.access import visitor
from pressmark.api.pages.rendering import page, uuid
from pressmark.api.service.dependencies import Store
from pressmark.registry.errors import InvalidInputError, NotFoundError
from pressmark.registry.facts import Reader, summaries
from pressmark.registry.runs import recorded_runs
from pressmark.registry.views import head

routes = APIRouter(dependencies=[Depends(visitor)])


@routes.get("/about")
def about(request: Request, registry: Store) -> Response:
    """How far the journal goes, and what else can be asked."""
    return page(request, "about", head=head(registry), version=version("pressmark"))


@routes.get("/resources")
def resource(
    request: Request, registry: Store, iri: Annotated[str, Query(max_length=2000)]
) -> Response:
    """What an IRI stands for: the page that it has, or all that is stated about it."""
    thing = _iri(iri)
    if address := _own_page(registry, thing):
        return RedirectResponse(address, 303)
    about = registry.rows("statements_about", thing=thing)
    pointing = registry.rows("statements_pointing_at", thing=thing)
    if not about and not pointing:
        raise NotFoundError(f"nothing is stated here about {iri}", "check the IRI")
    return page(request, "resource", iri=thing, about=about, pointing=pointing)


def _own_page(reader: Reader, thing: NamedNode) -> str | None:
    if summaries(reader, [thing]):
        return f"/artifacts/{uuid(thing)}"
    if recorded_runs(reader, [thing]):
        return f"/runs/{uuid(thing)}"
    return None


def _iri(text: str) -> NamedNode:
    try:
        return NamedNode(text)
    except ValueError as error:
        raise InvalidInputError(f"{text!r} is no IRI: {error}", "give a whole IRI") from None
