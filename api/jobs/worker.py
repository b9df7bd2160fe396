"""A worker process: takes jobs from the queue and does them, until its server is gone.

It is told by one line of JSON at its standard input where to work, and ends with everything it
started as soon as that input ends: the kernel closes it when the server dies, however it dies. The
token in that line is known to nobody else and worth nothing after the server's end.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pressmark.api.jobs.execution import Workbench

_PAUSE: Final = 0.2
#: Seconds that a server may be too busy to commit before a run fails. A dead one ends the worker.
_PATIENCE: Final = 600.0


@dataclass(frozen=True)
class Assignment:
    """Where a worker works.

    Attributes:
        root: The registry's folder.
        url: The server that commits.
        token: What the server knows its workers by.
        workers: How many share this machine's processors.
    """

    root: str
    url: str
    token: str
    workers: int


def main() -> None:
    """Works until standard input ends."""
    assignment = Assignment(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_server, daemon=True).start()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(name)s: %(message)s")
    work(assignment)


def work(assignment: Assignment) -> None:
    """Does one job after another."""
    from pressmark.api.jobs.queue import JobQueue

    queue = JobQueue(Path(assignment.root), lambda identifier: _bench(assignment).do(identifier))
    while True:
        if not queue.work_once():
            time.sleep(_PAUSE)


@cache
def _bench(assignment: Assignment) -> "Workbench":
    """What jobs are done with; torch is imported with the first job, not before."""
    from pressmark.api.committer import ServerCommitter
    from pressmark.api.jobs.execution import Workbench
    from pressmark.api.jobs.store import Jobs
    from pressmark.api.service.database import FILE_NAME, Database
    from pressmark.registry.registry import Registry

    root = Path(assignment.root)
    committer = ServerCommitter(assignment.url, assignment.token, _PATIENCE)
    registry = Registry.open(root, committer=committer, wait=60)
    threads = max(1, len(os.sched_getaffinity(0)) // assignment.workers)
    return Workbench(registry, Jobs(Database(root / FILE_NAME)), threads)


def _end_with_server() -> None:
    sys.stdin.buffer.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)  # what it started, such as a re-run, ends with it


if __name__ == "__main__":
    main()
