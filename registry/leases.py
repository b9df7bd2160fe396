"""The lock that keeps garbage collection away from commits in flight.

Between storing a blob and journalling the record that names it, nothing points at the blob. Who
stores holds the lock *shared* for that time, so any number of commits run side by side; who
removes holds it *exclusively*. The lock is the kernel's (``flock``): it ends with its process,
however that dies.

Somebody is almost always storing in a busy registry, so who wants to remove would wait for ever.
Both kinds therefore pass a *turnstile*, a second lock: storing holds it for a moment, removing for
the whole time, so nobody new comes in while the collector waits for the others to leave.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pressmark.registry.errors import StoreLockedError

_POLL_SECONDS: Final = 0.02


class Lease:
    """A shared or exclusive hold on one lock file.

    Args:
        path: The lock file, on a local disk; None where nothing is to be locked.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._guard = threading.Lock()
        if path is not None and os.access(path.parent, os.W_OK):
            for lock in (path, _turnstile(path)):
                lock.touch()
        self._holders = 0
        self._descriptor = -1

    @property
    def is_real(self) -> bool:
        """Whether there is a lock file at all."""
        return self._path is not None

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Keep collectors out. Nests, and threads share it; waits while one is collecting."""
        self._acquire()
        try:
            yield
        finally:
            self._release()

    @contextmanager
    def exclusive(self, wait: float) -> Iterator[None]:
        """Wait until nobody is storing, and keep them waiting.

        Args:
            wait: Seconds after which to give up.

        Raises:
            StoreLockedError: Somebody was still storing when the time was over.
        """
        if self._path is None:
            yield
            return
        deadline = time.monotonic() + wait
        with _opened(_turnstile(self._path)) as turnstile, _opened(self._path) as descriptor:
            _lock_exclusively(turnstile, self._path, deadline)
            _lock_exclusively(descriptor, self._path, deadline)
            yield

    def _acquire(self) -> None:
        with self._guard:
            if self._holders == 0 and self._path is not None:
                with _opened(_turnstile(self._path)) as turnstile:
                    fcntl.flock(turnstile, fcntl.LOCK_SH)
                    self._descriptor = _open(self._path)
                    fcntl.flock(self._descriptor, fcntl.LOCK_SH)
            self._holders += 1

    def _release(self) -> None:
        with self._guard:
            self._holders -= 1
            if self._holders == 0 and self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:  # on a read-only medium the lock of an existing file still works
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = _open(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _turnstile(path: Path) -> Path:
    return path.with_name(f"{path.name}.turnstile")


def _lock_exclusively(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StoreLockedError(
                    f"somebody is still storing blobs (lock {path})",
                    "wait for the running commits or imports to finish, then try again",
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return
