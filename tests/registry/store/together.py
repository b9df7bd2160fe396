"""Commits that come at the same time, and so share a group; for tests and their processes."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from pressmark.registry import faults
from pressmark.registry.faults import FaultPoint
from pressmark.registry.record import Record
from pressmark.registry.registry import Receipt, Registry

Hook = Callable[[FaultPoint], None]


def commit_together(
    registry: Registry, first: Record, others: Sequence[Record], hook: Hook = lambda _: None
) -> list[Future[Receipt]]:
    """Hold the first commit before the journal until the others wait, in their order, behind it.

    Args:
        registry: Where; in a session.
        first: The record that is held.
        others: Those that are committed in a group after it.
        hook: Called at each fault point that is passed after the first record was let go.

    Returns:
        The receipt of each, or its refusal; the first one's first.
    """
    is_held, may_go = threading.Event(), threading.Event()

    def hold(point: FaultPoint) -> None:
        if may_go.is_set():
            hook(point)
        elif point == FaultPoint.BEFORE_JOURNAL:
            is_held.set()
            assert may_go.wait(60)

    faults.hook = hold
    try:
        with ThreadPoolExecutor(1 + len(others)) as threads:
            found = [threads.submit(registry.commit, first)]
            assert is_held.wait(60)
            for place, record in enumerate(others, start=2):
                found.append(threads.submit(registry.commit, record))
                until(lambda place=place: len(registry._group._waiting) == place)
            may_go.set()
        return found
    finally:
        may_go.set()
        faults.hook = None


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.001)
