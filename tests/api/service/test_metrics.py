"""Metrics, read back by Prometheus's own parsers."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from pressmark.api.service.app import create_app
from pressmark.api.service.settings import Settings
from pressmark.api.service.tokens import Scope

from .conftest import MakeToken

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(client: TestClient) -> Samples:
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"pressmark_{name}", frozenset(labels.items())]


@pytest.fixture
def admin(app: FastAPI, token: MakeToken) -> Iterator[TestClient]:
    with TestClient(app, headers={"Authorization": f"Bearer {token(Scope.ADMIN)}"}) as client:
        yield client


def test_requests_are_counted_by_the_template_of_their_route(admin: TestClient) -> None:
    for name in ("int8", "pruned", "nothing"):
        admin.get(f"/v1/artifacts/{name}")
    admin.get("/v1/artifacts/int8/files/config.json")
    for path in ("/nowhere", "/nowhere/else", "/../../etc/passwd"):
        admin.get(path)
    admin.request("BREW", "/v1/artifacts")
    admin.post("/v1/artifacts/int8")
    found = scraped(admin)

    def count(method: str, route: str, status: str) -> float:
        return value(found, "http_requests_total", method=method, route=route, status=status)

    assert count("GET", "/v1/artifacts/{artifact}", "200") == 2
    assert count("GET", "/v1/artifacts/{artifact}", "404") == 1
    assert count("GET", "/v1/artifacts/{artifact}/files/{name:path}", "200") == 1
    assert count("GET", "none", "404") == 3
    assert {label for _, labels in found for label in labels if label[0] == "method"} == {
        ("method", "GET"),
        ("method", "POST"),
        ("method", "other"),
    }
    assert not any("nowhere" in text or "pruned" in text for _, ls in found for _, text in ls)
    seconds = {"method": "GET", "route": "/v1/artifacts/{artifact}"}
    assert value(found, "http_request_seconds_count", **seconds) == 3
    assert value(found, "http_request_seconds_bucket", **seconds, le="+Inf") == 3
    assert 0 < value(found, "http_request_seconds_sum", **seconds) < 60


def test_refusals_and_defects_are_counted(app: FastAPI, admin: TestClient) -> None:
    @app.get("/defect")
    def defect() -> None:
        raise RuntimeError

    bare = TestClient(app, raise_server_exceptions=False)
    assert bare.get("/v1/artifacts").status_code == 401
    assert bare.get("/defect").status_code == 500
    found = scraped(admin)
    assert value(found, "refusals_total", status="401") == 1
    defects = {"method": "GET", "route": "/defect", "status": "500"}
    assert value(found, "http_requests_total", **defects) == 1


def test_what_there_is_is_told_as_it_is(admin: TestClient) -> None:
    before = scraped(admin)
    assert value(before, "journal_entries") == admin.get("/readyz").json()["journal"]
    assert value(before, "uploads") == value(before, "upload_bytes") == 0
    upload = admin.post("/v1/uploads", json={"name": "a", "size": 10}).json()["id"]
    piece = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    admin.patch(f"/v1/uploads/{upload}", content=b"abcd", headers=piece)
    admin.put("/v1/aliases/prod", json={"artifact": "int8"})
    admin.get("/sparql", params={"query": "ASK {}"})
    admin.get("/sparql", params={"query": "SELECT ?x { ?x ?y ?z } ORDER BY ?x", "x": "y"})
    after = scraped(admin)
    assert value(after, "journal_entries") == value(before, "journal_entries") + 1
    assert (value(after, "uploads"), value(after, "upload_bytes")) == (1, 4)
    assert value(after, "sparql_queries_total", result="Answered") == 2
    assert (value(after, "sparql_workers"), value(after, "sparql_workers_busy")) == (2, 0)
    assert value(after, "fetches") == 0
    for state in ("queued", "running", "succeeded", "failed"):
        assert value(after, "jobs", state=state) == 0
    assert value(after, "webhooks", state="enabled") == 0
    assert value(after, "webhook_deliveries", state="pending") == 0


def test_every_application_counts_for_itself(
    admin: TestClient, app: FastAPI, tmp_path: Path, token: MakeToken
) -> None:
    admin.get("/healthz")
    other = Path(shutil.copytree(tmp_path / "registry", tmp_path / "other", symlinks=True))
    with TestClient(create_app(other), headers=dict(admin.headers)) as second:
        route = {"method": "GET", "route": "/healthz", "status": "200"}
        assert ("pressmark_http_requests_total", frozenset(route.items())) not in scraped(second)
    assert value(scraped(admin), "http_requests_total", **route) == 1


def test_openmetrics_is_given_to_who_accepts_it(admin: TestClient) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = admin.get("/metrics", headers=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = {family.name: family for family in openmetrics(answer.text)}
    assert families["pressmark_build"].samples[0].labels["version"]
    assert families["pressmark_http_requests"].type == "counter"
    assert families["process_resident_memory_bytes"].samples[0].value > 1 << 20


def test_who_may_read_them(app: FastAPI, tmp_path: Path, token: MakeToken) -> None:
    reader = {"Authorization": f"Bearer {token(Scope.READ)}"}
    with TestClient(app) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers=reader).status_code == 200
    open_to_all = create_app(tmp_path / "registry", Settings(anonymous_metrics=True))
    with TestClient(open_to_all) as client:
        assert client.get("/metrics").status_code == 200
        assert client.get("/v1/artifacts").status_code == 401
