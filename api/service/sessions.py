"""Sessions of browsers: a random name in a cookie, which stands for whoever showed a token.

The cookie never holds the token. Only the digest of its name is kept, beside the token that it came
from: when that is revoked or expires, so does the session.

A cookie is sent along by the browser whoever made the page that asks. So it counts for what reads
only; a page's form that changes something carries a second secret, derived from the cookie, which
no other site can know (OWASP, "Cross-Site Request Forgery Prevention", signed double submit).
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pressmark.api.service.database import Database
from pressmark.api.service.tokens import Principal, Scope
from pressmark.registry.ids import format_time

COOKIE: Final = "pressmark_session"
"""The cookie's name."""

LIFETIME: Final = timedelta(hours=12)
"""How long somebody stays logged in at most."""

_LONGEST: Final = 100


@dataclass(frozen=True)
class Session:
    """Who is logged in.

    Attributes:
        principal: Who, and what they may do.
        name: What people call them.
    """

    principal: Principal
    name: str


class Sessions:
    """The sessions of a service.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, token: str, principal: Principal, now: datetime) -> str:
        """Begins a session of whoever showed a token.

        Args:
            token: The token, known to be valid.
            principal: Whom it stands for.
            now: The time.

        Returns:
            The name to put into the cookie, which cannot be told again.
        """
        name = secrets.token_urlsafe(32)
        row = (_digest(name), principal.agent, principal.scope.name.lower())
        expires = format_time(min(now + LIFETIME, principal.expires or now + LIFETIME))
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM session WHERE expires <= ?", (format_time(now),))
            known = connection.execute(
                "SELECT id FROM token WHERE id = ?", (token.partition("_")[2].partition("_")[0],)
            ).fetchone()
            connection.execute(
                "INSERT INTO session (digest, agent, scope, token, expires) VALUES (?, ?, ?, ?, ?)",
                (*row, known and known["id"], expires),
            )
        return name

    def find(self, name: str, now: datetime) -> Session | None:
        """Who is logged in under a cookie's name; None if nobody is, or not any more."""
        if not name or len(name) > _LONGEST:
            return None
        rows = self._database.rows(
            "SELECT session.agent, session.scope, profile.name FROM session"
            " JOIN profile ON profile.agent = session.agent"
            " LEFT JOIN token ON token.id = session.token"
            " WHERE session.digest = ? AND session.expires > ? AND token.revoked IS NULL"
            " AND (token.expires IS NULL OR token.expires > ?)",
            _digest(name),
            *[format_time(now)] * 2,
        )
        if not rows:
            return None
        return Session(Principal(rows[0]["agent"], Scope.named(rows[0]["scope"])), rows[0]["name"])

    def end(self, name: str) -> None:
        """Ends a session, if there is one."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM session WHERE digest = ?", (_digest(name),))


def form_secret(name: str) -> str:
    """What forms of a page carry to show that they come from a page of this session.

    Args:
        name: What the cookie holds.
    """
    digest = hmac.digest(name.encode(), b"pressmark form", hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
