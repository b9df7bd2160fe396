"""What is different between two artifacts: bytes, facts, the way they were made, what was measured.

Files are compared by digest and tensors by the chunks that hold them, so that hardly any are read
(`pressmark.registry.stored_tensors`). Steps are compared along the two branches that lead from the
nearest common ancestors to each artifact.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from pyoxigraph import NamedNode

from pressmark.registry.blobs import BlobStore
from pressmark.registry.errors import (
    BlobDamagedError,
    BlobMissingError,
    InvalidInputError,
    NotFoundError,
)
from pressmark.registry.facts import (
    ArtifactSummary,
    Reader,
    node,
    optional_node,
    scalar,
    summaries,
    text,
)
from pressmark.registry.graph import Row
from pressmark.registry.lineage import Edge, Lineage, ancestors
from pressmark.registry.occurrences import Scalar
from pressmark.registry.registry import Registry
from pressmark.registry.stored_tensors import SUFFIX, Located, Place, digests, located

T = TypeVar("T")


class Status(StrEnum):
    """How a thing stands in the second artifact, seen from the first."""

    SAME = "same"
    CHANGED = "changed"
    RETYPED = "retyped"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True)
class StoredFile:
    """A file of an artifact: digest and size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of an artifact.

    Attributes:
        file: The file that holds it.
        dtype: As safetensors names it, such as "BF16".
        shape: Its dimensions.
        size: Its bytes.
        sha256: Digest of its bytes; None where the comparison could do without.
    """

    file: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    sha256: str | None


@dataclass(frozen=True)
class FileChange:
    """A file in the one, the other or both."""

    name: str
    status: Status
    one: StoredFile | None
    other: StoredFile | None


@dataclass(frozen=True)
class TensorChange:
    """A tensor in the one, the other or both; "retyped" if its dtype or shape is another.

    The name has its file in front, as in "a.safetensors:weight", where an artifact has it twice.
    """

    name: str
    status: Status
    one: StoredTensor | None
    other: StoredTensor | None


@dataclass(frozen=True)
class FactChange:
    """A fact about the artifacts themselves that is not the same of both; None if not known."""

    name: str
    one: Scalar | None
    other: Scalar | None


@dataclass(frozen=True)
class ParameterChange:
    """A parameter of a step that both branches, or only one, executed.

    Attributes:
        step: What recipes call the step.
        name: The parameter.
        one: Its value on the first branch; None if it was not set there.
        other: Its value on the second.
    """

    step: str
    name: str
    one: Scalar | None
    other: Scalar | None


@dataclass(frozen=True)
class MeasurementChange:
    """A number that steps of the two branches measured of themselves, where it is not the same.

    Attributes:
        step: What recipes call the step.
        metric: What was measured.
        unit: UCUM code.
        one: The value on the first branch; None if it was not measured there.
        other: The value on the second.
    """

    step: str
    metric: str
    unit: str
    one: float | None
    other: float | None


@dataclass(frozen=True)
class MetricChange:
    """A number that evaluations measured in the same way: same step, parameters and data.

    Attributes:
        metric: What was measured.
        dataset: On which data.
        settings: The evaluation's parameters, such as "stride=256, window=512".
        unit: UCUM code.
        one: The last value of the first; None if it was never measured so.
        other: The last value of the second.
        one_against: The artifact that the first was compared with meanwhile, if any.
        other_against: The artifact that the second was compared with.
    """

    metric: str
    dataset: str
    settings: str
    unit: str
    one: float | None
    other: float | None
    one_against: NamedNode | None
    other_against: NamedNode | None


@dataclass(frozen=True)
class Difference:
    """Everything that is different, and which bytes and numbers are the same.

    Attributes:
        one: The first artifact.
        other: The second.
        files: All files by name.
        tensors: All tensors by name; empty if bytes of one are not here, or damaged.
        unread: Why tensors could not be compared, a line for each reason, or "".
        facts: What is different of kind, licence, size, parameter count and so on.
        ancestors: The nearest artifacts that both were made from (or are), by their place in the
            journal. There are several where both were merged from the same parents.
        branch: The edges from there to the first, in the order they were made.
        other_branch: The edges from there to the second.
        parameters: Parameters in which steps of the same name differ between the branches.
        measurements: What those steps measured of themselves, likewise.
        metrics: What evaluations measured, side by side.
    """

    one: ArtifactSummary
    other: ArtifactSummary
    files: tuple[FileChange, ...]
    tensors: tuple[TensorChange, ...]
    unread: str
    facts: tuple[FactChange, ...]
    ancestors: tuple[ArtifactSummary, ...]
    branch: tuple[Edge, ...]
    other_branch: tuple[Edge, ...]
    parameters: tuple[ParameterChange, ...]
    measurements: tuple[MeasurementChange, ...]
    metrics: tuple[MetricChange, ...]

    @property
    def same_bytes(self) -> bool:
        """Whether both consist of the same files."""
        return all(change.status is Status.SAME for change in self.files)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is different."""
        made = (self.facts, self.branch, self.other_branch, self.parameters, self.measurements)
        same_numbers = all(metric.one == metric.other for metric in self.metrics)
        return self.same_bytes and same_numbers and not any(made)


