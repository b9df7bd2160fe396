import io
import logging
import mmap
import time
from pathlib import Path

import pytest

from pressmark.compression import measuring, progress
from pressmark.compression.measuring import Meter
from pressmark.compression.progress import NullProgress, StepLog, TextProgress
from pressmark.registry.progress import counting


def test_silence() -> None:
    NullProgress().log("nothing")
    assert list(NullProgress().track([1, 2], 2, "x")) == [1, 2]


def test_plain_lines_tell_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    stream = io.StringIO()
    assert list(TextProgress(stream).track("ab", 2, "letters")) == ["a", "b"]
    assert list(TextProgress(stream).track("a")) == ["a"]
    lines = stream.getvalue().splitlines()
    assert lines == [
        "letters: 1 of 2, 0 s left",
        "letters: 2 after 0 s",
        "working: 1 after 0 s",
    ]


def test_short_loops_say_nothing() -> None:
    stream = io.StringIO()
    assert len(list(TextProgress(stream).track(range(5), 5))) == 5
    assert stream.getvalue() == ""


def test_a_step_log_keeps_and_passes_on(tmp_path: Path) -> None:
    stream = io.StringIO()
    with StepLog(tmp_path / "log.txt", TextProgress(stream)) as log:
        log.log("hello")
        list(log.track("abc", 3, "letters"))
        logging.getLogger("library").warning("careful with %s", "this")
    logging.getLogger("library").warning("too late")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert lines[0] == "hello"
    assert lines[1].startswith("letters: 3 in 0.0")
    assert lines[2] == "library: WARNING: careful with this"
    assert len(lines) == 3
    assert stream.getvalue() == "hello\n"


@pytest.mark.parametrize("calls", [0, 2, 3, 5])
def test_counted_work_is_a_loop_of_its_parts(
    calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    stream = io.StringIO()
    log = StepLog(tmp_path / "log.txt", TextProgress(stream))
    with log, counting(log, 3, "parts") as done:
        for _ in range(calls):
            done()
        seen = stream.getvalue().count("\n")
    assert seen == min(calls, 3)
    assert stream.getvalue().count("\n") == 3
    assert (tmp_path / "log.txt").read_text().startswith("parts: 3 in 0.0")


def test_counted_work_that_fails_ends_its_loop() -> None:
    ended: list[str] = []

    class Bar(NullProgress):
        def track(self, iterable, total=None, label=""):
            try:
                yield from iterable
            finally:
                ended.append(label)

    def work() -> None:
        with counting(Bar(), 3, "parts") as done:
            done()
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - the error of the work itself
        work()
    assert ended == ["parts"]


@pytest.mark.parametrize("allowed", [True, False])
def test_the_meter_sees_time_and_peak_memory(
    allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not allowed:
        monkeypatch.setattr(measuring, "_reset_peak", lambda: False)
    with Meter() as small:
        pass
    # Mapped, not allocated: an allocator may serve from pages that it kept, and keep these.
    with Meter() as large, mmap.mmap(-1, 64 << 20) as block:
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
        time.sleep(0.1)
    assert large.costs.peak_memory_bytes - small.costs.peak_memory_bytes > 50 << 20
    assert 0.1 <= large.costs.wall_seconds < 10
    assert 0 <= large.costs.cpu_seconds <= large.costs.wall_seconds + 1
    with Meter() as after:
        pass
    assert after.costs.peak_memory_bytes < large.costs.peak_memory_bytes - (50 << 20)


def test_costs_are_known_only_afterwards() -> None:
    with pytest.raises(RuntimeError, match="not ended"):
        _ = Meter().costs
