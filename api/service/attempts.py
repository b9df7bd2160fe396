"""Idempotency keys: a request that is sent again, since its answer was lost, is done once.

A key is remembered with what was asked and with the IRI that the artifact gets, before anything is
registered. So a second attempt finds the artifact, whatever happened to the first one's answer, and
the registry itself refuses to generate it twice. (IETF draft "The Idempotency-Key HTTP Header
Field", section 2.)
"""

from datetime import datetime, timedelta
from typing import Final

from pyoxigraph import NamedNode

from pressmark.api.errors import ReusedKeyError
from pressmark.api.service.database import Database
from pressmark.registry.ids import new_iri

#: How long a key is remembered.
LIFETIME: Final = timedelta(days=7)


class Attempts:
    """The keys of the last days.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def planned(self, key: str, agent: str, digest: bytes, now: datetime) -> NamedNode:
        """The IRI of what a request makes: the same for each attempt with its key.

        Args:
            key: What the client calls the request.
            agent: Whose key it is; others may use the same one.
            digest: Digest of what is asked.
            now: The time.

        Raises:
            ReusedKeyError: The key was used for something else.
        """
        with self._database.transaction() as connection:
            oldest = (now - LIFETIME).timestamp()
            connection.execute("DELETE FROM attempt WHERE at < ?", (oldest,))
            connection.execute(
                "INSERT INTO attempt (agent, key, digest, planned, at) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (agent, key, digest, new_iri().value, now.timestamp()),
            )
            found = connection.execute(
                "SELECT digest, planned FROM attempt WHERE agent = ? AND key = ?", (agent, key)
            ).fetchone()
        if found["digest"] != digest:
            raise ReusedKeyError(
                f"the idempotency key {key!r} was used for another request",
                "use a new key for each request; the same one only to send it again",
            )
        return NamedNode(found["planned"])
