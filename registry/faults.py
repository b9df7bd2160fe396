"""Named places where a crash is worth trying.

`reached` is called before and after each write of a commit. Outside of tests nobody listens and
it costs one comparison. The crash tests set `hook` in a process of their own and kill it there.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class FaultPoint(StrEnum):
    """The places, in the order in which a commit passes them."""

    BEFORE_FILES = "before the files are stored"
    AFTER_FILES = "after the files were stored"
    BEFORE_BUNDLE = "before the bundle is stored"
    AFTER_BUNDLE = "after the bundle was stored"
    BEFORE_JOURNAL = "before the journal entry is appended"
    AFTER_JOURNAL = "after the journal entry was appended"
    BEFORE_GRAPH = "before the graph is extended"
    AFTER_GRAPH = "after the graph was extended"
    BEFORE_SNAPSHOT = "before the snapshot for readers is published"
    AFTER_SNAPSHOT = "after the snapshot for readers was published"


#: Called with each point as it is reached; None, outside of tests.
hook: Callable[[FaultPoint], None] | None = None


def reached(point: FaultPoint) -> None:
    """Tells the hook, if there is one, that a point was reached."""
    if hook is not None:
        hook(point)
