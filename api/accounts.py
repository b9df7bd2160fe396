"""Who may use a service: tokens, and the people and services that they stand for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pressmark.api.service.database import Database
from pressmark.api.service.profiles import Profile, Profiles
from pressmark.api.service.tokens import Scope, TokenInfo, Tokens
from pressmark.registry.errors import NotFoundError


@dataclass(frozen=True)
class NewToken:
    """A token that was just made.

    Attributes:
        token: The token itself, which cannot be told again.
        info: What is known of it.
    """

    token: str
    info: TokenInfo


@dataclass(frozen=True)
class TokenList:
    """All tokens, without their secrets.

    Attributes:
        tokens: The newest first.
        people: Whom they stand for.
    """

    tokens: tuple[TokenInfo, ...]
    people: tuple[Profile, ...]


class Accounts:
    """The tokens and profiles of a service.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._tokens = Tokens(database)
        self._profiles = Profiles(database)

    def create_token(self, name: str, scope: str, label: str, days: int) -> NewToken:
        """Makes a token for a person or a service.

        Args:
            name: Whom it stands for.
            scope: "read", "write" or "admin".
            label: What it is for.
            days: How long it is valid.

        Raises:
            InvalidInputError: The name is empty, or there is no such scope.
        """
        allowed = Scope.named(scope)
        agent = self._profiles.known(name).agent
        info, token = self._tokens.create(
            agent, allowed, label, datetime.now(UTC), timedelta(days=days)
        )
        return NewToken(token, info)

    def tokens(self) -> TokenList:
        """Every token and every person."""
        return TokenList(tuple(self._tokens.all()), tuple(self._profiles.all()))

    def revoke_token(self, identifier: str) -> None:
        """Makes a token invalid for good.

        Raises:
            NotFoundError: There is no such token.
        """
        self._tokens.revoke(identifier, datetime.now(UTC))

    def forget(self, name: str) -> None:
        """Erases a person's name and tokens; records keep the opaque identifier.

        Args:
            name: The name or the opaque identifier.

        Raises:
            NotFoundError: Nobody is called that.
        """
        found = [each for each in self._profiles.all() if name in (each.name, each.agent)]
        if not found:
            raise NotFoundError(
                f"there is nobody called '{name}'", "pressmark token list names them"
            )
        for profile in found:
            self._profiles.erase(profile.agent)
