"""How long work tells that it is going on; who shows it, and how, is up to the caller."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

T = TypeVar("T")


MEGABYTE: Final = 1_000_000
"""The unit in which bytes are counted: fine enough for a file that takes two seconds."""


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


class Counter:
    """Is called whenever a part of some work is done.

    Args:
        parts: A loop that shows them.
        unit: How much makes one round of the loop.
    """

    def __init__(self, parts: Iterator[int], unit: int) -> None:
        self._parts = parts
        self._unit = unit
        self._done = 0

    def __call__(self, amount: int = 1) -> None:
        """Count what is done now."""
        rounds = (self._done + amount) // self._unit - self._done // self._unit
        self._done += amount
        for _ in range(rounds):
            next(self._parts, None)


@contextmanager
def counting(progress: Progress, total: int, label: str, unit: int = 1) -> Iterator[Counter]:
    """Follow work that is no loop: what is given is called whenever a part of it is done.

    Args:
        progress: Where it is shown.
        total: How much there is to do; counting more or less does no harm.
        label: What is done.
        unit: How much of it is worth showing: bytes are shown by the million.
    """
    rounds = -(-total // unit)
    parts = iter(progress.track(range(rounds), rounds, label))
    next(parts, None)
    try:
        yield Counter(parts, unit)
        for _ in parts:
            pass
    finally:
        if isinstance(parts, Generator):
            parts.close()  # else a bar would stand beside the error that ended the work
