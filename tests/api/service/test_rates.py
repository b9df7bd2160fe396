"""Nobody asks more often than they may, and everybody is told what is left."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pressmark.api.errors import TooManyRequestsError
from pressmark.api.service.app import create_app
from pressmark.api.service.database import FILE_NAME, Database
from pressmark.api.service.rates import RateLimiter
from pressmark.api.service.refusals import Refusals
from pressmark.api.service.settings import Rates, Settings
from pressmark.api.service.tokens import Scope
from pressmark.api.service.uploads import Upload, Uploads

from .conftest import MakeToken


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(
    allowed=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 100), min_size=1, max_size=200),
)
def test_no_minute_sees_more_than_twice_what_is_allowed_and_waiting_helps(
    allowed: int, pauses: list[float]
) -> None:
    clock = Clock()
    limiter = RateLimiter(Rates(requests=allowed), clock)
    passed: list[float] = []
    waits: list[int] = []
    for pause in pauses:
        clock.now += pause
        try:
            limiter.spend("requests", "a")
        except TooManyRequestsError as error:
            waits.append(error.retry_after or 0)
            clock.now += waits[-1] + 0.001
            limiter.spend("requests", "a")
        passed.append(clock.now)
    assert all(1 <= wait <= 121 for wait in waits)
    for moment in passed:
        assert sum(moment - 60 < each <= moment for each in passed) <= 2 * allowed


def test_clients_and_kinds_are_counted_apart() -> None:
    limiter = RateLimiter(Rates(requests=1, writes=1), Clock())
    for kind in ("requests", "writes"):
        for client in ("a", "b"):
            limiter.spend(kind, client)
            with pytest.raises(TooManyRequestsError):
                limiter.spend(kind, client)
    assert RateLimiter(Rates(requests=0)).spend("requests", "a") == {}


def test_what_nobody_asked_for_lately_is_forgotten() -> None:
    clock = Clock()
    limiter = RateLimiter(Rates(), clock)
    for number in range(1000):
        limiter.spend("failures", str(number))
    clock.now += 200
    limiter.spend("failures", "another")
    assert len(limiter._windows) == 1


@pytest.fixture
def limited(chain: Path, tmp_path: Path) -> FastAPI:
    folder = shutil.copytree(chain, tmp_path / "registry", symlinks=True)
    rates = Rates(requests=10, writes=3, queries=2, failures=4)
    return create_app(folder, Settings(rates=rates))


@pytest.fixture
def app(limited: FastAPI) -> FastAPI:
    return limited


def asked(client: TestClient, *arguments: Any, **given: Any) -> list[int]:
    return [client.request(*arguments, **given).status_code for _ in range(12)]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_each_rate_ends_in_429_that_says_when_to_come_back(app: FastAPI, token: MakeToken) -> None:
    with TestClient(app) as client:
        ada, bo = bearer(token(Scope.WRITE)), bearer(token(Scope.WRITE, agent="a2"))
        first = client.get("/v1/aliases", headers=ada)
        assert first.headers["ratelimit-policy"] == '"requests";q=10;w=60'
        assert first.headers["ratelimit"].startswith('"requests";r=9;t=')
        assert asked(client, "DELETE", "/v1/uploads/x", headers=ada) == [404] * 3 + [429] * 9
        refused = client.get("/v1/aliases", headers=ada)
        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert 1 <= int(refused.headers["retry-after"]) <= 120
        query = {"params": {"query": "ASK {}"}, "headers": bo}
        assert asked(client, "GET", "/sparql", **query) == [200] * 2 + [429] * 10
        assert client.get("/healthz").status_code == 200


def test_guessing_tokens_ends_soon_and_bothers_nobody_who_has_one(
    app: FastAPI, token: MakeToken
) -> None:
    with TestClient(app) as client:
        wrong = {"headers": bearer("pm_0_0")}
        assert asked(client, "GET", "/v1/aliases", **wrong) == [401] * 4 + [429] * 8
        assert client.get("/v1/aliases", headers=bearer(token())).status_code == 200


def test_refusals_of_one_client_do_not_fill_the_list(
    app: FastAPI, token: MakeToken, tmp_path: Path
) -> None:
    clock = Clock()
    app.state.refusals = Refusals(Database(tmp_path / "registry" / FILE_NAME), clock)
    app.state.rates = RateLimiter(Rates(requests=0, failures=0))
    with TestClient(app) as client:
        for _ in range(200):
            client.get("/v1/aliases/" + "x" * 1000, headers=bearer("secret-guess"))
            client.get("/v1/aliases", headers=bearer("secret-guess"))
        clock.now += 60
        client.get("/v1/aliases", headers=bearer("secret-guess"))
        kept = client.get("/v1/refusals?limit=1000", headers=bearer(token(Scope.ADMIN))).json()
    assert len(kept["refusals"]) == 60 + 2
    assert kept["refusals"][0]["reason"] == "340 more were refused, and not kept"
    assert kept["refusals"][1]["address"] == "testclient"
    assert "secret-guess" not in str(kept)


def test_every_kind_of_refusal_is_kept(app: FastAPI, token: MakeToken) -> None:
    with TestClient(app) as client:
        client.get("/v1/aliases")
        client.get("/v1/refusals", headers=bearer(token()))
        admin = bearer(token(Scope.ADMIN, agent="a2"))
        record = {"content": bytes(9 << 20), "headers": admin | {"Content-Type": "text/turtle"}}
        client.post("/v1/artifacts", **record)
        asked(client, "GET", "/v1/aliases", headers=bearer(token()))
        kept = client.get("/v1/refusals", headers=admin).json()["refusals"]
    assert {each["status"] for each in kept} == {401, 403, 413, 429}


def test_one_agent_sends_so_many_uploads_at_once_and_no_more(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "uploads", 100, at_once=2)
    begun = [uploads.begin("a.bin", 3, agent) for agent in ("a1", "a1", "a1", "a2")]

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0.01)
            yield b"x"

    async def send() -> list[Upload | BaseException]:
        sent = (uploads.append(upload, 0, slowly()) for upload in begun)
        return await asyncio.gather(*sent, return_exceptions=True)

    kinds = [type(each) for each in asyncio.run(send())]
    assert kinds == [Upload, Upload, TooManyRequestsError, Upload]
    uploads = Uploads(tmp_path / "uploads", 100, begun=3)
    with pytest.raises(TooManyRequestsError, match="wait already"):
        uploads.begin("b.bin", 3, "a1")
    uploads.begin("b.bin", 3, "a2")
    uploads.discard(begun[0])
    uploads.begin("b.bin", 3, "a1")
