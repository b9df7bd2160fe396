"""People's names, apart from the history, so that they can be erased.

Records name an agent by an opaque identifier. Who that is stands here alone; without the profile
the identifier says nothing.
"""

import secrets
from dataclasses import dataclass

from pressmark.api.service.database import Database
from pressmark.registry.errors import InvalidInputError, NotFoundError


@dataclass(frozen=True)
class Profile:
    """A person or a service.

    Attributes:
        agent: The opaque identifier that records use.
        name: For people.
    """

    agent: str
    name: str


class Profiles:
    """The profiles of a service.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, name: str) -> Profile:
        """The profile of a name; made if there is none yet.

        Raises:
            InvalidInputError: The name is empty.
        """
        if not name.strip():
            raise InvalidInputError("a profile needs a name", "such as --for 'Ada Lovelace'")
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT agent, name FROM profile WHERE name = ?", (name,)
            ).fetchone()
            if row is None:
                row = (secrets.token_hex(8), name)
                connection.execute("INSERT INTO profile (agent, name) VALUES (?, ?)", row)
        return Profile(*row)

    def name_of(self, agent: str) -> str | None:
        """The name behind an opaque identifier; None where nobody knows it any more."""
        rows = self._database.rows("SELECT name FROM profile WHERE agent = ?", agent)
        return rows[0]["name"] if rows else None

    def vouched(self, issuer: str, subject: str, name: str) -> str:
        """The agent whom an OpenID provider vouches for; whoever comes first gets a profile.

        Args:
            issuer: The provider.
            subject: How it calls them, for ever.
            name: How people call them now. Somebody else's name is told apart.
        """
        rows = self._database.rows(
            "SELECT agent FROM subject WHERE issuer = ? AND subject = ?", issuer, subject
        )
        return rows[0]["agent"] if rows else self._introduce(issuer, subject, name)

    def _introduce(self, issuer: str, subject: str, name: str) -> str:
        agent = secrets.token_hex(8)
        with self._database.transaction() as connection:
            taken = connection.execute("SELECT 1 FROM profile WHERE name = ?", (name,)).fetchone()
            shown = f"{name} ({agent})" if taken else name
            connection.execute("INSERT INTO profile (agent, name) VALUES (?, ?)", (agent, shown))
            made = connection.execute(
                "INSERT INTO subject (issuer, subject, agent) VALUES (?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (issuer, subject, agent),
            )
            if not made.rowcount:  # another request was first
                connection.execute("DELETE FROM profile WHERE agent = ?", (agent,))
        return self.vouched(issuer, subject, name)

    def all(self) -> list[Profile]:
        """Every profile, by name."""
        rows = self._database.rows("SELECT agent, name FROM profile ORDER BY name")
        return [Profile(*row) for row in rows]

    def erase(self, agent: str) -> None:
        """Forgets who an agent is, and their tokens. Records keep the identifier.

        Raises:
            NotFoundError: There is no such profile.
        """
        with self._database.transaction() as connection:
            if not connection.execute("DELETE FROM profile WHERE agent = ?", (agent,)).rowcount:
                raise NotFoundError(f"there is no profile {agent}", "pressmark token people")
