"""A table over every route that there is: who passes, and who does not.

A route that is added shows up here by itself, and needs a scope: reading for GET, writing for
everything else, unless it stands in one of the lists below.
"""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from pressmark.api.service.app import create_app
from pressmark.api.service.database import FILE_NAME, Database
from pressmark.api.service.settings import Settings
from pressmark.api.service.tokens import Scope, Tokens

from .conftest import MakeToken

Route = tuple[str, str]

#: Whoever asks: health, how to log in, what pages look like, and what the service can do.
OPEN = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/openapi.json"),
    ("GET", "/assets/{digest}/{name}"),
    ("GET", "/login"),
}
#: Forms of pages, which carry a secret of their own besides the session.
FORMS = {
    ("POST", "/login"),
    ("POST", "/logout"),
    ("POST", "/runs/{run}/cancel"),
    ("POST", "/runs/{run}/resume"),
}
#: Reads although it is no GET: a query, and a record that is only judged.
READS = {
    ("POST", "/sparql"),
    ("POST", "/v1/records/validation"),
    ("POST", "/v1/transfers/bundles"),
    ("POST", "/v1/transfers/blobs"),
}
#: Only whoever sends something is told how far it is.
WRITES = {("GET", "/v1/uploads/{upload}")}
#: For administrators, whatever the method.
ADMIN = {
    *("/v1/refusals", "/v1/webhooks"),
    *("/v1/tokens", "/v1/people", "/v1/maintenance", "/v1/backup"),
}


def needed(route: Route) -> Scope:
    method, path = route
    if any(path == each or path.startswith(f"{each}/") for each in ADMIN):
        return Scope.ADMIN
    is_read = route in READS or (method == "GET" and route not in WRITES)
    return Scope.READ if is_read else Scope.WRITE


def routes(app: FastAPI) -> list[Route]:
    found = [
        (method, context.path)
        for context in iter_route_contexts(app.routes)
        for method in sorted(context.methods or ())
        if method != "HEAD" and context.path is not None
    ]
    assert len(found) > 40
    return found


def closed(app: FastAPI) -> list[Route]:
    return [route for route in routes(app) if route not in OPEN | FORMS]


def address(path: str) -> str:
    """A path with something in each of its parameters; nothing of it is here."""
    return re.sub(r"{\w+(:path)?}", "nothing-here", path)


def status(client: TestClient, route: Route, token: str | None) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = client.request(route[0], address(route[1]), headers=headers, follow_redirects=False)
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
    is_sent_to_login = answer.status_code == 303 and answer.headers["location"][:6] == "/login"
    return 401 if is_sent_to_login else answer.status_code


@pytest.fixture
def database(tmp_path: Path, app: FastAPI) -> Database:
    return Database(tmp_path / "registry" / FILE_NAME)


@pytest.fixture
def bare(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_the_lists_name_routes_that_there_are(app: FastAPI) -> None:
    there = set(routes(app))
    assert there >= OPEN | FORMS | READS | WRITES
    assert {each for each in ADMIN if any(path == each for _, path in there)} >= {"/v1/refusals"}


def test_what_is_open_answers_anybody(bare: TestClient) -> None:
    for route in OPEN - {("GET", "/assets/{digest}/{name}")}:
        assert status(bare, route, None) == 200, route


def test_nobody_is_refused_everywhere_else(
    app: FastAPI, bare: TestClient, token: MakeToken, database: Database
) -> None:
    revoked = token(Scope.ADMIN)
    Tokens(database).revoke(revoked.split("_")[1], datetime.now(UTC))
    tokens = [
        None,
        "nonsense",
        token(Scope.ADMIN)[:-1] + "!",
        token(Scope.ADMIN, lifetime=timedelta(seconds=-1)),
        revoked,
    ]
    app.state.rates._rates = app.state.settings.rates.model_copy(update={"failures": 0})
    for route in closed(app):
        assert [status(bare, route, each) for each in tokens] == [401] * len(tokens), route


def test_a_scope_that_is_too_small_is_refused(
    app: FastAPI, bare: TestClient, token: MakeToken
) -> None:
    tokens = {scope: token(scope) for scope in Scope}
    for route in closed(app):
        for scope, each in tokens.items():
            found = status(bare, route, each)
            if scope < needed(route):
                assert found == 403, (route, scope)
            else:
                assert found not in (401, 403), (route, scope)


def test_a_form_without_its_secret_is_refused(
    app: FastAPI, bare: TestClient, token: MakeToken
) -> None:
    for route in FORMS:
        for each in (None, token(Scope.ADMIN)):
            assert status(bare, route, each) in (401, 403), route


def test_whoever_is_anonymous_reads_and_no_more(chain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "open"
    shutil.copytree(chain, folder, symlinks=True)
    app = create_app(folder, Settings(anonymous=True))
    with TestClient(app) as client:
        for route in closed(app):
            found = status(client, route, None)
            if needed(route) is Scope.READ:
                assert found not in (401, 403), route
            else:
                assert found == 401, route
            assert status(client, route, "nonsense") in (401, 429), route
