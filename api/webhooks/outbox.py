"""Who is told of what, and what is still to be sent: in the service's database, for ever.

Each webhook has a cursor into the journal. What was recorded after it becomes deliveries in the
same transaction that moves the cursor, so that nothing is left out and nothing is put in twice,
whenever the process ends.
"""

import json
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from pressmark.api.service.database import Database
from pressmark.api.webhooks import signature
from pressmark.api.webhooks.events import Event, EventType
from pressmark.registry.errors import NotFoundError
from pressmark.registry.ids import format_time

#: How long a delivery is shown after it arrived.
KEPT: Final = timedelta(days=30)


class DeliveryState(StrEnum):
    """What became of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True)
class Webhook:
    """Somebody who is told of events.

    Attributes:
        id: Its identifier.
        url: Where events are sent.
        events: The types of events that are sent.
        agent: Opaque identifier of whoever made it.
        created: When, xsd:dateTime in UTC.
        sequence: The last journal entry that was looked at for it.
        disabled: Since when nothing is sent, xsd:dateTime in UTC; None while it is.
        reason: Why nothing is sent.
    """

    id: str
    url: str
    events: tuple[EventType, ...]
    agent: str
    created: str
    sequence: int
    disabled: str | None
    reason: str | None


@dataclass(frozen=True)
class Delivery:
    """An event on its way to a webhook.

    Attributes:
        event: The event's identifier, which the receiver knows it by.
        type: The event's type.
        sequence: Sequence of its record in the journal; 0 for a test.
        state: What became of it.
        attempts: How often it was sent.
        due: When it is sent again, or when it arrived or was given up; xsd:dateTime in UTC.
        status: HTTP status of the last answer; None where none came.
        problem: Why the last attempt failed.
        body: What is sent.
    """

    event: str
    type: str
    sequence: int
    state: DeliveryState
    attempts: int
    due: str
    status: int | None
    problem: str | None
    body: str


@dataclass(frozen=True)
class Due:
    """What is to be sent now.

    Attributes:
        webhook: Identifier of the webhook.
        url: Where it is sent.
        secret: What signs it.
        event: The event's identifier.
        body: What is sent.
        attempts: How often it was sent before.
    """

    webhook: str
    url: str
    secret: bytes
    event: str
    body: str
    attempts: int


class Outbox:
    """The webhooks of a service and their deliveries.

    Args:
        database: Where they are kept. It is its owner's alone: secrets must be known to sign.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self, url: str, types: Sequence[EventType], agent: str, sequence: int, now: datetime
    ) -> tuple[Webhook, str]:
        """Makes a webhook that is told of what is recorded from now on.

        Args:
            url: Where events are sent.
            types: Which.
            agent: Opaque identifier of whoever makes it.
            sequence: The last journal entry of which it is not told.
            now: The time.

        Returns:
            The webhook, and its secret, which is not told again.
        """
        made = Webhook(
            secrets.token_hex(8), url, tuple(types), agent, format_time(now), sequence, None, None
        )
        secret = signature.new_secret()
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO webhook (id, url, events, agent, created, sequence, secret)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (made.id, url, json.dumps(made.events), agent, made.created, sequence, secret),
            )
        return made, signature.shown(secret)

    def all(self) -> list[Webhook]:
        """Every webhook, the oldest first."""
        return [
            _webhook(row) for row in self._database.rows("SELECT * FROM webhook ORDER BY rowid")
        ]

    def get(self, identifier: str) -> Webhook:
        """One webhook.

        Raises:
            NotFoundError: There is none of that identifier.
        """
        rows = self._database.rows("SELECT * FROM webhook WHERE id = ?", identifier)
        if not rows:
            raise NotFoundError(f"there is no webhook {identifier}", "GET /v1/webhooks lists them")
        return _webhook(rows[0])

    def delete(self, identifier: str) -> None:
        """Forgets a webhook and its deliveries.

        Raises:
            NotFoundError: There is none of that identifier.
        """
        self.get(identifier)
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM webhook WHERE id = ?", (identifier,))

    def resume(self, identifier: str, now: datetime) -> Webhook:
        """Sends again to a webhook that was disabled, also what it did not take.

        Raises:
            NotFoundError: There is none of that identifier.
        """
        self.get(identifier)
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE webhook SET disabled = NULL, reason = NULL WHERE id = ?", (identifier,)
            )
            connection.execute(
                "UPDATE delivery SET state = 'pending', attempts = 0, due = ?"
                " WHERE webhook = ? AND state != 'delivered'",
                (now.timestamp(), identifier),
            )
        return self.get(identifier)

    def lowest(self) -> int | None:
        """The last journal entry that every webhook was told of; None where nobody is told."""
        (row,) = self._database.rows("SELECT min(sequence) FROM webhook WHERE disabled IS NULL")
        found: int | None = row[0]
        return found

    def put(self, found: Sequence[Event], first: int, last: int, now: datetime) -> None:
        """Makes deliveries of events for all who want them, and moves the cursors past them.

        Args:
            found: Events in the journal's order.
            first: The first journal entry that was looked at. Webhooks that were told of less than
                what came before it are left alone: the next look begins where they are.
            last: The last journal entry that was looked at.
            now: The time.
        """
        with self._database.transaction() as connection:
            listening = connection.execute(
                "SELECT * FROM webhook WHERE disabled IS NULL AND sequence BETWEEN ? AND ?",
                (first - 1, last - 1),
            ).fetchall()
            for webhook in map(_webhook, listening):
                new = (each for each in found if each.sequence > webhook.sequence)
                for event in (each for each in new if each.type in webhook.events):
                    _insert(connection, webhook.id, event, now)
                connection.execute(
                    "UPDATE webhook SET sequence = ? WHERE id = ?", (last, webhook.id)
                )
            connection.execute(
                "DELETE FROM delivery WHERE state = 'delivered' AND due < ?",
                ((now - KEPT).timestamp(),),
            )

    def add(self, identifier: str, event: Event, now: datetime) -> Delivery:
        """Makes one delivery.

        Raises:
            NotFoundError: There is no such webhook.
        """
        self.get(identifier)
        with self._database.transaction() as connection:
            _insert(connection, identifier, event, now)
        return self.deliveries(identifier, 1)[0]

    def deliveries(
        self, identifier: str, limit: int, state: DeliveryState | None = None
    ) -> list[Delivery]:
        """The newest deliveries to a webhook.

        Raises:
            NotFoundError: There is no such webhook.
        """
        self.get(identifier)
        rows = self._database.rows(
            "SELECT event, type, sequence, state, attempts, due, status, problem, body"
            " FROM delivery WHERE webhook = ? AND state = coalesce(?, state)"
            " ORDER BY rowid DESC LIMIT ?",
            identifier,
            state,
            limit,
        )
        return [_delivery(row) for row in rows]

    def waiting(self, now: datetime, busy: Iterable[str], limit: int) -> list[str]:
        """Identifiers of the webhooks to which something is to be sent now, the longest due first.

        Args:
            now: The time.
            busy: Identifiers of the webhooks that are being sent to.
            limit: How many at most.
        """
        rows = self._database.rows(
            "SELECT id, (SELECT min(due) FROM delivery"
            " WHERE webhook = id AND state = 'pending') AS due FROM webhook"
            " WHERE disabled IS NULL AND due <= ? AND id NOT IN (SELECT value FROM json_each(?))"
            " ORDER BY due LIMIT ?",
            now.timestamp(),
            json.dumps(list(busy)),
            limit,
        )
        return [row["id"] for row in rows]

    def next(self, webhook: str, now: datetime) -> Due | None:
        """What is to be sent to a webhook now, if anything is: in the journal's order."""
        rows = self._database.rows(
            "SELECT webhook, url, secret, event, body, attempts"
            " FROM delivery JOIN webhook ON webhook.id = webhook"
            " WHERE webhook = ? AND state = 'pending' AND due <= ? AND disabled IS NULL"
            " ORDER BY due, delivery.rowid LIMIT 1",
            webhook,
            now.timestamp(),
        )
        return Due(*rows[0]) if rows else None

    def delivered(self, sent: Due, status: int, now: datetime) -> None:
        """Notes that a delivery has arrived."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE delivery SET state = 'delivered', attempts = attempts + 1, due = ?,"
                " status = ?, problem = NULL WHERE webhook = ? AND event = ?",
                (now.timestamp(), status, sent.webhook, sent.event),
            )

    def failed(
        self, sent: Due, status: int | None, problem: str, again: datetime | None, now: datetime
    ) -> None:
        """Notes that an attempt has failed.

        Args:
            sent: What was sent.
            status: The HTTP status, if an answer came.
            problem: Why it failed.
            again: When it is sent again; None to give it up and disable the webhook.
            now: The time.
        """
        state = DeliveryState.FAILED if again is None else DeliveryState.PENDING
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE delivery SET state = ?, attempts = attempts + 1, due = ?, status = ?,"
                " problem = ? WHERE webhook = ? AND event = ?",
                (state, (again or now).timestamp(), status, problem, sent.webhook, sent.event),
            )
            if again is None:
                connection.execute(
                    "UPDATE webhook SET disabled = ?, reason = ? WHERE id = ?",
                    (
                        format_time(now),
                        f"{sent.event} failed {sent.attempts + 1} times: {problem}",
                        sent.webhook,
                    ),
                )

    def webhook_counts(self) -> dict[str, int]:
        """How many webhooks are told of events, and how many are not any more."""
        (row,) = self._database.rows("SELECT count(*), count(disabled) FROM webhook")
        return {"enabled": row[0] - row[1], "disabled": row[1]}

    def counts(self) -> dict[str, int]:
        """How many deliveries there are in each state."""
        rows = self._database.rows("SELECT state, count(*) FROM delivery GROUP BY state")
        return {str(state): 0 for state in DeliveryState} | {row[0]: row[1] for row in rows}


def _insert(connection: sqlite3.Connection, webhook: str, event: Event, now: datetime) -> None:
    connection.execute(
        "INSERT INTO delivery (webhook, event, type, sequence, body, due)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (webhook, event.id, event.type, event.sequence, event.body, now.timestamp()),
    )


def _webhook(row: sqlite3.Row) -> Webhook:
    return Webhook(
        row["id"],
        row["url"],
        tuple(EventType(each) for each in json.loads(row["events"])),
        row["agent"],
        row["created"],
        row["sequence"],
        row["disabled"],
        row["reason"],
    )


def _delivery(row: sqlite3.Row) -> Delivery:
    due = format_time(datetime.fromtimestamp(row["due"], UTC))
    return Delivery(**dict(row) | {"state": DeliveryState(row["state"]), "due": due})
