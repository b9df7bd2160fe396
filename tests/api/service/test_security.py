"""Nobody passes without the right token, on any route."""

from datetime import timedelta

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pressmark.api.service.tokens import Scope

from .conftest import MakeToken


def test_health_needs_no_token(app: FastAPI) -> None:
    with TestClient(app) as client:
        assert client.get("/healthz").json() == {"status": "alive"}
        assert client.get("/readyz").json()["journal"] > 0


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Basic YTpi", "pm_1_2"])
def test_nonsense_is_nobody(app: FastAPI, header: str) -> None:
    with TestClient(app) as client:
        answer = client.get("/v1/artifacts", headers={"Authorization": header})
        assert answer.status_code == 401


def test_an_expired_token_is_nobody(app: FastAPI, token: MakeToken) -> None:
    expired = token(lifetime=timedelta(seconds=-1))
    with TestClient(app, headers={"Authorization": f"Bearer {expired}"}) as client:
        answer = client.get("/v1/artifacts")
        assert answer.status_code == 401
        assert "expired" in answer.json()["detail"]


def test_answers_carry_security_headers(client: TestClient) -> None:
    headers = client.get("/v1/artifacts").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]


def test_refusals_are_kept_for_administrators(app: FastAPI, token: MakeToken) -> None:
    reader, admin = (f"Bearer {token(scope)}" for scope in (Scope.READ, Scope.ADMIN))
    with TestClient(app) as client:
        client.get("/v1/artifacts", headers={"Authorization": "Bearer pm_guess_secret"})
        client.put("/v1/aliases/x", json={"artifact": "int8"}, headers={"Authorization": reader})
        assert client.get("/v1/refusals", headers={"Authorization": reader}).status_code == 403
        answer = client.get("/v1/refusals", headers={"Authorization": admin})
    found = [(r["status"], r["method"], r["path"], r["agent"]) for r in answer.json()["refusals"]]
    assert found == [
        (403, "GET", "/v1/refusals", "a1"),
        (403, "PUT", "/v1/aliases/x", "a1"),
        (401, "GET", "/v1/artifacts", ""),
    ]
    assert "secret" not in answer.text