def diff(registry: Registry, one: NamedNode, other: NamedNode) -> Difference:
    """Compares two artifacts.

    Laws: an artifact does not differ from itself (`Difference.is_empty`); exchanging the two
    exchanges "one" with "other" and "added" with "removed", and nothing else.

    Args:
        registry: The registry.
        one: The first; what the second has more is called added.
        other: The second.

    Raises:
        NotFoundError: One of them is not here.
    """
    shown = summaries(registry, (one, other))
    if missing := [iri for iri in (one, other) if iri not in shown]:
        raise NotFoundError(f"there is no artifact {missing[0].value} here")
    files, more = _files(registry, one), _files(registry, other)
    tensors, unread = _tensor_changes(registry.blobs, files, more)
    back, other_back = ancestors(registry, one), ancestors(registry, other)
    branch, other_branch = _branch(back, other_back), _branch(other_back, back)
    return Difference(
        one=shown[one],
        other=shown[other],
        files=tuple(FileChange(n, _status(a, b), a, b) for n, a, b in _paired(files, more)),
        tensors=tensors,
        unread=unread,
        facts=tuple(_fact_changes(registry, shown[one], shown[other])),
        ancestors=_nearest_common(back, other_back),
        branch=branch,
        other_branch=other_branch,
        parameters=tuple(_parameter_changes(registry, branch, other_branch)),
        measurements=tuple(_measurement_changes(registry, branch, other_branch)),
        metrics=tuple(_metric_changes(registry, one, other)),
    )


K = TypeVar("K", bound=str | tuple[str | int, ...])


def _paired(one: Mapping[K, T], other: Mapping[K, T]) -> Iterator[tuple[K, T | None, T | None]]:
    for key in sorted(one.keys() | other.keys()):
        yield key, one.get(key), other.get(key)


def _status(one: object, other: object) -> Status:
    if one is None or other is None:
        return Status.ADDED if one is None else Status.REMOVED
    return Status.SAME if one == other else Status.CHANGED


# ---------------------------------------------------------------- files and tensors


def _files(reader: Reader, artifact: NamedNode) -> dict[str, StoredFile]:
    return {
        row["fileName"].value: StoredFile(row["sha256"].value, int(row["size"].value))
        for row in reader.rows("artifact_files", artifact=artifact)
    }


def _tensor_changes(
    blobs: BlobStore, one: Mapping[str, StoredFile], other: Mapping[str, StoredFile]
) -> tuple[tuple[TensorChange, ...], str]:
    (known, why), (more, why_not) = _tensors(blobs, one), _tensors(blobs, other)
    if why or why_not:
        return (), "\n".join(sorted({why, why_not} - {""}))
    pairs = list(_paired(*_named(known, more)))
    try:
        read = digests(blobs, _in_doubt(pairs))
    except (BlobMissingError, BlobDamagedError) as error:
        return (), error.message
    return tuple(_tensor_change(name, a, b, read) for name, a, b in pairs), ""


