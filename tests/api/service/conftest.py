"""A service over a copy of a real small registry, called without a network."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pressmark.api.service.app import create_app
from pressmark.api.service.database import FILE_NAME, Database
from pressmark.api.service.tokens import Scope, Tokens

from .loopback import Answer, Serve, listening

MakeToken = Callable[..., str]


@pytest.fixture
def app(chain: Path, tmp_path: Path) -> FastAPI:
    copy = tmp_path / "registry"
    shutil.copytree(chain, copy, symlinks=True)
    return create_app(copy)


@pytest.fixture
def token(app: FastAPI, tmp_path: Path) -> MakeToken:
    """Makes a token with a scope, for one of two agents."""
    database = Database(tmp_path / "registry" / FILE_NAME)
    with database.transaction() as connection:
        connection.execute("INSERT INTO profile (agent, name) VALUES ('a1', 'Ada'), ('a2', 'Bo')")

    def make(
        scope: Scope = Scope.READ, lifetime: timedelta | None = None, agent: str = "a1"
    ) -> str:
        return Tokens(database).create(agent, scope, "test", datetime.now(UTC), lifetime)[1]

    return make


@pytest.fixture
def client(app: FastAPI, token: MakeToken) -> Iterator[TestClient]:
    """A client that may read."""
    with TestClient(app, headers={"Authorization": f"Bearer {token()}"}) as client:
        yield client


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers on loopback; gives each one's address."""
    with ExitStack() as stack:

        def start(answer: Answer) -> str:
            server = stack.enter_context(listening(answer))
            return f"http://127.0.0.1:{server.server_port}"

        yield start
