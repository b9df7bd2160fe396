"""One resource, many representations: each says the same, and the client chooses."""

import hashlib
import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi import FastAPI, Request
from pyoxigraph import RdfFormat, parse
from starlette.testclient import TestClient

from pressmark.api.service.representations import (
    COMMON,
    Format,
    Kind,
    Representation,
    Representations,
    Resource,
)
from pressmark.ontology.terms import PROV
from pressmark.registry.documents import document_about
from pressmark.registry.record import canonical_nquads
from pressmark.registry.registry import Registry
from pressmark.registry.search import resolve

TYPES = {each.format: each.media_type for each in COMMON}
RESOURCES = (
    "/v1/artifacts/int8",
    "/v1/artifacts/int8/lineage",
    "/v1/models/base",
    "/v1/records/1",
    "/v1/aliases/prod",
)


@pytest.fixture
def reader(app: FastAPI, client: TestClient) -> TestClient:
    """A client of a registry in which an alias means int8."""
    from pressmark.registry import environment, lifecycle

    registry: Registry = app.state.registry
    lifecycle.set_alias(registry, "prod", resolve(registry, "int8"), environment.circumstances())
    return client


@pytest.fixture(params=[*RESOURCES, "/v1/runs/"])
def address(request: pytest.FixtureRequest, reader: TestClient) -> str:
    if request.param == "/v1/runs/":
        return f"/v1/runs/{reader.get('/v1/runs').json()['runs'][0]['id']}"
    return str(request.param)


def test_every_resource_has_every_representation(reader: TestClient, address: str) -> None:
    bodies = {}
    for name, kind in TYPES.items():
        answer = reader.get(address, headers={"Accept": kind})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].partition(";")[0] == kind
        assert "Accept" in answer.headers["vary"]
        assert reader.get(address, params={"format": name}).content == answer.content
        bodies[name] = answer.content
    quads = canonical_nquads(parse(bodies[Format.N_QUADS], format=RdfFormat.N_QUADS))
    assert bodies[Format.N_QUADS] == quads
    for name, rdf in ((Format.TRIG, RdfFormat.TRIG), (Format.JSON_LD, RdfFormat.JSON_LD)):
        assert canonical_nquads(parse(bodies[name], format=rdf)) == quads
    assert len(set(bodies.values())) == len(bodies)


def test_each_representation_has_its_own_entity_tag(reader: TestClient, address: str) -> None:
    tags = {}
    for kind in TYPES.values():
        answer = reader.get(address, headers={"Accept": kind})
        tags[kind] = answer.headers["etag"]
        again = reader.get(address, headers={"Accept": kind, "If-None-Match": tags[kind]})
        assert (again.status_code, again.content) == (304, b"")
    assert len(set(tags.values())) == len(tags)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("text/html;q=0.1, */*;q=0.8", "application/json"),
        ("text/*", "text/turtle"),
        ("text/turtle;q=0.5, application/trig", "application/trig"),
        ("application/json;q=0.1, application/ld+json;q=0.2", "application/ld+json"),
        ("application/ld+json;profile=x, text/turtle;q=0.9", "application/ld+json"),
        ("*/*, application/json;q=0", "application/ld+json"),
    ],
)
def test_quality_values_are_honoured(client: TestClient, accept: str, chosen: str) -> None:
    answer = client.get("/v1/artifacts/int8", headers={"Accept": accept})
    assert answer.headers["content-type"].partition(";")[0] == chosen


@pytest.mark.parametrize("accept", ["image/png", "text/css", "application/json;q=0", "nonsense"])
def test_what_cannot_be_given_is_a_problem(client: TestClient, accept: str) -> None:
    answer = client.get("/v1/artifacts/int8", headers={"Accept": accept})
    assert answer.status_code == 406
    assert answer.headers["content-type"] == "application/problem+json"
    assert "text/turtle" in answer.json()["hint"]


def test_a_format_that_there_is_not(app: FastAPI, client: TestClient) -> None:
    app.state.representations = Representations()
    assert client.get("/v1/artifacts/int8?format=html").status_code == 406
    browser = client.get("/v1/artifacts/int8", headers={"Accept": "text/html"})
    assert browser.status_code == 406
    assert client.get("/v1/artifacts/int8?format=docx").status_code == 422


def test_the_n_quads_of_a_record_are_the_bytes_that_were_committed(client: TestClient) -> None:
    for entry in client.get("/v1/records?limit=500").json()["records"]:
        address = f"/v1/records/{entry['bundle_digest']}"
        data = client.get(address, params={"format": "nquads"}).content
        assert hashlib.sha256(data).hexdigest() == entry["bundle_digest"]
        view = client.get(address).json()
        assert (view["digest"], view["head"]) == (entry["bundle_digest"], entry["digest"])
        assert client.get(f"/v1/records/{view['bundle']}").json() == view


def test_the_journal_comes_in_pages(client: TestClient) -> None:
    places, address = [], "/v1/records?limit=3"
    while address:
        answer = client.get(address)
        places += [entry["sequence"] for entry in answer.json()["records"]]
        address = answer.links.get("next", {}).get("url", "")
    assert places == list(range(1, 11))
    assert client.get("/v1/records?after=10").json() == {"records": [], "next": None}


