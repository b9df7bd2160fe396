"""What the registry knows of artifacts and steps, as values.

Everything the runner, the checks and the re-runs know about the past comes through here, by
packaged queries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError
from pyoxigraph import NamedNode

from pressmark.compression.data import DataSet
from pressmark.compression.errors import DataSetError, NotReproducibleError
from pressmark.compression.parameters import decode_parameters
from pressmark.compression.step import Step, step_class
from pressmark.ontology.terms import PM
from pressmark.registry.descriptions import FileEntry
from pressmark.registry.errors import NotFoundError
from pressmark.registry.facts import artifact_files, node, scalar, summaries
from pressmark.registry.occurrences import (
    NO_LICENSE,
    Measurement,
    Scalar,
)
from pressmark.registry.registry import Registry

DATA_ROLES: Final[Mapping[str, NamedNode]] = {
    "calibration": PM.calibrationRole,
    "evaluation": PM.evaluationRole,
}
ROLES: Final[Mapping[str, NamedNode]] = {
    "base": PM.baseRole,
    "parent": PM.parentRole,
    "adapter": PM.adapterRole,
    "policy": PM.policyRole,
}
"""The vocabulary's roles of what a step reads, by the name that steps use."""

_ROLE_NAMES: Final = {role: name for name, role in ROLES.items()}


@dataclass(frozen=True)
class StoredArtifact:
    """An artifact as recorded.

    Attributes:
        iri: The occurrence.
        kind: Its class, such as `PM.PrunedModel`.
        name: For a person.
        license: SPDX identifier, or "NOASSERTION".
        files: Its files; empty where only its name is known.
        content: IRI of its content; None where its bytes were never seen.
        line: The named line that it belongs to.
        activity: What made it.
    """

    iri: NamedNode
    kind: NamedNode
    name: str
    license: str
    files: tuple[FileEntry, ...]
    content: NamedNode | None
    line: str | None
    activity: NamedNode | None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class StoredStep:
    """A step's record, enough to execute it again.

    Attributes:
        iri: The activity.
        name: Its name in recipes.
        version: The version of its implementation then.
        seed: Its seed.
        threads: How many threads it used.
        parameters: As recorded; complex values are JSON text.
        inputs: Role -> artifact.
        data: The data set, if it read one: role, name, digest, licence, source.
        environment: Description of the machine.
        engine: Description of the program.
    """

    iri: NamedNode
    name: str
    version: str
    seed: int
    threads: int
    parameters: Mapping[str, Scalar]
    inputs: Mapping[str, NamedNode]
    data: StoredData | None
    environment: NamedNode
    engine: NamedNode

    def load(self) -> Step:
        """The step with its parameters, of the class that is installed now.

        Raises:
            NotReproducibleError: The class has another version or refuses the parameters.
        """
        kind = step_class(self.name)
        if kind.version != self.version:
            raise NotReproducibleError(
                f"{self.iri.value} was executed by version {self.version} of {self.name}, "
                f"version {kind.version} is installed",
                "install the release that made it; its record names it",
            )
        try:
            return decode_parameters(kind, self.parameters)
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise NotReproducibleError(
                f"{self.name} refuses the parameters that {self.iri.value} records: {problem}"
            ) from error


@dataclass(frozen=True)
class StoredData:
    """A data set's record; its text is the blob `sha256`."""

    role: NamedNode
    name: str
    sha256: str
    license: str
    source: str

    def load(self, registry: Registry) -> DataSet:
        """The data set with its text, from the blob store."""
        text = registry.blobs.read(self.sha256).decode("utf-8")
        dataset = DataSet(self.name, text, self.license, self.source)
        if dataset.sha256 != self.sha256:
            raise DataSetError(f"data set '{self.name}' does not have the digest {self.sha256}")
        return dataset


def load_artifact(registry: Registry, iri: NamedNode) -> StoredArtifact:
    """Reads an artifact's record.

    Raises:
        NotFoundError: No artifact has this IRI.
    """
    found = summaries(registry, [iri]).get(iri)
    if found is None:
        raise NotFoundError(f"{iri.value} is no artifact of this registry", "pressmark ls")
    return StoredArtifact(
        iri=iri,
        kind=found.kind,
        name=found.name,
        license=found.license or NO_LICENSE,
        files=artifact_files(registry, iri),
        content=found.content,
        line=found.line,
        activity=found.activity,
    )


