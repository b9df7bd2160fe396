"""Sessions of browsers: who may begin one, what it allows, and when it is over."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pressmark.api.service.app import create_app
from pressmark.api.service.database import FILE_NAME, Database
from pressmark.api.service.sessions import COOKIE, Sessions
from pressmark.api.service.tokens import Principal, Scope, Tokens
from pressmark.registry.registry import Registry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Registry.create(tmp_path / "registry").close()
    return tmp_path / "registry"


@pytest.fixture
def app(folder: Path) -> FastAPI:
    return create_app(folder)


@pytest.fixture
def browser(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False) as client:
        yield client


def token(folder: Path, scope: Scope = Scope.WRITE, lifetime: timedelta | None = None) -> str:
    database = Database(folder / FILE_NAME)
    with database.transaction() as connection:
        connection.execute("INSERT OR IGNORE INTO profile (agent, name) VALUES ('a1', 'Ada L.')")
    return Tokens(database).create("a1", scope, "test", datetime.now(UTC), lifetime)[1]


def secret(page: str) -> str:
    found = re.search(r'name="form_secret" value="([^"]+)"', page)
    assert found
    return found[1]


def log_in(browser: TestClient, shown: str, after: str = "/") -> str:
    """Logs in and gives where that leads."""
    form = {"form_secret": secret(browser.get("/login").text), "token": shown, "next": after}
    answer = browser.post("/login", data=form)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in Database(folder / FILE_NAME).rows(sql)]


def test_whoever_is_not_known_is_led_to_the_login_and_back(
    browser: TestClient, folder: Path
) -> None:
    answer = browser.get("/runs?after=&x=ä")
    assert answer.status_code == 303
    login = answer.headers["location"]
    assert login.startswith("/login?next=%2Fruns%3F")
    assert 'value="/runs?after=&amp;x=' in browser.get(login).text
    assert log_in(browser, token(folder), "/runs") == "/runs"
    page = browser.get("/runs")
    assert page.status_code == 200
    assert "Ada L." in page.text


def test_the_cookie_is_for_this_service_alone_and_is_no_token(
    browser: TestClient, folder: Path
) -> None:
    shown = token(folder)
    form = {"form_secret": secret(browser.get("/login").text), "token": shown}
    before = browser.cookies[COOKIE]
    answer = browser.post("/login", data=form)
    cookie = answer.headers["set-cookie"]
    for said in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
        assert said in cookie
    assert "Secure" not in cookie
    assert browser.cookies[COOKIE] != before
    assert shown not in cookie
    ((digest, agent, scope),) = rows(folder, "SELECT digest, agent, scope FROM session")
    assert (agent, scope) == ("a1", "write")
    assert browser.cookies[COOKIE].encode() not in bytes(str(digest), "latin-1")


def test_over_https_the_cookie_never_travels_without_it(app: FastAPI) -> None:
    with TestClient(app, base_url="https://testserver") as browser:
        assert "Secure" in browser.get("/login").headers["set-cookie"]


@pytest.mark.parametrize("shown", ["", "pm_1_2", "nonsense", "pm_" + "x" * 5000])
def test_a_token_that_is_not_known_begins_nothing(
    browser: TestClient, folder: Path, shown: str
) -> None:
    form = {"form_secret": secret(browser.get("/login").text), "token": shown}
    answer = browser.post("/login", data=form)
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert not rows(folder, "SELECT 1 FROM session")
    assert rows(folder, "SELECT status, path FROM refusal") == [(401, "/login")]


@pytest.mark.parametrize(
    "address",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", ""],
)
def test_the_login_leads_nowhere_else(browser: TestClient, folder: Path, address: str) -> None:
    assert log_in(browser, token(folder), address) == "/"


@pytest.mark.parametrize(
    "forged", [{}, {"form_secret": ""}, {"form_secret": "wrong"}, {"form_secret": "ünïcode"}]
)
def test_a_form_from_elsewhere_is_refused(
    browser: TestClient, folder: Path, forged: dict[str, str]
) -> None:
    assert browser.post("/login", data={"token": token(folder)} | forged).status_code == 403
    log_in(browser, token(folder))
    for address in ("/logout", "/runs/0000/cancel", "/runs/0000/resume"):
        assert browser.post(address, data=forged).status_code == 403, address
    assert browser.get("/runs").status_code == 200


def test_a_form_that_a_browser_says_is_from_elsewhere_is_refused(
    browser: TestClient, folder: Path
) -> None:
    log_in(browser, token(folder))
    form = {"form_secret": secret(browser.get("/").text)}
    for site in ("cross-site", "same-site", "none"):
        answer = browser.post("/logout", data=form, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 403
    answer = browser.post("/logout", data=form, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 303


def test_one_session_s_secret_is_no_good_in_another(
    browser: TestClient, app: FastAPI, folder: Path
) -> None:
    log_in(browser, token(folder))
    stolen = secret(TestClient(app).get("/login").text)
    assert browser.post("/logout", data={"form_secret": stolen}).status_code == 403


def test_the_cookie_reads_the_api_but_changes_nothing_there(
    browser: TestClient, folder: Path
) -> None:
    assert browser.get("/v1/aliases").status_code == 401
    log_in(browser, token(folder, Scope.ADMIN))
    assert browser.get("/v1/aliases").status_code == 200
    results = {"Accept": "application/sparql-results+json"}
    asked = browser.get("/sparql", params={"query": "ASK {}"}, headers=results)
    assert asked.json()["boolean"] is True
    form = {"form_secret": secret(browser.get("/").text)}
    changes = [
        browser.put("/v1/aliases/prod", json={"artifact": "x"}),
        browser.post("/v1/artifacts", json={}),
        browser.post("/v1/runs", json={"recipe": ""}),
        browser.post("/v1/runs", data=form),
        browser.post("/sparql", data={"query": "ASK {}"}),
        browser.request("DELETE", "/v1/artifacts/x/tags/y"),
    ]
    assert [answer.status_code for answer in changes] == [401] * len(changes)


def test_after_logging_out_the_cookie_is_worth_nothing(browser: TestClient, folder: Path) -> None:
    log_in(browser, token(folder))
    kept = browser.cookies[COOKIE]
    form = {"form_secret": secret(browser.get("/").text)}
    answer = browser.post("/logout", data=form)
    assert answer.headers["location"] == "/login"
    assert COOKIE not in browser.cookies
    assert not rows(folder, "SELECT 1 FROM session")
    browser.cookies[COOKIE] = kept
    assert browser.get("/").status_code == 303


def test_a_session_ends_with_its_token(browser: TestClient, folder: Path) -> None:
    shown = token(folder)
    log_in(browser, shown)
    Tokens(Database(folder / FILE_NAME)).revoke(shown.split("_")[1], datetime.now(UTC))
    assert browser.get("/").status_code == 303


def test_a_session_ends_when_its_token_expires_and_after_its_own_time(
    browser: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(browser, token(folder, lifetime=timedelta(minutes=5)))
    for name, column in (("token", "expires"), ("session", "expires")):
        with Database(folder / FILE_NAME).transaction() as connection:
            old = connection.execute(f"SELECT {column} FROM {name}").fetchone()[0]
            connection.execute(f"UPDATE {name} SET {column} = '2020-01-01T00:00:00Z'")
        assert browser.get("/").status_code == 303
        with Database(folder / FILE_NAME).transaction() as connection:
            connection.execute(f"UPDATE {name} SET {column} = ?", (old,))
        assert browser.get("/").status_code == 200


def test_a_session_never_outlives_what_another_service_vouched_for(folder: Path) -> None:
    token(folder)
    now = datetime.now(UTC)
    sessions = Sessions(Database(folder / FILE_NAME))
    vouched = Principal("a1", Scope.READ, now + timedelta(minutes=5))
    name = sessions.begin("header.payload.signature", vouched, now)
    assert sessions.find(name, now + timedelta(minutes=4))
    assert sessions.find(name, now + timedelta(minutes=6)) is None
    name = sessions.begin("header.payload.signature", Principal("a1", Scope.READ), now)
    assert sessions.find(name, now + timedelta(hours=11))
    assert sessions.find(name, now + timedelta(hours=13)) is None


def test_whoever_is_forgotten_is_logged_out(browser: TestClient, folder: Path) -> None:
    log_in(browser, token(folder))
    with Database(folder / FILE_NAME).transaction() as connection:
        connection.execute("DELETE FROM profile")
    assert browser.get("/").status_code == 303
    assert not rows(folder, "SELECT 1 FROM session")


def test_who_may_only_read_is_offered_no_change_and_refused_it(
    browser: TestClient, folder: Path
) -> None:
    log_in(browser, token(folder, Scope.READ))
    form = {"form_secret": secret(browser.get("/").text)}
    answer = browser.post("/runs/0000/cancel", data=form)
    assert answer.status_code == 403
    assert "scope write" in answer.text


def test_a_token_in_the_header_opens_pages_too(app: FastAPI, folder: Path) -> None:
    headers = {"Authorization": f"Bearer {token(folder, Scope.READ)}"}
    with TestClient(app, headers=headers) as client:
        assert client.get("/").status_code == 200
