"""What happens to a run on a server: server-sent events (WHATWG HTML, section 9.2)."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx2

from pressmark.api.errors import UnreachableError
from pressmark.api.jobs.jobs import ENDED, Failure, Kind, State, Step
from pressmark.api.remote.connection import ATTEMPTS, Connection

if TYPE_CHECKING:
    from pressmark.compression.step import Progress
    from pressmark.registry.progress import Progress as Loops

#: A line that says nothing comes every fifteen seconds; silence for longer is a broken connection.
_PATIENCE: Final = httpx2.Timeout(60.0, connect=10.0)


@dataclass(frozen=True)
class RunState:
    """What a client needs to know of a run; see `pressmark.api.jobs.runs.RunView`."""

    id: str
    kind: Kind
    state: State
    run: str | None
    steps: tuple[Step, ...]
    error: Failure | None
    artifacts: dict[str, str]
    inputs: dict[str, str]
    result: Any

    @property
    def has_ended(self) -> bool:
        """Whether nothing follows."""
        return self.state in ENDED


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        id: Its number, to go on after; "" for none.
        kind: "state", "step", "progress" or "log".
        data: The members of its JSON.
    """

    id: str
    kind: str
    data: dict[str, Any] = field(default_factory=dict)


def run_state(connection: Connection, run: str) -> RunState:
    """How far a run is.

    Raises:
        NotFoundError: There is none.
    """
    return connection.get(RunState, f"/v1/runs/{quote(run, safe='')}")


def watch(connection: Connection, run: str, progress: "Progress") -> RunState:
    """Shows what happens to a run until it has ended; a connection that breaks is made again.

    Args:
        connection: The server.
        run: The run.
        progress: Where a person watches.

    Raises:
        UnreachableError: The server answers no more.
    """
    last, failures, shown = "", 0, Shown(progress)
    try:
        while not (now := run_state(connection, run)).has_ended:
            try:
                for event in _events(connection, now.id, last):
                    shown.show(event)
                    last, failures = event.id or last, 0
            except UnreachableError:
                failures += 1
                if failures == ATTEMPTS:
                    raise
                connection.wait(failures)
        for event in _events(connection, now.id, last):
            shown.show(event)
    finally:
        shown.close()
    return now


def _events(connection: Connection, run: str, after: str) -> Iterator[Event]:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
    place = f"/v1/runs/{run}/events"
    with connection.stream("GET", place, headers=headers, timeout=_PATIENCE) as answer:
        yield from parsed(answer.iter_lines())


def parsed(lines: Iterable[str]) -> Iterator[Event]:
    """The events in a stream; an event that was cut off is left out, comments are skipped."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                yield _event(fields)
            fields = {}
            continue
        name, _, value = line.partition(":")
        if name == "data" and name in fields:
            value = f"{fields[name]}\n{value.removeprefix(' ')}"
        fields[name] = value.removeprefix(" ")


def _event(fields: dict[str, str]) -> Event:
    try:
        data = json.loads(fields["data"])
    except ValueError:
        data = {}
    members = data if isinstance(data, dict) else {}
    return Event(fields.get("id", ""), fields.get("event", "message"), members)


class Shown:
    """Draws the loops of work that is done elsewhere as if they ran here, and prints its lines.

    Args:
        progress: Where a person watches.
    """

    def __init__(self, progress: "Progress | Loops") -> None:
        self._progress = progress
        self._label = ""
        self._done = 0
        self._loop: Iterator[int] | None = None

    def show(self, event: Event) -> None:
        """Shows one event."""
        if event.kind == "log":
            self.close()
            log = getattr(self._progress, "log", None)  # those who only follow loops have none
            if log is not None:
                log(str(event.data.get("text", "")))
        elif event.kind == "progress" and event.data.get("label"):
            self._advance(event.data["label"], int(event.data["done"]), event.data.get("total"))

    def close(self) -> None:
        """Takes the loop's bar away."""
        if self._loop is not None:
            close = getattr(self._loop, "close", None)
            if close:
                close()
        self._loop, self._label, self._done = None, "", 0

    def _advance(self, label: str, done: int, total: int | None) -> None:
        if label != self._label or done < self._done:
            self.close()
            self._label = label
            rounds = range(total) if total else range(1 << 62)
            self._loop = iter(self._progress.track(rounds, total, label))
        while self._done < done and self._loop is not None:
            next(self._loop, None)
            self._done += 1
