"""Composes a report's facts into a document: what is said, in which order, in no format yet."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pressmark.registry.lineage import Evidence, Origin
from pressmark.registry.report.annex import annex_section
from pressmark.registry.report.document import (
    Block,
    Card,
    Cell,
    Column,
    Document,
    Listing,
    Paragraph,
    Section,
    Span,
    Table,
    Tone,
)
from pressmark.registry.report.figures import lineage_figure, plot_figures
from pressmark.registry.report.model import Evaluation, Machine, Report
from pressmark.registry.report.steps import assurance, settings_table, steps_section, who
from pressmark.registry.report.wording import (
    NOT_RECORDED,
    SYMBOLS,
    TONES,
    bytes_text,
    cell,
    code,
    counted,
    kind,
    line,
    listed,
    missing,
    moment,
    number,
    quantity,
    size,
)
from pressmark.registry.verification import CheckResult, Verification

COLOPHON: Final = (
    "Made by Pressmark from the records of a registry. Nothing in it is loaded from elsewhere. "
    "Keep the journal's head apart from the registry: whoever has it can tell whether anything "
    "that is told here was changed since."
)
_MOST_COLUMNS: Final = 4
_MOST_ROWS: Final = 200
"""So many rows of what surrounds the chain are told; the questions give all."""


def compose(report: Report) -> Document:
    """The document that a report is."""
    one = report.artifact
    made = f" · report of {moment(report.made_at)}"
    return Document(
        title=f"Audit report: {one.name}",
        subject=one.name,
        made_at=report.made_at,
        line=line(f"{kind(one.kind_name)} · ", Span(one.iri.value, Tone.CODE), made),
        cards=tuple(_cards(report)),
        sections=tuple(_with_queries(report, _sections(report))),
        colophon=COLOPHON,
    )


def _sections(report: Report) -> Iterator[Section]:
    yield _identity(report)
    yield annex_section(report)
    yield _lineage(report)
    yield steps_section(report)
    yield _quality(report)
    yield _licences(report)
    yield _environments(report)
    yield _changes(report)
    yield _integrity(report)
    yield _dependents(report)
    yield _queries(report)


def _with_queries(report: Report, sections: Iterable[Section]) -> Iterator[Section]:
    """Says of each section which questions give it again."""
    for section in sections:
        asked = [query.name for query in report.queries if query.section == section.anchor]
        links = (Span(name, Tone.CODE, f"query-{name}") for name in asked)
        named = [piece for link in links for piece in (Span(", ", Tone.QUIET), link)][1:]
        told = (Paragraph(line(Span("Ask again: ", Tone.QUIET), *named)),) if asked else ()
        blocks = (*told, *section.blocks)
        yield Section(section.anchor, section.title, blocks, section.parts)


# ------------------------------------------------------------------------------------ at the top


def _cards(report: Report) -> Iterator[Card]:
    one, chain = report.artifact, report.assurance
    sure = chain.origin is Origin.EXECUTED or chain.evidence is Evidence.REFUTED
    tone = TONES[chain.evidence] if sure else Tone.FAIR
    yield Card("Assurance of the whole chain", f"{SYMBOLS[chain.evidence]} {chain.label}", tone)
    yield _integrity_card(report.verification)
    status = "known only by claim" if one.status == "external" else one.status
    aliases = f" ({', '.join(one.aliases)})" if one.aliases else ""
    tones = {"live": Tone.GOOD, "retired": Tone.BAD}
    yield Card("Status", status + aliases, tones.get(one.status, Tone.FAIR))
    yield Card("Licence", one.license or NOT_RECORDED)
    yield Card("Size", NOT_RECORDED if one.size is None else bytes_text(one.size))


def _integrity_card(checked: Verification | None) -> Card:
    if checked is None:
        return Card("Integrity", "? not verified for this report", Tone.FAIR)
    if checked.ok:
        return Card("Integrity", "✓ verified", Tone.GOOD)
    return Card("Integrity", f"✗ {counted(len(checked.findings), 'finding')}", Tone.BAD)


def _identity(report: Report) -> Section:
    files = Table(
        f"Its files: {counted(len(report.files), 'file')}",
        (Column("File"), Column("Bytes", is_number=True), Column("SHA-256")),
        tuple((cell(f.name), cell(f"{f.size:,}"), cell(code(f.sha256))) for f in report.files),
    )
    none = Paragraph((missing("Its bytes were never here."),))
    about = Table("What this report is about", (), tuple(_about(report)))
    return Section("identity", "Identity", (about, files if report.files else none))


def _about(report: Report) -> Iterator[tuple[Cell, ...]]:
    one, gone = report.artifact, report.retired
    yield cell("Name"), cell(one.name)
    yield cell("Artifact"), cell(code(one.iri))
    yield cell("Kind"), cell(kind(one.kind_name))
    yield cell("Content, named by its files' digests"), cell(code(one.content))
    yield cell("Model line"), cell(one.line)
    yield cell("Made"), cell(moment(one.generated_at))
    yield cell("Size"), cell(size(one.size))
    yield cell("Parameters"), cell(number(one.parameter_count))
    yield cell("Parameters that are not zero"), cell(number(one.nonzero_parameter_count))
    yield cell("Licence"), cell(one.license)
    yield cell("Aliases that mean it now"), cell(listed(one.aliases))
    yield cell("Tags"), cell(listed(one.tags))
    yield cell("Retired"), cell(f"{moment(gone.at)}: {gone.reason}" if gone else "no")
    yield cell("Place in the journal"), cell(number(one.sequence))


# ------------------------------------------------------------------------------------- the chain


def _lineage(report: Report) -> Section:
    told = Paragraph(
        line(
            "Each arrow is one step that used what stands above it and made what stands below. "
            "The whole chain is as sure as its weakest step: ",
            Span(report.assurance.label, Tone.STRONG),
            ".",
        )
    )
    return Section(
        "lineage", "Where it comes from", (told, lineage_figure(report), *_edges(report))
    )


def _edges(report: Report) -> Iterator[Block]:
    if not report.lineage.edges:
        yield Paragraph((missing("Known only by claim: no step is recorded here."),))
        return
    columns = (Column("Made"), Column("From"), Column("By"), Column("Assurance"))
    rows = []
    for edge in report.lineage.edges:
        child = report.lineage.node(edge.child)
        place = child.artifact.imported_from or NOT_RECORDED
        parent = report.lineage.node(edge.parent).name if edge.parent else f"outside: {place}"
        by = edge.step_name or "registration"
        rows.append((cell(child.name), cell(parent), cell(by), cell(assurance(edge))))
    yield Table("Every edge, latest first", columns, tuple(rows))


def _quality(report: Report) -> Section:
    blocks = (*_sizes(report), *plot_figures(report), *_evaluations(report))
    return Section("quality", "Quality and size along the chain", blocks)


def _sizes(report: Report) -> Iterator[Block]:
    chain = sorted((n.artifact for n in report.lineage.nodes), key=lambda one: one.sequence or 0)
    names = ("Size of all files", "Parameters", "Not zero")
    yield Table(
        "Size along the chain, oldest first",
        (Column("Artifact"), *(Column(name, is_number=True) for name in names)),
        tuple(
            (
                cell(one.name),
                cell(None if one.size is None else bytes_text(one.size)),
                cell(number(one.parameter_count)),
                cell(number(one.nonzero_parameter_count)),
            )
            for one in chain
        ),
    )


def _evaluations(report: Report) -> Iterator[Block]:
    if not report.evaluations:
        words = "No evaluation of any artifact of this chain is recorded here."
        yield Paragraph((missing(words),))
    by_data: dict[str, list[Evaluation]] = {}
    for found in report.evaluations:
        by_data.setdefault(found.dataset_digest, []).append(found)
    for group in by_data.values():
        for first in range(0, len(group), _MOST_COLUMNS):
            yield _measurements(group[first : first + _MOST_COLUMNS])
    for how in report.settings:
        of = f"Parameters of {how.step} for {', '.join(how.artifacts)}"
        yield settings_table(of, how.parameters)


def _measurements(group: Sequence[Evaluation]) -> Table:
    """A column for each evaluation, a row for each metric."""
    metrics = dict.fromkeys(one.name for found in group for one in found.measurements)
    columns = (Column(found.artifact.name, is_number=True) for found in group)
    rows: list[tuple[Cell, ...]] = []
    for metric in metrics:
        values = ([quantity(m) for m in f.measurements if m.name == metric] for f in group)
        rows.append((cell(metric), *(cell(*value) if value else cell("-") for value in values)))
    if any(found.compared_with for found in group):
        rows.append((cell("compared with"), *(cell(f.compared_with or "-") for f in group)))
    caption = f"Evaluations on {group[0].dataset}, sha256:{group[0].dataset_digest}"
    return Table(caption, (Column("Metric"), *columns), tuple(rows))


def _licences(report: Report) -> Section:
    columns = (Column("What"), Column("Licence"), Column("Source"))
    rows = (
        (
            cell(line(one.what, Span(f" ({one.of})", Tone.QUIET))),
            cell(one.license),
            _place(one.source),
        )
        for one in report.licences
    )
    table = Table("Artifacts first, then the data that was used", columns, tuple(rows))
    return Section("licences", "Licences along the chain", (table,))


def _place(source: str | None) -> Cell:
    return cell(source or "-")


def _environments(report: Report) -> Section:
    tables = tuple(_machine(one, n) for n, one in enumerate(report.machines, start=1))
    none = Paragraph((missing("No environment is recorded here."),))
    return Section("environments", "Environments", tables or (none,))


def _machine(machine: Machine, place: int) -> Table:
    rows = [(cell("Description"), cell(code(machine.iri)))]
    rows += [(cell(fact.name), cell(", ".join(fact.values))) for fact in machine.facts]
    return Table(f"Environment {place}", (), tuple(rows), f"machine-{place}")


# ------------------------------------------------------------------------- what surrounds the chain


def _changes(report: Report) -> Section:
    columns = (
        *(Column("When"), Column("What"), Column("In particular"), Column("By")),
        Column("Journal", is_number=True),
    )
    rows = tuple(
        (
            *(cell(moment(one.at)), cell(kind(one.kind)), cell(one.what)),
            *(cell(who(one.agent, report.people)), cell(number(one.sequence))),
        )
        for one in report.changes[-_MOST_ROWS:]
    )
    left_out = _left_out(len(report.changes), "the latest")
    table = Table(f"In the journal's order{left_out}", columns, rows)
    none = Paragraph(line("Nothing is recorded of it since it was made."))
    return Section("changes", "What happened to it since", (table if rows else none,))


def _integrity(report: Report) -> Section:
    head = cell(code(report.head) if report.head else None)
    rows = [(cell("Journal entries"), cell(number(report.entries))), (cell("Head"), head)]
    checked = report.verification
    if checked is not None:
        rows.append((cell("Merkle root when it was verified"), cell(code(checked.root))))
    state = Table(
        "What this report tells of: compare the head with the one that you keep elsewhere",
        (),
        tuple(rows),
    )
    return Section("integrity", "Integrity", (*_checks(checked), state))


def _checks(checked: Verification | None) -> Iterator[Block]:
    if checked is None:
        words = (
            "Bytes, records and journal were not verified for this report: run pressmark verify."
        )
        yield Paragraph((missing(words),))
        return
    columns = (Column("Check"), Column("Examined", is_number=True), Column("Result"))
    rows = ((cell(one.name), cell(number(one.examined)), _result(one)) for one in checked.checks)
    yield Table("Verified while this report was made", columns, tuple(rows))


def _result(result: CheckResult) -> Cell:
    if result.ok:
        return cell(Span("✓ nothing wrong", Tone.GOOD))
    wrong = Span(f"✗ {len(result.findings)} wrong", Tone.BAD)
    left_out = _left_out(len(result.findings), "the first").strip(", ")
    told = (line(f"{one.place}: {one.problem}") for one in result.findings[:_MOST_ROWS])
    return cell(wrong, *told, left_out)


def _left_out(count: int, which: str) -> str:
    return f", {which} {_MOST_ROWS} of {count:,}" if count > _MOST_ROWS else ""


def _dependents(report: Report) -> Section:
    columns = (Column("Artifact"), Column("Kind"), Column("Status"), Column("Aliases"))
    rows = tuple(
        (
            cell(one.name, code(one.iri)),
            cell(kind(one.kind)),
            cell(one.status),
            cell(one.aliases or "-"),
        )
        for one in report.dependents[:_MOST_ROWS]
    )
    left_out = _left_out(len(report.dependents), "the oldest")
    made = f"Artifacts that were made from it, directly or through others{left_out}"
    table = Table(made, columns, rows)
    none = Paragraph(line("Nothing here was made from it."))
    return Section("dependents", "What depends on it", (table if rows else none,))


def _queries(report: Report) -> Section:
    told = Paragraph(
        line(
            "Nothing above has to be believed: these SPARQL queries give the same rows, from this "
            "registry by the command, or from any store that holds its bundles and treats the "
            "union of the named graphs as the default graph."
        )
    )
    parts = tuple(
        Section(
            f"query-{one.name}",
            one.name,
            (
                Paragraph(line(one.question)),
                Listing("bash", one.command),
                Listing("sparql", one.sparql.strip()),
            ),
        )
        for one in report.queries
    )
    return Section("queries", "Ask again", (told,), parts)
