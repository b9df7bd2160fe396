"""Decisions over HTTP: recorded, attributed to whoever's token it was, refused with too little."""

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pressmark.api.service.tokens import Scope

from .conftest import MakeToken


@pytest.fixture
def writer(app: FastAPI, token: MakeToken) -> TestClient:
    return TestClient(app, headers={"Authorization": f"Bearer {token(Scope.WRITE)}"})


def test_an_alias_is_moved_and_its_history_tells_by_whom(writer: TestClient) -> None:
    for artifact in ("pruned", "int8"):
        answer = writer.put("/v1/aliases/prod", json={"artifact": artifact})
        assert answer.json()["name"] == artifact
    assert [a["alias"] for a in writer.get("/v1/aliases").json()["aliases"]] == ["prod"]
    changes = writer.get("/v1/aliases/prod").json()["changes"]
    assert [(c["name"], c["agent"]) for c in changes] == [("int8", "a1"), ("pruned", "a1")]
    assert writer.get("/v1/artifacts/prod").json()["summary"]["name"] == "int8"


def test_tags_come_and_go(writer: TestClient) -> None:
    assert writer.put("/v1/artifacts/int8/tags/reviewed").json()["tags"] == ["reviewed"]
    assert writer.delete("/v1/artifacts/int8/tags/reviewed").json()["tags"] == []
    assert writer.delete("/v1/artifacts/int8/tags/reviewed").status_code == 404


def test_a_retirement_needs_a_reason_and_stays(writer: TestClient) -> None:
    address = "/v1/artifacts/int8/retirement"
    assert writer.post(address, json={"reason": ""}).status_code == 422
    assert writer.post(address, json={"reason": "test", "extra": 1}).status_code == 422
    assert writer.post(address, json={"reason": "a better one is there"}).json()["retired"]
    assert writer.post(address, json={"reason": "again"}).status_code == 409


WRITES = [
    ("PUT", "/v1/aliases/prod", {"artifact": "int8"}),
    ("PUT", "/v1/artifacts/int8/tags/x", None),
    ("DELETE", "/v1/artifacts/int8/tags/x", None),
    ("POST", "/v1/artifacts/int8/retirement", {"reason": "x"}),
    ("POST", "/v1/records", None),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_a_reader_s_token_is_too_small(
    client: TestClient, method: str, path: str, body: dict[str, str] | None
) -> None:
    before = client.get("/readyz").json()
    answer = client.request(method, path, json=body)
    assert answer.status_code == 403
    assert "write" in answer.json()["detail"]
    assert client.get("/readyz").json() == before
