"""Runs recipes: resolves, executes, measures, records, checks, and carries on after a break.

The registry is locked only around commits, so that others read and write meanwhile. Each step is
one commit: after a power cut, a kill or Ctrl-C everything that was finished is there, nothing is
there by half, and `Runner.resume` goes on at the first step that was not finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from pyoxigraph import NamedNode

from pressmark.compression.artifact_files import materialise
from pressmark.compression.data import DataSet
from pressmark.compression.errors import (
    CompressionError,
    RunAbortedError,
    StepFailedError,
    StepRefutedError,
)
from pressmark.compression.execution import Conditions, examine, execute
from pressmark.compression.forecast import forecast_run
from pressmark.compression.history import (
    StoredArtifact,
    load_artifact,
    load_run,
    result_measurements,
    result_verdicts,
)
from pressmark.compression.parameters import encode_parameters
from pressmark.compression.progress import NullProgress
from pressmark.compression.recipe import PlannedStep, Recipe
from pressmark.compression.recipe_inputs import (
    Input,
    bind_inputs,
    data_uses,
    load_data,
    refuse_seen_text,
)
from pressmark.compression.recording import Job, Made, Recorder, describe_error, edges_of
from pressmark.compression.results import Forecast, Outcome, RunResult
from pressmark.compression.reuse import continued_runs, find_reusable, key_of
from pressmark.compression.step import Inputs, Output, Produced, Progress
from pressmark.compression.workspace import (
    discard,
    run_state,
    unfinished,
    uninterrupted,
    working_folder,
)
from pressmark.ontology.terms import PM
from pressmark.registry.errors import NotFoundError, PressmarkError
from pressmark.registry.facts import short_id
from pressmark.registry.ids import new_iri, sub_iri
from pressmark.registry.record import Description
from pressmark.registry.registry import Registry


class Watcher:
    """Is told how far a run is. This one does not care."""

    def began(self, index: int, planned: PlannedStep) -> None:
        """A step begins; `index` is its place in the plan, from 0."""

    def ended(self, index: int, outcome: Outcome) -> None:
        """A step was recorded and checked."""


class Runner:
    """Executes recipes against a registry.

    Args:
        registry: Where inputs come from and everything is recorded.
        progress: Where a person watches.
        agent: Who asks; by default the opaque identifier of the user.
        threads: For torch and the kernels; by default what torch would use.
        cache: Whether earlier results may stand in for steps.
        check: Whether each step is checked right after it, which makes its edge `checked`.
        watcher: Is told how far a run is.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        progress: Progress | None = None,
        agent: Description | None = None,
        threads: int | None = None,
        cache: bool = True,
        check: bool = True,
        watcher: Watcher | None = None,
    ) -> None:
        self.registry = registry
        self.progress: Progress = progress or NullProgress()
        self.recorder = Recorder(registry, agent, self.progress)
        self.threads = threads or torch.get_num_threads()
        self.cache = cache
        self.check = check
        self.watcher: Watcher = watcher or Watcher()

    def run(
        self,
        recipe: Recipe,
        inputs: Mapping[str, Input] | None = None,
        *,
        seed: int | None = None,
        iri: NamedNode | None = None,
    ) -> RunResult:
        """Runs a recipe to its end. What is refused before the first step is not recorded.

        Args:
            recipe: What to do.
            inputs: Name of a recipe input -> artifact; defaults stand in for those not given.
            seed: Of all random numbers; the recipe's by default.
            iri: The run's, where it was promised to somebody; a new one by default.

        Raises:
            RecipeError: An input is missing or unknown, or a data set shares text with another.
            ModelFileError: What the recipe imports is damaged or hostile.
            StepFailedError: A step raised; it and the run are recorded as failed.
            StepRefutedError: A check contradicts its step; recorded, and the run has failed.
            RunAbortedError: Ctrl-C; the run can be resumed.
        """
        seed = recipe.seed if seed is None else seed
        return self._run(recipe, inputs or {}, load_data(recipe), seed, iri=iri)

    def forecast(
        self, recipe: Recipe, inputs: Mapping[str, Input] | None = None, *, seed: int | None = None
    ) -> Forecast:
        """Tells what `run` would do, how long it would take and how much it would store.

        Raises:
            RecipeError: As `run` would, before it does anything.
        """
        bound = bind_inputs(self.registry, recipe, inputs or {})
        datasets = load_data(recipe)
        refuse_seen_text(self.registry, recipe, bound, datasets)
        return forecast_run(
            self.registry,
            recipe,
            bound,
            datasets,
            seed=recipe.seed if seed is None else seed,
            cache=self.cache,
        )

    def resume(self, run: NamedNode, *, iri: NamedNode | None = None) -> RunResult:
        """Goes on with a run from its record: same recipe, inputs, texts and seed.

        Args:
            run: An interrupted, failed or aborted run, whose finished steps are taken over.
            iri: The new run's, where it was promised to somebody; a new one by default.

        Raises:
            NotFoundError: There is no such run.
            CompressionError: It is still running, or it succeeded.
        """
        rows = self.registry.rows("run_identity", run=run)
        if not rows:
            raise NotFoundError(f"{run.value} is no run of this registry", "pressmark ls --runs")
        self._refuse_resuming(run)
        source = self.registry.blobs.read(rows[0]["recipeSha256"].value)
        recipe = Recipe.from_bytes(source, f"{rows[0]['recipeName'].value}.yaml")
        artifacts, texts = load_run(self.registry, run)
        inputs = dict(zip(recipe.inputs, artifacts, strict=True))
        loaded = (text.load(self.registry) for text in texts)
        datasets = dict(zip(data_uses(recipe), loaded, strict=True))
        return self._run(recipe, inputs, datasets, int(rows[0]["seed"].value), run, iri)

    def _run(
        self,
        recipe: Recipe,
        inputs: Mapping[str, Input],
        datasets: Mapping[str, DataSet],
        seed: int,
        resumed: NamedNode | None = None,
        iri: NamedNode | None = None,
    ) -> RunResult:
        bound = bind_inputs(self.registry, recipe, inputs)
        refuse_seen_text(self.registry, recipe, bound, datasets)
        conditions = Conditions(seed, self.threads)
        self._preflight(recipe, conditions, resumed)
        iri, used = iri or new_iri(), [artifact.iri for artifact in bound.values()]
        with working_folder(self.registry, iri) as folder:
            opened = self.recorder.open_run(recipe, used, datasets, conditions, resumed, iri)
            session = _Session(self, iri, opened.iri, recipe, datasets, conditions, folder, resumed)
            session.artifacts.update(bound)
            return session.run()

    def _preflight(self, recipe: Recipe, conditions: Conditions, resume: NamedNode | None) -> None:
        """Refuses what cannot be done or recorded before anything is done and recorded."""
        continues = frozenset() if resume is None else continued_runs(self.registry, resume)
        for planned in recipe.steps:
            step = planned.step
            encode_parameters(step)
            # A finished import is taken over by a resume: its source may be gone by then.
            known = not step.roles and find_reusable(
                self.registry, step, key_of(step, {}, None, conditions.seed), continues
            )
            if not known:
                step.preflight(self.progress)

    def _refuse_resuming(self, run: NamedNode) -> None:
        state = run_state(self.registry, run)
        if state == "running":
            raise CompressionError(f"{run.value} is still running", "wait for it, or stop it")
        if state == "succeeded":
            raise CompressionError(f"{run.value} succeeded, there is nothing to resume")


