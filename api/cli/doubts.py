"""The warning of commands that use an artifact: something of its lineage is retired or refuted."""

from collections.abc import Iterable

from pyoxigraph import NamedNode
from rich.markup import escape

from pressmark.api.cli.output import stderr
from pressmark.registry.lineage import doubts
from pressmark.registry.registry import Registry


def warn(registry: Registry, artifacts: Iterable[NamedNode]) -> None:
    """Say on standard error, in one line, what speaks against using these artifacts."""
    told = dict.fromkeys(doubt for artifact in artifacts for doubt in doubts(registry, artifact))
    if told:
        stderr.print(f"[bold yellow]warning:[/] {escape('; '.join(told))}")
