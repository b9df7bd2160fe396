"""What the pages say, without a browser."""

import html
import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from pressmark.api.pages import catalogue

from .conftest import History, Serve, small_world, uuid

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture(scope="module")
def history() -> History:
    return History()


@pytest.fixture(scope="module")
def world(history: History) -> dict[str, Any]:
    return small_world(history)


@pytest.fixture(scope="module")
def client(serve: Serve, history: History, world: dict[str, Any]) -> TestClient:
    return serve(history)


def names(page: str) -> list[str]:
    return re.findall(r'<a class="name" href="[^"]+">([^<]+)</a>', page)


def test_the_catalogue_lists_newest_first(client: TestClient) -> None:
    page = client.get("/").text
    assert names(page) == [
        "made elsewhere",
        "example after quantize/rtn",
        "example after quantize/rtn",
        "example after prune/wanda",
        "example after import",
    ]
    assert "executed, checked" in page
    assert "declared, unverified" in page
    assert "prod" in page
    assert "#edge" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=import", ["example after import"]),
        ("q=made*", ["made elsewhere"]),
        ("kind=PrunedModel", ["example after prune/wanda"]),
        ("tag=edge", ["example after quantize/rtn"]),
        ("license=NOASSERTION", ["made elsewhere"]),
        ("license=nothing", []),
        ("q=&kind=&tag=&parameter=&license=Apache-2.0&q=wanda", ["example after prune/wanda"]),
    ],
)
def test_filters(client: TestClient, query: str, found: list[str]) -> None:
    assert names(client.get(f"/?{query}").text) == found