@dataclass
class _Session:
    """One run while it runs."""

    runner: Runner
    iri: NamedNode
    recipe_iri: NamedNode
    recipe: Recipe
    datasets: Mapping[str, DataSet]
    conditions: Conditions
    folder: Path
    resumed: NamedNode | None
    artifacts: dict[str, StoredArtifact] = field(default_factory=dict)
    folders: dict[NamedNode, Path] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    continues: frozenset[NamedNode] = frozenset()

    def run(self) -> RunResult:
        """Takes every step and closes the run, whatever happens."""
        try:
            if self.resumed is not None:
                self.continues = continued_runs(self.runner.registry, self.resumed)
            for index, planned in enumerate(self.recipe.steps):
                self._take(index, planned)
                self._forget_folders(index + 1)
        except KeyboardInterrupt as stop:
            self._close(PM.aborted, stop)
            raise RunAbortedError(
                f"run {self.iri.value} was stopped; its finished steps are kept",
                f"go on with: pressmark run --resume {self.iri.value}",
            ) from stop
        except BaseException as error:
            self._close(PM.failed, error)
            raise
        self._close(PM.succeeded)
        artifacts = {name: artifact.iri for name, artifact in self.artifacts.items()}
        return RunResult(self.iri, artifacts, tuple(self.outcomes))

    def _close(self, outcome: NamedNode, error: BaseException | None = None) -> None:
        made = {artifact.iri for artifact in self.artifacts.values()}
        reused = [o.result for o in self.outcomes if o.reused and o.result in made]
        try:
            self.runner.recorder.close_run(self.iri, outcome, reused)
        except PressmarkError as second:
            if error is None:
                raise
            # The first error is the news; the run then shows as interrupted.
            error.add_note(f"the end of the run could not be recorded: {second.message}")

    def _take(self, index: int, planned: PlannedStep) -> None:
        """Reuses or executes one planned step."""
        job = self._job(planned)
        made, seconds = self._reusable(job), 0.0
        reused = made is not None
        self.runner.watcher.began(index, planned)
        title = f"step {index + 1} of {len(self.recipe.steps)}: {planned.step.name}"
        if made is not None:
            known = f"{planned.name} (reused {short_id(made.result)})"
            self.runner.progress.log(f"{title} -> {known}")
            self._check_reused(index, job, made)
        else:
            self.runner.progress.log(f"{title} -> {planned.name}")
            made, seconds = self._execute(index, job)
        if planned.step.produces is not None:
            self.artifacts[planned.name] = load_artifact(self.runner.registry, made.result)
        measured = result_measurements(self.runner.registry, made.activity, made.result)
        outcome = Outcome(
            name=planned.name,
            step=planned.step.name,
            activity=made.activity,
            result=made.result,
            reused=reused,
            seconds=seconds,
            measurements=measured,
        )
        self.outcomes.append(outcome)
        self.runner.watcher.ended(index, outcome)

    def _job(self, planned: PlannedStep) -> Job:
        inputs = {role: self.artifacts[name] for role, name in planned.inputs.items()}
        dataset = self.datasets[planned.data] if planned.data else None
        return Job(
            run=self.iri,
            plan=planned,
            recipe_step=sub_iri(self.recipe_iri, f"step-{planned.position}"),
            inputs=inputs,
            dataset=dataset,
            conditions=self.conditions,
            key=key_of(planned.step, inputs, dataset, self.conditions.seed),
        )

    def _reusable(self, job: Job) -> Made | None:
        if not self.runner.cache and self.resumed is None:
            return None
        return find_reusable(self.runner.registry, job.plan.step, job.key, self.continues)

    def _execute(self, index: int, job: Job) -> tuple[Made, float]:
        runner, step = self.runner, job.plan.step
        inputs = self._inputs(job)
        workdir = self.folder / f"step-{index}"
        left = unfinished(runner.registry, f"{job.key}-{self.conditions.threads}")
        done = execute(step, inputs, workdir, self.conditions, runner.progress, left)
        with uninterrupted():
            made = runner.recorder.finish_step(job, done)
        if isinstance(done.error, KeyboardInterrupt):
            raise done.error
        if made is None or done.result is None:
            raise self._failure(job, done.error) from done.error
        discard(workdir / "scratch")
        if done.result.folder is not None:
            self.folders[made.result] = done.result.folder
        if runner.check:
            self._check(index, job, made, inputs, _produced(done.result))
        return made, done.costs.wall_seconds

    def _failure(self, job: Job, error: BaseException | None) -> StepFailedError:
        message = error.message if isinstance(error, PressmarkError) else describe_error(error)
        again = f"then go on with: pressmark run --resume {self.iri.value}"
        hint = getattr(error, "hint", "") or "see its record: pressmark query failed_steps"
        return StepFailedError(
            f"step {job.plan.step.name} (for '{job.plan.name}') failed: {message}",
            f"{hint}; {again}",
        )

    def _check_reused(self, index: int, job: Job, made: Made) -> None:
        """Checks a result that was recorded but never judged, as after a kill in between."""
        registry = self.runner.registry
        if not self.runner.check or {*result_verdicts(registry, made.result)} - {PM.inconclusive}:
            return
        measured = result_measurements(registry, made.activity, made.result)
        path = None
        if job.plan.step.produces is not None:
            path = self._provide(load_artifact(registry, made.result))
        numbers = {measurement.name: measurement.value for measurement in measured}
        self._check(index, job, made, self._inputs(job), Produced(path, numbers))

    def _check(self, index: int, job: Job, made: Made, inputs: Inputs, output: Produced) -> None:
        runner, step = self.runner, job.plan.step
        workdir = self.folder / f"check-{index}"
        runner.progress.log(f"checking {job.plan.name}")
        done = examine(step, inputs, output, workdir, self.conditions, runner.progress)
        if isinstance(done.error, KeyboardInterrupt):
            raise done.error
        if done.result is None:
            raise StepFailedError(
                f"the check of step {step.name} (for '{job.plan.name}') could not be carried out: "
                f"{describe_error(done.error)}",
                "its result is recorded, unchecked",
            ) from done.error
        used = (made.result, *(artifact.iri for artifact in job.inputs.values()))
        edges = edges_of(made.result, len(job.parents))
        with uninterrupted():
            runner.recorder.evidence(PM.Check, edges, used, done, self.conditions.threads)
        discard(workdir)
        if not done.result.holds:
            raise StepRefutedError(
                f"the check of step {step.name} refutes its result '{job.plan.name}' "
                f"({made.result.value}): {done.result.detail or 'a claim does not hold'}",
                "the artifact is recorded as refuted; do not use it, and report the step's error",
            )

    def _inputs(self, job: Job) -> Inputs:
        folders = {role: self._provide(artifact) for role, artifact in job.inputs.items()}
        return Inputs(folders, job.dataset)

    def _provide(self, artifact: StoredArtifact) -> Path:
        """The artifact's files in a folder: the one just made, or a new one from the blobs."""
        if artifact.iri not in self.folders:
            folder = self.folder / f"input-{len(list(self.folder.iterdir()))}"
            self.folders[artifact.iri] = materialise(
                self.runner.registry, artifact, folder, self.runner.progress
            )
        return self.folders[artifact.iri]

    def _forget_folders(self, following: int) -> None:
        """Removes folders that no later step reads, so that a long recipe needs little disk."""
        later = {name for p in self.recipe.steps[following:] for name in p.inputs.values()}
        needed = {self.artifacts[name].iri for name in later if name in self.artifacts}
        for iri in self.folders.keys() - needed:
            discard(self.folders.pop(iri))


def _produced(output: Output) -> Produced:
    return Produced(output.folder, {m.name: m.value for m in output.measurements})
