"""The folder of a running run, and how others tell that it is running.

Each run works in `REGISTRY/runs/RUN/` and holds a lock there. The kernel drops the lock when the
process dies, however it dies: a run that was opened, not closed, and whose lock nobody holds was
interrupted. What an interrupted run left is removed by the next one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, Literal

from pyoxigraph import NamedNode

from pressmark.ontology.terms import PM
from pressmark.registry.errors import NotFoundError, StoreLockedError
from pressmark.registry.locking import FileLock
from pressmark.registry.registry import Registry

RunState = Literal["running", "interrupted", "succeeded", "failed", "aborted"]

FOLDER: Final = "runs"
UNFINISHED: Final = "unfinished"
_MONTH: Final = 30 * 24 * 3600.0
_LOCK: Final = "lock"
_GATE: Final = "runs.lock"
_GATE_SECONDS: Final = 60.0
_OUTCOMES: Final[dict[str, RunState]] = {
    PM.succeeded.value: "succeeded",
    PM.failed.value: "failed",
    PM.aborted.value: "aborted",
}


def discard(folder: Path) -> None:
    """Removes a working folder, if it is there."""
    if folder.exists():
        shutil.rmtree(folder)


@contextmanager
def working_folder(registry: Registry, run: NamedNode) -> Iterator[Path]:
    """The run's own folder, locked while the block runs and removed after it."""
    folder = _folder(registry, run)
    lock = FileLock(folder / _LOCK)
    # One at a time: else a folder that is not locked yet would be taken for a dead run's.
    gate = FileLock(registry.root / _GATE)
    if not gate.acquire(wait=_GATE_SECONDS):
        raise StoreLockedError(f"another run is starting in {registry.root}", "try again")
    try:
        _sweep(folder.parent)
        folder.mkdir(parents=True)
        lock.acquire()
    finally:
        gate.release()
    lock.path.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
    try:
        yield folder
    finally:
        discard(folder)
        lock.release()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Puts Ctrl-C off until the block has ended: finished work is recorded before a run stops.

    A second Ctrl-C is not put off. Other threads than the main one are never interrupted anyway.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1:
            signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt


def unfinished(registry: Registry, key: str) -> Path:
    """Where a step leaves what it can go on from, by the digest of all that it depends on.

    What nobody went on with for a month is removed.
    """
    folder = registry.root / UNFINISHED
    oldest = time.time() - _MONTH
    for left in folder.iterdir() if folder.exists() else ():
        if left.name != key and left.stat().st_mtime < oldest:
            discard(left)
    return folder / key


def run_state(registry: Registry, run: NamedNode) -> RunState:
    """Whether a run is running, was interrupted, or how it ended.

    Raises:
        NotFoundError: There is no such run.
    """
    rows = registry.rows("run_identity", run=run)
    if not rows:
        raise NotFoundError(f"{run.value} is no run of this registry", "pressmark ls --runs")
    if "outcome" in rows[0]:
        return _OUTCOMES[rows[0]["outcome"].value]
    return "running" if is_running(registry, run) else "interrupted"


def is_running(registry: Registry, run: NamedNode) -> bool:
    """Whether a process of this machine is executing a run now."""
    return _is_held(_folder(registry, run))


def _folder(registry: Registry, run: NamedNode) -> Path:
    return registry.root / FOLDER / run.value.removeprefix("urn:uuid:")


def _is_held(folder: Path) -> bool:
    if not (folder / _LOCK).exists():
        return False
    lock = FileLock(folder / _LOCK)
    if lock.acquire():
        lock.release()
        return False
    return True


def _sweep(folder: Path) -> None:
    """Removes what dead runs left."""
    for left in folder.iterdir() if folder.exists() else ():
        if not _is_held(left):
            discard(left)
