"""Everything that is known of one artifact, as values for a page, a report or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyoxigraph import Literal, NamedNode, RdfFormat, parse

from pressmark.ontology.terms import PM, PROV
from pressmark.registry.descriptions import FileEntry
from pressmark.registry.errors import NotFoundError
from pressmark.registry.facts import (
    ArtifactSummary,
    Reader,
    artifact_files,
    integer,
    local_name,
    node,
    number,
    scalar,
    summaries,
    text,
)
from pressmark.registry.graph import Row
from pressmark.registry.ids import sha256_file
from pressmark.registry.kept_reports import KeptReport, kept_reports
from pressmark.registry.occurrences import Measurement, Scalar
from pressmark.registry.registry import Registry

_TIMES: Final = (PROV.startedAtTime, PROV.endedAtTime, PM.closedAtTime)


@dataclass(frozen=True)
class HeadView:
    """How far the journal goes.

    Attributes:
        head: Digest of its last entry, which vouches for all before it.
        entries: How many entries it has.
        recorded_at: When what the last entry records had happened; None in an empty registry.
    """

    head: str
    entries: int
    recorded_at: str | None


@dataclass(frozen=True)
class UsageView:
    """Something that a step used.

    Attributes:
        entity: What.
        name: Its name.
        role: Its role, such as "baseRole".
        license: Its licence, for data.
        sha256: Its digest, for data.
    """

    entity: NamedNode
    name: str
    role: str
    license: str
    sha256: str


@dataclass(frozen=True)
class ActivityView:
    """How something was made.

    Attributes:
        iri: The activity.
        kind: Its class without namespace, such as "Prune".
        step: Name of the step, such as "prune/wanda"; empty for a registration.
        version: Version of the step.
        outcome: "succeeded", "failed" or "aborted"; empty for a registration.
        started_at: Start.
        ended_at: End.
        wall_seconds: Elapsed time, where it was measured.
        peak_memory_bytes: Largest resident memory, where it was measured.
        run: The run that it is a step of.
        recipe: Name of the recipe.
        log: SHA-256 of its log.
        error: Why it failed.
        environment: IRI of the machine's description.
        parameters: What it was executed with.
        measurements: What it measured.
        usages: What it used.
    """

    iri: NamedNode
    kind: str
    step: str
    version: str
    outcome: str
    started_at: str
    ended_at: str
    wall_seconds: float | None
    peak_memory_bytes: int | None
    run: str
    recipe: str
    log: str
    error: str
    environment: str
    parameters: dict[str, Scalar]
    measurements: tuple[Measurement, ...]
    usages: tuple[UsageView, ...]


@dataclass(frozen=True)
class EvaluationView:
    """What an evaluation measured.

    Attributes:
        iri: The result.
        dataset: Name of the data.
        compared_with: IRI of the artifact that it was compared with, or "".
        measurements: The numbers.
    """

    iri: NamedNode
    dataset: str
    compared_with: str
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True)
class ArtifactView:
    """Everything that is known of an artifact.

    Attributes:
        summary: What lists show of it.
        files: Its files.
        attributes: What its step reported about it.
        made_by: The activity that made it; None for one that is known by claim.
        evaluations: Its evaluations, oldest first.
        retired_because: The reason of its retirement, or "".
        reports: The audit reports on it that were registered, oldest first.
    """

    summary: ArtifactSummary
    files: tuple[FileEntry, ...]
    attributes: dict[str, Scalar]
    made_by: ActivityView | None
    evaluations: tuple[EvaluationView, ...]
    retired_because: str
    reports: tuple[KeptReport, ...]

    @property
    def iri(self) -> NamedNode:
        """The occurrence."""
        return self.summary.iri

    @property
    def name(self) -> str:
        """Its name."""
        return self.summary.name


def head(registry: Registry) -> HeadView:
    """The journal's head, to be kept where nobody who can change the registry can change it."""
    journal = registry.journal
    last = journal.last()
    times = [
        quad.object.value
        for quad in (parse(registry.read_bundle(last), format=RdfFormat.N_QUADS) if last else ())
        if quad.predicate in _TIMES and isinstance(quad.object, Literal)
    ]
    return HeadView(journal.head(), len(journal), max(times, default=None))


