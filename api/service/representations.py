"""The representations of a resource: one IRI, and the media type that a client wants most.

A route gives a `Resource`; `Answer` chooses the representation by ``?format=`` or by the Accept
header (RFC 9110 section 12.5.1), renders it, tags it, and says where its provenance is (W3C PROV-AQ
section 3.1). JSON comes first: a client that wants anything gets it.

The RDF formats hold the records themselves, as they were committed, not what JSON makes of them.
Whoever else can render a kind of resource adds a `Representation`: the web pages add HTML.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request, Response
from pyoxigraph import NamedNode

from pressmark.api.errors import NotAcceptableError
from pressmark.api.plain import plain
from pressmark.api.service.prov_aq import provenance_links
from pressmark.api.service.resources import answers, tagged
from pressmark.api.sparql.formats import negotiate
from pressmark.registry.documents import Document


class Kind(StrEnum):
    """What a resource is, for those who render only some kinds."""

    ARTIFACT = "artifact"
    LINEAGE = "lineage"
    RUN = "run"
    RECORD = "record"
    ALIAS = "alias"
    LINE = "line"
    ANY = "any"


class Format(StrEnum):
    """What ``?format=`` may name; a client that cannot set headers uses it."""

    JSON = "json"
    JSON_LD = "jsonld"
    TURTLE = "turtle"
    TRIG = "trig"
    N_QUADS = "nquads"
    PROV_JSON = "provjson"
    HTML = "html"


@dataclass(frozen=True)
class Resource:
    """What a route answers with. Nothing of it is computed before a representation needs it.

    Attributes:
        kind: What it is.
        facts: Gives the value that becomes JSON.
        document: Gives what the records say of it.
        iri: By what name the records know it; None for what is no single thing, such as a page.
        links: Further values of the Link header (RFC 8288).
    """

    kind: Kind
    facts: Callable[[], object]
    document: Callable[[], Document]
    iri: NamedNode | None = None
    links: tuple[str, ...] = ()


@dataclass(frozen=True)
class Representation:
    """One way to write a resource.

    Attributes:
        format: What ``?format=`` calls it.
        media_type: Its media type.
        render: Gives the bytes.
        headers: Headers of its own, such as a Content-Security-Policy.
    """

    format: Format
    media_type: str
    render: Callable[[Request, Resource], bytes]
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def _json(_: Request, resource: Resource) -> bytes:
    value = plain(resource.facts())
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


#: What every resource can be had as, the preferred one first. PROV-JSON has no registered media
#: type; this one follows the registered "application/provenance+xml".
COMMON: Final = (
    Representation(Format.JSON, "application/json", _json),
    Representation(Format.JSON_LD, "application/ld+json", lambda _, r: r.document().json_ld()),
    Representation(Format.TURTLE, "text/turtle", lambda _, r: r.document().turtle()),
    Representation(Format.TRIG, "application/trig", lambda _, r: r.document().trig()),
    Representation(Format.N_QUADS, "application/n-quads", lambda _, r: r.document().nquads),
    Representation(
        Format.PROV_JSON, "application/provenance+json", lambda _, r: r.document().prov_json()
    ),
)


class Representations:
    """Which representations each kind of resource has."""

    def __init__(self) -> None:
        self._added: dict[Kind, list[Representation]] = {}

    def add(self, kind: Kind, representation: Representation) -> None:
        """Adds one, which a client gets that prefers its media type."""
        self._added.setdefault(kind, []).append(representation)

    def of(self, kind: Kind) -> tuple[Representation, ...]:
        """Those of a kind, the preferred one first."""
        return (*COMMON, *self._added.get(kind, ()))

    def chosen(self, kind: Kind, wanted: Format | None, accept: str) -> Representation:
        """The one that a client wants most.

        Raises:
            NotAcceptableError: There is none that it would take.
        """
        offered = {each.media_type: each for each in self.of(kind)}
        if wanted is None:
            return offered[negotiate(accept, offered)]
        for each in offered.values():
            if each.format is wanted:
                return each
        raise NotAcceptableError(
            f"this cannot be given as {wanted}",
            f"ask for one of {', '.join(each.format for each in offered.values())}",
        )


class Answerer:
    """Answers one request with a resource."""

    def __init__(self, request: Request, wanted: Format | None) -> None:
        self._request = request
        self._wanted = wanted

    def __call__(self, resource: Resource) -> Response:
        """The representation that the client wants most, or 304 where it has it already.

        Raises:
            NotAcceptableError: There is none that it would take.
        """
        request = self._request
        known: Representations = request.app.state.representations
        accept = request.headers.get("accept", "")
        chosen = known.chosen(resource.kind, self._wanted, accept)
        links = (*provenance_links(request, resource.iri), *resource.links)
        response = tagged(request, chosen.render(request, resource), chosen.media_type, links)
        response.headers.update(chosen.headers)
        return response


def _answerer(
    request: Request,
    wanted: Annotated[
        Format | None,
        Query(alias="format", description="Instead of an Accept header: the representation."),
    ] = None,
) -> Answerer:
    return Answerer(request, wanted)


Answer = Annotated[Answerer, Depends(_answerer)]
"""Turns a resource into the response that the client wants."""


def represented(model: Any, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of a negotiated route's answers; see `answers`."""
    described = answers(model, 406, *statuses)
    others = [each.media_type for each in COMMON[1:]]
    described[200]["content"] = {kind: {} for kind in (*others, "text/html")}
    return described
