"""Writes activities as records: one function for each kind of activity.

Each takes values with explicit IRIs and times and returns a `Record`; nothing here reads a clock
or mints a name, except the bundle's own where none is given. Qualified forms (role, time, plan)
and the short forms that people query are both written, and all superclasses of a type are written
out, because nothing is inferred when the graph is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

from pyoxigraph import NamedNode

from pressmark.ontology.terms import PM, PPLAN, PROV, RDFS
from pressmark.registry.descriptions import FileEntry
from pressmark.registry.occurrences import (
    NO_LICENSE,
    Circumstances,
    ClosedRun,
    Costs,
    ExternalParent,
    Finding,
    FinishedStep,
    Json,
    Measurement,
    NewArtifact,
    NewEvaluation,
    NewReport,
    Occurrence,
    OpenedRun,
    Parameter,
    Scalar,
    Usage,
)
from pressmark.registry.record import Record, moment
from pressmark.registry.writing import Writer

__all__ = [
    "NO_LICENSE",
    "Circumstances",
    "ClosedRun",
    "Costs",
    "ExternalParent",
    "FileEntry",
    "Finding",
    "FinishedStep",
    "Json",
    "Measurement",
    "NewArtifact",
    "NewEvaluation",
    "NewReport",
    "Occurrence",
    "OpenedRun",
    "Parameter",
    "Scalar",
    "Usage",
    "close_run",
    "evidence",
    "finish_step",
    "open_run",
    "promotion",
    "registration",
    "reporting",
    "retirement",
    "tagging",
]

Files: TypeAlias = Mapping[str, Path]
NO_FILES: Final[Files] = {}


def open_run(run: OpenedRun, *, bundle: NamedNode | None = None, files: Files = NO_FILES) -> Record:
    """Record that a run begins: its recipe, its environment, its agents.

    Args:
        run: The run.
        bundle: IRI of the bundle; minted where it is not given.
        files: Files that the record brings, by SHA-256: the recipe's YAML, the texts.
    """
    writer = Writer(run.iri, bundle, files)
    writer.types(run.iri, PM.Run, PROV.Activity)
    writer.say(run.iri, PROV.startedAtTime, moment(run.started_at))
    writer.say(run.iri, PM.seed, run.seed)
    writer.say(run.iri, PM.continues, run.continues)
    recipe = writer.describe(run.recipe)
    writer.circumstances(run.circumstances, plan=recipe)
    inputs = (Usage(artifact, PM.baseRole, run.started_at) for artifact in run.inputs)
    writer.usages((Usage(recipe, PM.recipeRole, run.started_at), *inputs, *run.data))
    return writer.build()


def finish_step(
    step: FinishedStep, *, bundle: NamedNode | None = None, files: Files = NO_FILES
) -> Record:
    """Record that a step has ended: what it used, how long it took, what it made.

    Args:
        step: The step.
        bundle: IRI of the bundle; minted where it is not given.
        files: Files that the record brings, by SHA-256: outputs, by-products, the log.

    Raises:
        InvalidInputError: A parent of the artifact is not among the usages.
    """
    writer = Writer(step.iri, bundle, files)
    writer.activity(step, step.kind, PM.Step)
    writer.say(step.iri, PM.isStepOf, step.run)
    writer.say(step.iri, PM.stepName, step.name)
    writer.say(step.iri, PM.stepVersion, step.version)
    writer.say(step.iri, PM.outcome, step.outcome)
    writer.say(step.iri, PPLAN.correspondsToStep, step.recipe_step)
    writer.say(step.iri, PM.seed, step.seed)
    writer.say(step.iri, PM.cacheKey, step.cache_key)
    writer.say(step.iri, PM.errorMessage, step.error_message)
    writer.parameters(step.parameters)
    writer.measurements(step.iri, step.measurements)
    if step.artifact:
        writer.artifact(step.artifact, step)
    if step.evaluation:
        writer.evaluation(step.evaluation, step)
    return writer.build()


def close_run(closed: ClosedRun, *, bundle: NamedNode | None = None) -> Record:
    """Record that a run has ended, and how.

    Args:
        closed: The closing.
        bundle: IRI of the bundle; minted where it is not given.
    """
    writer = Writer(closed.iri, bundle, NO_FILES)
    writer.types(closed.iri, PM.RunClosing, PROV.Entity)
    writer.say(closed.iri, PM.closes, closed.run)
    writer.say(closed.iri, PM.closedAtTime, moment(closed.closed_at))
    writer.say(closed.iri, PM.outcome, closed.outcome)
    for artifact in closed.reused:
        writer.say(closed.iri, PM.reused, artifact)
    return writer.build()


def registration(
    activity: Occurrence,
    artifact: NewArtifact,
    *,
    external: Sequence[ExternalParent] = (),
    bundle: NamedNode | None = None,
    files: Files = NO_FILES,
) -> Record:
    """Record the claim that an artifact made elsewhere has certain parents.

    Args:
        activity: The registration; usages of the parents are added to it.
        artifact: What is registered, with its declared parents.
        external: Those parents that are not known here; they are minted.
        bundle: IRI of the bundle; minted where it is not given.
        files: Files that the record brings, by SHA-256.
    """
    used = tuple(Usage(parent, PM.parentRole, activity.started_at) for parent in artifact.parents)
    activity = replace(activity, usages=activity.usages + used)
    writer = Writer(activity.iri, bundle, files)
    writer.activity(activity, PM.Registration)
    for parent in external:
        writer.types(parent.iri, PM.ExternalArtifact, PM.ModelArtifact, PROV.Entity)
        writer.say(parent.iri, RDFS.label, parent.name)
    writer.artifact(artifact, activity)
    return writer.build()


def evidence(
    activity: Occurrence,
    kind: NamedNode,
    findings: Sequence[Finding],
    *,
    bundle: NamedNode | None = None,
    files: Files = NO_FILES,
) -> Record:
    """Record what a check or a re-run found.

    Args:
        activity: The check or re-run; its usages name the artifacts that it read.
        kind: ``PM.Check`` or ``PM.Reproduce``.
        findings: One for each edge that was looked at.
        bundle: IRI of the bundle; minted where it is not given.
        files: Files that the record brings, by SHA-256: a log.
    """
    writer = Writer(activity.iri, bundle, files)
    writer.activity(activity, kind)
    for finding in findings:
        writer.finding(finding)
    return writer.build()


def promotion(
    activity: Occurrence,
    *,
    assignment: NamedNode,
    alias: str,
    artifact: NamedNode,
    bundle: NamedNode | None = None,
) -> Record:
    """Record that an alias means an artifact from now on.

    Args:
        activity: The promotion; the usage of the artifact is added to it.
        assignment: The assignment, a new node.
        alias: Such as "prod".
        artifact: What it means.
        bundle: IRI of the bundle; minted where it is not given.
    """
    writer = _assignment(activity, PM.Promotion, assignment, artifact, bundle)
    writer.types(assignment, PM.AliasAssignment, PROV.Entity)
    writer.say(assignment, PM.alias, alias)
    return writer.build()


def tagging(
    activity: Occurrence,
    *,
    assignment: NamedNode,
    tag: str,
    artifact: NamedNode,
    removed: bool = False,
    bundle: NamedNode | None = None,
) -> Record:
    """Record that a tag is put on an artifact, or taken off.

    Args:
        activity: The tagging; the usage of the artifact is added to it.
        assignment: The assignment, a new node.
        tag: The label.
        artifact: What has it.
        removed: Whether it is taken off.
        bundle: IRI of the bundle; minted where it is not given.
    """
    writer = _assignment(activity, PM.Tagging, assignment, artifact, bundle)
    writer.types(assignment, PM.TagAssignment, PROV.Entity)
    writer.say(assignment, PM.tag, tag)
    writer.say(assignment, PM.tagRemoved, removed)
    return writer.build()


def reporting(
    activity: Occurrence,
    report: NewReport,
    *,
    bundle: NamedNode | None = None,
    files: Files = NO_FILES,
) -> Record:
    """Record that an audit report was written, and which bytes it is.

    Args:
        activity: The reporting; the usage of the artifact is added to it.
        report: The report.
        bundle: IRI of the bundle; minted where it is not given.
        files: Files that the record brings, by SHA-256.
    """
    used = Usage(report.about, PM.subjectRole, activity.started_at)
    activity = replace(activity, usages=(*activity.usages, used))
    writer = Writer(activity.iri, bundle, files)
    writer.activity(activity, PM.Reporting)
    writer.report(report)
    return writer.build()


def retirement(
    activity: Occurrence,
    *,
    artifact: NamedNode,
    reason: str,
    bundle: NamedNode | None = None,
) -> Record:
    """Record that an artifact is withdrawn from use, from the activity's end on.

    Args:
        activity: The retirement.
        artifact: What is withdrawn; its record stays.
        reason: Why.
        bundle: IRI of the bundle; minted where it is not given.
    """
    writer = Writer(activity.iri, bundle, NO_FILES)
    writer.activity(activity, PM.Retirement)
    writer.say(activity.iri, PROV.invalidated, artifact)
    writer.say(activity.iri, PM.reason, reason)
    return writer.build()


def _assignment(
    activity: Occurrence,
    kind: NamedNode,
    assignment: NamedNode,
    artifact: NamedNode,
    bundle: NamedNode | None,
) -> Writer:
    used = Usage(artifact, PM.subjectRole, activity.started_at)
    activity = replace(activity, usages=(*activity.usages, used))
    writer = Writer(activity.iri, bundle, NO_FILES)
    writer.activity(activity, kind)
    writer.say(assignment, PM.assigns, artifact)
    writer.generation(assignment, activity.ended_at)
    return writer
