"""The service's own small database: what it must remember and what is no part of the history.

Tokens, sessions of browsers, people's profiles, idempotency keys, uploads under way and refusals
are kept in one SQLite file beside the registry, and can be erased; records never can.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pressmark.registry.errors import StoreVersionError

#: Its name in the registry's folder.
FILE_NAME: Final = "service.db"
#: Version of the tables, in SQLite's ``user_version``; tables that are only added keep it.
SCHEMA_VERSION: Final = 2
#: Columns that came after their table: a file made before lacks them.
_LATER: Final = {("refusal", "address"): "TEXT NOT NULL DEFAULT ''"}
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS profile (
    agent TEXT PRIMARY KEY,             -- the opaque identifier that records use
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS subject (    -- whom an OpenID provider vouches for
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    agent TEXT NOT NULL REFERENCES profile (agent) ON DELETE CASCADE,
    PRIMARY KEY (issuer, subject)
) STRICT;
CREATE TABLE IF NOT EXISTS token (
    id TEXT PRIMARY KEY,
    digest BLOB NOT NULL,               -- SHA-256 of the secret
    agent TEXT NOT NULL REFERENCES profile (agent) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    label TEXT NOT NULL,
    created TEXT NOT NULL,
    expires TEXT,
    revoked TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS session (
    digest BLOB PRIMARY KEY,            -- SHA-256 of what the cookie holds
    agent TEXT NOT NULL REFERENCES profile (agent) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    token TEXT REFERENCES token (id) ON DELETE CASCADE,  -- that was shown, where it is kept here
    expires TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS attempt (
    agent TEXT NOT NULL,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,               -- SHA-256 of what was asked
    planned TEXT NOT NULL,              -- IRI that the artifact gets
    at REAL NOT NULL,
    PRIMARY KEY (agent, key)
) STRICT;
CREATE TABLE IF NOT EXISTS refusal (
    at TEXT NOT NULL,
    agent TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    status INTEGER NOT NULL,
    reason TEXT NOT NULL,
    address TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE IF NOT EXISTS job (
    id TEXT PRIMARY KEY,
    agent TEXT NOT NULL,
    state TEXT NOT NULL,
    posted TEXT NOT NULL,
    started TEXT,
    ended TEXT,
    "order" TEXT NOT NULL,              -- what was asked, as JSON like the following
    steps TEXT NOT NULL,
    progress TEXT NOT NULL DEFAULT 'null',
    error TEXT NOT NULL DEFAULT 'null',
    artifacts TEXT NOT NULL DEFAULT '{}',
    result TEXT NOT NULL DEFAULT 'null',
    cancelling INTEGER NOT NULL DEFAULT 0,
    deaths INTEGER NOT NULL DEFAULT 0   -- workers that died since a step was done
) STRICT;
CREATE INDEX IF NOT EXISTS job_in_state ON job (state);
CREATE TABLE IF NOT EXISTS job_run (
    run TEXT PRIMARY KEY,               -- IRI of a run that was begun for the job
    job TEXT NOT NULL REFERENCES job (id)
) STRICT;
CREATE TABLE IF NOT EXISTS job_event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL REFERENCES job (id),
    kind TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS job_event_of ON job_event (job, id);
CREATE TABLE IF NOT EXISTS webhook (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    events TEXT NOT NULL,               -- types of events, as a JSON array
    secret BLOB NOT NULL,               -- as it is: a digest could not sign
    agent TEXT NOT NULL,
    created TEXT NOT NULL,
    sequence INTEGER NOT NULL,          -- the last journal entry that was looked at
    disabled TEXT,
    reason TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS delivery (
    webhook TEXT NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
    event TEXT NOT NULL,
    type TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL,                  -- seconds since 1970
    status INTEGER,
    problem TEXT,
    PRIMARY KEY (webhook, event)
) STRICT;
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (webhook, state, due);
"""


class Database:
    """A SQLite file, made when it is missing, for its owner's eyes only.

    Any number of threads may use it.

    Args:
        path: The file.

    Raises:
        StoreVersionError: A newer release made it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch(mode=0o600)
        self._local = threading.local()
        with self.transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                raise StoreVersionError(
                    f"{path} has tables of version {version}; this release reads {SCHEMA_VERSION}",
                    "use the release that made it, or move the file away: tokens are made again",
                )
            self._make(connection)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which begins at once: committed at the end, undone by an exception."""
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """What a SELECT gives."""
        return self._connection().execute(sql, values).fetchall()

    def close(self) -> None:
        """Closes this thread's connection."""
        if connection := getattr(self._local, "connection", None):
            connection.close()
            del self._local.connection

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            connection = sqlite3.connect(self.path, isolation_level=None, timeout=10.0)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")
            self._local.connection = connection
        return self._local.connection  # type: ignore[no-any-return]

    @staticmethod
    def _make(connection: sqlite3.Connection) -> None:
        for statement in _SCHEMA.split(";\n"):
            connection.execute(statement)
        for (table, column), kind in _LATER.items():
            found = {row["name"] for row in connection.execute(f"PRAGMA table_info({table})")}
            if column not in found:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
