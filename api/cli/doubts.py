"""The warning of commands that use an artifact: something of its lineage is retired or refuted."""

from collections.abc import Iterable

from rich.markup import escape

from pressmark.api.cli.output import stderr
from pressmark.registry.lineage import Lineage, lineage_doubts


def warn(lineages: Iterable[Lineage]) -> None:
    """Say on standard error, in one line, what speaks against using artifacts.

    Args:
        lineages: Their ancestors.
    """
    told = dict.fromkeys(doubt for found in lineages for doubt in lineage_doubts(found))
    if told:
        stderr.print(f"[bold yellow]warning:[/] {escape('; '.join(told))}")