def load_step(registry: Registry, iri: NamedNode) -> StoredStep:
    """Reads a step's record.

    Raises:
        NotReproducibleError: The activity is no executed step, for example a registration.
    """
    rows = registry.rows("step_conditions", step=iri)
    if not rows:
        raise NotReproducibleError(
            f"{iri.value} is no step that was executed here",
            "an artifact that was only registered has declared parents, which cannot be re-run",
        )
    row = rows[0]
    used = list(_usages(registry, iri))
    return StoredStep(
        iri=iri,
        name=row["stepName"].value,
        version=row["stepVersion"].value,
        seed=int(row.get("seed", row["runSeed"]).value),
        threads=int(row["threads"].value),
        parameters={
            row["name"].value: scalar(row["value"])
            for row in registry.rows("step_parameters", step=iri)
        },
        inputs={_ROLE_NAMES[role]: entity for role, entity, _ in used if role in _ROLE_NAMES},
        data=next((data for _, _, data in used if data is not None), None),
        environment=node(row, "environment"),
        engine=node(row, "engine"),
    )


def load_run(
    registry: Registry, run: NamedNode
) -> tuple[tuple[NamedNode, ...], tuple[StoredData, ...]]:
    """The artifacts and the texts that a run started from, each in the recipe's order."""
    used = list(_usages(registry, run))
    inputs = (entity for role, entity, _ in used if role == PM.baseRole)
    return tuple(inputs), tuple(data for _, _, data in used if data is not None)


def is_step(registry: Registry, activity: NamedNode) -> bool:
    """Whether an activity was executed by a run, not just declared."""
    return bool(registry.rows("step_conditions", step=activity))


def parents_of(registry: Registry, result: NamedNode) -> tuple[NamedNode, ...]:
    """What an artifact or evaluation derives from, in the order of its derivations."""
    rows = registry.rows("derivation_edges", artifact=result)
    ordered = sorted(rows, key=lambda row: int(row["derivation"].value.rpartition("-")[2]))
    return tuple(node(row, "parent") for row in ordered)


def lineage(registry: Registry, artifact: NamedNode) -> Iterator[NamedNode]:
    """An artifact and all its ancestors, each before its own parents."""
    found: dict[NamedNode, None] = {}

    def visit(iri: NamedNode) -> None:
        if iri not in found:
            for parent in parents_of(registry, iri):
                visit(parent)
            found[iri] = None

    visit(artifact)
    return reversed(found)


def calibrated_on(registry: Registry, artifact: NamedNode) -> tuple[StoredData, ...]:
    """The texts that an artifact or an ancestor of it was fitted to."""
    makers = (load_artifact(registry, iri).activity for iri in lineage(registry, artifact))
    read = (
        load_step(registry, maker).data for maker in makers if maker and is_step(registry, maker)
    )
    return tuple(dict.fromkeys(d for d in read if d and d.role == PM.calibrationRole))


def result_measurements(
    registry: Registry, step: NamedNode, result: NamedNode
) -> tuple[Measurement, ...]:
    """What a step measured of its artifact, or what an evaluation found."""
    rows = registry.rows("evaluation_identity", evaluation=result)
    rows = rows or registry.rows("step_measurements", step=step)
    found = (
        Measurement(row["metric"].value, float(row["value"].value), row["unit"].value)
        for row in rows
    )
    return tuple(sorted(set(found), key=lambda measurement: measurement.name))


def result_verdicts(registry: Registry, result: NamedNode) -> tuple[NamedNode, ...]:
    """The verdicts of all evidence about a result, newest last."""
    rows = registry.rows("recorded_evidence", result=result)
    return tuple(node(row, "verdict") for row in rows)


def _usages(
    registry: Registry, activity: NamedNode
) -> Iterator[tuple[NamedNode, NamedNode, StoredData | None]]:
    """Role and entity of what an activity used, in the order of its usages, and what is data."""
    rows = registry.rows("usages", activity=activity)
    for row in sorted(rows, key=lambda row: int(row["usage"].value.rpartition("-")[2])):
        role, data = node(row, "role"), None
        if role in DATA_ROLES.values():
            texts = (row[key].value for key in ("name", "sha256", "license", "source"))
            data = StoredData(role, *texts)
        yield role, node(row, "entity"), data
