"""The server's side of the workers: starts them, replaces those that die, ends them."""

import contextlib
import json
import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Final

from pressmark.api.jobs.folders import is_done_by_somebody, nowhere
from pressmark.api.jobs.jobs import Failure, State
from pressmark.api.jobs.queue import JobQueue
from pressmark.api.jobs.store import Jobs
from pressmark.api.jobs.worker import Assignment

_log = logging.getLogger(__name__)

#: How many workers may die doing one job before it is given up.
PATIENCE: Final = 3
_LOOKING_SECONDS: Final = 0.5
#: How often the queue is compared with the jobs; it only ever lacks one after an accident.
_COUNTING_SECONDS: Final = 5.0
#: A worker that lived no longer than this is not replaced at once: something is wrong with all.
_SHORT_LIFE: Final = 5.0


class Supervisor:
    """Keeps a number of workers alive, and the queue complete.

    Args:
        jobs: The jobs.
        assignment: What each worker is told.
    """

    def __init__(self, jobs: Jobs, assignment: Assignment) -> None:
        self._jobs = jobs
        self._assignment = assignment
        self._root = Path(assignment.root)
        self._queue = JobQueue(self._root)
        self._workers: list[_Worker] = []
        self._counted = -math.inf
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Starts the workers; what was not done when the last server ended goes on."""
        self._put_back()  # before anybody takes what waits: what was begun comes first
        self._workers = [_Worker(self._assignment) for _ in range(self._assignment.workers)]
        self._thread.start()

    def stop(self) -> None:
        """Ends the workers at once: the next server goes on with what they did."""
        self._stopping.set()
        self._thread.join()
        for worker in self._workers:
            worker.end()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except Exception:  # a full disk or a locked database passes; without this, jobs stop
                _log.exception("the workers could not be looked after; trying again")
            self._stopping.wait(_LOOKING_SECONDS)
        self._queue.close()

    def _look(self) -> None:
        if time.monotonic() - self._counted > _COUNTING_SECONDS:
            self._put_back()
        for index, worker in enumerate(self._workers):
            if not worker.is_alive:
                self._replace(index, worker)

    def _put_back(self) -> None:
        """Queues what is neither done, nor being done, nor queued; what was begun comes first."""
        self._counted = time.monotonic()
        waiting = self._queue.waiting()
        lost = {each: state for each, state in self._orphans().items() if each not in waiting}
        for state in (State.RUNNING, State.QUEUED):
            chosen = [each for each in lost if lost[each] is state]
            self._queue.put(chosen, first=state is State.RUNNING)

    def _orphans(self) -> dict[str, State]:
        """The jobs that are not over and that no worker holds, the oldest first."""
        unfinished = self._jobs.unfinished().items()
        return {j: state for j, state in unfinished if not is_done_by_somebody(self._root, j)}

    def _replace(self, index: int, worker: "_Worker") -> None:
        worker.end()
        for identifier, state in self._orphans().items():
            if state is State.RUNNING:
                self._note_death(identifier)
        self._put_back()
        if worker.age < _SHORT_LIFE:
            self._stopping.wait(_SHORT_LIFE)
        if not self._stopping.is_set():
            self._workers[index] = _Worker(self._assignment)

    def _note_death(self, identifier: str) -> None:
        if (deaths := self._jobs.died(identifier)) >= PATIENCE:
            error = Failure(
                "WorkerDied",
                f"{deaths} workers died doing it, one after the other",
                "is there memory enough? the server's log and the system's say more",
            )
            self._jobs.end(identifier, State.FAILED, error=error)


class _Worker:
    """A worker process, the leader of a process group of its own."""

    def __init__(self, assignment: Assignment) -> None:
        self._began = time.monotonic()
        self._popen = subprocess.Popen(
            [sys.executable, "-P", "-m", "pressmark.api.jobs.worker"],
            stdin=subprocess.PIPE,
            cwd=nowhere(Path(assignment.root)),
            start_new_session=True,  # Ctrl-C is for the server, which ends its workers itself
        )
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.write(json.dumps(asdict(assignment)).encode() + b"\n")
            self._popen.stdin.flush()

    @property
    def is_alive(self) -> bool:
        # The dead one is not waited for yet: its number stays its own until `end` has used it.
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._popen.pid, flags) is None

    @property
    def age(self) -> float:
        return time.monotonic() - self._began

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.close()
