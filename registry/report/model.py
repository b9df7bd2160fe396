"""The values of an audit report."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyoxigraph import NamedNode

from pressmark.registry.descriptions import FileEntry
from pressmark.registry.facts import ArtifactSummary
from pressmark.registry.lineage import Assurance, Edge, Lineage
from pressmark.registry.occurrences import Scalar
from pressmark.registry.verify import Verification


@dataclass(frozen=True)
class Quantity:
    """A measured number, with its UCUM unit ("1" for none)."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True)
class Setting:
    """A named value: a parameter of a step, or what one reports of its output."""

    name: str
    value: Scalar


@dataclass(frozen=True)
class Used:
    """Something that a step used.

    Attributes:
        role: Its role without namespace, such as "calibration".
        name: Its name, or its IRI where it has none.
        entity: Its IRI.
        sha256: Digest, for a data set or recipe.
        license: Licence, for a data set.
        source: Where it was taken from, for a data set.
    """

    role: str
    name: str
    entity: NamedNode
    sha256: str | None
    license: str | None
    source: str | None


@dataclass(frozen=True)
class Party:
    """Who or what took part.

    Attributes:
        role: "engine" or "operator".
        iri: The agent's IRI.
        name: Name and version of an engine, opaque identifier of a person or organization.
        source_commit: The engine's commit.
        digest: SHA-256 over the engine's installed files.
    """

    role: str
    iri: NamedNode
    name: str
    source_commit: str | None
    digest: str | None


@dataclass(frozen=True)
class Proof:
    """What one check or re-run found about one edge.

    Attributes:
        about: The edge.
        kind: "Check" or "Reproduce".
        activity: The check or re-run.
        verdict: "holds", "refuted" or "inconclusive".
        at: When.
        claims: The statements that were checked.
        detail: What was found in particular.
    """

    about: NamedNode
    kind: str
    activity: NamedNode
    verdict: str
    at: str
    claims: tuple[str, ...]
    detail: str | None

    @property
    def findings(self) -> tuple[tuple[str, str], ...]:
        """Each claim with what was found about it, and what else was found with "" as claim.

        The detail of a check has a line "claim: what was found" for those claims that it has more
        to say about.
        """
        found = dict.fromkeys(self.claims, "")
        for line in (self.detail or "").splitlines():
            claim, _, what = line.partition(": ")
            if claim in self.claims:
                found[claim] = what
            else:
                found[""] = f"{found.get('', '')} {line}".strip()
        return tuple(found.items())


@dataclass(frozen=True)
class StepReport:
    """One activity on the way to the artifact, and what it made.

    Attributes:
        iri: The activity.
        kind: Its class, such as "Prune".
        name: What recipes call it; None for a registration.
        version: Version of its implementation.
        made: The artifact.
        edges: The edges to its parents, or to the place of import.
        parents: Names of the parents by IRI.
        started_at: When it began.
        ended_at: When it ended.
        recipe: Name of the recipe, with the step's place in it.
        recipe_digest: SHA-256 of the recipe.
        seed: The run's seed.
        parameters: What it was executed with.
        measurements: What it measured of itself, and what it cost.
        used: What it used.
        parties: Who and what took part.
        environment: IRI of the machine's description.
        log: SHA-256 of its log.
        proofs: What checks and re-runs found about its edges.
        attributes: What it reported about what it made.
        sequence: Place of its record in the journal.
        record_digest: SHA-256 of its record.
    """

    iri: NamedNode
    kind: str
    name: str | None
    version: str | None
    made: ArtifactSummary
    edges: tuple[Edge, ...]
    parents: Mapping[NamedNode, str]
    started_at: str | None
    ended_at: str | None
    recipe: str | None
    recipe_digest: str | None
    seed: int | None
    parameters: tuple[Setting, ...]
    measurements: tuple[Quantity, ...]
    used: tuple[Used, ...]
    parties: tuple[Party, ...]
    environment: NamedNode | None
    log: str | None
    proofs: tuple[Proof, ...]
    attributes: tuple[Setting, ...]
    sequence: int | None
    record_digest: str | None


@dataclass(frozen=True)
class Evaluation:
    """What was measured of one artifact of the chain.

    Attributes:
        artifact: The artifact.
        activity: What measured it.
        dataset: Name of the data.
        dataset_digest: Its SHA-256.
        compared_with: Name of the artifact that it was compared with.
        measurements: The numbers.
        step: What recipes call the evaluation.
        parameters: What it was executed with.
        used: What it used.
    """

    artifact: ArtifactSummary
    activity: NamedNode
    dataset: str
    dataset_digest: str
    compared_with: str | None
    measurements: tuple[Quantity, ...]
    step: str | None
    parameters: tuple[Setting, ...]
    used: tuple[Used, ...]

    def value(self, metric: str) -> float | None:
        """The number of one metric, if it was measured."""
        return next((one.value for one in self.measurements if one.name == metric), None)


