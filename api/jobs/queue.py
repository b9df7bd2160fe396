"""The queue of jobs: huey on SQLite, which wakes the next worker that is idle.

It holds identifiers alone, and may hold one twice or lose one: what is to be done follows from the
jobs' own rows (`pressmark.api.jobs.store`), and the server puts back what is missing.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from huey import SqliteHuey

#: Its file in the registry's folder.
FILE_NAME: Final = "jobs.db"


def _not_here(identifier: str) -> None:
    raise AssertionError(f"job {identifier} was taken by a process that does none")


class JobQueue:
    """A queue of identifiers. Any number of processes may use it.

    Args:
        root: The registry's folder.
        work: What a worker does with an identifier.
    """

    def __init__(self, root: Path, work: Callable[[str], None] = _not_here) -> None:
        path = root / FILE_NAME
        path.touch(mode=0o600)
        self._huey = SqliteHuey("jobs", filename=str(path), results=False, timeout=30)

        # A function of this module, whoever makes the queue: huey names tasks by module and name.
        def perform(identifier: str) -> None:
            work(identifier)

        self._work = self._huey.task()(perform)

    def put(self, identifiers: Iterable[str], *, first: bool = False) -> None:
        """Adds jobs, before all others or at the end."""
        for identifier in identifiers:
            self._huey.enqueue(self._work.s(identifier, priority=int(first)))

    def work_once(self) -> bool:
        """Takes the first job, if there is one, and does it in this thread."""
        task = self._huey.dequeue()
        if task is not None:
            self._huey.execute(task)
        return task is not None

    def waiting(self) -> set[str]:
        """The jobs that no worker has taken."""
        return {task.args[0] for task in self._huey.pending()}

    def close(self) -> None:
        """Closes this thread's connection."""
        self._huey.storage.close()
