"""Progress without a terminal: silent, as plain lines, and kept in a step's log.

The command line brings bars of its own; anything that has `track` and `log` will do.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO, TypeVar

from pressmark.compression.step import Progress

T = TypeVar("T")

INTERVAL: Final = 2.0
"""Seconds of silence that a waiting person is asked to bear."""


class NullProgress:
    """Says nothing."""

    def track(
        self, iterable: Iterable[T], total: int | None = None, label: str = ""
    ) -> Iterator[T]:
        """Yields the items."""
        del total, label
        yield from iterable

    def log(self, text: str) -> None:
        """Drops the line."""


class TextProgress:
    """Writes plain lines: one at most every two seconds for each loop.

    Args:
        stream: Where to; standard error if None.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr

    def track(
        self, iterable: Iterable[T], total: int | None = None, label: str = ""
    ) -> Iterator[T]:
        """Yields the items, and says how many are done and how long the rest will take."""
        started = said = time.monotonic()
        done = told = 0
        for done, item in enumerate(iterable, start=1):
            yield item
            now = time.monotonic()
            if now - said >= INTERVAL and done != total:
                said, told = now, done
                self.log(_line(label, done, total, now - started))
        if 0 < told < done:
            self.log(f"{label or 'working'}: {done} after {time.monotonic() - started:.0f} s")

    def log(self, text: str) -> None:
        """Writes the line."""
        self.stream.write(f"{text}\n")
        self.stream.flush()


def _line(label: str, done: int, total: int | None, elapsed: float) -> str:
    name = label or "working"
    if not total:
        return f"{name}: {done} after {elapsed:.0f} s"
    left = elapsed / done * (total - done)
    return f"{name}: {done} of {total}, {left:.0f} s left"


class StepLog(logging.Handler):
    """Keeps what a step says in a file: its own lines and the log records of the libraries it uses.

    Everything is passed on to the progress around it. Use as a context manager.

    Args:
        path: The log file, made new.
        around: Where a person watches.
    """

    def __init__(self, path: Path, around: Progress) -> None:
        super().__init__(logging.INFO)
        self.path = path
        self._around = around
        self._file = path.open("w", encoding="utf-8")

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        logging.getLogger().removeHandler(self)
        self._file.close()
        self.close()

    def track(
        self, iterable: Iterable[T], total: int | None = None, label: str = ""
    ) -> Iterator[T]:
        """Yields the items, and notes when the loop ended and how many there were."""
        done = 0
        started = time.monotonic()
        for item in self._around.track(iterable, total, label):
            yield item
            done += 1
        self.keep(f"{label or 'loop'}: {done} in {time.monotonic() - started:.3f} s")

    def log(self, text: str) -> None:
        """Keeps the line and passes it on."""
        self.keep(text)
        self._around.log(text)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a library's log record."""
        self.keep(f"{record.name}: {record.levelname}: {record.getMessage()}")

    def keep(self, text: str) -> None:
        """Keeps the line and tells nobody."""
        self._file.write(f"{text}\n")
        self._file.flush()
