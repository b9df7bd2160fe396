"""What a job is: work that somebody asked for, and how far it is."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class Kind(StrEnum):
    """What is to be done."""

    RECIPE = "recipe"
    CHECK = "check"
    REPRODUCTION = "reproduction"


class State(StrEnum):
    """How far it is; INTERRUPTED is a run whose process died and that nobody goes on with."""

    QUEUED = "queued"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"


class StepState(StrEnum):
    """How far a step is; REUSED where an earlier result stands in for it."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    REUSED = "reused"
    FAILED = "failed"
    ABORTED = "aborted"


#: What nothing follows.
ENDED: Final = frozenset({State.SUCCEEDED, State.FAILED, State.ABORTED})


@dataclass(frozen=True)
class Forecast:
    """What a step is expected to cost.

    Attributes:
        seconds: Wall time; 0 where an earlier result would be reused.
        bytes: New bytes on disk, before sharing of equal tensors.
        reused: Whether an earlier result would stand in.
        measured: How many earlier executions the time is based on; 0 for a guess.
    """

    seconds: float
    bytes: int
    reused: bool
    measured: int


@dataclass(frozen=True)
class Step:
    """A step of a run.

    Attributes:
        name: The output's name in the recipe.
        step: The step's name, such as "prune/wanda".
        state: How far it is.
        seconds: Wall time; None before its end, 0 where it was reused.
        result: IRI of the artifact or evaluation that it made.
        forecast: What it was expected to cost; None where that could not be told.
    """

    name: str
    step: str
    state: StepState = StepState.WAITING
    seconds: float | None = None
    result: str | None = None
    forecast: Forecast | None = None


@dataclass(frozen=True)
class Progress:
    """How far the loop is that runs now.

    Attributes:
        label: What is done, for a person.
        done: How many items are done.
        total: How many there are; None where that is not known.
        seconds_left: How long the rest will take, if it goes on like this.
        at: When that was, xsd:dateTime in UTC.
    """

    label: str
    done: int
    total: int | None
    seconds_left: float | None
    at: str


@dataclass(frozen=True)
class Failure:
    """Why it failed.

    Attributes:
        type: The error's class, such as "StepFailed".
        detail: What happened.
        hint: What to do next.
    """

    type: str
    detail: str
    hint: str = ""


@dataclass(frozen=True)
class Order:
    """What somebody asked for, checked.

    Attributes:
        kind: What is to be done.
        name: The recipe's name, or the artifact's.
        subject: IRI of the artifact to check or to make again.
        recipe: The recipe's text, verbatim.
        inputs: Recipe input -> IRI of the artifact.
        seed: Of all random numbers.
        cache: Whether earlier results may stand in for steps.
        continues: IRI of the run that is gone on with.
        steps: The recipe's steps as planned.
        sequence: The last entry of the journal when it was asked for: what it is about is there.
    """

    kind: Kind
    name: str
    subject: str | None = None
    recipe: str | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    seed: int | None = None
    cache: bool = True
    continues: str | None = None
    steps: tuple[Step, ...] = ()
    sequence: int = 0


@dataclass(frozen=True)
class Job:
    """An order and how far it is.

    Attributes:
        id: UUID; of a recipe's job it is that of its first run too.
        agent: The opaque identifier of whoever asked.
        order: What was asked.
        state: How far it is.
        posted: When it was asked for, xsd:dateTime in UTC.
        started: When a worker began with it first.
        ended: When it ended.
        run: IRI of its newest run; None before the first began, and where it is no recipe.
        steps: How far each step is.
        progress: How far the loop is that runs now.
        cancelling: Whether somebody asked to stop it.
        error: Why it failed.
        artifacts: Name in the recipe -> IRI of what was made or reused so far.
        result: What a finished run gave, or what a check or a re-run found.
    """

    id: str
    agent: str
    order: Order
    state: State
    posted: str
    started: str | None = None
    ended: str | None = None
    run: str | None = None
    steps: tuple[Step, ...] = ()
    progress: Progress | None = None
    cancelling: bool = False
    error: Failure | None = None
    artifacts: dict[str, str] = field(default_factory=dict)
    result: Any = None


@dataclass(frozen=True)
class Event:
    """Something that happened to a job.

    Attributes:
        id: Its number; later events have larger ones.
        kind: "state", "step", "progress" or "log".
        data: What happened, as JSON text.
    """

    id: int
    kind: str
    data: str
