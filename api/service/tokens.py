"""API tokens: who may do what, until when.

A token is ``pm_ID_SECRET``. The secret has 256 random bits, so that a plain SHA-256 of it is as
good as any slow hash: only the digest is kept, and compared in constant time.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final, Self

from pressmark.api.errors import UnauthorizedError
from pressmark.api.service.database import Database
from pressmark.registry.errors import InvalidInputError, NotFoundError
from pressmark.registry.ids import format_time

_PREFIX: Final = "pm"


class Scope(IntEnum):
    """What a token allows; each includes the ones before it."""

    READ = 1
    WRITE = 2
    ADMIN = 3

    @classmethod
    def named(cls, name: str) -> Self:
        """The scope with a name.

        Raises:
            InvalidInputError: There is no such scope.
        """
        if name.upper() not in cls.__members__:
            known = ", ".join(each.name.lower() for each in cls)
            raise InvalidInputError(f"{name!r} is not a scope", f"name one of {known}")
        return cls[name.upper()]


@dataclass(frozen=True)
class Principal:
    """Who is asking.

    Attributes:
        agent: The opaque identifier that records use; "" for an anonymous reader.
        scope: The most that is allowed.
        expires: When whatever showed it does, where that is not known here anyway.
    """

    agent: str
    scope: Scope
    expires: datetime | None = None


@dataclass(frozen=True)
class TokenInfo:
    """A token without its secret; times are xsd:dateTime in UTC."""

    id: str
    agent: str
    scope: str
    label: str
    created: str
    expires: str | None
    revoked: str | None


class Tokens:
    """The tokens of a service.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self, agent: str, scope: Scope, label: str, now: datetime, lifetime: timedelta | None
    ) -> tuple[TokenInfo, str]:
        """Makes a token for an agent who has a profile.

        Args:
            agent: The opaque identifier of whom it stands for.
            scope: The most that it allows.
            label: What it is for, in words.
            now: The time.
            lifetime: How long it is valid; None for ever.

        Returns:
            The token's facts, and the token itself, which cannot be told again.
        """
        identifier, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        info = TokenInfo(
            identifier,
            agent,
            scope.name.lower(),
            label,
            format_time(now),
            format_time(now + lifetime) if lifetime else None,
            None,
        )
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO token (id, digest, agent, scope, label, created, expires)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (info.id, _digest(secret), agent, info.scope, label, info.created, info.expires),
            )
        return info, f"{_PREFIX}_{identifier}_{secret}"

    def principal(self, token: str, now: datetime) -> Principal:
        """Who a token stands for.

        Raises:
            UnauthorizedError: It is unknown, expired or revoked.
        """
        prefix, _, rest = token.partition("_")
        identifier, _, secret = rest.partition("_")
        rows = self._database.rows("SELECT * FROM token WHERE id = ?", identifier)
        if (
            prefix != _PREFIX
            or not rows
            or not hmac.compare_digest(rows[0]["digest"], _digest(secret))
        ):
            raise UnauthorizedError("the token is not known", "ask an administrator for one")
        row = rows[0]
        expires = datetime.fromisoformat(row["expires"]) if row["expires"] else None
        if row["revoked"] or (expires and expires <= now):
            state = "was revoked" if row["revoked"] else f"expired on {row['expires']}"
            raise UnauthorizedError(f"the token {state}", "ask an administrator for a new one")
        return Principal(row["agent"], Scope.named(row["scope"]))

    def revoke(self, identifier: str, now: datetime) -> None:
        """Makes a token invalid for good.

        Raises:
            NotFoundError: There is no such token.
        """
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE token SET revoked = coalesce(revoked, ?) WHERE id = ?",
                (format_time(now), identifier),
            )
            if not changed.rowcount:
                raise NotFoundError(f"there is no token {identifier}")

    def all(self) -> list[TokenInfo]:
        """Every token, the newest first."""
        columns = ", ".join(TokenInfo.__annotations__)
        rows = self._database.rows(f"SELECT {columns} FROM token ORDER BY created DESC")
        return [TokenInfo(*row) for row in rows]


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
