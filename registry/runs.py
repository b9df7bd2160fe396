"""The runs that were recorded: what they follow, what they did, and how they ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyoxigraph import NamedNode

from pressmark.registry.facts import (
    Reader,
    integer,
    local_name,
    node,
    number,
    optional_node,
    text,
)


@dataclass(frozen=True)
class RecordedRun:
    """A run as recorded.

    Attributes:
        iri: The run.
        recipe: The recipe's name.
        agent: The opaque identifier of whoever asked for it.
        seed: Of all random numbers.
        started_at: When it began, ``xsd:dateTime`` in UTC.
        continues: The run that it goes on with.
        outcome: "succeeded", "failed" or "aborted"; None where it was not closed.
        closed_at: When it was closed.
    """

    iri: NamedNode
    recipe: str
    agent: str
    seed: int
    started_at: str
    continues: NamedNode | None = None
    outcome: str | None = None
    closed_at: str | None = None


@dataclass(frozen=True)
class RecordedStep:
    """A step as recorded.

    Attributes:
        iri: The activity.
        step: The step's name, such as "prune/wanda".
        outcome: "succeeded", "failed" or "aborted".
        seconds: Its wall time, if that was recorded.
        error: What it raised.
        result: What it made, if anything.
        name: The artifact's name; None for an evaluation.
    """

    iri: NamedNode
    step: str
    outcome: str
    seconds: float | None = None
    error: str | None = None
    result: NamedNode | None = None
    name: str | None = None


def run_iris(reader: Reader) -> list[NamedNode]:
    """The IRIs of all runs, sorted."""
    return [node(row, "run") for row in reader.rows("runs")]


def recorded_runs(reader: Reader, runs: Sequence[NamedNode]) -> dict[NamedNode, RecordedRun]:
    """What is known of runs; those that are no runs are left out."""
    rows = reader.rows("run_facts", run=list(runs)) if runs else []
    found = (
        RecordedRun(
            iri=node(row, "run"),
            recipe=row["recipeName"].value,
            agent=row["agentId"].value,
            seed=integer(row, "seed") or 0,
            started_at=row["startedAt"].value,
            continues=optional_node(row, "continues"),
            outcome=local_name(node(row, "outcome")) if "outcome" in row else None,
            closed_at=text(row, "closedAt"),
        )
        for row in rows
    )
    return {run.iri: run for run in found}


def recorded_steps(
    reader: Reader, runs: Sequence[NamedNode]
) -> dict[NamedNode, list[RecordedStep]]:
    """The steps that runs executed, in the order of the journal."""
    found: dict[NamedNode, list[RecordedStep]] = {run: [] for run in runs}
    for row in reader.rows("run_steps", run=list(runs)) if runs else []:
        found[node(row, "run")].append(
            RecordedStep(
                iri=node(row, "step"),
                step=row["stepName"].value,
                outcome=local_name(node(row, "outcome")),
                seconds=number(row, "wallSeconds"),
                error=text(row, "error"),
                result=optional_node(row, "result"),
                name=text(row, "name"),
            )
        )
    return found
