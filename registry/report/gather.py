"""Gathers a report: a few packaged queries, each asked once for the whole chain."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from pyoxigraph import NamedNode

from pressmark.ontology.questions import question
from pressmark.registry.facts import (
    ArtifactSummary,
    Reader,
    artifact_files,
    integer,
    local_name,
    node,
    number,
    optional_node,
    scalar,
    text,
)
from pressmark.registry.graph import Row
from pressmark.registry.ids import utc_now
from pressmark.registry.lineage import Edge, Lineage, ancestors, chain_assurance
from pressmark.registry.registry import Registry
from pressmark.registry.report.model import (
    Change,
    Dependent,
    Evaluation,
    Licence,
    Machine,
    MachineFact,
    Party,
    Proof,
    Quantity,
    Query,
    Report,
    Setting,
    StepReport,
    Used,
    Withdrawal,
)
from pressmark.registry.verify import Verification, verify

QUERIES: Final = (
    ("identity", "artifact_facts", "artifact"),
    ("identity", "artifact_files", "artifact"),
    ("lineage", "ancestors", "artifact"),
    ("lineage", "assurance", "artifact"),
    ("steps", "recipe", "artifact"),
    ("steps", "evidence", "artifact"),
    ("quality", "quality", "artifact"),
    ("changes", "changes", "artifact"),
    ("changes", "reports", "artifact"),
    ("dependents", "impact", "thing"),
)
"""The places of a report that a query gives again, with the query's name and parameter."""

_COSTS: Final = (
    ("wallSeconds", "elapsed time", "s"),
    ("cpuSeconds", "processor time", "s"),
    ("peakMemoryBytes", "peak memory", "By"),
)

_MACHINE: Final = {
    "platform": "Platform",
    "pythonVersion": "Python",
    "cpuModel": "Processor",
    "cpuFlags": "Instruction sets",
    "threadCount": "Threads",
    "memoryBytes": "Memory in bytes",
    "libraryVersion": "Libraries",
}

_Groups: TypeAlias = Mapping[NamedNode, Sequence[Row]]

Names: TypeAlias = Callable[[str], str | None]
"""Gives the name behind an agent's opaque identifier; None where it is not known."""


def nobody(_: str) -> None:
    """Knows no names: agents appear by their opaque identifiers."""


def build(
    registry: Registry,
    artifact: NamedNode,
    *,
    verified: bool = True,
    names: Names = nobody,
    at: str | None = None,
) -> Report:
    """Gathers everything that is known of an artifact.

    Args:
        registry: The registry.
        artifact: Its IRI.
        verified: Whether to verify bytes, records and journal now; it reads the artifact's files.
        names: Gives the name behind an agent's opaque identifier, where it may be shown.
        at: When the report is made; now by default. Law: the same state at the same time gives an
            equal report.

    Raises:
        NotFoundError: There is no such artifact.
    """
    verification = verify(registry, artifact) if verified else None
    report = gather(registry, artifact, verification, names)
    journal = registry.journal
    # The head is read last: it vouches for all that was gathered.
    return replace(report, made_at=at or utc_now(), head=journal.head(), entries=len(journal))


def gather(
    reader: Reader,
    artifact: NamedNode,
    verification: Verification | None,
    names: Names = nobody,
) -> Report:
    """Gathers a report around a verification that was made before; see `build`."""
    lineage = ancestors(reader, artifact)
    known = {one.iri: one.artifact for one in lineage.nodes}
    steps = tuple(_steps(reader, lineage))
    retired = reader.rows("retirements", artifact=artifact)
    machines = dict.fromkeys(step.environment for step in steps if step.environment)
    evaluations = tuple(_evaluations(reader, known))
    changes = tuple(map(_change, reader.rows("changes", artifact=artifact)))
    inputs = [used for one in steps for used in one.used]
    inputs += [used for one in evaluations for used in one.used]
    return Report(
        artifact=known[artifact],
        made_at=utc_now(),
        head="",
        entries=0,
        files=artifact_files(reader, artifact),
        retired=_withdrawal(retired),
        lineage=lineage,
        assurance=chain_assurance(lineage.edges),
        steps=steps,
        machines=tuple(_machine(reader, iri) for iri in machines),
        evaluations=evaluations,
        licences=tuple(_licences(known.values(), inputs)),
        changes=changes,
        dependents=tuple(_dependents(reader, artifact)),
        verification=verification,
        queries=tuple(_query(*asked, artifact) for asked in QUERIES),
        people=_people(steps, changes, names),
    )


