"""What is remembered of jobs, and the queue beside it."""

import threading
from pathlib import Path

import pytest

from pressmark.api.jobs.folders import is_done_by_somebody, job_folder, job_lock
from pressmark.api.jobs.jobs import Failure, Kind, Order, Progress, State, Step, StepState
from pressmark.api.jobs.queue import JobQueue
from pressmark.api.jobs.store import Jobs
from pressmark.api.jobs.watching import JobProgress
from pressmark.api.service.database import Database
from pressmark.compression.workspace import uninterrupted
from pressmark.registry.errors import NotFoundError

ORDER = Order(
    kind=Kind.RECIPE, name="half", recipe="name: half", inputs={"base": "urn:uuid:1"}, seed=3,
    steps=(Step("pruned", "prune/magnitude"), Step("int8", "quantize/rtn")),
)  # fmt: skip


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(Database(tmp_path / "service.db"))


def test_a_job_is_there_for_whoever_opens_the_file_again(jobs: Jobs, tmp_path: Path) -> None:
    posted = jobs.add("j1", "ada", ORDER)
    again = Jobs(Database(tmp_path / "service.db")).get("j1")
    assert again == posted
    assert (again.order, again.state, again.agent) == (ORDER, State.QUEUED, "ada")
    assert jobs.add("j1", "ada", ORDER) == posted
    assert len(jobs.events("j1", 0)) == 1
    with pytest.raises(NotFoundError, match="j2"):
        jobs.get("j2")


def test_what_workers_tell_is_kept(jobs: Jobs) -> None:
    jobs.add("j1", "ada", ORDER)
    assert jobs.begin("j1", ORDER.steps)
    jobs.begin_run("j1", "urn:uuid:run-1")
    jobs.begin_run("j1", "urn:uuid:run-2")
    steps = (Step("pruned", "prune/magnitude", StepState.RUNNING), ORDER.steps[1])
    jobs.step("j1", steps, 0, {"pruned": "urn:uuid:2"})
    for done in range(5):
        jobs.progress("j1", Progress("pruning", done, 9, 2.5, "2026-01-01T00:00:00Z"))
    jobs.log("j1", "x" * 9999)
    job = jobs.get("j1")
    assert (job.state, job.run, job.steps) == (State.RUNNING, "urn:uuid:run-2", steps)
    assert job.progress is not None
    assert (job.progress.done, job.artifacts) == (4, {"pruned": "urn:uuid:2"})
    assert jobs.runs("j1") == ["urn:uuid:run-2", "urn:uuid:run-1"]
    assert jobs.of_run("urn:uuid:run-1") == "j1"
    kinds = [event.kind for event in jobs.events("j1", 0)]
    assert kinds == ["state", "state", "step", "progress", "log"]  # one of progress is enough
    assert len(jobs.events("j1", 0)[-1].data) < 2100


def test_what_ended_stays_as_it_is(jobs: Jobs) -> None:
    jobs.add("j1", "ada", ORDER)
    jobs.begin("j1", ())
    jobs.end("j1", State.FAILED, error=Failure("StepFailed", "it broke", "mend it"))
    jobs.end("j1", State.SUCCEEDED)
    assert not jobs.begin("j1", ())
    job = jobs.get("j1")
    assert (job.state, job.error) == (State.FAILED, Failure("StepFailed", "it broke", "mend it"))
    assert jobs.unfinished() == {}


def test_a_job_that_waits_is_over_as_soon_as_it_is_cancelled(jobs: Jobs) -> None:
    for name in ("waits", "runs"):
        jobs.add(name, "ada", ORDER)
    jobs.begin("runs", ())
    assert jobs.cancel("waits").state is State.ABORTED
    assert jobs.cancel("runs").state is State.RUNNING
    assert jobs.is_cancelling("runs")
    assert jobs.unfinished() == {"runs": State.RUNNING}


def test_each_job_is_taken_by_one_of_many_workers(tmp_path: Path) -> None:
    taken: list[str] = []
    JobQueue(tmp_path).put(f"j{number}" for number in range(40))

    def work() -> None:
        queue = JobQueue(tmp_path, taken.append)
        while queue.work_once():
            pass
        queue.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(f"j{number}" for number in range(40))
    assert (tmp_path / "jobs.db").stat().st_mode & 0o077 == 0


def test_what_was_begun_is_taken_before_what_waits(tmp_path: Path) -> None:
    taken: list[str] = []
    queue = JobQueue(tmp_path, taken.append)
    queue.put(["a", "b"])
    queue.put(["c"], first=True)
    assert queue.waiting() == {"a", "b", "c"}
    while queue.work_once():
        pass
    assert taken == ["c", "a", "b"]
    queue.close()


def test_a_held_job_is_done_by_somebody(tmp_path: Path) -> None:
    assert not is_done_by_somebody(tmp_path, "j1")
    lock = job_lock(tmp_path, "j1")
    assert lock.acquire()
    assert is_done_by_somebody(tmp_path, "j1")
    lock.release()
    assert not is_done_by_somebody(tmp_path, "j1")
    assert job_folder(tmp_path, "j1").is_dir()


def test_stopping_waits_until_finished_work_is_recorded(jobs: Jobs) -> None:
    jobs.add("j1", "ada", ORDER)
    jobs.begin("j1", ())
    progress = JobProgress(jobs, "j1")
    jobs.cancel("j1")
    recorded = []

    def record() -> None:
        with uninterrupted():
            progress.log("storing")
            progress.log("still storing")
            recorded.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        record()
    assert recorded == ["all of it"]
    progress.log("the news is told once")


def test_progress_says_what_is_left(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pressmark.api.jobs.watching._INTERVAL", 0.0)
    jobs.add("j1", "ada", ORDER)
    progress = JobProgress(jobs, "j1")
    assert list(progress.track(iter("abcd"), 4, "reading")) == list("abcd")
    told = jobs.get("j1").progress
    assert told is not None
    assert (told.label, told.done, told.total, told.seconds_left) == ("reading", 4, 4, 0.0)
    list(progress.track(iter("ab")))
    told = jobs.get("j1").progress
    assert told is not None
    assert (told.label, told.total, told.seconds_left) == ("working", None, None)
