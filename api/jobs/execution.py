"""What a worker does: the jobs themselves, each held by a lock and begun again where it broke off.

Whatever ends a worker in the middle, the job's row and the registry tell how far it came: a run
that was begun is resumed, and what was recorded is not done again.
"""

import logging
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from pyoxigraph import NamedNode

from pressmark.api.jobs.folders import files_folder, job_folder, job_lock
from pressmark.api.jobs.jobs import ENDED, Failure, Job, Kind, State, StepState
from pressmark.api.jobs.store import Jobs
from pressmark.api.jobs.watching import JobProgress, StepWatcher
from pressmark.api.plain import plain
from pressmark.compression.checking import check
from pressmark.compression.errors import RunAbortedError
from pressmark.compression.recipe import Recipe
from pressmark.compression.recording import Recorder
from pressmark.compression.reproduce import reproduce
from pressmark.compression.results import CheckResult, Reproduction, RunResult
from pressmark.compression.runner import Runner
from pressmark.compression.workspace import run_state
from pressmark.ontology.terms import PM
from pressmark.registry import descriptions
from pressmark.registry.errors import PressmarkError
from pressmark.registry.ids import new_iri
from pressmark.registry.registry import Registry

_log = logging.getLogger(__name__)


class Workbench:
    """Does jobs, one at a time, in the main thread of its process.

    Args:
        registry: What they are about; records go to the server.
        jobs: Where their state is kept.
        threads: For torch and the kernels.
    """

    def __init__(self, registry: Registry, jobs: Jobs, threads: int) -> None:
        self._registry = registry
        self._jobs = jobs
        self._threads = threads
        self._doers: Final[Mapping[Kind, Callable[[Job, JobProgress], object]]] = {
            Kind.RECIPE: self._run,
            Kind.CHECK: partial(self._find, partial(check, threads=threads)),
            Kind.REPRODUCTION: partial(self._find, reproduce),
        }

    def do(self, identifier: str) -> None:
        """Does a job to its end, unless another worker is doing it, or it has ended."""
        root = self._registry.root
        lock = job_lock(root, identifier)
        if not lock.acquire():
            return
        try:
            job = self._jobs.get(identifier)
            if job.state not in ENDED:
                self._conduct(job)
            shutil.rmtree(job_folder(root, identifier), ignore_errors=True)
        finally:
            lock.release()

    def _conduct(self, job: Job) -> None:
        """Does a job; whatever comes of it is written down."""
        try:
            self._registry.await_entry(job.order.sequence)
            result = self._doers[job.order.kind](job, JobProgress(self._jobs, job.id))
        except (KeyboardInterrupt, RunAbortedError):
            self._jobs.end(job.id, State.ABORTED)
        except PressmarkError as error:
            kind = type(error).__name__.removesuffix("Error")
            self._jobs.end(job.id, State.FAILED, error=Failure(kind, error.message, error.hint))
        except Exception as error:
            _log.exception("job %s failed", job.id)
            hint = "this is a defect of Pressmark: report it with the server's log"
            told = Failure(type(error).__name__, str(error), hint)
            self._jobs.end(job.id, State.FAILED, error=told)
        else:
            self._jobs.end(job.id, State.SUCCEEDED, result=result)

    # ------------------------------------------------------------------ recipes

    def _run(self, job: Job, progress: JobProgress) -> RunResult | None:
        """Gives what the run gave; None where it had succeeded before its worker could tell."""
        begun = self._begun(job)
        state = run_state(self._registry, begun) if begun else None
        if begun is None or state == "interrupted":
            return self._go_on(job, progress, begun)
        if state != "succeeded":
            raise PressmarkError(
                f"run {begun.value} {state}, and its server was ended before it could tell why",
                "its record says why: GET /v1/queries/failed_steps?run=",
            )
        return None

    def _begun(self, job: Job) -> NamedNode | None:
        """The newest run of a job that was recorded; another one may have been about to begin."""
        for run in self._jobs.runs(job.id):
            if self._registry.rows("run_identity", run=NamedNode(run)):
                return NamedNode(run)
        return None

    def _go_on(self, job: Job, progress: JobProgress, begun: NamedNode | None) -> RunResult | None:
        if job.cancelling:
            self._abort(job, begun)
        if not self._jobs.begin(job.id, job.order.steps):
            return None
        watcher = StepWatcher(self._jobs, job.id, job.order.steps)
        runner = Runner(
            self._registry,
            progress=progress,
            agent=descriptions.agent(job.agent),
            threads=self._threads,
            cache=job.order.cache,
            watcher=watcher,
        )
        iri = new_iri() if begun else NamedNode(f"urn:uuid:{job.id}")
        self._jobs.begin_run(job.id, iri.value)
        try:
            return self._start(runner, job, begun, iri)
        except (KeyboardInterrupt, RunAbortedError):
            watcher.stopped(StepState.ABORTED)
            raise
        except Exception:
            watcher.stopped(StepState.FAILED)
            raise

    def _start(
        self, runner: Runner, job: Job, begun: NamedNode | None, iri: NamedNode
    ) -> RunResult:
        earlier = begun or (NamedNode(job.order.continues) if job.order.continues else None)
        if earlier is not None:
            return runner.resume(earlier, iri=iri)
        folder = files_folder(self._registry.root, job.id)
        recipe = Recipe.from_bytes((job.order.recipe or "").encode(), "recipe", folder)
        inputs = {name: NamedNode(artifact) for name, artifact in job.order.inputs.items()}
        return runner.run(recipe, inputs, seed=job.order.seed, iri=iri)

    def _abort(self, job: Job, begun: NamedNode | None) -> None:
        """Stops a job whose worker died before it heard that it should stop."""
        if begun is not None:
            recorder = Recorder(self._registry, descriptions.agent(job.agent))
            recorder.close_run(begun, PM.aborted)
        raise KeyboardInterrupt

    # ------------------------------------------------------------------ evidence

    def _find(
        self, look: Callable[..., CheckResult | Reproduction], job: Job, progress: JobProgress
    ) -> Any:
        self._jobs.begin(job.id, ())
        found = look(
            self._registry,
            NamedNode(job.order.subject or ""),
            progress=progress,
            agent=descriptions.agent(job.agent),
        )
        return plain(found) | {"holds": found.holds}
