"""The headings of the EU AI Act's Annex IV, and what a compression registry can say to each.

Regulation (EU) 2024/1689, Annex IV, "Technical documentation referred to in Article 11(1)": nine
points, the first two with letters. Each subject has a row of its own: what is recorded here, fully
or in part, or that it is not, and in every case who knows the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pressmark.registry.report.document import (
    Cell,
    Column,
    Line,
    Paragraph,
    Section,
    Span,
    Table,
    Tone,
)
from pressmark.registry.report.model import Quantity, Report
from pressmark.registry.report.plots import telling
from pressmark.registry.report.wording import (
    NOT_RECORDED,
    cell,
    counted,
    kind,
    line,
    listed,
    number,
    quantity,
    size,
)

RECORDED: Final = "✓ recorded"
PARTLY: Final = "◐ partly"

_PROVIDER: Final = "the provider's documentation"
_PUBLISHER: Final = "the base model's publisher: its model card"


@dataclass(frozen=True)
class Row:
    """A subject of the Annex.

    Attributes:
        point: Its number and letter.
        subject: What is asked for.
        found: What the report says of it; None where nothing is recorded.
        is_whole: Whether that is all that is asked for.
        elsewhere: Who knows it, or the rest of it; "" for nobody else.
        anchor: The section that tells more; "" for none.
    """

    point: str
    subject: str
    found: str | None = None
    is_whole: bool = False
    elsewhere: str = ""
    anchor: str = ""


_PREFACE: Final = (
    "Regulation (EU) 2024/1689 lists in Annex IV what the technical documentation of a high-risk "
    "AI system contains. A record of how a model was compressed answers a part of it. Whether the "
    "Act applies is for the provider to say; nothing here is legal advice."
)


def annex_section(report: Report) -> Section:
    """What the record says to each subject of Annex IV."""
    columns = (Column("Point"), Column("Asked for"), Column("Here"), Column("What, and where else"))
    table = Table("Each subject of Annex IV", columns, tuple(_cells(row) for row in rows(report)))
    return Section("annex", "EU AI Act, Annex IV", (Paragraph(line(_PREFACE)), table))


def rows(report: Report) -> Iterator[Row]:
    """Each subject of Annex IV in its order, with what this report says of it."""
    yield from _general(report)
    yield from _development(report)
    yield Row(
        "3",
        "Monitoring, functioning and control; capabilities and limits",
        elsewhere=f"{_PROVIDER}; the deployer",
    )
    yield Row(
        "4",
        "Why the performance metrics are appropriate",
        _metrics(report),
        elsewhere=f"why they suit the purpose: {_PROVIDER}",
        anchor="quality",
    )
    yield Row("5", "Risk management system (Article 9)", elsewhere=_PROVIDER)
    yield Row("6", "Relevant changes through the lifecycle", _changes(report), True, "", "changes")
    yield Row("7", "Harmonised standards applied, and other solutions", elsewhere=_PROVIDER)
    yield Row("8", "EU declaration of conformity (Article 47)", elsewhere="the provider")
    yield Row(
        "9",
        "Post-market monitoring (Article 72)",
        elsewhere=f"{_PROVIDER}; what depends on this artifact is told below",
        anchor="dependents",
    )


def _general(report: Report) -> Iterator[Row]:
    one = report.artifact
    yield Row("1 (a)", "Intended purpose, name of the provider", elsewhere=_PROVIDER)
    yield Row(
        "1 (a)",
        "Version, and its relation to previous versions",
        _version(report),
        True,
        "",
        "lineage",
    )
    yield Row("1 (b)", "Interaction with other hardware and software", elsewhere=_PROVIDER)
    yield Row(
        "1 (c)",
        "Versions of relevant software",
        _software(report),
        elsewhere=f"the software that runs the model, and requirements of updates: {_PROVIDER}",
        anchor="environments",
    )
    forms = f"{counted(len(report.files), 'file')}, {size(one.size)}" if report.files else None
    yield Row(
        "1 (d)",
        "Forms in which it is placed on the market",
        forms,
        elsewhere=f"how these are offered: {_PROVIDER}",
        anchor="identity",
    )
    yield Row("1 (e)", "Hardware on which it is intended to run", elsewhere=_PROVIDER)
    yield Row("1 (f)", "Products of which it is a component", elsewhere="the product's maker")
    yield Row("1 (g)", "User interface for the deployer", elsewhere=_PROVIDER)
    yield Row("1 (h)", "Instructions for use", elsewhere=_PROVIDER)


def _development(report: Report) -> Iterator[Row]:
    yield Row(
        "2 (a)", "Methods and steps of the development", _steps(report),
        elsewhere=f"how the base model was trained: {_PUBLISHER}", anchor="steps",
    )  # fmt: skip
    yield Row(
        "2 (a)", "Pre-trained systems and third-party tools, and how they were used and modified",
        _pretrained(report), True, "", "lineage",
    )  # fmt: skip
    yield Row(
        "2 (b)", "Design specifications, key design choices", _choices(report),
        elsewhere=f"why they were chosen, and the base model's design: {_PROVIDER}", anchor="steps",
    )  # fmt: skip
    yield Row(
        "2 (c)", "System architecture", _architecture(report),
        elsewhere="config.json among the files; the system around the model: the provider",
        anchor="identity",
    )  # fmt: skip
    yield Row(
        "2 (c)", "Computational resources", _resources(report),
        elsewhere=f"energy: not measured; training of the base model: {_PUBLISHER}", anchor="steps",
    )  # fmt: skip
    yield Row(
        "2 (d)", "Data: provenance, characteristics, selection, labelling, cleaning", _data(report),
        elsewhere=f"the base model's training data: {_PUBLISHER}", anchor="licences",
    )  # fmt: skip
    yield Row("2 (e)", "Human oversight measures (Article 14)", elsewhere=_PROVIDER)
    yield Row("2 (f)", "Pre-determined changes", elsewhere=_PROVIDER)
    yield Row(
        "2 (g)", "Validation and testing: procedures, data, metrics", _evaluations(report),
        elsewhere=f"bias, safety and robustness, where no evaluation above is of them: {_PROVIDER}",
        anchor="quality",
    )  # fmt: skip
    yield Row(
        "2 (g)", "Test logs and test reports, dated and signed", _tests(report),
        elsewhere="signatures of the persons responsible: the provider", anchor="steps",
    )  # fmt: skip
    yield Row(
        "2 (h)", "Cybersecurity measures", _integrity(report),
        elsewhere=f"protection of the system in use: {_PROVIDER}", anchor="integrity",
    )  # fmt: skip


def _cells(row: Row) -> tuple[Cell, ...]:
    if row.found is None:
        here, told = Span(NOT_RECORDED, Tone.MISSING), None
    else:
        here = Span(RECORDED if row.is_whole else PARTLY, Tone.GOOD if row.is_whole else Tone.FAIR)
        told = row.found
    return cell(row.point), cell(row.subject), cell(here), (*_told(told, row.anchor), *_rest(row))


def _told(found: str | None, anchor: str) -> tuple[Line, ...]:
    return () if found is None else (line(f"{found} ", Span(f"(see {anchor})", anchor=anchor)),)


def _rest(row: Row) -> tuple[Line, ...]:
    return (line(Span(f"Elsewhere: {row.elsewhere}", Tone.QUIET)),) if row.elsewhere else ()


# ----------------------------------------------------------------------- what is said to a subject


def _version(report: Report) -> str:
    one = report.artifact
    older = [node.name for node in report.lineage.nodes if node.depth > 0]
    made = f", made from {', '.join(older[:5])}" if older else ""
    more = f" and {len(older) - 5} more" if len(older) > 5 else ""
    place = "" if one.sequence is None else f", journal entry {one.sequence:,}"
    return f"{one.name}, a {kind(one.kind_name)}{place}{made}{more}"


def _software(report: Report) -> str | None:
    engines = dict.fromkeys(p.name for s in report.steps for p in s.parties if p.role == "engine")
    if not engines:
        return None
    places = counted(len(report.machines), "recorded environment")
    return f"{', '.join(engines)}; Python and libraries of {places}"


def _steps(report: Report) -> str | None:
    names = dict.fromkeys(step.name or kind(step.kind) for step in report.steps)
    return f"{counted(len(report.steps), 'step')}: {', '.join(names)}" if names else None


def _pretrained(report: Report) -> str | None:
    told = []
    for node in report.lineage.origins:
        one = node.artifact
        source = f" from {one.imported_from}" if one.imported_from else ""
        revision = f" at {one.source_revision}" if one.source_revision else ""
        told.append(f"{one.name}{source}{revision}, licence {one.license or NOT_RECORDED}")
    modified = listed(step.name for step in report.steps if step.name and step.name != "import")
    return f"{'; '.join(told)}. Modified by: {modified}. {report.assurance.label}"


def _choices(report: Report) -> str | None:
    count = sum(len(step.parameters) for step in report.steps)
    return f"{counted(count, 'parameter')} of the steps, as they were executed" if count else None


def _architecture(report: Report) -> str | None:
    one = report.artifact
    if one.parameter_count is None:
        return None
    nonzero = number(one.nonzero_parameter_count)
    zeros = f", of which {nonzero} are not zero" if nonzero else ""
    return f"{number(one.parameter_count)} parameters{zeros}"


def _resources(report: Report) -> str | None:
    costs = [q for step in report.steps for q in step.measurements if q.name == "processor time"]
    if not costs:
        return None
    total = quantity(Quantity("processor time", sum(one.value for one in costs), "s"))
    return f"{total} of processor time in {counted(len(costs), 'step')}; peak memory of each"


def _data(report: Report) -> str | None:
    used = [one for step in report.steps for one in step.used]
    used += [one for found in report.evaluations for one in found.used]
    texts = {one.entity: one for one in used if one.source is not None}
    told = (f"{one.name} ({one.role}, {one.license})" for one in texts.values())
    return f"digest, licence and source of: {', '.join(told)}" if texts else None


def _evaluations(report: Report) -> str | None:
    if not report.evaluations:
        return None
    data = dict.fromkeys(one.dataset for one in report.evaluations)
    of = counted(len(report.evaluations), "evaluation")
    return f"{of} on {', '.join(data)}, with parameters and data"


def _metrics(report: Report) -> str | None:
    if not report.metrics:
        return None
    return f"which were measured, and how: {', '.join(telling(report.metrics))} and others"


def _tests(report: Report) -> str | None:
    proofs = [proof for step in report.steps for proof in step.proofs]
    logs = sum(step.log is not None for step in report.steps)
    if not proofs and not logs:
        return None
    checks = (
        counted(len(proofs), "check or re-run")
        if len(proofs) == 1
        else f"{len(proofs)} checks and re-runs"
    )
    return f"{checks}, dated; {counted(logs, 'log')} by digest; all chained in the journal"


def _integrity(report: Report) -> str | None:
    if report.verification is None:
        return None
    found = "nothing wrong" if report.verification.ok else "damage"
    return f"digests of all files and records, a hash-chained journal; verified now: {found}"


def _changes(report: Report) -> str:
    since = counted(len(report.changes), "event")
    return f"every step since the base model; {since} since this version was made"
