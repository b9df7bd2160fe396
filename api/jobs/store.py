"""What is remembered of jobs: in the service's database, which server and workers share.

A job is acknowledged when its row is committed. The queue beside it only wakes workers: what is to
be done follows from the rows alone, so that nothing is lost with the queue.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from pressmark.api.jobs.jobs import Event, Failure, Job, Order, Progress, State, Step, StepState
from pressmark.api.plain import plain
from pressmark.api.service.database import Database
from pressmark.registry.errors import NotFoundError
from pressmark.registry.ids import utc_now

_STATE: Final = "state"
_PROGRESS: Final = "progress"
_LONGEST_LINE: Final = 2000

Read = TypeVar("Read")


def _reader(kind: type[Read]) -> Callable[[str], Read]:
    return TypeAdapter(kind).validate_json


_order = _reader(Order)
_steps: Callable[[str], tuple[Step, ...]] = TypeAdapter(tuple[Step, ...]).validate_json
_progress: Callable[[str], Progress | None] = TypeAdapter(Progress | None).validate_json
_failure: Callable[[str], Failure | None] = TypeAdapter(Failure | None).validate_json


class Jobs:
    """The jobs of a service, those that ended included.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, identifier: str, agent: str, order: Order) -> Job:
        """Takes an order; the same one again changes nothing.

        Returns:
            The job. It survives whatever happens from now on.
        """
        with self._database.transaction() as connection:
            added = connection.execute(
                'INSERT INTO job (id, agent, state, posted, "order", steps) '
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (identifier, agent, State.QUEUED, utc_now(), _json(order), _json(order.steps)),
            )
            if added.rowcount:
                _note(connection, identifier, _STATE, {"state": State.QUEUED})
        return self.get(identifier)

    def counts(self) -> dict[str, int]:
        """How many jobs there are in each state."""
        rows = self._database.rows("SELECT state, count(*) FROM job GROUP BY state")
        return {str(state): 0 for state in State} | {row[0]: row[1] for row in rows}

    def get(self, identifier: str) -> Job:
        """A job.

        Raises:
            NotFoundError: There is none with this identifier.
        """
        if job := self.find(identifier):
            return job
        raise NotFoundError(f"there is no run {identifier}", "GET /v1/runs lists them")

    def find(self, identifier: str) -> Job | None:
        """A job; None where there is none with this identifier."""
        rows = self._database.rows(
            "SELECT *, (SELECT run FROM job_run WHERE job = id ORDER BY rowid DESC) AS run "
            "FROM job WHERE id = ?",
            identifier,
        )
        return _job(rows[0]) if rows else None

    def of_run(self, run: str) -> str | None:
        """The identifier of the job that a run was begun for, by the run's IRI."""
        rows = self._database.rows("SELECT job FROM job_run WHERE run = ?", run)
        return rows[0]["job"] if rows else None

    def identifiers(self) -> list[str]:
        """The identifiers of all jobs."""
        return [row["id"] for row in self._database.rows("SELECT id FROM job")]

    def all_runs(self) -> set[str]:
        """The IRIs of all runs that were begun for jobs."""
        return {row["run"] for row in self._database.rows("SELECT run FROM job_run")}

    def unfinished(self) -> dict[str, State]:
        """All jobs that are queued or running, the oldest first."""
        query = "SELECT id, state FROM job WHERE state IN (?, ?) ORDER BY posted, id"
        rows = self._database.rows(query, State.QUEUED, State.RUNNING)
        return {row["id"]: State(row["state"]) for row in rows}

    def runs(self, identifier: str) -> list[str]:
        """The IRIs of a job's runs, the newest first."""
        query = "SELECT run FROM job_run WHERE job = ? ORDER BY rowid DESC"
        return [row["run"] for row in self._database.rows(query, identifier)]

    # ------------------------------------------------------------------ what workers tell

    def begin(self, identifier: str, steps: Sequence[Step]) -> bool:
        """A worker begins with a job, or again after another one died; False if it has ended."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE job SET state = ?, started = coalesce(started, ?), steps = ?, "
                "artifacts = '{}', progress = 'null' WHERE id = ? AND ended IS NULL",
                (State.RUNNING, utc_now(), _json(steps), identifier),
            )
            if changed.rowcount:
                _note(connection, identifier, _STATE, {"state": State.RUNNING})
        return bool(changed.rowcount)

    def begin_run(self, identifier: str, run: str) -> None:
        """Writes down which run will be begun, before it is."""
        with self._database.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO job_run VALUES (?, ?)", (run, identifier))

    def step(
        self, identifier: str, steps: Sequence[Step], index: int, artifacts: Mapping[str, str]
    ) -> None:
        """One of the steps is further; `artifacts` are those made so far, by name."""
        done = steps[index].state is StepState.SUCCEEDED
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE job SET steps = ?, artifacts = ?, progress = 'null', "
                "deaths = iif(?, 0, deaths) WHERE id = ?",
                (_json(steps), _json(artifacts), done, identifier),
            )
            _note(connection, identifier, "step", {"index": index, **plain(steps[index])})

    def progress(self, identifier: str, progress: Progress) -> None:
        """The loop that runs now is further; only the newest event of this kind is kept."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM job_event WHERE job = ? AND kind = ?", (identifier, _PROGRESS)
            )
            connection.execute(
                "UPDATE job SET progress = ? WHERE id = ?", (_json(progress), identifier)
            )
            _note(connection, identifier, _PROGRESS, progress)

    def log(self, identifier: str, text: str) -> None:
        """A line for people."""
        with self._database.transaction() as connection:
            _note(connection, identifier, "log", {"text": text[:_LONGEST_LINE]})

    def end(
        self,
        identifier: str,
        state: State,
        *,
        error: Failure | None = None,
        result: object = None,
    ) -> None:
        """It ended, one way or the other; what ended stays as it is."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE job SET state = ?, ended = ?, error = ?, result = ?, progress = 'null' "
                "WHERE id = ? AND ended IS NULL",
                (state, utc_now(), _json(error), _json(result), identifier),
            )
            if changed.rowcount:
                _note(connection, identifier, _STATE, {"state": state, "error": error})

    def died(self, identifier: str) -> int:
        """A worker died doing it.

        Returns:
            How often that has happened since a step of it was done.
        """
        with self._database.transaction() as connection:
            connection.execute("UPDATE job SET deaths = deaths + 1 WHERE id = ?", (identifier,))
            (deaths,) = connection.execute(
                "SELECT deaths FROM job WHERE id = ?", (identifier,)
            ).fetchone()
        return int(deaths)

    # ------------------------------------------------------------------ what people ask

    def cancel(self, identifier: str) -> Job:
        """Asks for a job to be stopped; one that no worker began with has ended by that."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE job SET cancelling = 1 WHERE id = ?", (identifier,))
            waiting = connection.execute(
                "SELECT 1 FROM job WHERE id = ? AND state = ? AND started IS NULL",
                (identifier, State.QUEUED),
            ).fetchone()
        if waiting:
            self.end(identifier, State.ABORTED)
        return self.get(identifier)

    def is_cancelling(self, identifier: str) -> bool:
        """Whether somebody asked to stop it."""
        rows = self._database.rows("SELECT cancelling FROM job WHERE id = ?", identifier)
        return bool(rows and rows[0]["cancelling"])

    def events(self, identifier: str, after: int) -> list[Event]:
        """What happened to a job after an event, in order."""
        rows = self._database.rows(
            "SELECT id, kind, data FROM job_event WHERE job = ? AND id > ? ORDER BY id",
            identifier,
            after,
        )
        return [Event(*row) for row in rows]


def _note(connection: sqlite3.Connection, job: str, kind: str, event: object) -> None:
    connection.execute(
        "INSERT INTO job_event (job, kind, data) VALUES (?, ?, ?)", (job, kind, _json(event))
    )


def _job(row: sqlite3.Row) -> Job:
    return Job(
        id=row["id"],
        agent=row["agent"],
        order=_order(row["order"]),
        state=State(row["state"]),
        posted=row["posted"],
        started=row["started"],
        ended=row["ended"],
        run=row["run"],
        steps=_steps(row["steps"]),
        progress=_progress(row["progress"]),
        cancelling=bool(row["cancelling"]),
        error=_failure(row["error"]),
        artifacts=json.loads(row["artifacts"]),
        result=json.loads(row["result"]),
    )


def _json(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
