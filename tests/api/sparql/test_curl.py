"""curl asks the endpoint in every way that the protocol has, and reads resources."""

import json
import shutil
import subprocess

import pytest
from pyoxigraph import QueryResultsFormat, RdfFormat, parse, parse_query_results

PREFIXES = "PREFIX pm: <https://w3id.org/pressmark/ns#> PREFIX prov: <http://www.w3.org/ns/prov#>"
SELECT = f"{PREFIXES} SELECT ?s ?p {{ ?s a pm:QuantizedModel ; prov:wasDerivedFrom ?p }}"
ASK = f"{PREFIXES} ASK {{ ?s a pm:QuantizedModel }}"
CONSTRUCT = f"{PREFIXES} CONSTRUCT {{ ?s a pm:Run }} WHERE {{ ?s a pm:Run }}"
DESCRIBE = f"{PREFIXES} DESCRIBE ?s WHERE {{ ?s a pm:QuantizedModel }}"

TABLES = {
    "application/sparql-results+json": QueryResultsFormat.JSON,
    "application/sparql-results+xml": QueryResultsFormat.XML,
    "text/tab-separated-values": QueryResultsFormat.TSV,
    "text/csv": None,
}
GRAPHS = {
    "text/turtle": RdfFormat.TURTLE,
    "application/n-triples": RdfFormat.N_TRIPLES,
    "application/rdf+xml": RdfFormat.RDF_XML,
    "application/ld+json": RdfFormat.JSON_LD,
    "text/n3": RdfFormat.N3,
}
#: The three ways of the SPARQL 1.1 Protocol, section 2.1, as curl writes them.
WAYS = {
    "GET": ["--get", "--data-urlencode"],
    "form": ["--data-urlencode"],
    "direct": ["--header", "Content-Type: application/sparql-query", "--data-binary"],
}


def curl(*arguments: str) -> tuple[int, str, str]:
    """The status, the media type and the body that curl got."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = ["curl", "--silent", "--show-error", "--max-time", "60"]
    command += ["--write-out", "\n%{http_code} %{content_type}"]
    done = subprocess.run([*command, *arguments], capture_output=True, check=True)
    body, _, last = done.stdout.decode().rpartition("\n")
    status, _, kind = last.partition(" ")
    return int(status), kind.partition(";")[0], body


def asked(service: str, way: str, query: str, accept: str) -> tuple[int, str, str]:
    data = query if way == "direct" else f"query={query}"
    return curl("--header", f"Accept: {accept}", *WAYS[way], data, f"{service}/sparql")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", TABLES)
def test_curl_gets_each_table_in_each_way(service: str, way: str, kind: str) -> None:
    status, got, body = asked(service, way, SELECT, kind)
    assert (status, got) == (200, kind)
    results_format = TABLES[kind]
    if results_format is None:
        assert [len(line.split(",")) for line in body.splitlines()] == [2, 2]
        return
    (row,) = list(parse_query_results(body.encode(), format=results_format))  # type: ignore[arg-type]
    assert row["s"].value != row["p"].value


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", GRAPHS)
@pytest.mark.parametrize("query", [CONSTRUCT, DESCRIBE])
def test_curl_gets_each_graph_in_each_way(service: str, way: str, kind: str, query: str) -> None:
    status, got, body = asked(service, way, query, kind)
    assert (status, got) == (200, kind)
    assert list(parse(body.encode(), format=GRAPHS[kind]))


@pytest.mark.parametrize("way", WAYS)
def test_curl_gets_a_truth_value(service: str, way: str) -> None:
    status, _, body = asked(service, way, ASK, "application/sparql-results+json")
    assert (status, json.loads(body)["boolean"]) == (200, True)


@pytest.mark.parametrize("way", WAYS)
def test_curl_is_told_what_cannot_be_given(service: str, way: str) -> None:
    status, kind, _ = asked(service, way, SELECT, "image/png")
    assert (status, kind) == (406, "application/problem+json")


@pytest.mark.parametrize("kind", ["application/ld+json", "application/trig", "text/turtle"])
def test_curl_gets_a_resource_in_each_format(service: str, kind: str) -> None:
    status, got, body = curl("--header", f"Accept: {kind}", f"{service}/v1/artifacts/int8")
    assert (status, got) == (200, kind)
    rdf_format = RdfFormat.from_media_type(kind)
    assert rdf_format is not None
    assert len(list(parse(body.encode(), format=rdf_format))) > 50
