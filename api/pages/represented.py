"""HTML among the representations that the REST interface gives of its resources."""

import json
from collections.abc import Callable
from typing import Final

from fastapi import FastAPI, Request

from pressmark.api.jobs.runs import RunView
from pressmark.api.pages import artifact, runs
from pressmark.api.pages.access import visitor
from pressmark.api.pages.rendering import HEADERS, text
from pressmark.api.plain import plain
from pressmark.api.service.representations import (
    Format,
    Kind,
    Representation,
    Representations,
    Resource,
)

_LONGEST: Final = 200_000

_Write = Callable[[Request, Resource], str]


def add_to(app: FastAPI) -> None:
    """Gives every kind of resource a page: its own, or one that shows its data."""
    known: Representations = app.state.representations
    own: dict[Kind, _Write] = {Kind.ARTIFACT: _artifact, Kind.RUN: _run}
    for kind in Kind:
        known.add(kind, _html(own.get(kind, _data)))


def _html(write: _Write) -> Representation:
    def render(request: Request, resource: Resource) -> bytes:
        return write(request, resource).encode()

    return Representation(Format.HTML, "text/html", render, HEADERS)


def _artifact(request: Request, resource: Resource) -> str:
    assert resource.iri is not None
    seen = visitor(request)
    return artifact.written(request, request.app.state.registry, resource.iri, seen)


def _run(request: Request, resource: Resource) -> str:
    view = resource.facts()
    assert isinstance(view, RunView)
    return runs.written(request, request.app.state.registry, view, visitor(request))


def _data(request: Request, resource: Resource) -> str:
    """What the resource's JSON says, with the ways to its other formats."""
    visitor(request)
    known: Representations = request.app.state.representations
    others = [
        (each.format.value, _address(request, each.format))
        for each in known.of(resource.kind)
        if each.format is not Format.HTML
    ]
    shown = json.dumps(plain(resource.facts()), ensure_ascii=False, indent=2)
    return text(request, "data", data=shown[:_LONGEST], cut=len(shown) > _LONGEST, others=others)


def _address(request: Request, wanted: Format) -> str:
    asked = request.url.include_query_params(format=wanted.value)
    return f"{asked.path}?{asked.query}"