def test_a_record_sent_back_as_json_ld_is_the_same_record(client: TestClient) -> None:
    document = client.get("/v1/records/2", params={"format": "jsonld"}).content
    headers = {"Content-Type": "application/ld+json"}
    judged = client.post("/v1/records/validation", content=document, headers=headers)
    assert judged.status_code == 200, judged.text
    digest = client.get("/v1/records/2").json()["digest"]
    trig = client.get("/v1/records/2", params={"format": "trig"}).content
    quads = canonical_nquads(parse(document, format=RdfFormat.JSON_LD))
    assert quads == canonical_nquads(parse(trig, format=RdfFormat.TRIG))
    assert hashlib.sha256(quads).hexdigest() == digest


def test_whatever_the_graph_knows_can_be_asked_for(client: TestClient, chain: Path) -> None:
    seen = set()
    with Registry.open(chain) as registry:
        for row in registry.rows("match"):
            if row["graph"].value.startswith("urn:pressmark"):
                continue
            iri = row["subject"].value
            if iri in seen:
                continue
            seen.add(iri)
            answer = client.get("/v1/resources", params={"iri": iri})
            assert answer.status_code == 200, (iri, answer.text)
            assert answer.json()["kinds"]
            if len(seen) % 20 == 0:
                trig = client.get("/v1/resources", params={"iri": iri, "format": "trig"})
                assert iri.partition("#")[0] in trig.text
    assert len(seen) > 100
    assert client.get("/v1/resources?iri=urn:x").status_code == 404
    assert client.get("/v1/resources?iri=no%20iri").status_code == 400


def test_links_lead_to_the_provenance(client: TestClient) -> None:
    answer = client.get("/v1/artifacts/int8")
    iri = answer.json()["summary"]["iri"]
    for address in (answer.url.path, f"{answer.url.path}/files/config.json"):
        links = linked(client.get(address).headers["link"])
        assert links[PROV.has_anchor.value] == [iri]
        assert links[PROV.has_query_service.value] == ["http://testserver/sparql"]
        for target in links[PROV.has_provenance.value]:
            trig = client.get(target, headers={"Accept": "application/trig"})
            assert f"<{iri}>" in trig.text
    description = client.get(links[PROV.has_query_service.value][0])
    assert "sparql-service-description" in description.text


def linked(header: str) -> dict[str, list[str]]:
    """The targets of each relation of a Link header."""
    found: dict[str, list[str]] = {}
    for target, relation in re.findall(r'<([^>]*)>; rel="([^"]*)"', header):
        found.setdefault(relation, []).append(target)
    return found


def test_the_rdf_of_an_artifact_is_what_the_registry_gives(client: TestClient, chain: Path) -> None:
    with Registry.open(chain) as registry:
        expected = document_about(registry, [resolve(registry, "int8")]).nquads
    assert client.get("/v1/artifacts/int8?format=nquads").content == expected


def test_another_representation_can_be_added_for_a_kind(app: FastAPI, client: TestClient) -> None:
    def page(request: Request, resource: Resource) -> bytes:
        return f"<p>{resource.iri} at {quote(request.url.path)}</p>".encode()

    policy = {"Content-Security-Policy": "default-src 'self'"}
    app.state.representations = known = Representations()
    known.add(Kind.ARTIFACT, Representation(Format.HTML, "text/html", page, policy))
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    answer = client.get("/v1/artifacts/int8", headers={"Accept": browser})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == "default-src 'self'"
    assert "/v1/artifacts/int8" in answer.text
    assert client.get("/v1/artifacts/int8").headers["content-type"] == "application/json"
    assert client.get("/v1/artifacts/int8?format=html").text == answer.text
    assert client.get("/v1/models/base", headers={"Accept": "text/html"}).status_code == 406


def test_the_description_names_every_representation(client: TestClient) -> None:
    described = json.loads(client.get("/openapi.json").content)["paths"]
    for path in ("/v1/artifacts/{artifact}", "/v1/records/{record}", "/v1/resources"):
        answers = described[path]["get"]["responses"]
        assert answers["200"]["content"].keys() == {*TYPES.values(), "text/html"}
        assert "406" in answers


@pytest.mark.parametrize(
    "path", ["/v1/artifacts/int8", "/v1/artifacts/int8/files/config.json", "/v1/artifacts/none"]
)
def test_head_tells_what_get_would_without_its_content(client: TestClient, path: str) -> None:
    for headers in ({}, {"Accept": "text/turtle"}, {"Range": "bytes=0-9"}):
        got, head = client.get(path, headers=headers), client.head(path, headers=headers)
        assert (head.status_code, head.content) == (got.status_code, b"")
        told = [{**answer.headers} for answer in (head, got)]
        assert [each.pop("ratelimit") != "" for each in told] == [True, True]
        assert told[0] == told[1]


def test_head_of_what_never_ends_ends(client: TestClient) -> None:
    run = client.get("/v1/runs").json()["runs"][0]["id"]
    assert client.head(f"/v1/runs/{run}/events").status_code in (200, 204, 404)
    assert client.head("/v1/records/validation").status_code == 404
