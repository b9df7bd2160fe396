"""Reports over HTTP: written for whoever asks, or registered and kept byte for byte."""

import hashlib
import re
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pressmark.api.service.tokens import Scope

from .conftest import MakeToken

REPORT = "/v1/artifacts/int8/report"
KINDS = {
    "html": ("text/html", b"<!doctype html>"),
    "markdown": ("text/markdown", b"# Audit report: int8"),
    "pdf": ("application/pdf", b"%PDF-1.7"),
    "jsonld": ("application/ld+json", b'{\n "@context"'),
    "json": ("application/json", b'{"artifact":'),
}


@pytest.fixture
def writer(app: FastAPI, token: MakeToken) -> TestClient:
    return TestClient(app, headers={"Authorization": f"Bearer {token(Scope.WRITE)}"})


@pytest.mark.parametrize("name", KINDS)
def test_a_report_comes_in_the_format_that_is_asked_for(client: TestClient, name: str) -> None:
    kind, beginning = KINDS[name]
    negotiated = client.get(REPORT, headers={"Accept": f"{kind}, */*;q=0.1"})
    asked = client.get(REPORT, params={"format": name}, headers={"Accept": "image/png"})
    for answer in (negotiated, asked):
        assert answer.status_code == 200
        assert answer.headers["content-type"].partition(";")[0] == kind
        assert answer.content.startswith(beginning)
        assert "Accept" in answer.headers["vary"]


def test_a_browser_gets_the_page_and_may_run_nothing_of_it(client: TestClient) -> None:
    answer = client.get(REPORT, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    policy = dict(
        part.strip().split(" ", 1) if " " in part.strip() else (part.strip(), "")
        for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == "'unsafe-inline'"
    assert "script-src" not in policy
    assert "sandbox" in policy
    assert "✓ verified" in answer.text
    assert answer.headers["content-disposition"].startswith("inline")


def test_what_cannot_be_written_is_refused(client: TestClient) -> None:
    assert client.get(REPORT, headers={"Accept": "image/png"}).status_code == 406
    assert client.get(REPORT, params={"format": "docx"}).status_code == 422
    assert client.get("/v1/artifacts/nothing/report").status_code == 404
    unknown = "/v1/reports/01890000-0000-7000-8000-000000000000"
    assert client.get(unknown).status_code == 404
    assert client.get("/v1/reports/int8").status_code == 422


@pytest.mark.parametrize("body", [{"verify": 0}, {"format": "json"}, {"more": 1}, []])
def test_a_malformed_wish_is_refused(writer: TestClient, body: object) -> None:
    assert writer.post("/v1/artifacts/int8/reports", json=body).status_code == 422


def test_verifying_can_be_left_out(client: TestClient) -> None:
    answer = client.get(REPORT, params={"verify": "false", "format": "json"}).json()
    assert answer["verification"] is None
    assert re.fullmatch("[0-9a-f]{64}", answer["head"])


def registered(writer: TestClient, **wanted: object) -> Any:
    answer = writer.post("/v1/artifacts/int8/reports", json=wanted)
    assert answer.status_code == 201, answer.text
    return answer


def test_a_registered_report_is_kept_byte_for_byte(writer: TestClient) -> None:
    answer = registered(writer, format="html")
    kept = answer.json()
    stored = writer.get(answer.headers["location"])
    assert hashlib.sha256(stored.content).hexdigest() == kept["sha256"]
    assert (len(stored.content), stored.headers["content-type"]) == (
        kept["size"], "text/html; charset=utf-8",
    )  # fmt: skip
    assert "sandbox" in stored.headers["content-security-policy"]
    assert (kept["integrity"], kept["agent"]) == ("holds", "a1")
    listed = writer.get("/v1/artifacts/int8/reports").json()["reports"]
    assert listed == [kept]
    assert writer.get("/v1/artifacts/int8").json()["reports"] == [kept]
    verified = writer.get("/v1/artifacts/int8/verification").json()
    assert all(not check["findings"] for check in verified["checks"])


def test_a_registered_report_that_is_lost_is_missed(app: FastAPI, writer: TestClient) -> None:
    kept = registered(writer, format="markdown").json()
    app.state.registry.blobs.delete(kept["sha256"])
    checks = writer.get("/v1/artifacts/int8/verification").json()["checks"]
    findings = [found for check in checks for found in check["findings"]]
    assert ["the report int8.report.md" in found["place"] for found in findings] == [True]


def test_the_same_key_registers_one_report(writer: TestClient) -> None:
    headers = {"Idempotency-Key": "once"}
    path = "/v1/artifacts/int8/reports"
    one, two = (writer.post(path, json={}, headers=headers) for _ in range(2))
    assert one.json() == two.json()
    other = writer.post(path, json={"format": "markdown"}, headers=headers)
    assert other.status_code == 422
    assert len(writer.get(path).json()["reports"]) == 1


def test_what_is_retired_can_be_reported_on_but_not_for_keeps(writer: TestClient) -> None:
    writer.post("/v1/artifacts/int8/retirement", json={"reason": "a better one is there"})
    assert "a better one is there" in writer.get(REPORT).text
    refused = writer.post("/v1/artifacts/int8/reports", json={})
    assert refused.status_code == 409
    assert "retired" in refused.json()["detail"]


def test_names_are_shown_to_those_who_are_known_and_are_not_kept(
    app: FastAPI, writer: TestClient
) -> None:
    writer.put("/v1/artifacts/int8/tags/reviewed")
    with app.state.profiles._database.transaction() as connection:
        (agent,) = app.state.registry.rows("agents")[0:1]
        agents = [row for row in app.state.registry.rows("agents") if "agentId" in row]
        connection.execute(
            "INSERT INTO profile (agent, name) VALUES (?, 'Grace Hopper')",
            (agents[0]["agentId"].value,),
        )
    assert agent
    assert "Grace Hopper" in writer.get(REPORT).text
    kept = registered(writer, format="html").headers["location"]
    assert "Grace Hopper" not in writer.get(kept).text
    anonymous = TestClient(app)
    app.state.gate._anonymous = True
    assert "Grace Hopper" not in anonymous.get(REPORT).text


def test_a_reader_cannot_register(client: TestClient) -> None:
    assert client.post("/v1/artifacts/int8/reports", json={}).status_code == 403
