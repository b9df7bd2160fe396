"""Rows of the benchmark table, and how they are printed."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One measured figure.

    Attributes:
        what: The thing measured, with its conditions.
        value: The figure as a person reads it, unit included.
        aim: What the project set out to reach, if anything.
        met: Whether the aim is reached; None where there is none.
    """

    what: str
    value: str
    aim: str = ""
    met: bool | None = None


def milliseconds(seconds: float) -> str:
    """A duration in milliseconds, two decimals."""
    return f"{seconds * 1000:.2f} ms"


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def print_rows(title: str, rows: Iterable[Row]) -> list[Row]:
    """Print one section of the table as Markdown, each row as soon as it is known."""
    print(f"\n### {title}\n\n| what | value | aim | met |\n|---|---|---|---|", flush=True)
    return list(_printed(rows))


def _printed(rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        met = "" if row.met is None else ("yes" if row.met else "**no**")
        print(f"| {row.what} | {row.value} | {row.aim} | {met} |", flush=True)
        yield row


def write_json(path: Path, rows: Iterable[Row]) -> None:
    """Keep the figures of one section."""
    path.write_text(json.dumps([asdict(row) for row in rows], indent=2))