def view(registry: Registry, artifact: NamedNode) -> ArtifactView:
    """Gathers everything that is known of an artifact.

    Raises:
        NotFoundError: There is no such artifact.
    """
    found = summaries(registry, [artifact]).get(artifact)
    if found is None:
        raise NotFoundError(f"{artifact.value} is no artifact of this registry", "pressmark ls")
    retirements = registry.rows("retirements", artifact=artifact)
    return ArtifactView(
        summary=found,
        files=artifact_files(registry, artifact),
        attributes=_pairs(registry.rows("artifact_attributes", artifact=artifact)),
        made_by=activity_view(registry, found.activity) if found.activity else None,
        evaluations=tuple(_evaluations(registry.rows("evaluations", artifact=artifact))),
        retired_because=_text(retirements[-1], "reason") if retirements else "",
        reports=kept_reports(registry, artifact),
    )


def activity_view(registry: Registry, activity: NamedNode) -> ActivityView:
    """Gathers everything that is known of an activity.

    Raises:
        NotFoundError: There is no such activity.
    """
    rows = registry.rows("activities", activity=activity)
    if not rows:
        raise NotFoundError(f"{activity.value} is no activity of this registry")
    row = rows[0]
    return ActivityView(
        iri=activity,
        kind=local_name(node(row, "kind")),
        step=_text(row, "stepName"),
        version=_text(row, "stepVersion"),
        outcome=local_name(node(row, "outcome")) if "outcome" in row else "",
        started_at=_text(row, "startedAt"),
        ended_at=_text(row, "endedAt"),
        wall_seconds=number(row, "wallSeconds"),
        peak_memory_bytes=integer(row, "peakMemoryBytes"),
        run=_text(row, "run"),
        recipe=_text(row, "recipeName"),
        log=_text(row, "log"),
        error=_text(row, "error"),
        environment=_text(row, "environment"),
        parameters=_pairs(registry.rows("step_parameters", step=activity)),
        measurements=_measurements(registry.rows("step_measurements", step=activity)),
        usages=tuple(_usage(found) for found in registry.rows("usages", activity=activity)),
    )


@dataclass(frozen=True)
class WhereView:
    """What is known of a file.

    Attributes:
        path: The file.
        sha256: Its digest.
        artifacts: The artifacts that have a file with these bytes, newest last.
        other: What else has these bytes: a data set, a recipe, a log.
    """

    path: Path
    sha256: str
    artifacts: tuple[ArtifactSummary, ...]
    other: tuple[str, ...]


def where(registry: Reader, path: Path) -> WhereView:
    """Tells what a file is.

    Raises:
        NotFoundError: There is no such file, or it is a folder.
    """
    if not path.is_file():
        raise NotFoundError(f"{path} is no file", "name one file; for a folder: pressmark show")
    digest = sha256_file(path)
    rows = registry.rows("artifacts_with_file", sha256=Literal(digest))
    found = summaries(registry, (node(row, "artifact") for row in rows)).values()
    other = (
        f"{_text(row, 'kind')} {_text(row, 'name')}".strip()
        for row in registry.rows("digest_uses", sha256=Literal(digest))
        if _text(row, "kind") != "file"
    )
    return WhereView(path, digest, tuple(found), tuple(other))


def _evaluations(rows: Iterable[Row]) -> Iterator[EvaluationView]:
    by_result: dict[str, list[Row]] = {}
    for row in rows:
        by_result.setdefault(row["result"].value, []).append(row)
    for result, found in by_result.items():
        yield EvaluationView(
            iri=NamedNode(result),
            dataset=_text(found[0], "datasetName"),
            compared_with=_text(found[0], "comparedWith"),
            measurements=_measurements(found),
        )


def _usage(row: Row) -> UsageView:
    return UsageView(
        entity=NamedNode(row["entity"].value),
        name=_text(row, "name"),
        role=local_name(node(row, "role")),
        license=_text(row, "license"),
        sha256=_text(row, "sha256"),
    )


def _measurements(rows: Iterable[Row]) -> tuple[Measurement, ...]:
    return tuple(
        Measurement(row["metric"].value, float(row["value"].value), row["unit"].value)
        for row in rows
    )


def _pairs(rows: Iterable[Row]) -> dict[str, Scalar]:
    return {row["name"].value: scalar(row["value"]) for row in rows}


def _text(row: Row, column: str) -> str:
    return text(row, column) or ""
