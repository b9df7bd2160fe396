"""The folder of a job: the texts that came with it, and the lock of the worker that does it.

The kernel drops the lock when the worker dies, however it dies: a job that is not done and that
nobody holds is picked up again.
"""

from pathlib import Path
from typing import Final

from pressmark.registry.locking import FileLock

#: The folder of all jobs' folders, in the registry's.
FOLDER: Final = "jobs"
_FILES: Final = "files"


def nowhere(root: Path) -> Path:
    """An empty folder to work in: a relative path that somebody sent leads to nothing there."""
    folder = root / FOLDER / "nowhere"
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o500, exist_ok=True)
    return folder


def job_folder(root: Path, identifier: str) -> Path:
    """The folder of one job."""
    return root / FOLDER / identifier


def files_folder(root: Path, identifier: str) -> Path:
    """Where the files lie that came with a job: its recipe's relative paths begin here."""
    return job_folder(root, identifier) / _FILES


def job_lock(root: Path, identifier: str) -> FileLock:
    """The lock of whoever does a job."""
    folder = job_folder(root, identifier)
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / "lock")


def is_done_by_somebody(root: Path, identifier: str) -> bool:
    """Whether a worker that lives is doing a job."""
    lock = FileLock(job_folder(root, identifier) / "lock")
    if not lock.path.exists():
        return False
    if lock.acquire():
        lock.release()
        return False
    return True
