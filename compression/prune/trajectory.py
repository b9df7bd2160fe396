"""The steps of a search, kept in a file as they are made, so that a broken-off search goes on.

One JSON object a line: what was cut, the loss after it, and how far the runner-up was. A line that
a crash left unfinished is no step. The trajectory of a step without thresholds that depend on the
target is nested: a smaller target is a shorter trajectory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

from pressmark.compression.prune.search import Pick

FILE_NAME: Final = "trajectory.jsonl"


class Trajectory:
    """The picks of a search, in order.

    Args:
        file: Where they are kept.
    """

    def __init__(self, file: Path) -> None:
        self.file: Final = file
        self.picks: Final = list(_read(file))
        self._rewrite()  # without what a crash left unfinished

    def append(self, pick: Pick) -> None:
        """Keeps a pick; it is on the disk when this returns."""
        self.picks.append(pick)
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(_line(pick))
            stream.flush()
            os.fsync(stream.fileno())

    def _rewrite(self) -> None:
        self.file.write_text("".join(map(_line, self.picks)), encoding="utf-8")


def _line(pick: Pick) -> str:
    return json.dumps(asdict(pick)) + "\n"


def _read(file: Path) -> Iterator[Pick]:
    if not file.exists():
        return
    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield Pick(**json.loads(line))
