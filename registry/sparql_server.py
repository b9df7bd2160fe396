"""The knowledge graph on any server that speaks the SPARQL 1.1 protocol.

Only the standard is used: queries and updates by POST, and JSON results. Two things are expected of
the server: an update request is all-or-nothing, and the default graph of a query is the union of
all named graphs. Many do so by default; Oxigraph and its kind are asked to by a URL parameter.
"""

from __future__ import annotations

import http.client
import itertools
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, Triple, parse, serialize

from pressmark.ontology import query as packaged_query
from pressmark.ontology.questions import bind
from pressmark.registry.errors import InvalidInputError, StoreError
from pressmark.registry.graph import Answer, Row, Term

_TIMEOUT_SECONDS: Final = 60.0
_BULK_QUADS: Final = 20_000
_ACCEPT: Final = "application/sparql-results+json, application/n-triples;q=0.9"


class SparqlServerGraph:
    """A graph on a server.

    Args:
        url: The query endpoint, such as ``http://host:7878/query``. Updates go to the same URL
            with ``/query`` or ``/sparql`` at the end replaced by ``/update``; where a server has it
            otherwise, give both, as ``QUERY|UPDATE``.
        timeout: Seconds to wait for an answer.
    """

    def __init__(self, url: str, *, timeout: float = _TIMEOUT_SECONDS) -> None:
        self.query_url, _, update_url = url.partition("|")
        self.update_url = update_url or re.sub(r"/(query|sparql)$", "/update", self.query_url)
        self._timeout = timeout

    def query(self, sparql: str) -> Answer:
        """Answers a SPARQL query over the union of all named graphs; see `GraphReader`."""
        kind, body = self._queried(sparql, _ACCEPT)
        if kind == "application/n-triples":
            return [quad.triple for quad in parse(body, format=RdfFormat.N_TRIPLES)]
        return _answer(json.loads(body))

    def query_as(self, sparql: str, media_type: str) -> bytes:
        """Answers a SPARQL query in a format of the W3C; see `GraphReader`."""
        kind, body = self._queried(sparql, media_type)
        if kind != media_type:
            raise InvalidInputError(
                f"the graph server gave {kind} instead of {media_type}",
                "CONSTRUCT and DESCRIBE give a graph, SELECT and ASK do not: choose another format",
            )
        return body

    def _queried(self, sparql: str, accept: str) -> tuple[str, bytes]:
        url = f"{self.query_url}{'&' if '?' in self.query_url else '?'}union-default-graph"
        return self._post(url, "application/sparql-query", sparql, accept)

    def match(
        self,
        subject: NamedNode | None = None,
        predicate: NamedNode | None = None,
        object_: Term | None = None,
        graph: NamedNode | None = None,
    ) -> Iterator[Quad]:
        """Finds quads by what is given of them."""
        given = {"subject": subject, "predicate": predicate, "object": object_, "graph": graph}
        bound = {name: term for name, term in given.items() if term is not None}
        for row in self._rows("match", **bound):
            yield Quad(row["subject"], row["predicate"], row["object"], row["graph"])  # type: ignore[arg-type]

    def quads(self, graph: NamedNode) -> Iterator[Quad]:
        """All quads of one named graph."""
        return self.match(graph=graph)

    def graphs(self) -> Iterator[NamedNode]:
        """The names of all graphs that hold a quad."""
        for row in self._rows("graphs"):
            if isinstance(row["graph"], NamedNode):
                yield row["graph"]

    def strays(self) -> Iterator[Quad]:
        """The quads in no named graph."""
        for row in self._rows("strays"):
            yield Quad(row["subject"], row["predicate"], row["object"])  # type: ignore[arg-type]

    def extend(self, quads: Iterable[Quad]) -> None:
        """Adds quads in one update request."""
        self._update(_insert_data(quads))

    def bulk_extend(self, quads: Iterable[Quad]) -> None:
        """Adds very many quads, in order, in requests of a bounded size."""
        iterator = iter(quads)
        while batch := list(itertools.islice(iterator, _BULK_QUADS)):
            self._update(_insert_data(batch))

    def clear(self) -> None:
        """Removes everything."""
        self._update("CLEAR ALL")

    def close(self) -> None:
        """Does nothing: no connection is kept."""

    def _rows(self, name: str, **terms: Term) -> list[Row]:
        answer = self.query(bind(packaged_query(name), **terms))
        assert isinstance(answer, list)
        return [row for row in answer if not isinstance(row, Triple)]

    def _update(self, sparql: str) -> None:
        self._post(self.update_url, "application/sparql-update", sparql, "*/*")

    def _post(self, url: str, kind: str, text: str, accept: str) -> tuple[str, bytes]:
        headers = {"Content-Type": kind, "Accept": accept}
        request = urllib.request.Request(url, text.encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:
                return response.headers.get_content_type(), response.read()
        except urllib.error.HTTPError as error:
            with error:
                detail = error.read(2000).decode(errors="replace").strip()
            if error.code == http.client.BAD_REQUEST:
                raise InvalidInputError(f"the server refused the SPARQL text: {detail}") from None
            raise StoreError(
                f"the graph server {url} answered {error.code}: {detail}",
                "look at the server's log; the command can be repeated",
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise StoreError(
                f"the graph server {url} cannot be reached: {error}",
                "start the server, or correct `graph` in registry.json",
            ) from error


def _insert_data(quads: Iterable[Quad]) -> str:
    blocks = []
    for graph, group in itertools.groupby(quads, key=lambda quad: quad.graph_name):
        triples = serialize((quad.triple for quad in group), format=RdfFormat.N_TRIPLES) or b""
        named = isinstance(graph, NamedNode)
        text = triples.decode()
        blocks.append(f"GRAPH {graph} {{\n{text}}}" if named else text)
    return "INSERT DATA {\n" + "\n".join(blocks) + "\n}"


def _answer(document: Mapping[str, Any]) -> Answer:
    if "boolean" in document:
        return bool(document["boolean"])
    rows: list[Row] = []
    for binding in document["results"]["bindings"]:
        rows.append({name: _term(value) for name, value in binding.items()})
    return rows


def _term(value: Mapping[str, str]) -> Term:
    if value["type"] == "uri":
        return NamedNode(value["value"])
    if value["type"] == "bnode":
        raise StoreError(f"the graph server gave a blank node, {value['value']}: no record has any")
    if "xml:lang" in value:
        return Literal(value["value"], language=value["xml:lang"])
    datatype = value.get("datatype")
    return Literal(value["value"], datatype=NamedNode(datatype) if datatype else None)
