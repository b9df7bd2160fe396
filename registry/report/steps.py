"""The part of a report that tells of every step, as far as it goes."""

from collections.abc import Iterator, Mapping
from typing import Final

from pyoxigraph import NamedNode

from pressmark.registry.lineage import Edge
from pressmark.registry.report.document import (
    Block,
    Cell,
    Column,
    Line,
    Paragraph,
    Section,
    Span,
    Table,
    Tone,
)
from pressmark.registry.report.model import Party, Proof, Report, Setting, StepReport, Used
from pressmark.registry.report.wording import (
    NOT_RECORDED,
    SYMBOLS,
    TONES,
    cell,
    code,
    counted,
    kind,
    line,
    missing,
    moment,
    quantity,
    sha256,
    size,
    value,
)

MOST_DETAILED: Final = 40
"""So many steps are told in detail, the latest; the table and the queries hold all."""

_VERDICTS: Final = {"holds": ("✓", Tone.GOOD), "refuted": ("✗", Tone.BAD)}


def steps_section(report: Report) -> Section:
    """Every step in a table, and the latest ones in detail."""
    detailed = report.steps[-MOST_DETAILED:]
    first = len(report.steps) - len(detailed) + 1
    machines = {one.iri: place for place, one in enumerate(report.machines, start=1)}
    parts = (
        _step(step, place, machines, report.people)
        for place, step in enumerate(detailed, start=first)
    )
    return Section("steps", "Every step", tuple(_overview(report, first)), tuple(parts))


def assurance(edge: Edge) -> Span:
    """How sure an edge is."""
    return Span(f"{SYMBOLS[edge.evidence]} {edge.label}", TONES[edge.evidence])


def who(agent: str | None, people: Mapping[str, str]) -> Line:
    """An agent by name, where it may be shown, and by its opaque identifier."""
    if agent is None:
        return (missing(),)
    name = people.get(agent)
    return line(f"{name} ({agent})" if name else agent)


def _overview(report: Report, first: int) -> Iterator[Block]:
    if not report.steps:
        yield Paragraph((missing("No step is recorded here."),))
        return
    if first > 1:
        yield Paragraph(
            line(
                f"The latest {MOST_DETAILED} of {len(report.steps)} steps are told in detail; "
                "the question recipe gives the parameters of all."
            )
        )
    yield Table(
        f"{counted(len(report.steps), 'step')}, oldest first",
        (Column("Step"), Column("Made"), Column("Ended"), Column("Assurance")),
        tuple(
            _row(step, place, place >= first) for place, step in enumerate(report.steps, start=1)
        ),
    )


def _row(step: StepReport, place: int, is_detailed: bool) -> tuple[Cell, ...]:
    anchor = f"step-{place}" if is_detailed else ""
    named = Span(f"{place}. {_name(step)}", anchor=anchor)
    sure = (assurance(edge) for edge in step.edges)
    return cell(named), cell(step.made.name), cell(moment(step.ended_at)), cell(*sure)


def _name(step: StepReport) -> str:
    return step.name or kind(step.kind)


def _step(
    step: StepReport, place: int, machines: Mapping[NamedNode, int], people: Mapping[str, str]
) -> Section:
    blocks = (
        Table("What happened", (), tuple(_happened(step, machines, people))),
        *_settings("Parameters", step.parameters),
        *_used(step),
        *_measured(step),
        *_settings("What it reported about its output", step.attributes),
        _proofs(step),
    )
    return Section(f"step-{place}", f"{place}. {_name(step)} → {step.made.name}", blocks)


def _happened(
    step: StepReport, machines: Mapping[NamedNode, int], people: Mapping[str, str]
) -> Iterator[tuple[Cell, ...]]:
    version = f", implementation version {step.version}" if step.version else ""
    made = f"{step.made.name}, {size(step.made.size)}"
    yield cell("Activity"), cell(f"{kind(step.kind)}{version}", code(step.iri))
    yield cell("Made"), cell(made, code(step.made.iri))
    for edge in step.edges:
        parent = step.parents[edge.parent] if edge.parent else "outside"
        yield cell(f"From {parent}"), cell(assurance(edge))
    yield cell("When"), cell(f"{moment(step.started_at)} to {moment(step.ended_at)}")
    yield cell("Recipe"), cell(step.recipe, sha256(step.recipe_digest))
    yield cell("Seed"), cell(None if step.seed is None else str(step.seed))
    for party in step.parties:
        yield cell(party.role.capitalize()), _party(party, people)
    yield cell("Environment"), cell(_machine(step.environment, machines))
    yield cell("Log"), cell(sha256(step.log))
    entry = NOT_RECORDED if step.sequence is None else f"journal entry {step.sequence:,}"
    yield cell("Record"), cell(entry, sha256(step.record_digest))


def _party(party: Party, people: Mapping[str, str]) -> Cell:
    commit = f", commit {party.source_commit}" if party.source_commit else ""
    return cell((*who(party.name or None, people), *line(commit)), code(party.iri))


def _machine(iri: NamedNode | None, machines: Mapping[NamedNode, int]) -> Span | None:
    if iri is None or iri not in machines:
        return None
    return Span(f"environment {machines[iri]}", anchor=f"machine-{machines[iri]}")


def settings_table(caption: str, settings: tuple[Setting, ...]) -> Table:
    """Named values as a table."""
    rows = ((cell(one.name), cell(value(one.value))) for one in settings)
    return Table(caption, (Column("Name"), Column("Value")), tuple(rows))


def _settings(caption: str, settings: tuple[Setting, ...]) -> Iterator[Table]:
    if settings:
        yield settings_table(caption, settings)


def _used(step: StepReport) -> Iterator[Table]:
    if step.used:
        columns = (Column("Role"), Column("What"), Column("Licence and source"))
        yield Table("What it used", columns, tuple(map(_usage, step.used)))


def _usage(used: Used) -> tuple[Cell, ...]:
    what = cell(used.name, code(used.entity), sha256(used.sha256))
    return cell(used.role), what, cell(used.license or "-", used.source or "")


def _measured(step: StepReport) -> Iterator[Table]:
    if step.measurements:
        rows = ((cell(one.name), cell(quantity(one))) for one in step.measurements)
        yield Table("What was measured", (Column("Measure"), Column("Value")), tuple(rows))


def _proofs(step: StepReport) -> Block:
    if not step.proofs:
        return Paragraph((missing("Nobody has checked or repeated this step."),))
    columns = (Column("When"), Column("What"), Column("Verdict"), Column("Claims"))
    rows = tuple(map(_proof, step.proofs))
    return Table("Evidence: checks and re-runs of this step", columns, rows)


def _proof(proof: Proof) -> tuple[Cell, ...]:
    symbol, tone = _VERDICTS.get(proof.verdict, ("?", Tone.FAIR))
    what = "re-run" if proof.kind == "Reproduce" else "check"
    verdict = Span(f"{symbol} {proof.verdict}", tone)
    claims = (_claim(claim, found) for claim, found in proof.findings)
    return cell(moment(proof.at)), cell(what), cell(verdict), cell(*claims)


def _claim(claim: str, found: str) -> Line:
    return line(claim, Span(f" - {found}" if claim and found else found, Tone.QUIET))
