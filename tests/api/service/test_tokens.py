"""Tokens: known, expired, revoked, and never told again."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pressmark.api.errors import UnauthorizedError
from pressmark.api.service.database import FILE_NAME, Database
from pressmark.api.service.tokens import Principal, Scope, Tokens
from pressmark.registry.errors import InvalidInputError, NotFoundError, StoreVersionError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "service.db")
    with database.transaction() as connection:
        connection.execute("INSERT INTO profile (agent, name) VALUES ('a1', 'Ada')")
    yield database
    database.close()


@pytest.fixture
def tokens(database: Database) -> Tokens:
    return Tokens(database)


def test_a_token_stands_for_its_agent(tokens: Tokens) -> None:
    _, token = tokens.create("a1", Scope.WRITE, "laptop", NOW, HOUR)
    assert tokens.principal(token, NOW) == Principal("a1", Scope.WRITE)


def test_the_secret_is_not_in_the_file(tokens: Tokens, database: Database) -> None:
    _, token = tokens.create("a1", Scope.READ, "laptop", NOW, None)
    secret = token.partition("_")[2].partition("_")[2].encode()
    database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    assert secret not in database.path.read_bytes()


@pytest.mark.parametrize("token", ["", "pm", "pm__", "pm_x_y", "nonsense", "pm_\0_"])
def test_nonsense_is_nobody(tokens: Tokens, token: str) -> None:
    with pytest.raises(UnauthorizedError, match="not known"):
        tokens.principal(token, NOW)


def test_another_secret_is_nobody(tokens: Tokens) -> None:
    _, one = tokens.create("a1", Scope.READ, "one", NOW, None)
    _, other = tokens.create("a1", Scope.READ, "other", NOW, None)
    mixed = "_".join(one.split("_", 2)[:2] + other.split("_", 2)[2:])
    with pytest.raises(UnauthorizedError, match="not known"):
        tokens.principal(mixed, NOW)


def test_an_expired_token_is_nobody(tokens: Tokens) -> None:
    _, token = tokens.create("a1", Scope.READ, "laptop", NOW, HOUR)
    tokens.principal(token, NOW + HOUR - timedelta(microseconds=1))
    with pytest.raises(UnauthorizedError, match="expired on 2026-01-02T04:04:05"):
        tokens.principal(token, NOW + HOUR)


def test_a_revoked_token_is_nobody(tokens: Tokens) -> None:
    info, token = tokens.create("a1", Scope.READ, "laptop", NOW, None)
    tokens.revoke(info.id, NOW)
    with pytest.raises(UnauthorizedError, match="revoked"):
        tokens.principal(token, NOW)
    assert tokens.all()[0].revoked is not None
    with pytest.raises(NotFoundError):
        tokens.revoke("unknown", NOW)


def test_erasing_a_person_erases_their_tokens(tokens: Tokens, database: Database) -> None:
    _, token = tokens.create("a1", Scope.READ, "laptop", NOW, None)
    with database.transaction() as connection:
        connection.execute("DELETE FROM profile WHERE agent = 'a1'")
    with pytest.raises(UnauthorizedError):
        tokens.principal(token, NOW)


def test_a_scope_includes_the_smaller_ones() -> None:
    assert Scope.READ < Scope.WRITE < Scope.ADMIN
    with pytest.raises(InvalidInputError, match="read, write, admin"):
        Scope.named("root")


def test_tables_of_another_version_are_refused(database: Database) -> None:
    database.rows("PRAGMA user_version = 99")
    with pytest.raises(StoreVersionError, match="version 99"):
        Database(database.path)


@pytest.mark.parametrize("later", ["", ", address TEXT NOT NULL DEFAULT ''"])
def test_a_database_of_the_first_version_is_brought_up(tmp_path: Path, later: str) -> None:
    path = tmp_path / FILE_NAME
    with closing(sqlite3.connect(path)) as old:
        old.execute(
            "CREATE TABLE refusal (at TEXT NOT NULL, agent TEXT NOT NULL, method TEXT NOT NULL,"
            f" path TEXT NOT NULL, status INTEGER NOT NULL, reason TEXT NOT NULL{later}) STRICT"
        )
        old.execute(
            "INSERT INTO refusal (at, agent, method, path, status, reason)"
            " VALUES ('t', 'a1', 'GET', '/', 403, 'no')"
        )
        old.execute("PRAGMA user_version = 1")
        old.commit()
    for _ in range(2):
        database = Database(path)
        (row,) = database.rows("SELECT agent, address FROM refusal")
        database.close()
        assert tuple(row) == ("a1", "")
