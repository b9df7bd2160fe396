"""Events, derived from the journal: each committed record is one event, or none.

An event's identifier follows from the digest of its record. So whoever derives it again, after
whatever interruption, derives the same, and a receiver can tell that it was told already.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any, Final

from pyoxigraph import Literal

from pressmark.api.plain import plain
from pressmark.registry.graph import Row
from pressmark.registry.registry import Registry

_DIGITS: Final = 32
_ABOUT: Final = ("run", "alias", "tag", "report")


class EventType(StrEnum):
    """What others can be told of; ``ontology/queries/events.rq`` says what is what."""

    ARTIFACT_REGISTERED = "artifact.registered"
    ARTIFACT_RETIRED = "artifact.retired"
    ARTIFACT_TAGGED = "artifact.tagged"
    ARTIFACT_UNTAGGED = "artifact.untagged"
    ALIAS_MOVED = "alias.moved"
    RUN_STARTED = "run.started"
    RUN_FINISHED = "run.finished"
    RUN_FAILED = "run.failed"
    CHECK_HELD = "check.held"
    CHECK_REFUTED = "check.refuted"
    CHECK_INCONCLUSIVE = "check.inconclusive"
    REPORT_REGISTERED = "report.registered"


#: The type of what is sent to try a webhook out.
TEST: Final = "webhook.test"


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        id: Its identifier, for ever.
        type: What it is: an `EventType`, or `TEST`.
        sequence: Sequence of its record in the journal.
        body: What is sent, as JSON.
    """

    id: str
    type: str
    sequence: int
    body: str


def events(registry: Registry, first: int, last: int) -> tuple[list[Event], int]:
    """The events of journal entries, in their order.

    Args:
        registry: The registry.
        first: Sequence of the first entry.
        last: Sequence of the last entry.

    Returns:
        The events, and the last entry that they tell of: an entry that was just committed may not
        be in the graph yet, and is told of the next time.
    """
    wanted = [Literal(sequence) for sequence in range(first, last + 1)]
    rows = registry.rows("events", sequence=wanted)
    found: list[Event] = []
    told = first - 1
    for sequence, group in groupby(rows, key=lambda row: int(row["sequence"].value)):
        if sequence != told + 1:
            break
        told = sequence
        found += _event(list(group))
    return found, told


def event(identifier: str, type_: str, sequence: int, at: str, data: dict[str, Any]) -> Event:
    """An event with its body ("Payload structure")."""
    body = {"id": identifier, "type": type_, "timestamp": at, "data": data}
    return Event(identifier, type_, sequence, json.dumps(body, separators=(",", ":")))


def _event(rows: list[Row]) -> Iterable[Event]:
    row = rows[0]
    if "type" not in row:
        return
    sequence = int(row["sequence"].value)
    artifacts = [each["artifact"].value for each in rows if "artifact" in each]
    data = {
        "sequence": sequence,
        "record": row["record"].value,
        "activity": row["activity"].value,
        "artifacts": list(dict.fromkeys(artifacts)),
    }
    data |= {name: plain(row[name]) for name in _ABOUT if name in row}
    identifier = f"evt_{row['digest'].value[:_DIGITS]}"
    yield event(identifier, row["type"].value, sequence, row["at"].value, data)
