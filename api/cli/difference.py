"""How the difference between two artifacts looks in a terminal."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.markup import escape

from pressmark.api.cli.numbers import human_number, print_hidden
from pressmark.api.cli.output import human_bytes, stdout, styled, table
from pressmark.api.telling import chosen
from pressmark.registry.diff import (
    Difference,
    FileChange,
    MeasurementChange,
    MetricChange,
    Status,
    TensorChange,
)
from pressmark.registry.facts import short_id
from pressmark.registry.lineage import Edge

MOST_TENSORS = 20
"""More changed tensors than this are counted, not listed, unless all are asked for."""


def print_difference(found: Difference, *, everything: bool = False) -> None:
    """Print what two artifacts do not have in common: history, files, tensors, numbers.

    Args:
        found: The difference.
        everything: Whether all numbers and tensors are printed, not the telling ones alone.
    """
    one, other = found.one, found.other
    stdout.print(
        f"[bold]{escape(one.name)}[/] {short_id(one.iri)}  and  "
        f"[bold]{escape(other.name)}[/] {short_id(other.iri)}"
    )
    shared = ", ".join(f"{escape(a.name)} {short_id(a.iri)}" for a in found.ancestors)
    stdout.print(f"nearest common ancestor: {shared or 'none'}")
    for name, branch in ((one.name, found.branch), (other.name, found.other_branch)):
        _print_branch(name, branch)
    sides = (one.name, other.name)
    _print_sides("facts", ("fact",), sides, [(f.name, f.one, f.other) for f in found.facts])
    settings = [(p.step, p.name, p.one, p.other) for p in found.parameters]
    _print_sides("parameters", ("step", "parameter"), sides, settings)
    _print_measured(found, everything=everything)
    _print_metrics(found, everything=everything)
    _print_files(found.files)
    _print_tensors(found, everything=everything)


def _print_sides(
    title: str, keys: tuple[str, ...], sides: tuple[str, str], rows: Sequence[tuple[object, ...]]
) -> None:
    if rows:
        shown = (tuple("-" if cell is None else cell for cell in row) for row in rows)
        table((*keys, *sides), shown, title=f"\n{title}")


def _print_measured(found: Difference, *, everything: bool) -> None:
    rows: list[tuple[object, ...]] = []
    hidden = 0
    for step, changes in groupby(found.measurements, key=lambda change: change.step):
        shown, more = chosen(changes, lambda change: change.metric, everything=everything)
        hidden += more
        rows += [(step, m.metric, _side(m, m.one), _side(m, m.other)) for m in shown]
    sides = (found.one.name, found.other.name)
    _print_sides("measured by the steps", ("step", "metric"), sides, rows)
    print_hidden(hidden)


def _side(change: MeasurementChange | MetricChange, value: float | None) -> str:
    return human_number(value, change.unit)


def _print_metrics(found: Difference, *, everything: bool) -> None:
    """A table for each data set and way of evaluating on it."""
    for data, metrics in groupby(sorted(found.metrics, key=_data), key=_data):
        shown, hidden = chosen(metrics, lambda metric: metric.metric, everything=everything)
        rows = [(m.metric, _side(m, m.one), _side(m, m.other), _change(m)) for m in shown]
        columns = ("metric", f">{found.one.name}", f">{found.other.name}", ">change")
        table(columns, rows, title=f"\nmetrics on {data}")
        print_hidden(hidden)


def _data(metric: MetricChange) -> str:
    """The data and settings, and whom both were compared with if that is not the same."""
    text = f"{metric.dataset} ({metric.settings})" if metric.settings else metric.dataset
    one, other = metric.one_against, metric.other_against
    if one is None or other is None or one == other:
        return text
    return f"{text}, against {short_id(one)} / {short_id(other)}"


def _change(metric: MetricChange) -> str:
    if metric.one is None or metric.other is None:
        return ""
    return f"{metric.other - metric.one:+.4g}"


def _print_branch(name: str, branch: Iterable[Edge]) -> None:
    steps = [f"{edge.step_name or 'registered'} ({edge.label})" for edge in branch]
    if steps:
        stdout.print(f"only in the history of {escape(name)}: {escape(' -> '.join(steps))}")


def _print_files(files: Iterable[FileChange]) -> None:
    rows = [
        (
            file.name,
            styled(str(file.status)),
            human_bytes(file.one.size if file.one else None),
            human_bytes(file.other.size if file.other else None),
        )
        for file in files
    ]
    table(("file", "", ">one", ">other"), rows, title="\nfiles")


def _print_tensors(found: Difference, *, everything: bool) -> None:
    if found.unread:
        stdout.print(f"\ntensors not compared: {found.unread}", markup=False)
        return
    counts = Counter(tensor.status for tensor in found.tensors)
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    stdout.print(f"\ntensors: {told or 'none'}")
    changed = [tensor for tensor in found.tensors if tensor.status != Status.SAME]
    shown = changed if everything else changed[:MOST_TENSORS]
    table(("tensor", "", "one", "other"), [_tensor_row(tensor) for tensor in shown])
    print_hidden(len(changed) - len(shown))


def _tensor_row(tensor: TensorChange) -> tuple[str, ...]:
    sides = [
        f"{side.dtype} {list(side.shape)}" if side else "" for side in (tensor.one, tensor.other)
    ]
    return (tensor.name, str(tensor.status), *sides)