def _tensors(blobs: BlobStore, files: Mapping[str, StoredFile]) -> tuple[list[Located], str]:
    """The tensors of all files, or none and why not."""
    found = (located(blobs, f.sha256, name) for name, f in files.items() if name.endswith(SUFFIX))
    try:
        return [tensor for file in found for tensor in file], ""
    except (BlobMissingError, BlobDamagedError, InvalidInputError) as error:
        return [], error.message


def _named(
    one: Iterable[Located], other: Iterable[Located]
) -> tuple[dict[str, Located], dict[str, Located]]:
    """Both sides by the tensors' names, with the file in front of those that one side has twice."""
    twice = {
        name
        for side in (one, other)
        for name, count in Counter(tensor.span.name for tensor in side).items()
        if count > 1
    }

    def key(tensor: Located) -> str:
        name = tensor.span.name
        return f"{tensor.file}:{name}" if name in twice else name

    return {key(tensor): tensor for tensor in one}, {key(tensor): tensor for tensor in other}


def _in_doubt(pairs: Iterable[tuple[str, Located | None, Located | None]]) -> Iterator[Place]:
    """The places whose bytes must be read: same form, elsewhere, and a digest is not known."""
    for _, one, other in pairs:
        if one and other and _form(one) == _form(other) and one.place != other.place:
            yield from (one.place, other.place)


def _form(tensor: Located) -> tuple[str, tuple[int, ...]]:
    return tensor.span.dtype, tensor.span.shape


def _tensor_change(
    name: str, one: Located | None, other: Located | None, read: Mapping[Place, str]
) -> TensorChange:
    sides = (_stored(one, read), _stored(other, read))
    if one is None or other is None:
        return TensorChange(name, _status(one, other), *sides)
    if _form(one) != _form(other):
        return TensorChange(name, Status.RETYPED, *sides)
    same = one.place == other.place or read[one.place] == read[other.place]
    return TensorChange(name, Status.SAME if same else Status.CHANGED, *sides)


def _stored(tensor: Located | None, read: Mapping[Place, str]) -> StoredTensor | None:
    if tensor is None:
        return None
    span, digest = tensor.span, tensor.place.digest or read.get(tensor.place)
    return StoredTensor(tensor.file, span.dtype, span.shape, span.end - span.start, digest)


# ---------------------------------------------------------------- facts and lineage


def _fact_changes(
    reader: Reader, one: ArtifactSummary, other: ArtifactSummary
) -> Iterator[FactChange]:
    for name, value, more in _paired(_facts(reader, one), _facts(reader, other)):
        if value != more:
            yield FactChange(name, value, more)


def _facts(reader: Reader, artifact: ArtifactSummary) -> dict[str, Scalar | None]:
    """What an artifact is; not its name, place and time, which are never the same."""
    reported = reader.rows("artifact_attributes", artifact=artifact.iri)
    return {row["name"].value: scalar(row["value"]) for row in reported} | {
        "kind": artifact.kind_name,
        "license": artifact.license,
        "line": artifact.line,
        "parameter count": artifact.parameter_count,
        "nonzero parameter count": artifact.nonzero_parameter_count,
        "size": artifact.size,
        "source": artifact.imported_from,
        "source revision": artifact.source_revision,
        "status": artifact.status,
    }


def _nearest_common(one: Lineage, other: Lineage) -> tuple[ArtifactSummary, ...]:
    """The shared artifacts from which no other shared artifact was made."""
    shared = _shared(one, other)
    surpassed = {edge.parent for edge in one.edges if edge.child in shared}
    found = [n.artifact for n in one.nodes if n.iri in shared and n.iri not in surpassed]
    return tuple(sorted(found, key=lambda a: (a.sequence or 0, a.iri.value)))


