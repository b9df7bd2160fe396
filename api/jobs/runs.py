"""The runs that people see: those that were asked for here, and those that others recorded."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from pyoxigraph import NamedNode

from pressmark.api.errors import ConflictError
from pressmark.api.jobs.jobs import (
    ENDED,
    Failure,
    Job,
    Kind,
    Order,
    Progress,
    State,
    Step,
    StepState,
)
from pressmark.api.jobs.queue import JobQueue
from pressmark.api.jobs.store import Jobs
from pressmark.compression.workspace import is_running
from pressmark.registry.registry import Registry
from pressmark.registry.runs import (
    RecordedRun,
    RecordedStep,
    recorded_runs,
    recorded_steps,
    run_iris,
)
from pressmark.registry.search import resolve_run

_URN: Final = "urn:uuid:"
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class RunView:
    """A run: of a recipe, or of a check or a re-run of an artifact.

    Attributes:
        id: UUID by which it is asked for.
        kind: What is done.
        name: The recipe's name, or the artifact's.
        state: How far it is; "interrupted" where its process died and nobody goes on with it.
        run: IRI of its newest record; None before that began, and where it is no recipe.
        continues: IRI of the run that it goes on with.
        subject: IRI of the artifact that is checked or made again.
        agent: The opaque identifier of whoever asked.
        posted: When it was asked for, xsd:dateTime in UTC; None where that was not here.
        started: When it began.
        ended: When it ended.
        seed: Of all random numbers.
        inputs: Recipe input -> IRI of the artifact; empty where it was not asked for here.
        steps: How far each step is; of a run that was not asked for here those that were recorded.
        progress: How far the loop is that runs now.
        cancelling: Whether somebody asked to stop it.
        error: Why it failed.
        artifacts: Name in the recipe -> IRI of what was made or reused so far.
        result: What a finished run gave, or what a check or a re-run found.
    """

    id: str
    kind: Kind
    name: str
    state: State
    run: str | None = None
    continues: str | None = None
    subject: str | None = None
    agent: str = ""
    posted: str | None = None
    started: str | None = None
    ended: str | None = None
    seed: int | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    progress: Progress | None = None
    cancelling: bool = False
    error: Failure | None = None
    artifacts: dict[str, str] = field(default_factory=dict)
    result: Any = None


@dataclass(frozen=True)
class RunPage:
    """A page of runs, newest first.

    Attributes:
        runs: The runs.
        next: What to give as `after` for the next page; None on the last.
    """

    runs: tuple[RunView, ...]
    next: str | None


class Runs:
    """Takes orders, and tells what became of them.

    Args:
        registry: What is recorded.
        jobs: What was asked for here.
        queue: What wakes the workers.
    """

    def __init__(self, registry: Registry, jobs: Jobs, queue: JobQueue) -> None:
        self.jobs = jobs
        self._registry = registry
        self._queue = queue

    def post(self, identifier: str, agent: str, order: Order) -> RunView:
        """Takes an order: it is done, whatever happens to this process. Twice is as good as once.

        Args:
            identifier: The job's UUID.
            agent: The opaque identifier of whoever asks.
            order: What to do, checked.
        """
        job = self.jobs.add(identifier, agent, order)
        if job.state is State.QUEUED:
            self._queue.put([identifier])
        return _of_job(job)

    def known(self, identifier: str) -> RunView | None:
        """A run that was asked for here, by its UUID; None if there is none."""
        job = self.jobs.find(identifier)
        return _of_job(job) if job else None

    def get(self, name: str) -> RunView:
        """A run by its UUID or IRI, or where it was recorded by four or more digits of its UUID.

        Raises:
            NotFoundError: There is none.
            AmbiguousNameError: Several fit.
        """
        uuid = self.identifier(name)
        return self.known(uuid) or self._recorded([_named(uuid)])[0]

    def identifier(self, name: str) -> str:
        """The UUID of the run that a name means; a later record of a job means the job.

        Raises:
            NotFoundError: There is none.
            AmbiguousNameError: Several fit.
        """
        uuid = name.strip().lower().removeprefix(_URN)
        if self.jobs.find(uuid):
            return uuid
        exact = _named(uuid) if _UUID.fullmatch(uuid) else None
        if exact is None or exact not in recorded_runs(self._registry, [exact]):
            exact = resolve_run(self._registry, name)
        run = exact.value
        return self.jobs.of_run(run) or run.removeprefix(_URN)

    def page(self, limit: int, after: str | None = None) -> RunPage:
        """The runs after one, newest first."""
        ours = set(self.jobs.identifiers())
        taken = self.jobs.all_runs()
        recorded = (run.value for run in run_iris(self._registry))
        others = {run.removeprefix(_URN) for run in recorded if run not in taken}
        chosen = sorted((each for each in ours | others if not after or each < after), reverse=True)
        page = chosen[:limit]
        found = {view.id: view for view in self._recorded([_named(u) for u in page if u in others])}
        found |= {u: _of_job(self.jobs.get(u)) for u in page if u in ours}
        return RunPage(
            tuple(found[uuid] for uuid in page if uuid in found),
            page[-1] if len(chosen) > limit else None,
        )

    def cancel(self, name: str) -> RunView:
        """Asks for a run to be stopped, which happens at the next safe point.

        Raises:
            NotFoundError: There is none.
            ConflictError: It has ended, or is not done here.
        """
        view = self.get(name)
        if view.posted is None:
            raise ConflictError(
                f"run {view.id} is not done by this service", "stop the process that does it"
            )
        if view.state in ENDED:
            raise ConflictError(f"run {view.id} has {view.state}: there is nothing to stop")
        return _of_job(self.jobs.cancel(view.id))

    def resume(self, name: str, identifier: str, agent: str) -> RunView:
        """Goes on with a run that failed, was stopped or was interrupted, as a new one.

        Raises:
            NotFoundError: There is none.
            ConflictError: It is not over, it succeeded, or nothing of it was recorded.
        """
        view = self.get(name)
        if view.state not in (State.INTERRUPTED, State.FAILED, State.ABORTED):
            raise ConflictError(f"run {view.id} is {view.state}: there is nothing to resume")
        recorded = self._newest_recorded(view)
        if recorded is None:
            raise ConflictError(f"nothing of run {view.id} was recorded", "post it again")
        steps = tuple(Step(step.name, step.step, forecast=step.forecast) for step in view.steps)
        order = Order(
            kind=Kind.RECIPE,
            name=recorded.recipe,
            inputs=view.inputs,
            seed=recorded.seed,
            continues=recorded.iri.value,
            steps=steps if view.posted else (),
            sequence=self._registry.journal.refresh(),
        )
        return self.post(identifier, agent, order)

    def _newest_recorded(self, view: RunView) -> RecordedRun | None:
        candidates = [NamedNode(run) for run in self.jobs.runs(view.id)] or [_named(view.id)]
        found = recorded_runs(self._registry, candidates)
        return next((found[run] for run in candidates if run in found), None)

    def _recorded(self, runs: list[NamedNode]) -> list[RunView]:
        steps = recorded_steps(self._registry, runs)
        facts = recorded_runs(self._registry, runs)
        return [self._of_record(facts[run], steps[run]) for run in runs if run in facts]

    def _of_record(self, run: RecordedRun, steps: list[RecordedStep]) -> RunView:
        state = State(run.outcome) if run.outcome else State.INTERRUPTED
        if run.outcome is None and is_running(self._registry, run.iri):
            state = State.RUNNING
        error = next((step.error for step in steps if step.error), None)
        return RunView(
            id=run.iri.value.removeprefix(_URN),
            kind=Kind.RECIPE,
            name=run.recipe,
            state=state,
            run=run.iri.value,
            continues=run.continues.value if run.continues else None,
            agent=run.agent,
            started=run.started_at,
            ended=run.closed_at,
            seed=run.seed,
            steps=tuple(_recorded_step(step) for step in steps),
            error=Failure("StepFailed", error) if error else None,
            artifacts={s.name: s.result.value for s in steps if s.name and s.result},
        )


def _recorded_step(step: RecordedStep) -> Step:
    return Step(
        name=step.name or step.step.partition("/")[0],
        step=step.step,
        state=StepState(step.outcome),
        seconds=step.seconds,
        result=step.result.value if step.result else None,
    )


def _of_job(job: Job) -> RunView:
    order = job.order
    return RunView(
        id=job.id,
        kind=order.kind,
        name=order.name,
        state=job.state,
        run=job.run,
        continues=order.continues,
        subject=order.subject,
        agent=job.agent,
        posted=job.posted,
        started=job.started,
        ended=job.ended,
        seed=order.seed,
        inputs=order.inputs,
        steps=job.steps,
        progress=job.progress,
        cancelling=job.cancelling,
        error=job.error,
        artifacts=job.artifacts,
        result=job.result,
    )


def _named(uuid: str) -> NamedNode:
    return NamedNode(f"{_URN}{uuid}")
