"""How a worker tells how far a job is, and hears that it should stop."""

import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, TypeVar

from pressmark.api.jobs.jobs import Progress, Step, StepState
from pressmark.api.jobs.store import Jobs
from pressmark.compression.recipe import PlannedStep
from pressmark.compression.results import Outcome
from pressmark.compression.runner import Watcher
from pressmark.registry.ids import utc_now

T = TypeVar("T")

#: Seconds from one look, and one word, to the next.
_INTERVAL: Final = 0.5


class JobProgress:
    """Keeps what a step says; where somebody asked to stop the job, does what Ctrl-C does.

    That happens where a step or the runner tells how far it is, and once: a second signal would
    not be put off while finished work is being recorded.

    Args:
        jobs: Where it is kept.
        identifier: The job.
    """

    def __init__(self, jobs: Jobs, identifier: str) -> None:
        self._jobs = jobs
        self._identifier = identifier
        self._looked = 0.0
        self._stopped = False

    def track(
        self, iterable: Iterable[T], total: int | None = None, label: str = ""
    ) -> Iterator[T]:
        """Yields the items, and says how many are done and how long the rest will take."""
        began = time.monotonic()
        for done, item in enumerate(iterable, start=1):
            yield item
            if time.monotonic() - self._looked >= _INTERVAL:
                self._tell(label or "working", done, total, time.monotonic() - began)

    def log(self, text: str) -> None:
        """Keeps the line."""
        self._jobs.log(self._identifier, text)
        self._stop_if_asked()

    def _tell(self, label: str, done: int, total: int | None, elapsed: float) -> None:
        left = elapsed / done * (total - done) if total else None
        self._jobs.progress(self._identifier, Progress(label, done, total, left, utc_now()))
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        self._looked = time.monotonic()
        if not self._stopped and self._jobs.is_cancelling(self._identifier):
            self._stopped = True
            signal.raise_signal(signal.SIGINT)


class StepWatcher(Watcher):
    """Keeps how far the steps of a job are.

    Args:
        jobs: Where it is kept.
        identifier: The job.
        steps: Its steps as planned.
    """

    def __init__(self, jobs: Jobs, identifier: str, steps: Iterable[Step]) -> None:
        self._jobs = jobs
        self._identifier = identifier
        self._steps = list(steps)
        self._artifacts: dict[str, str] = {}
        self._makes_artifact = False

    def began(self, index: int, planned: PlannedStep) -> None:
        """A step begins."""
        self._makes_artifact = planned.step.produces is not None
        self._now(index, state=StepState.RUNNING)

    def ended(self, index: int, outcome: Outcome) -> None:
        """A step was recorded and checked."""
        if self._makes_artifact:
            self._artifacts[outcome.name] = outcome.result.value
        state = StepState.REUSED if outcome.reused else StepState.SUCCEEDED
        self._now(index, state=state, seconds=outcome.seconds, result=outcome.result.value)

    def stopped(self, state: StepState) -> None:
        """The step that was running came to no good end."""
        for index, step in enumerate(self._steps):
            if step.state is StepState.RUNNING:
                self._now(index, state=state)

    def _now(self, index: int, **changes: object) -> None:
        self._steps[index] = replace(self._steps[index], **changes)  # type: ignore[arg-type]
        self._jobs.step(self._identifier, self._steps, index, self._artifacts)
