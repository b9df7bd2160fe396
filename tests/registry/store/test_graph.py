import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from pyoxigraph import (
    Literal,
    NamedNode,
    Quad,
    QueryResultsFormat,
    QueryTriples,
    RdfFormat,
    Store,
    parse,
)

from pressmark.registry.errors import (
    InvalidInputError,
    StoreDamagedError,
    StoreError,
    StoreLockedError,
)
from pressmark.registry.graph import ClosedGraphError, EmbeddedGraph, GraphStore
from pressmark.registry.index import bundle_at
from pressmark.registry.registry import Registry
from pressmark.registry.sparql_server import SparqlServerGraph

A, B, C, P, Q = (NamedNode(f"urn:test:{name}") for name in "abcpq")
G, H = NamedNode("urn:test:g"), NamedNode("urn:test:h")

DATA = b"""
<urn:test:a> <urn:test:p> <urn:test:b> <urn:test:g> .
<urn:test:b> <urn:test:p> <urn:test:c> <urn:test:h> .
<urn:test:a> <urn:test:q> "a \\"quoted\\" line\\nand ?b {" <urn:test:g> .
<urn:test:b> <urn:test:q> "2026-01-01T00:00:00Z"^^<http://www.w3.org/2001/XMLSchema#dateTime> <urn:test:h> .
<urn:test:c> <urn:test:q> "3"^^<http://www.w3.org/2001/XMLSchema#integer> <urn:test:h> .
"""  # noqa: E501