def _people(steps: Iterable[StepReport], changes: Iterable[Change], names: Names) -> dict[str, str]:
    agents = {party.name for step in steps for party in step.parties}
    agents |= {change.agent for change in changes if change.agent}
    return {agent: name for agent in sorted(agents) if (name := names(agent)) is not None}


def _withdrawal(rows: Sequence[Row]) -> Withdrawal | None:
    return Withdrawal(rows[0]["endedAt"].value, rows[0]["reason"].value) if rows else None


def _query(section: str, name: str, parameter: str, artifact: NamedNode) -> Query:
    asked = question(name)
    settings = (Setting(parameter, artifact.value),)
    return Query(section, name, settings, asked.question, asked.bind(**{parameter: artifact}))


# -------------------------------------------------------------------------------------- the steps


def _steps(reader: Reader, lineage: Lineage) -> Iterator[StepReport]:
    """One report for each artifact that something here made or registered, oldest first."""
    made = [one.artifact for one in lineage.nodes if one.artifact.activity is not None]
    made.sort(key=lambda one: (one.sequence or 0, one.iri.value))
    activities = [one.activity for one in made if one.activity is not None]
    if not activities:
        return
    facts = {node(r, "activity"): r for r in reader.rows("activities", activity=activities)}
    tables = {
        "step_parameters": _by(reader.rows("step_parameters", step=activities), "step"),
        "step_measurements": _by(reader.rows("step_measurements", step=activities), "step"),
        "usages": _by(reader.rows("usages", activity=activities), "activity"),
        "agents": _by(reader.rows("agents", activity=activities), "activity"),
    }
    artifacts = [one.iri for one in made]
    attributes = _by(reader.rows("artifact_attributes", artifact=artifacts), "artifact")
    proofs = _by(reader.rows("evidence", artifact=artifacts), "artifact")
    for one in made:
        assert one.activity is not None
        own = {name: table.get(one.activity, ()) for name, table in tables.items()}
        own |= {"attributes": attributes.get(one.iri, ()), "evidence": proofs.get(one.iri, ())}
        yield _step(facts[one.activity], one, lineage, own)


def _step(
    row: Row, made: ArtifactSummary, lineage: Lineage, own: Mapping[str, Sequence[Row]]
) -> StepReport:
    edges = lineage.to_parents(made.iri)
    return StepReport(
        iri=node(row, "activity"),
        kind=local_name(node(row, "kind")),
        name=text(row, "stepName"),
        version=text(row, "stepVersion"),
        made=made,
        edges=edges,
        parents=_parents(edges, lineage),
        started_at=text(row, "startedAt"),
        ended_at=text(row, "endedAt"),
        recipe=_recipe(row),
        recipe_digest=text(row, "recipeDigest"),
        seed=integer(row, "seed"),
        parameters=_settings(own["step_parameters"]),
        measurements=(*map(_quantity, own["step_measurements"]), *_costs(row)),
        used=tuple(map(_used, own["usages"])),
        parties=tuple(map(_party, own["agents"])),
        environment=optional_node(row, "environment"),
        log=text(row, "log"),
        proofs=tuple(_proofs(own["evidence"])),
        attributes=_settings(own["attributes"]),
        sequence=integer(row, "sequence"),
        record_digest=text(row, "bundleDigest"),
    )


def _parents(edges: Iterable[Edge], lineage: Lineage) -> dict[NamedNode, str]:
    return {e.parent: lineage.node(e.parent).name for e in edges if e.parent is not None}


def _recipe(row: Row) -> str | None:
    name, position = text(row, "recipeName"), integer(row, "position")
    if name is None or position is None:
        return name
    return f"{name}, step {position + 1}"


def _by(rows: Iterable[Row], column: str) -> _Groups:
    found: dict[NamedNode, list[Row]] = {}
    for row in rows:
        found.setdefault(node(row, column), []).append(row)
    return found


def _settings(rows: Iterable[Row]) -> tuple[Setting, ...]:
    return tuple(Setting(row["name"].value, scalar(row["value"])) for row in rows)


def _quantity(row: Row) -> Quantity:
    return Quantity(row["metric"].value, float(row["value"].value), row["unit"].value)


def _costs(row: Row) -> Iterator[Quantity]:
    for column, name, unit in _COSTS:
        if (value := number(row, column)) is not None:
            yield Quantity(name, value, unit)


