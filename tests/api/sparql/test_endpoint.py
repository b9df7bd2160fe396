"""The SPARQL protocol, with clients that others wrote."""

import json
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx2
import pytest
import rdflib
from pyoxigraph import QueryResultsFormat, RdfFormat, parse, parse_query_results
from rdflib.plugins.stores.sparqlstore import SPARQLStore
from SPARQLWrapper import JSON, POST, POSTDIRECTLY, SPARQLWrapper

SELECT = "SELECT ?s WHERE { ?s a <https://w3id.org/pressmark/ns#QuantizedModel> }"
CONSTRUCT = "CONSTRUCT { ?s a ?t } WHERE { ?s a ?t } LIMIT 5"
TABLES = {
    "application/sparql-results+json": QueryResultsFormat.JSON,
    "application/sparql-results+xml": QueryResultsFormat.XML,
    "text/tab-separated-values": QueryResultsFormat.TSV,
}
GRAPHS = {
    "text/turtle": RdfFormat.TURTLE,
    "application/n-triples": RdfFormat.N_TRIPLES,
    "application/rdf+xml": RdfFormat.RDF_XML,
    "application/ld+json": RdfFormat.JSON_LD,
}


@pytest.fixture(scope="module")
def client(service: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=service) as client:
        yield client


def ask(client: httpx2.Client, query: str, accept: str = "") -> httpx2.Response:
    headers = {"Accept": accept} if accept else {}
    return client.get("/sparql", params={"query": query}, headers=headers)


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_in_each_format(client: httpx2.Client, kind: str) -> None:
    answer = ask(client, SELECT, kind)
    assert answer.headers["content-type"].partition(";")[0] == kind
    rows = list(parse_query_results(answer.content, format=TABLES[kind]))
    assert len(rows) == 1
    assert rows[0]["s"].value.startswith("urn:uuid:")


@pytest.mark.parametrize("kind", GRAPHS)
def test_a_graph_in_each_format(client: httpx2.Client, kind: str) -> None:
    answer = ask(client, CONSTRUCT, kind)
    assert answer.headers["content-type"].partition(";")[0] == kind
    assert len(list(parse(answer.content, format=GRAPHS[kind]))) == 5


def test_all_three_ways_of_asking_give_the_same(client: httpx2.Client) -> None:
    got = ask(client, SELECT).content
    form = client.post("/sparql", data={"query": SELECT})
    direct = client.post(
        "/sparql", content=SELECT, headers={"Content-Type": "application/sparql-query"}
    )
    assert json.loads(got) == json.loads(form.content) == json.loads(direct.content)


@pytest.mark.parametrize("method", ["GET", POST])
@pytest.mark.parametrize("way", ["urlencoded", POSTDIRECTLY])
def test_sparqlwrapper(service: str, method: str, way: str) -> None:
    wrapper = SPARQLWrapper(f"{service}/sparql", returnFormat=JSON)
    wrapper.setQuery(SELECT)
    wrapper.setMethod(method)
    wrapper.setRequestMethod(way)
    found = wrapper.query().convert()
    assert len(found["results"]["bindings"]) == 1


def test_rdflib_s_store(service: str) -> None:
    graph = rdflib.Graph(SPARQLStore(f"{service}/sparql"))
    kind = rdflib.URIRef("https://w3id.org/pressmark/ns#PrunedModel")
    assert len(list(graph.subjects(rdflib.RDF.type, kind))) == 1


def test_the_request_s_dataset_outweighs_the_query_s(client: httpx2.Client) -> None:
    count = "SELECT (COUNT(*) AS ?n) FROM <urn:nothing> WHERE { ?s ?p ?o }"
    name = first_graph(client)
    assert number(ask(client, count)) == 0
    parameters = {"query": count, "default-graph-uri": name}
    assert number(client.get("/sparql", params=parameters)) > 0


def test_a_named_graph_alone_leaves_the_default_graph_empty(client: httpx2.Client) -> None:
    name = first_graph(client)
    for pattern, is_empty in (("{ ?s ?p ?o }", True), ("{ GRAPH ?g { ?s ?p ?o } }", False)):
        query = f"SELECT (COUNT(*) AS ?n) WHERE {pattern}"
        parameters = {"query": query, "named-graph-uri": name}
        assert (number(client.get("/sparql", params=parameters)) == 0) == is_empty


def first_graph(client: httpx2.Client) -> str:
    rows = ask(client, "SELECT ?g { GRAPH ?g { ?s a ?t } } LIMIT 1").json()["results"]["bindings"]
    return str(rows[0]["g"]["value"])


def number(answer: httpx2.Response) -> int:
    return int(answer.json()["results"]["bindings"][0]["n"]["value"])


def test_the_service_describes_itself(client: httpx2.Client, service: str) -> None:
    answer = client.get("/sparql", headers={"Accept": "text/turtle"})
    graph = rdflib.Graph().parse(data=answer.text)
    sd = rdflib.Namespace("http://www.w3.org/ns/sparql-service-description#")
    [endpoint] = graph.objects(None, sd.endpoint)
    assert str(endpoint) == f"{service}/sparql"
    assert len(list(graph.objects(None, sd.resultFormat))) == 9


def test_the_graph_store_gives_one_graph_or_all(client: httpx2.Client) -> None:
    name = first_graph(client)
    accept = {"Accept": "application/n-triples"}
    one = client.get("/rdf-graph-store", params={"graph": name}, headers=accept)
    all_ = client.get("/rdf-graph-store?default", headers=accept)
    assert 0 < len(one.text.splitlines()) < len(all_.text.splitlines())


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_the_graph_store_is_read_only(client: httpx2.Client, method: str) -> None:
    answer = client.request(method, "/rdf-graph-store?default")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


REFUSALS = [
    ("SELECT * { SERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }", 403),
    ("LOAD <file:///etc/passwd>", 403),
    ("SELECT * {", 400),
    ("SELECT * { ?s ?p ?o } ; SELECT * { ?s ?p ?o }", 400),
    ("SELECT (" * 60_000, 413),
    ("SELECT * { ?s ?p ?o FILTER(" + "(" * 40_000, 400),
]


@pytest.mark.parametrize(("query", "status"), REFUSALS)
def test_a_refusal_is_a_problem(client: httpx2.Client, query: str, status: int) -> None:
    answer = client.post("/sparql", data={"query": query})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_what_cannot_be_read_as_a_request_is_refused(client: httpx2.Client) -> None:
    twice = client.get("/sparql?" + urlencode([("query", SELECT), ("query", SELECT)]))
    assert twice.status_code == 400
    assert (
        client.post("/sparql", content=SELECT, headers={"Content-Type": "text/plain"}).status_code
        == 415
    )
    assert client.get("/sparql?query=%FF").status_code == 400
    assert ask(client, SELECT, "image/png").status_code == 406
    too_long = client.post("/sparql", data={"query": "#" * 1_000_000})
    assert too_long.status_code == 413


def test_from_a_file_reads_no_file(client: httpx2.Client) -> None:
    query = "SELECT (COUNT(*) AS ?n) FROM <file:///etc/passwd> WHERE { ?s ?p ?o }"
    assert number(ask(client, query)) == 0