def _branch(one: Lineage, other: Lineage) -> tuple[Edge, ...]:
    """The edges of one lineage to what the other does not have, in the order they were made."""
    shared = _shared(one, other)
    return tuple(edge for edge in reversed(one.edges) if edge.child not in shared)


def _shared(one: Lineage, other: Lineage) -> set[NamedNode]:
    return {found.iri for found in one.nodes} & {found.iri for found in other.nodes}


# ---------------------------------------------------------------- steps and numbers


def _parameter_changes(
    reader: Reader, one: Iterable[Edge], other: Iterable[Edge]
) -> Iterator[ParameterChange]:
    def values(edges: Iterable[Edge]) -> dict[tuple[str, int, str], Scalar]:
        rows = _step_rows(reader, "step_parameters", edges)
        return {(*place, row["name"].value): scalar(row["value"]) for place, row in rows}

    for (step, _, name), value, more in _paired(values(one), values(other)):
        if value != more:
            yield ParameterChange(step, name, value, more)


def _measurement_changes(
    reader: Reader, one: Iterable[Edge], other: Iterable[Edge]
) -> Iterator[MeasurementChange]:
    def values(edges: Iterable[Edge]) -> dict[tuple[str, int, str, str], float]:
        rows = _step_rows(reader, "step_measurements", edges)
        return {
            (*place, row["metric"].value, row["unit"].value): float(row["value"].value)
            for place, row in rows
        }

    for (step, _, metric, unit), value, more in _paired(values(one), values(other)):
        if value != more:
            yield MeasurementChange(step, metric, unit, value, more)


def _step_rows(
    reader: Reader, query: str, edges: Iterable[Edge]
) -> Iterator[tuple[tuple[str, int], Row]]:
    """Rows about steps, each with the step's name and how many of that name came before it."""
    steps = {edge.activity: edge.step_name for edge in edges if edge.step_name is not None}
    places: dict[NamedNode, tuple[str, int]] = {}
    for activity, name in steps.items():
        places[activity] = name, sum(1 for step, _ in places.values() if step == name)
    for row in reader.rows(query, step=list(steps)) if steps else ():
        yield places[node(row, "step")], row


def _metric_changes(reader: Reader, one: NamedNode, other: NamedNode) -> Iterator[MetricChange]:
    for key, row, more in _paired(_metrics(reader, one), _metrics(reader, other)):
        _, settings, dataset, _, metric, unit = key
        yield MetricChange(
            metric=metric,
            dataset=dataset,
            settings=settings,
            unit=unit,
            one=float(row["value"].value) if row else None,
            other=float(more["value"].value) if more else None,
            one_against=optional_node(row, "comparedWith") if row else None,
            other_against=optional_node(more, "comparedWith") if more else None,
        )


def _metrics(reader: Reader, artifact: NamedNode) -> dict[tuple[str, ...], Row]:
    """The last row of each metric, by all that makes two numbers comparable."""
    rows = reader.rows("evaluations", artifact=artifact)
    settings = _settings(reader, {node(row, "activity") for row in rows})
    columns = ("datasetName", "datasetDigest", "metric", "unit")
    return {
        (
            text(row, "stepName") or "",
            settings.get(node(row, "activity"), ""),
            *(row[column].value for column in columns),
        ): row
        for row in rows
    }


def _settings(reader: Reader, steps: Iterable[NamedNode]) -> dict[NamedNode, str]:
    """The parameters of each step as text, such as "stride=256, window=512"."""
    found: dict[NamedNode, str] = {}
    wanted = list(steps)
    for row in reader.rows("step_parameters", step=wanted) if wanted else ():
        setting = f"{row['name'].value}={row['value'].value}"
        before = found.get(node(row, "step"))
        found[node(row, "step")] = setting if before is None else f"{before}, {setting}"
    return found
