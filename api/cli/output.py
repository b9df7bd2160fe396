"""What commands print: JSON for programs, rich text for people, errors without tracebacks.

Results go to standard output and everything else (progress, hints, errors) to standard error, so
that `pressmark ls --json | jq` always reads clean JSON.

An error is two clauses in lower case without a full stop: what is wrong after `error:`, and the
next thing to try after `try:`.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

from pressmark.api.plain import plain
from pressmark.compression.errors import RecipeError
from pressmark.registry.errors import PressmarkError

WIDE = 10_000
"""Columns where there is no terminal: a pipe or a file should not cut cells."""

stdout = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)

UNITS = ("B", "kB", "MB", "GB", "TB")
ASSURANCE_STYLES = {
    "refuted": "bold red",
    "retired": "red",
    "none": "yellow",
    "unverified": "yellow",
    "checked": "green",
    "reproduced": "bold green",
    "declared": "yellow",
    "executed": "green",
}


Cell: TypeAlias = str | int | float | bool


def print_json(value: object) -> None:
    """Write one JSON document to standard output."""
    print(json.dumps(plain(value), indent=2, ensure_ascii=False))


def print_error(error: PressmarkError, *, as_json: bool = False) -> None:
    """Write what happened and what to do next to standard error."""
    if as_json:
        problem = _problem(error)
        if isinstance(error, RecipeError) and error.problems:
            problem["problems"] = [{**_problem(one), "line": one.line} for one in error.problems]
        print(json.dumps(problem), file=stderr.file)
        return
    stderr.print(f"[bold red]error:[/] {escape(error.message)}")
    stderr.print(f"[bold]try:[/]   {escape(error.hint)}")


def _problem(error: PressmarkError) -> dict[str, Any]:
    return {"error": type(error).__name__, "message": error.message, "hint": error.hint}


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Print a table; columns whose name starts with `>` are right-aligned."""
    shown = Table(
        title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold"
    )
    for column in columns:
        # Folded where a terminal is narrow: half a digest is of no use.
        justify: JustifyMethod = "right" if column.startswith(">") else "left"
        shown.add_column(column.lstrip(">"), justify=justify, overflow="fold")
    for row in rows:
        shown.add_row(*(styled(cell) for cell in row))
    stdout.print(shown)


def styled(cell: object) -> str:
    """A cell's text; words of assurance carry their colour, everything else is escaped."""
    text = "" if cell is None else str(plain(cell))
    words = text.split(", ")
    if not all(word in ASSURANCE_STYLES for word in words):
        return escape(text)
    return ", ".join(f"[{ASSURANCE_STYLES[word]}]{word}[/]" for word in words)


def human_bytes(count: float | None) -> str:
    """A byte count in decimal units, three figures: 536.2 MB."""
    if count is None:
        return ""
    size = float(count)
    for unit in UNITS:
        if size < 1000 or unit == UNITS[-1]:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("the last unit always returns")


def human_seconds(seconds: float | None) -> str:
    """A duration that a person reads at a glance: 3.2 s, 4 min 10 s."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def estimated_seconds(seconds: float) -> str:
    """A duration that nobody has measured: no more exact than it can be."""
    return "< 1 s" if seconds < 1 else human_seconds(seconds)
