"""Progress bars with the time left, for everything that takes longer than two seconds."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pressmark.api.cli.output import stderr

Item = TypeVar("Item")


class RichProgress:
    """The `Progress` that steps report to, drawn on standard error.

    On a terminal a bar moves; elsewhere each `log` line is printed once.
    """

    def track(
        self, iterable: Iterable[Item], total: int | None = None, label: str = ""
    ) -> Iterator[Item]:
        """Yield the items while a bar labelled `label` counts them."""
        if not stderr.is_terminal:
            yield from iterable
            return
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(show_speed=True),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=stderr, transient=True) as progress:
            yield from progress.track(iterable, total=total, description=label)

    def log(self, text: str) -> None:
        """Print one line."""
        stderr.print(f"  {text}", markup=False)
