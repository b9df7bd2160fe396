"""Locks between processes: one writer at a time, and snapshots that are in use.

They are ``flock`` locks: they belong to an open file, so the kernel drops them when the process
dies, however it dies, and two handles in one process exclude each other as two processes do.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import shlex
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pressmark.registry.errors import StoreLockedError
from pressmark.registry.ids import utc_now

_POLL_SECONDS = 0.02


class FileLock:
    """A lock on a file, shared or exclusive. It is released when the object is let go of.

    Args:
        path: The file; it is made if missing, unless the folder is read-only.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = None
        self.path = path

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self, *, shared: bool = False, wait: float = 0.0) -> bool:
        """Takes the lock.

        Args:
            shared: Take it together with other sharers.
            wait: Seconds to keep trying; 0 tries once.

        Returns:
            Whether it was taken.
        """
        descriptor = self._open()
        mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return False
                # Waiters that try at random times do not starve each other.
                time.sleep(_POLL_SECONDS * random.random())
            else:
                self._descriptor = descriptor
                return True

    def release(self) -> None:
        """Gives the lock back; does nothing if it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        self.release()

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:  # a registry on a read-only file system can still be read
            return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)


@dataclass(frozen=True)
class Holder:
    """Who writes.

    Attributes:
        process: Process id.
        command: The command line.
        since: When it took the lock, ``xsd:dateTime`` in UTC.
        url: Where it answers requests, if it is a server; clients then commit through it.
    """

    process: int
    command: str
    since: str
    url: str | None = None

    @classmethod
    def this_process(cls, url: str | None) -> Holder:
        """Describes the running process."""
        program, *arguments = sys.argv or ["python"]
        return cls(os.getpid(), shlex.join([Path(program).name, *arguments]), utc_now(), url)


class WriteLock(FileLock):
    """The lock of whoever writes, which tells the others who that is."""

    def hold(self, wait: float, url: str | None = None) -> None:
        """Takes the lock, or says who has it.

        Args:
            wait: Seconds to wait for another writer.
            url: Where this process answers requests, if it is a server.

        Raises:
            StoreLockedError: Another process kept it for all that time.
        """
        if not self.acquire(wait=wait):
            raise self._locked(wait)
        self.announce(url)

    def announce(self, url: str | None) -> None:
        """Writes down who holds the lock."""
        assert self._descriptor is not None, "only the holder speaks"
        text = json.dumps(asdict(Holder.this_process(url))).encode()
        with suppress(OSError):  # on a full disk the lock holds all the same
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text, 0)

    def holder(self) -> Holder | None:
        """Who holds the lock, as far as that is written down; None if nobody does."""
        probe = FileLock(self.path)
        if not self.held and probe.acquire(shared=True):
            probe.release()
            return None
        with suppress(OSError, ValueError, TypeError):
            return Holder(**json.loads(self.path.read_text()))
        return None

    def _locked(self, wait: float) -> StoreLockedError:
        holder = self.holder()
        if holder is None:
            return StoreLockedError(
                f"another process is writing to the registry {self.path.parent}, "
                f"and did not finish within {wait:g} seconds",
                "repeat the command, or wait longer with --wait SECONDS",
            )
        hint = "wait for it to finish, or wait longer with --wait SECONDS"
        if holder.url:
            hint = (
                f"it is a server: send the request to {holder.url} instead, "
                "or let it commit what you do: export PRESSMARK_TOKEN=TOKEN, with the scope write"
            )
        return StoreLockedError(
            f"the registry {self.path.parent} is being written by process {holder.process} "
            f"({holder.command}) since {holder.since}; waited {wait:g} seconds",
            hint,
        )