class SparqlHandler(BaseHTTPRequestHandler):
    """The SPARQL 1.1 protocol's POST operations over a real engine."""

    store: ClassVar[Store]
    failing: ClassVar[bool] = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.failing:
            self.answer(500, "text/plain", b"out of order")
            return
        try:
            if urlsplit(self.path).path == "/update":
                self.store.update(body)
                self.answer(204, "text/plain", b"")
            else:
                union = "union-default-graph" in urlsplit(self.path).query
                self.query(body, union)
        except (SyntaxError, ValueError) as error:
            self.answer(400, "text/plain", str(error).encode())

    def query(self, text: str, union: bool) -> None:
        results: Any = self.store.query(text, use_default_graph_as_union=union)
        if isinstance(results, QueryTriples):
            data = results.serialize(format=RdfFormat.N_TRIPLES) or b""
            self.answer(200, "application/n-triples", data)
        else:
            kind = self.headers["Accept"].partition(",")[0]
            form = QueryResultsFormat.from_media_type(kind) or QueryResultsFormat.JSON
            self.answer(200, form.media_type, results.serialize(format=form))

    def answer(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def handler() -> type[SparqlHandler]:
    return type("Handler", (SparqlHandler,), {"store": Store()})


@pytest.fixture
def server_url(handler: type[SparqlHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/query"
        server.shutdown()
        thread.join()


def quads(nquads: bytes) -> Iterator[Quad]:
    return parse(nquads, format=RdfFormat.N_QUADS)


@pytest.fixture(params=["embedded", "server"])
def graph(request: pytest.FixtureRequest, tmp_path: Path) -> GraphStore:
    if request.param == "embedded":
        return EmbeddedGraph(tmp_path / "graph")
    return SparqlServerGraph(request.getfixturevalue("server_url"))


@pytest.fixture
def filled(graph: GraphStore) -> GraphStore:
    graph.extend(quads(DATA))
    return graph


def test_both_stores_answer_in_the_formats_of_the_w3c(filled: GraphStore) -> None:
    query = f"SELECT ?o {{ {A} {P} ?o }} ORDER BY ?o"
    found = filled.query(query)
    assert isinstance(found, list)
    lines = filled.query_as(query, "text/csv").decode().splitlines()
    assert lines == ["o", *(row["o"].value for row in found)]  # type: ignore[index, union-attr]
    assert b"true" in filled.query_as("ASK {}", "application/sparql-results+json")
    construct = f"CONSTRUCT {{ ?s {P} {B} }} {{ ?s {P} {B} }}"
    assert f"{A} {P} {B} ." in filled.query_as(construct, "application/n-triples").decode()
    for text, kind in (("ASK {}", "application/n-triples"), (construct, "text/csv")):
        with pytest.raises(InvalidInputError, match="choose another format"):
            filled.query_as(text, kind)
    with pytest.raises(InvalidInputError):
        filled.query_as("SELECT nonsense", "text/csv")


def test_both_stores_hold_what_they_were_given(filled: GraphStore) -> None:
    expected = set(quads(DATA))
    assert {quad for name in filled.graphs() for quad in filled.quads(name)} == expected
    assert set(filled.graphs()) == {G, H}
    assert set(filled.match(subject=B)) == {quad for quad in expected if quad.subject == B}
    assert list(filled.match(A, P, B, G)) == [Quad(A, P, B, G)]
    assert list(filled.match(A, P, B, H)) == []
    assert list(filled.match(object_=Literal(3))) == [Quad(C, Q, Literal(3), H)]


def test_queries_see_the_union_of_all_graphs(filled: GraphStore) -> None:
    answer = filled.query("SELECT ?x ?y WHERE { VALUES ?x { <urn:test:a> } ?x <urn:test:p>+ ?y }")
    assert isinstance(answer, list)
    assert {row["y"] for row in answer} == {B, C}  # type: ignore[call-overload]
    assert all(row["x"] == A for row in answer)  # type: ignore[call-overload]


def test_unbound_variables_are_left_out(filled: GraphStore) -> None:
    text = "SELECT ?x ?y WHERE { ?x <urn:test:q> ?any OPTIONAL { ?x <urn:test:p> ?y } }"
    answer = filled.query(text)
    assert isinstance(answer, list)
    assert {"x": C} in answer


def test_truth_values_and_triples_are_answers_too(filled: GraphStore) -> None:
    assert filled.query("ASK { <urn:test:a> <urn:test:p> ?y }") is True
    assert filled.query("ASK { <urn:test:c> <urn:test:p> ?y }") is False
    triples = filled.query("CONSTRUCT { ?y <urn:test:p> ?x } WHERE { ?x <urn:test:p> ?y }")
    assert {str(triple) for triple in triples} == {  # type: ignore[union-attr]
        "<urn:test:b> <urn:test:p> <urn:test:a>",
        "<urn:test:c> <urn:test:p> <urn:test:b>",
    }


def test_literals_keep_their_form(filled: GraphStore) -> None:
    answer = filled.query("SELECT ?y WHERE { ?x <urn:test:q> ?y }")
    assert isinstance(answer, list)
    expected = {q.object for q in quads(DATA) if q.predicate == Q}
    assert {row["y"] for row in answer} == expected  # type: ignore[call-overload]


@pytest.mark.parametrize("text", ["SELECT ?x WHERE {", "DELETE WHERE { ?s ?p ?o }"])
def test_bad_queries_are_refused(filled: GraphStore, text: str) -> None:
    with pytest.raises(InvalidInputError, match="SPARQL"):
        filled.query(text)


def test_bad_data_is_refused_as_a_whole(graph: GraphStore) -> None:
    with pytest.raises(SyntaxError):
        graph.extend(quads(DATA + b"nonsense"))
    assert list(graph.graphs()) == []


def test_statements_outside_of_named_graphs_are_strays(filled: GraphStore) -> None:
    assert list(filled.strays()) == []
    filled.bulk_extend([Quad(A, P, C)])
    assert [quad.triple for quad in filled.strays()] == [Quad(A, P, C).triple]
    assert set(filled.graphs()) == {G, H}


def test_bulk_and_clear(graph: GraphStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pressmark.registry.sparql_server._BULK_QUADS", 10)
    graph.bulk_extend(Quad(A, P, Literal(number), G) for number in range(55))
    assert len(list(graph.quads(G))) == 55
    graph.clear()
    assert list(graph.graphs()) == []


def test_a_folder_is_open_once(tmp_path: Path) -> None:
    first = EmbeddedGraph(tmp_path / "graph")
    with pytest.raises(StoreLockedError, match="open elsewhere"):
        EmbeddedGraph(tmp_path / "graph", wait=0.05)
    first.close()
    with pytest.raises(ClosedGraphError):
        first.query("ASK {}")
    EmbeddedGraph(tmp_path / "graph").close()


def test_copies_are_read_by_many_and_never_change(tmp_path: Path) -> None:
    graph = EmbeddedGraph(tmp_path / "graph")
    graph.extend(quads(DATA))
    graph.copy_to(tmp_path / "copy")
    graph.extend([Quad(C, P, A, NamedNode("urn:test:new"))])
    readers = [EmbeddedGraph(tmp_path / "copy", read_only=True) for _ in range(3)]
    for reader in readers:
        assert set(reader.graphs()) == {G, H}
        with pytest.raises(StoreError, match="read-write"):
            reader.extend(quads(DATA))


def test_a_folder_that_oxigraph_cannot_read_is_damage(tmp_path: Path) -> None:
    graph = EmbeddedGraph(tmp_path / "graph")
    graph.extend(quads(DATA))
    graph.close()
    (tmp_path / "graph" / "CURRENT").write_text("nonsense")
    with pytest.raises(StoreDamagedError, match="pressmark reindex"):
        EmbeddedGraph(tmp_path / "graph")


def test_a_server_that_fails_is_named(server_url: str, handler: type[SparqlHandler]) -> None:
    graph = SparqlServerGraph(server_url)
    handler.failing = True
    with pytest.raises(StoreError, match="answered 500: out of order"):
        graph.extend(quads(DATA))


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/query"
    with pytest.raises(StoreError, match=f"{url}.* cannot be reached"):
        SparqlServerGraph(url).query("ASK {}")


def test_a_registry_on_a_server(
    tmp_path: Path,
    records: ModuleType,
    new_file: Callable[..., Path],
    server_url: str,
    handler: type[SparqlHandler],
) -> None:
    root = tmp_path / "registry"
    registry = Registry.create(root, graph=server_url, validator=records.AcceptAll())
    made = [records.registration([new_file()]) for _ in range(3)]
    for record in made:
        registry.commit(record)
    assert registry.commit(made[0]).sequence == 1
    quads = set(handler.store)
    assert {str(q.graph_name) for q in quads} >= {str(record.bundle) for record in made}
    again = Registry.open(root, validator=records.AcceptAll())
    assert [bundle_at(again.graph(), number) for number in (1, 2, 3)] == [r.bundle for r in made]
    handler.store.clear()
    assert again.reindex() == 3
    assert set(handler.store) == quads
    assert not (root / "graph").exists()


def test_a_server_that_fails_in_a_commit_catches_up_later(
    tmp_path: Path,
    records: ModuleType,
    new_file: Callable[..., Path],
    server_url: str,
    handler: type[SparqlHandler],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = tmp_path / "registry"
    registry = Registry.create(root, graph=server_url, validator=records.AcceptAll())
    record = records.registration([new_file()])
    with registry.writing():
        original = SparqlServerGraph.extend

        def fail(self: SparqlServerGraph, nquads: bytes) -> None:
            handler.failing = True
            original(self, nquads)

        with monkeypatch.context() as patch:
            patch.setattr(SparqlServerGraph, "extend", fail)
            with pytest.raises(StoreError, match="safe as entry 1 of the journal"):
                registry.commit(record)
    assert len(set(handler.store)) == 0
    handler.failing = False
    assert bundle_at(registry.graph(), 1) == record.bundle
    assert registry.commit(record).sequence == 1