def test_what_is_no_name_leads_to_the_one_artifact_that_is_meant(
    client: TestClient, world: dict[str, Any]
) -> None:
    answer = client.get("/?q=prod", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/artifacts/{uuid(world['int8'])}"


@pytest.mark.parametrize("query", ["kind=Nonsense", "parameter=sparsity"])
def test_a_filter_that_is_wrong_is_told(client: TestClient, query: str) -> None:
    answer = client.get(f"/?{query}")
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


def test_pages_of_the_catalogue_give_every_artifact_once(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = names(client.get("/").text)
    monkeypatch.setattr(catalogue, "_PAGE", 2)
    address, seen = "/", list[str]()
    while address:
        page = client.get(address).text
        seen += names(page)
        found = re.search(r'href="([^"]+)" rel="next"', page)
        address = found[1].replace("&amp;", "&") if found else ""
    assert seen == everything


def test_an_artifact_s_page_tells_all_that_is_known(
    client: TestClient, world: dict[str, Any]
) -> None:
    page = client.get("/artifacts/prod").text
    for said in (
        "executed, checked",
        "every zero of the parent is zero",
        "sparsity",
        "Example CPU",
        "perplexity",
        "/v1/artifacts/" + uuid(world["int8"]) + "/files/config.json",
        "/runs/" + uuid(world["run"]),
        "journal entry",
    ):
        assert said in page, said
    assert f'href="/artifacts/{uuid(world["base"])}"' in page


def test_what_is_in_doubt_is_told_before_anything_else(
    client: TestClient, world: dict[str, Any]
) -> None:
    page = client.get(f"/artifacts/{uuid(world['int4'])}").text
    assert "Do not use this unseen" in page
    assert "wrong scales" in page
    assert page.index("Do not use this unseen") < page.index("Lineage</h2>")


def test_an_artifact_known_only_by_claim_has_a_page(client: TestClient) -> None:
    query = "SELECT ?a { ?a a <https://w3id.org/pressmark/ns#ExternalArtifact> }"
    answer = client.get("/console/answer", params={"query": query, "format": "csv"})
    page = client.get("/resources", params={"iri": answer.text.split()[1]}).text
    assert "<h1>vendor/original</h1>" in page
    assert "known only by claim" in page
    assert "Its bytes were never here." in page


def test_a_run_s_page_lists_its_steps(client: TestClient, world: dict[str, Any]) -> None:
    assert "succeeded" in client.get("/runs").text
    page = client.get(f"/runs/{uuid(world['run'])}").text
    assert "an evaluation" in page
    assert f'href="/artifacts/{uuid(world["pruned"])}"' in page
    failed = client.get(f"/runs/{uuid(world['open_run'])}").text
    assert "lm_head.weight is missing" in failed


def test_two_artifacts_are_compared(client: TestClient, world: dict[str, Any]) -> None:
    page = client.get(f"/compare?artifact=prod&artifact={uuid(world['base'])}").text
    assert "Nearest common ancestor" in page
    assert "perplexity" in page
    assert client.get("/compare").status_code == 200
    assert client.get("/compare?artifact=a&artifact=b&artifact=c").status_code == 400
    assert client.get("/compare?artifact=prod&artifact=nothing").status_code == 404


def test_the_console_answers_questions_and_queries(
    client: TestClient, world: dict[str, Any]
) -> None:
    page = client.get("/console?question=ancestors&artifact=prod").text
    assert "/resources?iri=" in page
    query = "SELECT ?n { ?a a <https://w3id.org/pressmark/ns#PrunedModel> ; "
    query += "<http://www.w3.org/2000/01/rdf-schema#label> ?n }"
    page = client.get("/console", params={"query": query}).text
    assert "<td>example after prune/wanda</td>" in page
    assert "1 row<" in page.replace("\n", "")
    assert "Yes" in client.get("/console", params={"query": "ASK { ?s ?p ?o }"}).text
    graph = "CONSTRUCT { ?s a ?o } WHERE { ?s a ?o } LIMIT 3"
    assert "pressmark" in client.get("/console", params={"query": graph}).text
    asked = {"query": query, "format": "csv"}
    answer = client.get("/console/answer", params=asked)
    assert answer.text.splitlines() == ["n", "example after prune/wanda"]
    assert answer.headers["content-disposition"] == 'attachment; filename="answer.csv"'


def test_the_query_that_the_console_begins_with_has_an_answer(client: TestClient) -> None:
    found = re.search(r"<textarea[^>]*>\n(.*)</textarea>", client.get("/console").text, re.S)
    assert found
    page = client.get("/console", params={"query": html.unescape(found[1])}).text
    assert "6 rows" in page


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("SELECT", 400),
        ("nonsense <b>bold</b>", 400),
        ("DELETE WHERE { ?s ?p ?o }", 403),
        ("SELECT * { SERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }", 403),
    ],
)
def test_the_console_shows_why_a_query_is_refused(
    client: TestClient, query: str, status: int
) -> None:
    answer = client.get("/console", params={"query": query})
    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert "<b>" not in answer.text


def test_errors_are_pages_for_browsers_and_problems_for_programs(client: TestClient) -> None:
    for address in ("/artifacts/nothing", "/nowhere", "/v1/artifacts/nothing"):
        page = client.get(address, headers={"Accept": BROWSER})
        assert page.status_code == 404
        assert page.headers["content-type"].startswith("text/html")
        assert "<h1>Not found</h1>" in page.text
        problem = client.get(address, headers={"Accept": "*/*"})
        assert problem.status_code == 404
        assert problem.headers["content-type"] == "application/problem+json"


def test_files_of_the_package_are_kept_by_browsers(client: TestClient) -> None:
    page = client.get("/").text
    addresses = re.findall(r'(?:href|src)="(/assets/[^"]+)"', page)
    assert len(addresses) == 3
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    old = re.sub(r"/assets/[0-9a-f]+/", "/assets/0000/", addresses[0])
    assert client.get(old).status_code == 404
    assert client.get("/assets/0000/..%2Fconftest.py").status_code == 404


def test_nothing_in_a_page_could_run_or_come_from_elsewhere(client: TestClient) -> None:
    for address in ("/", "/artifacts/prod", "/console", "/runs", "/compare", "/about", "/login"):
        answer = client.get(address)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", answer.text)
        assert not re.search(r'(?:src|href)="(?:https?:)?//', answer.text)