@dataclass(frozen=True)
class MachineFact:
    """What is known of a machine in one respect."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Machine:
    """A machine and its libraries, as recorded."""

    iri: NamedNode
    facts: tuple[MachineFact, ...]


@dataclass(frozen=True)
class Withdrawal:
    """When and why an artifact was retired."""

    at: str
    reason: str


@dataclass(frozen=True)
class Settings:
    """How several artifacts were measured in the same way.

    Attributes:
        step: What recipes call the evaluation.
        artifacts: Names of what was measured.
        parameters: What it was executed with.
    """

    step: str
    artifacts: tuple[str, ...]
    parameters: tuple[Setting, ...]


@dataclass(frozen=True)
class Licence:
    """A licence on the way: of an artifact or of data."""

    of: str
    what: str
    license: str
    source: str | None


@dataclass(frozen=True)
class Dependent:
    """Something that was made from the artifact."""

    name: str
    iri: str
    kind: str
    status: str
    aliases: str


@dataclass(frozen=True)
class Change:
    """Something that happened to the artifact after it was made.

    Attributes:
        at: When.
        activity: What happened.
        kind: Its class, such as "Promotion".
        what: The alias, tag, verdict, data set, format or reason.
        agent: Opaque identifier of whoever asked for it.
        sequence: Place of its record in the journal.
    """

    at: str
    activity: NamedNode
    kind: str
    what: str
    agent: str | None
    sequence: int


@dataclass(frozen=True)
class Query:
    """How to ask for a section's rows again.

    Attributes:
        section: The section's place in the report, such as "lineage".
        name: Name of the packaged question.
        parameters: What it was asked about.
        question: What it answers, in words.
        sparql: The whole query.
    """

    section: str
    name: str
    parameters: tuple[Setting, ...]
    question: str
    sparql: str

    @property
    def command(self) -> str:
        """The command that asks it."""
        asked = " ".join(f"{one.name}={one.value}" for one in self.parameters)
        return f"pressmark query {self.name} {asked}".rstrip()


@dataclass(frozen=True)
class Report:
    """Everything that is known of one artifact.

    Attributes:
        artifact: What it is.
        made_at: When the report was made.
        head: The head of the journal that it tells of.
        entries: How many entries the journal had.
        files: Its files.
        retired: When and why, if it is retired.
        lineage: The way back to where it comes from.
        assurance: How sure that is.
        steps: The activities on the way, oldest first.
        machines: Where they ran.
        evaluations: What was measured along the way, oldest first.
        licences: The licences along the way.
        changes: What happened to it since, in the journal's order.
        dependents: What was made from it.
        verification: What a verification found just now; None if none was made.
        queries: How to ask again.
        people: Names behind the opaque identifiers of agents, where they are known.
    """

    artifact: ArtifactSummary
    made_at: str
    head: str
    entries: int
    files: tuple[FileEntry, ...]
    retired: Withdrawal | None
    lineage: Lineage
    assurance: Assurance
    steps: tuple[StepReport, ...]
    machines: tuple[Machine, ...]
    evaluations: tuple[Evaluation, ...]
    licences: tuple[Licence, ...]
    changes: tuple[Change, ...]
    dependents: tuple[Dependent, ...]
    verification: Verification | None
    queries: tuple[Query, ...]
    people: Mapping[str, str]

    @property
    def activities(self) -> tuple[NamedNode, ...]:
        """Every activity that the report tells of, each once."""
        found = [step.iri for step in self.steps]
        found += [proof.activity for step in self.steps for proof in step.proofs]
        found += [one.activity for one in self.evaluations]
        found += [one.activity for one in self.changes]
        return tuple(dict.fromkeys(found))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that were measured anywhere along the way, in order of appearance."""
        names = (one.name for found in self.evaluations for one in found.measurements)
        return tuple(dict.fromkeys(names))

    @property
    def settings(self) -> tuple[Settings, ...]:
        """How things were measured."""
        groups: dict[tuple[str, tuple[Setting, ...]], dict[str, None]] = {}
        for found in self.evaluations:
            if found.parameters:
                key = (found.step or "an evaluation", found.parameters)
                groups.setdefault(key, {})[found.artifact.name] = None
        return tuple(Settings(step, tuple(names), how) for (step, how), names in groups.items())