def _used(row: Row) -> Used:
    entity = node(row, "entity")
    return Used(
        role=local_name(node(row, "role")).removesuffix("Role"),
        name=text(row, "name") or entity.value,
        entity=entity,
        sha256=text(row, "sha256"),
        license=text(row, "license"),
        source=text(row, "source"),
    )


def _party(row: Row) -> Party:
    name = f"{text(row, 'name') or ''} {text(row, 'version') or ''}".strip()
    return Party(
        role=local_name(node(row, "role")).removesuffix("Role"),
        iri=node(row, "agent"),
        name=text(row, "agentId") or name,
        source_commit=text(row, "sourceCommit"),
        digest=text(row, "distributionDigest"),
    )


def _proofs(rows: Iterable[Row]) -> Iterator[Proof]:
    for found in _by(rows, "evidence").values():
        row = found[0]
        yield Proof(
            about=node(row, "about"),
            kind=local_name(node(row, "activityKind")),
            activity=node(row, "activity"),
            verdict=local_name(node(row, "verdict")),
            at=row["endedAt"].value,
            claims=tuple(claim for one in found if (claim := text(one, "claim")) is not None),
            detail=text(row, "detail"),
        )


# ------------------------------------------------------------------------------- what surrounds it


def _machine(reader: Reader, iri: NamedNode) -> Machine:
    facts: dict[str, list[str]] = {}
    for row in reader.rows("description_facts", description=iri):
        name = local_name(node(row, "property"))
        if name in _MACHINE:
            facts.setdefault(_MACHINE[name], []).append(row["value"].value)
    return Machine(iri, tuple(MachineFact(name, tuple(values)) for name, values in facts.items()))


def _evaluations(
    reader: Reader, known: Mapping[NamedNode, ArtifactSummary]
) -> Iterator[Evaluation]:
    rows = reader.rows("evaluations", artifact=list(known))
    if not rows:
        return
    activities = list(dict.fromkeys(node(row, "activity") for row in rows))
    parameters = _by(reader.rows("step_parameters", step=activities), "step")
    usages = _by(reader.rows("usages", activity=activities), "activity")
    found = [
        _evaluation(group, known, parameters, usages) for group in _by(rows, "result").values()
    ]
    # Along the chain, and for one artifact in the order of the journal.
    yield from sorted(found, key=lambda one: (one.artifact.sequence or 0, one.artifact.iri.value))


def _evaluation(
    rows: Sequence[Row],
    known: Mapping[NamedNode, ArtifactSummary],
    parameters: _Groups,
    usages: _Groups,
) -> Evaluation:
    row = rows[0]
    activity, compared = node(row, "activity"), optional_node(row, "comparedWith")
    return Evaluation(
        artifact=known[node(row, "artifact")],
        activity=activity,
        dataset=row["datasetName"].value,
        dataset_digest=row["datasetDigest"].value,
        compared_with=None if compared is None else _name(compared, known),
        measurements=tuple(map(_quantity, rows)),
        step=text(row, "stepName"),
        parameters=_settings(parameters.get(activity, ())),
        used=tuple(map(_used, usages.get(activity, ()))),
    )


def _name(iri: NamedNode, known: Mapping[NamedNode, ArtifactSummary]) -> str:
    return known[iri].name if iri in known else iri.value


def _licences(artifacts: Iterable[ArtifactSummary], inputs: Iterable[Used]) -> Iterator[Licence]:
    for one in sorted(artifacts, key=lambda one: one.sequence or 0):
        source = one.imported_from
        yield Licence("artifact", one.name, one.license or "not recorded here", source)
    seen: set[NamedNode] = set()
    for used in inputs:
        if used.license is not None and used.source is not None and used.entity not in seen:
            seen.add(used.entity)
            yield Licence(f"{used.role} data", used.name, used.license, used.source)


def _change(row: Row) -> Change:
    return Change(
        at=row["endedAt"].value,
        activity=node(row, "activity"),
        kind=local_name(node(row, "activityKind")),
        what=row["what"].value,
        agent=text(row, "agentId"),
        sequence=int(row["sequence"].value),
    )


def _dependents(reader: Reader, artifact: NamedNode) -> Iterator[Dependent]:
    for row in reader.rows("impact", thing=artifact):
        yield Dependent(
            name=row["name"].value,
            iri=row["artifact"].value,
            kind=local_name(node(row, "kind")),
            status=row["status"].value,
            aliases=text(row, "aliases") or "",
        )
