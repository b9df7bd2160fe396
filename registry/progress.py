"""How long work tells that it is going on; who shows it, and how, is up to the caller."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Follows a loop."""

    def track(
        self, iterable: Iterable[T], total: int | None = None, label: str = ""
    ) -> Iterator[T]:
        """Yield the items, and show how many of `total` are done."""


class Silent:
    """Shows nothing."""

    def track(
        self,
        iterable: Iterable[T],
        total: int | None = None,  # noqa: ARG002
        label: str = "",  # noqa: ARG002
    ) -> Iterator[T]:
        """Yield the items."""
        yield from iterable


SILENT: Final = Silent()
"""The progress of who does not want to be told."""
