"""How results look in a terminal."""

from collections.abc import Iterable, Mapping, Sequence

from pyoxigraph import NamedNode
from rich.markup import escape
from rich.tree import Tree

from pressmark.api.cli.numbers import human_number, print_hidden
from pressmark.api.cli.output import (
    Cell,
    human_bytes,
    human_seconds,
    stdout,
    styled,
    table,
)
from pressmark.api.iris import short_iri
from pressmark.api.telling import chosen
from pressmark.registry.facts import ArtifactSummary, scalar, short_id
from pressmark.registry.graph import Row
from pressmark.registry.lineage import Lineage, chain_assurance
from pressmark.registry.occurrences import Measurement
from pressmark.registry.views import ActivityView, ArtifactView, WhereView


def artifacts(found: Sequence[ArtifactSummary], assurances: Mapping[NamedNode, str]) -> None:
    """A list of artifacts with how sure each one's history is."""
    rows = [
        (
            one.name,
            short_id(one.iri),
            one.kind_name,
            human_bytes(one.size),
            one.license or "",
            _standing(one, assurances[one.iri]),
            " ".join((*one.aliases, *(f"#{tag}" for tag in one.tags))),
            (one.generated_at or "")[:19].replace("T", " "),
        )
        for one in found
    ]
    columns = (
        "name",
        "id",
        "kind",
        ">size",
        "license",
        "assurance",
        "aliases, #tags",
        "made (UTC)",
    )
    table(columns, rows)


def _standing(one: ArtifactSummary, label: str) -> str:
    """How sure its history is, and that it is retired if it is."""
    return f"retired, {label}" if one.retired else label


def runs(rows: Sequence[Row]) -> None:
    """Runs with how far they got."""
    columns = ("run", "startedAt", "recipeName", "status", "steps")
    table(columns, [[cell(row, column) for column in columns] for row in rows])


def artifact(view: ArtifactView, assurance: str, *, everything: bool = False) -> None:
    """What is known of an artifact: of what was measured the telling numbers, or everything."""
    summary = view.summary
    facts = {
        "artifact": view.iri.value,
        "kind": summary.kind_name,
        "status": summary.status + (f": {view.retired_because}" if view.retired_because else ""),
        "assurance": assurance,
        "license": summary.license,
        "line": summary.line,
        "imported from": summary.imported_from,
        "revision": summary.source_revision,
        "made": summary.generated_at,
        "size": human_bytes(summary.size),
        "parameters": _counted(summary),
        "aliases": " ".join(summary.aliases),
        "tags": " ".join(summary.tags),
        "content": summary.content,
    }
    stdout.print(f"[bold]{escape(view.name)}[/]")
    table(("", ""), [(key, value) for key, value in facts.items() if value])
    if view.made_by:
        activity(view.made_by, everything=everything)
    for evaluation in view.evaluations:
        stdout.print(f"\n[bold]evaluated on {escape(evaluation.dataset)}[/]")
        _print_numbers(evaluation.measurements, everything=everything)
    stdout.print()
    files = [(file.name, human_bytes(file.size), file.sha256) for file in view.files]
    table(("file", ">size", "sha256"), files)
    if view.reports:
        stdout.print()
        kept = [(r.generated_at[:19], r.media_type, r.integrity, r.iri.value) for r in view.reports]
        table(("report of (UTC)", "format", "integrity", "kept as"), kept)


def _counted(summary: ArtifactSummary) -> str:
    """How many parameters there are, and how many of them are not zero."""
    if summary.parameter_count is None:
        return ""
    count, nonzero = summary.parameter_count, summary.nonzero_parameter_count
    return f"{count:,}" + ("" if nonzero is None else f", {nonzero:,} not zero")


def activity(view: ActivityView, *, everything: bool = False) -> None:
    """How something was made."""
    cost = ", ".join(
        part
        for part in (
            human_seconds(view.wall_seconds),
            f"peak {human_bytes(view.peak_memory_bytes)}",
        )
        if part and view.wall_seconds is not None
    )
    stdout.print(f"\n[bold]made by {escape(view.step or view.kind)}[/] {view.outcome} {cost}")
    for name, value in view.parameters.items():
        stdout.print(f"  {name} = {value}", markup=False)
    _print_numbers(view.measurements, everything=everything)
    for used in view.usages:
        stdout.print(
            f"  used as {used.role.removesuffix('Role')}: "
            f"{used.name} {short_iri(used.entity.value)}".rstrip(),
            markup=False,
        )
    if view.error:
        stdout.print(f"  {view.error}", markup=False, style="red")


def whereabouts(found: WhereView, lineages: Iterable[Lineage]) -> None:
    """What a file is: the artifacts it belongs to, each with its way back to the base model.

    Args:
        found: What is known of the file.
        lineages: The ancestors of each of its artifacts, in their order.
    """
    stdout.print(f"{found.path}  sha256 {found.sha256}", markup=False)
    for other in found.other:
        stdout.print(f"  {other}", markup=False)
    for one, lineage in zip(found.artifacts, lineages, strict=True):
        chain = chain_assurance(lineage.edges)
        names = [one.name, *_parents(lineage).values()]
        what = f"{one.kind_name}, {one.status}, {styled(chain.label)}"
        stdout.print(f"\n[bold]{escape(one.name)}[/] {short_id(one.iri)}  {what}")
        stdout.print("  " + escape(" <- ".join(names)))
        if one.aliases:
            stdout.print(f"  alias {' '.join(one.aliases)}")
    if not found.artifacts and not found.other:
        stdout.print("  unknown: no record of this registry names these bytes")


def _parents(found: Lineage) -> dict[NamedNode, str]:
    """The names of what an artifact was made from, nearest first."""
    parents = (edge.parent for edge in found.edges)
    return {iri: found.node(iri).name for iri in parents if iri is not None}


def tree(found: Lineage, *, down: bool) -> None:
    """A lineage as a tree: the artifact first, its parents (or children) below."""
    top = Tree(_node_text(found, found.root), guide_style="dim")
    _grow(top, found, found.root, down=down)
    stdout.print(top)


def _grow(branch: Tree, found: Lineage, iri: NamedNode, *, down: bool) -> None:
    for edge in found.to_children(iri) if down else found.to_parents(iri):
        following = edge.child if down else edge.parent
        label = f"[dim]{escape(edge.step_name or 'registered')}[/] {styled(edge.label)}"
        if following is None:
            source = found.node(iri).artifact.imported_from or "outside"
            branch.add(f"{label}  from {escape(source)}")
            continue
        _grow(branch.add(f"{label}  {_node_text(found, following)}"), found, following, down=down)


def _node_text(found: Lineage, iri: NamedNode) -> str:
    one = found.node(iri).artifact
    retired = " [red]retired[/]" if one.retired else ""
    aliases = f" [cyan]{escape(' '.join(one.aliases))}[/]" if one.aliases else ""
    facts = f"{short_id(iri)} {one.kind_name} {human_bytes(one.size)}"
    return f"[bold]{escape(one.name)}[/]{aliases} {facts}{retired}"


def cell(row: Row, column: str, *, full: bool = False) -> Cell:
    """A value of an answer, its IRI shortened unless it is wanted in full."""
    if column not in row:
        return ""
    term = row[column]
    if full or not isinstance(term, NamedNode):
        return scalar(term)
    return short_iri(term.value)


def _print_numbers(measurements: Iterable[Measurement], *, everything: bool) -> None:
    shown, hidden = chosen(measurements, lambda one: one.name, everything=everything)
    for one in shown:
        stdout.print(f"  {one.name}: {human_number(one.value, one.unit)}", markup=False)
    print_hidden(hidden)
