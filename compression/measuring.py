"""What a call cost: elapsed time, processor time and the most memory that was resident.

The kernel keeps a high-water mark of resident memory for a process and lets it be reset
(`/proc/self/clear_refs`, see proc(5)). Where that is not allowed, a thread looks every 20 ms.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pressmark.registry.occurrences import Costs

_CLEAR_REFS: Final = Path("/proc/self/clear_refs")
_STATUS: Final = Path("/proc/self/status")
_STATM: Final = Path("/proc/self/statm")
_RESET_PEAK: Final = "5"
_SAMPLE_SECONDS: Final = 0.02


class Meter:
    """Measures the block that it is entered around; `costs` tells afterwards.

    Memory is that of the whole process, libraries included, because that is what a machine needs.
    """

    def __init__(self) -> None:
        self._sampler: _Sampler | None = None
        self._wall = self._cpu = 0.0
        self._costs: Costs | None = None

    def __enter__(self) -> Self:
        if not _reset_peak():
            self._sampler = _Sampler()
            self._sampler.start()
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        wall = time.perf_counter() - self._wall
        cpu = _cpu_seconds() - self._cpu
        peak = self._sampler.stop() if self._sampler else _peak_bytes()
        self._costs = Costs(wall, cpu, peak)

    @property
    def costs(self) -> Costs:
        """What the block cost; only after it has ended."""
        if self._costs is None:
            raise RuntimeError("the block that is measured has not ended")
        return self._costs


class _Sampler(threading.Thread):
    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._stopped = threading.Event()
        self._peak = _resident_bytes()

    def run(self) -> None:
        """Samples until `stop`; a peak between two samples is missed."""
        while not self._stopped.wait(_SAMPLE_SECONDS):
            self._peak = max(self._peak, _resident_bytes())

    def stop(self) -> int:
        """Ends the thread; gives the largest resident memory that was seen, in bytes."""
        self._stopped.set()
        self.join()
        return max(self._peak, _resident_bytes())


def _reset_peak() -> bool:
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK, encoding="ascii")
    except OSError:
        return False
    return True


def _peak_bytes() -> int:
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return _resident_bytes()


def _resident_bytes() -> int:
    return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
