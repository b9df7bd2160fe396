"""Turns what a run does into records, and commits them.

Steps know nothing of provenance; this module knows nothing of weights. Bytes are stored under a
lease, so that garbage collection leaves them alone, and become known with the one commit that
names them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyoxigraph import NamedNode

from pressmark.compression.artifact_files import store_folder
from pressmark.compression.data import DataSet
from pressmark.compression.execution import Conditions, Execution
from pressmark.compression.history import DATA_ROLES, ROLES, StoredArtifact
from pressmark.compression.parameters import encode_parameters
from pressmark.compression.progress import NullProgress
from pressmark.compression.recipe import PlannedStep, Recipe
from pressmark.compression.recipe_inputs import data_uses
from pressmark.compression.step import DataRole, Evidence, Output, Progress
from pressmark.ontology.terms import PM
from pressmark.registry import activities, descriptions, environment
from pressmark.registry.descriptions import FileEntry
from pressmark.registry.facts import summaries
from pressmark.registry.ids import new_iri, sub_iri, utc_now
from pressmark.registry.occurrences import (
    Circumstances,
    ClosedRun,
    Finding,
    FinishedStep,
    NewArtifact,
    NewEvaluation,
    OpenedRun,
    Usage,
    joint_license,
)
from pressmark.registry.record import Description
from pressmark.registry.registry import Registry

_LONGEST_MESSAGE = 4000
_OWN_ATTRIBUTES = frozenset(
    {"importedFrom", "sourceRevision", "parameterCount", "nonzeroParameterCount"}
)


@dataclass(frozen=True)
class Job:
    """One step that is about to be executed.

    Attributes:
        run: The run that it belongs to.
        plan: The step, its output's name and its place in the recipe.
        recipe_step: The recipe's step in the record.
        inputs: Role -> artifact.
        dataset: Its data set, if it reads one.
        conditions: Seed and threads.
        key: Its cache key.
    """

    run: NamedNode
    plan: PlannedStep
    recipe_step: NamedNode
    inputs: Mapping[str, StoredArtifact]
    dataset: DataSet | None
    conditions: Conditions
    key: str

    @property
    def parents(self) -> tuple[NamedNode, ...]:
        """What the result derives from: an evaluation from its subject, else all inputs."""
        if self.plan.step.produces is None:
            return (self.inputs["base"].iri,)
        return tuple(dict.fromkeys(artifact.iri for artifact in self.inputs.values()))


@dataclass(frozen=True)
class Made:
    """A recorded result.

    Attributes:
        activity: The step.
        result: The artifact or the evaluation result.
    """

    activity: NamedNode
    result: NamedNode


class Recorder:
    """Writes the records of one registry's runs.

    Args:
        registry: Where to.
        agent: Who asks; by default the opaque identifier of the user.
        progress: Where a person watches what is stored.
    """

    def __init__(
        self,
        registry: Registry,
        agent: Description | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.registry = registry
        self._progress: Progress = progress or NullProgress()
        self._agent = agent or descriptions.agent(environment.agent_id())

    def open_run(
        self,
        recipe: Recipe,
        inputs: Sequence[NamedNode],
        datasets: Mapping[str, DataSet],
        conditions: Conditions,
        continues: NamedNode | None,
        iri: NamedNode,
    ) -> Description:
        """Records that a run begins; gives the description of its recipe.

        Recipe and texts are kept from here on: whoever resumes the run needs nothing else.
        """
        described, now = describe_recipe(recipe), utc_now()
        opened = OpenedRun(
            iri=iri,
            started_at=now,
            circumstances=self.circumstances(conditions.threads),
            recipe=described,
            seed=conditions.seed,
            continues=continues,
            inputs=tuple(inputs),
            data=tuple(
                _data_usage(datasets[name], role, now) for name, role in data_uses(recipe).items()
            ),
        )
        with self.registry.blobs.lease():
            for kept in (recipe.source, *(dataset.content for dataset in datasets.values())):
                self.registry.blobs.put_bytes(kept)
            self.registry.commit(activities.open_run(opened))
        return described

    def close_run(
        self, run: NamedNode, outcome: NamedNode, reused: Sequence[NamedNode] = ()
    ) -> None:
        """Records that a run has ended, and how."""
        closed = ClosedRun(
            iri=new_iri(), run=run, closed_at=utc_now(), outcome=outcome, reused=tuple(reused)
        )
        self.registry.commit(activities.close_run(closed))

    def finish_step(self, job: Job, execution: Execution[Output]) -> Made | None:
        """Stores what a step made and records it; None where the step made nothing."""
        with self.registry.blobs.lease():
            facts = self._step_facts(job, execution)
            output = execution.result
            if output is None:
                self.registry.commit(activities.finish_step(FinishedStep(**facts)))
                return None
            facts |= self._result(job, output, execution.ended_at)
            self.registry.commit(activities.finish_step(FinishedStep(**facts)))
        made = facts.get("artifact") or facts["evaluation"]
        return Made(facts["iri"], made.iri)

    def evidence(
        self,
        kind: NamedNode,
        edges: Sequence[NamedNode],
        used: Sequence[NamedNode],
        execution: Execution[Evidence],
        threads: int,
        *,
        conclusive: bool = True,
    ) -> tuple[NamedNode, ...]:
        """Records what a check or a re-run found about the edges of one result.

        Args:
            kind: `PM.Check` or `PM.Reproduce`.
            edges: The derivations, or the generation, that the verdict is about.
            used: The artifacts that were read, of the edges' own artifact first. Parents that are
                retired are not said to be used, as nothing uses an entity after its invalidation
                (PROV-CONSTRAINTS 38); the edges name them all the same.
            execution: The finished check; it must have a result.
            threads: How many threads it used.
            conclusive: Whether the claims could be decided at all.
        """
        found = execution.result
        if found is None:
            raise ValueError("a check that did not finish is no evidence")
        holds = found.holds if conclusive else None
        known = summaries(self.registry, used)
        live = [e for e in used if e not in known or not known[e].retired]
        findings = tuple(_finding(edge, found, holds, execution.ended_at) for edge in edges)
        with self.registry.blobs.lease():
            activity = activities.Occurrence(
                iri=new_iri(),
                started_at=execution.started_at,
                ended_at=execution.ended_at,
                circumstances=self.circumstances(threads),
                usages=tuple(Usage(e, PM.subjectRole, execution.started_at) for e in live),
                costs=execution.costs,
                log=self.registry.blobs.put_file(execution.log),
            )
            self.registry.commit(activities.evidence(activity, kind, findings))
        return tuple(finding.iri for finding in findings)

    def circumstances(self, threads: int) -> Circumstances:
        """This machine, this engine, this user."""
        return Circumstances(
            environment=environment.describe(threads),
            engine=environment.engine().describe(),
            agent=self._agent,
        )

    def _step_facts(self, job: Job, execution: Execution[Output]) -> dict[str, Any]:
        step, error = job.plan.step, execution.error
        return {
            "iri": new_iri(),
            "started_at": execution.started_at,
            "ended_at": execution.ended_at,
            "circumstances": self.circumstances(job.conditions.threads),
            "usages": self._usages(job, execution.started_at),
            "costs": execution.costs,
            "log": self.registry.blobs.put_file(execution.log),
            "kind": step.activity,
            "run": job.run,
            "name": step.name,
            "version": step.version,
            "outcome": _outcome(error),
            "recipe_step": job.recipe_step,
            "parameters": encode_parameters(step),
            "seed": job.conditions.seed,
            "cache_key": job.key,
            "error_message": None if error is None else describe_error(error),
        }

    def _usages(self, job: Job, at: str) -> tuple[Usage, ...]:
        used = [Usage(artifact.iri, ROLES[role], at) for role, artifact in job.inputs.items()]
        if job.dataset is not None and job.plan.step.needs_data is not None:
            used.append(_data_usage(job.dataset, job.plan.step.needs_data, at))
        return tuple(used)

    def _result(self, job: Job, output: Output, at: str) -> dict[str, Any]:
        if output.folder is None:
            return {"evaluation": self._evaluation(job, output, at)}
        return {
            "artifact": self._artifact(job, output, output.folder, at),
            "measurements": output.measurements,
            "byproducts": self._byproducts(output.byproducts),
        }

    def _artifact(self, job: Job, output: Output, folder: Path, at: str) -> NewArtifact:
        kind = job.plan.step.produces
        if kind is None:
            raise ValueError(f"step {job.plan.step.name} makes no artifact")
        own = {name: value for name, value in output.attributes.items() if name in _OWN_ATTRIBUTES}
        licenses = [artifact.license for artifact in job.inputs.values()]
        line = next((artifact.line for artifact in job.inputs.values()), job.plan.name)
        return NewArtifact(
            iri=new_iri(),
            kind=kind,
            name=job.plan.name,
            files=store_folder(self.registry, folder, self._progress),
            generated_at=at,
            license=output.license or joint_license(licenses),
            parents=job.parents,
            model=descriptions.model_line(line) if line else None,
            parameter_count=_integer(own.get("parameterCount")),
            nonzero_parameter_count=_integer(own.get("nonzeroParameterCount")),
            imported_from=_text(own.get("importedFrom")),
            source_revision=_text(own.get("sourceRevision")),
            attributes={k: v for k, v in output.attributes.items() if k not in _OWN_ATTRIBUTES},
        )

    def _evaluation(self, job: Job, output: Output, at: str) -> NewEvaluation:
        if job.dataset is None:
            raise ValueError(f"step {job.plan.step.name} evaluates without a data set")
        parent = job.inputs.get("parent")
        return NewEvaluation(
            iri=new_iri(),
            evaluates=job.inputs["base"].iri,
            dataset=describe_data(job.dataset),
            measurements=output.measurements,
            generated_at=at,
            compared_with=parent.iri if parent else None,
        )

    def _byproducts(self, paths: Sequence[Path]) -> tuple[tuple[FileEntry, ...], ...]:
        blobs = self.registry.blobs
        files = (FileEntry(p.name, blobs.put_file(p), p.stat().st_size) for p in paths)
        return tuple((file,) for file in files)


def describe_recipe(recipe: Recipe) -> Description:
    """A recipe as a shared description; its steps are those of the file, in order."""
    names = {planned.position: planned.step.name for planned in recipe.steps}
    return descriptions.recipe(recipe.name, recipe.sha256, [names[i] for i in sorted(names)])


def describe_data(dataset: DataSet) -> Description:
    """A data set as a shared description."""
    return descriptions.dataset(
        dataset.name, dataset.sha256, dataset.size, dataset.license, dataset.source
    )


def _data_usage(dataset: DataSet, role: DataRole, at: str) -> Usage:
    described = describe_data(dataset)
    return Usage(described.iri, DATA_ROLES[role], at, described)


def edges_of(result: NamedNode, parents: int) -> tuple[NamedNode, ...]:
    """What evidence about a result is about: its derivations, or its generation without parents."""
    if parents == 0:
        return (sub_iri(result, "generation"),)
    return tuple(sub_iri(result, f"derivation-{index}") for index in range(parents))


def describe_error(error: BaseException | None) -> str:
    """An error as one recorded line: its class and what it says."""
    if error is None:
        return "it returned nothing"
    return f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE].rstrip(": ")


def _finding(edge: NamedNode, found: Evidence, holds: bool | None, at: str) -> Finding:
    return Finding(
        iri=new_iri(),
        about=edge,
        holds=holds,
        claims=tuple(claim.text for claim in found.claims),
        found_at=at,
        detail=found.detail,
    )


def _outcome(error: BaseException | None) -> NamedNode:
    if error is None:
        return PM.succeeded
    return PM.aborted if isinstance(error, KeyboardInterrupt) else PM.failed


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
