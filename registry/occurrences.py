"""The values that describe an activity before it is written as a record.

They are plain and frozen, with explicit IRIs and times, so that the same values always give the
same record. `pressmark.registry.activities` turns them into PROV statements.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pyoxigraph import NamedNode

from pressmark.registry.descriptions import FileEntry
from pressmark.registry.record import Description

Scalar: TypeAlias = str | bool | int | float
Json: TypeAlias = Scalar | Sequence["Json"] | Mapping[str, "Json"] | None

NO_LICENSE: Final = "NOASSERTION"
"""The SPDX word for a licence that nobody has stated."""


def joint_license(licenses: Iterable[str]) -> str:
    """The licence of what is made of several things: all of theirs, as an SPDX expression."""
    distinct = sorted(set(licenses))
    if len(distinct) < 2:
        return distinct[0] if distinct else NO_LICENSE
    return " AND ".join(f"({name})" if " OR " in name else name for name in distinct)


@dataclass(frozen=True)
class Parameter:
    """A parameter and its value; lists, objects and null are kept as canonical JSON text."""

    name: str
    value: Json


@dataclass(frozen=True)
class Measurement:
    """A measured number.

    Attributes:
        name: What was measured, such as "sparsity".
        value: The number; never NaN.
        unit: UCUM code, "1" where the number has none.
    """

    name: str
    value: float
    unit: str = "1"


@dataclass(frozen=True)
class Usage:
    """That an activity used something.

    Attributes:
        entity: What was used.
        role: One of the roles of the vocabulary, such as ``PM.baseRole``.
        at: When, as `ids.utc_now` writes it.
        description: The description of ``entity`` where it is a shared one (a data set).
    """

    entity: NamedNode
    role: NamedNode
    at: str
    description: Description | None = None


@dataclass(frozen=True)
class Circumstances:
    """Where, by what program and for whom something was done."""

    environment: Description
    engine: Description
    agent: Description


@dataclass(frozen=True)
class Costs:
    """What an activity cost: elapsed and processor seconds, largest resident memory in bytes."""

    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class Occurrence:
    """What every activity has.

    Attributes:
        iri: The activity.
        started_at: Read from the clock right before the call that it describes.
        ended_at: Read right after it.
        circumstances: Where, by what and for whom.
        usages: What was used.
        costs: What it cost, where it was measured.
        log: SHA-256 of its log, a blob.
        byproducts: Sets of files that it left besides its output.
    """

    iri: NamedNode
    started_at: str
    ended_at: str
    circumstances: Circumstances
    usages: tuple[Usage, ...] = ()
    costs: Costs | None = None
    log: str | None = None
    byproducts: tuple[tuple[FileEntry, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class NewArtifact:
    """An artifact that an activity made.

    Attributes:
        iri: The new occurrence.
        kind: Its class, such as ``PM.PrunedModel``.
        name: For a person.
        files: Its bytes.
        generated_at: When it was complete.
        license: SPDX identifier or name.
        parents: What it was derived from; each must be among the activity's usages.
        model: The named line that it belongs to.
        parameter_count: How many parameters its model has.
        nonzero_parameter_count: How many of them are not zero.
        imported_from: Where it was taken from, for an import.
        source_revision: The commit or revision there.
        attributes: Further facts that the step reports.
    """

    iri: NamedNode
    kind: NamedNode
    name: str
    files: tuple[FileEntry, ...]
    generated_at: str
    license: str = NO_LICENSE
    parents: tuple[NamedNode, ...] = ()
    model: Description | None = None
    parameter_count: int | None = None
    nonzero_parameter_count: int | None = None
    imported_from: str | None = None
    source_revision: str | None = None
    attributes: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NewEvaluation:
    """What an evaluation measured.

    Attributes:
        iri: The result.
        evaluates: The artifact; it must be among the activity's usages.
        dataset: The data.
        measurements: The numbers.
        generated_at: When they were complete.
        compared_with: The artifact whose outputs it was compared with.
    """

    iri: NamedNode
    evaluates: NamedNode
    dataset: Description
    measurements: tuple[Measurement, ...]
    generated_at: str
    compared_with: NamedNode | None = None


@dataclass(frozen=True, kw_only=True)
class OpenedRun:
    """A run that is about to take its first step.

    Attributes:
        iri: The run.
        started_at: When.
        circumstances: Where, by what and for whom.
        recipe: The plan that it follows.
        seed: The seed of all random numbers.
        continues: The interrupted run that this one resumes.
        inputs: The artifacts that it starts from, in the order in which the recipe names them.
        data: The texts that its steps will read, with their roles and descriptions.
    """

    iri: NamedNode
    started_at: str
    circumstances: Circumstances
    recipe: Description
    seed: int
    continues: NamedNode | None = None
    inputs: tuple[NamedNode, ...] = ()
    data: tuple[Usage, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FinishedStep(Occurrence):
    """A step that has ended.

    Attributes:
        kind: Its class, such as ``PM.Prune``.
        run: The run that it belongs to.
        name: What recipes call it, such as "prune/wanda".
        version: The version of its implementation.
        outcome: ``PM.succeeded``, ``PM.failed`` or ``PM.aborted``.
        recipe_step: The recipe's step, such as ``<ni:...#step-0>``.
        parameters: What it was executed with.
        measurements: What it measured of itself.
        artifact: What it made; none where it failed.
        evaluation: What it found, for an evaluation.
        seed: The seed of its random numbers, where it has its own.
        cache_key: SHA-256 over inputs, parameters and engine.
        error_message: Why it failed.
    """

    kind: NamedNode
    run: NamedNode
    name: str
    version: str
    outcome: NamedNode
    recipe_step: NamedNode | None = None
    parameters: tuple[Parameter, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    artifact: NewArtifact | None = None
    evaluation: NewEvaluation | None = None
    seed: int | None = None
    cache_key: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, kw_only=True)
class ClosedRun:
    """A run that has ended.

    Attributes:
        iri: The closing, a new node.
        run: The run.
        closed_at: When.
        outcome: ``PM.succeeded``, ``PM.failed`` or ``PM.aborted``.
        reused: Artifacts that were taken from earlier runs instead of being made again.
    """

    iri: NamedNode
    run: NamedNode
    closed_at: str
    outcome: NamedNode
    reused: tuple[NamedNode, ...] = ()


@dataclass(frozen=True)
class ExternalParent:
    """A parent that a registration names and that is not known here."""

    iri: NamedNode
    name: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The verdict of a check or a re-run about one edge.

    Attributes:
        iri: The evidence, a new node.
        about: The derivation ``<A#derivation-0>``, or the generation ``<A#generation>`` of an
            artifact without parents.
        holds: The verdict; None where the claims could be neither confirmed nor refuted.
        claims: The statements that were checked.
        found_at: When.
        detail: What was found in particular.
    """

    iri: NamedNode
    about: NamedNode
    holds: bool | None
    claims: tuple[str, ...]
    found_at: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class NewReport:
    """An audit report whose bytes are kept.

    Attributes:
        iri: The report, a new node.
        about: The artifact that it reports on.
        name: For a person.
        media_type: Its format, such as "text/html".
        sha256: Digest of its bytes.
        size: Bytes.
        journal_head: The head of the journal that it tells of.
        holds: What verifying found while it was made; None where nothing was verified.
        generated_at: When it was complete.
    """

    iri: NamedNode
    about: NamedNode
    name: str
    media_type: str
    sha256: str
    size: int
    journal_head: str
    holds: bool | None
    generated_at: str
