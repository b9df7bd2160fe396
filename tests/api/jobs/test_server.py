"""A real server and its workers die in the middle of recipes, and nothing is lost or done twice."""

import shutil
import signal
from pathlib import Path

import psutil
from pyoxigraph import NamedNode

from pressmark.registry.registry import Registry
from pressmark.registry.runs import recorded_steps, run_iris

from .conftest import HALF, Gate, Served, serving, wait_for


def executed(folder: Path, step: str) -> int:
    """How often a step was executed, as far as it was recorded."""
    with Registry.open(folder) as registry:
        steps = recorded_steps(registry, run_iris(registry))
        return sum(one.step == step for each in steps.values() for one in each)


def journal_is_whole(folder: Path) -> bool:
    with Registry.open(folder) as registry:
        return registry.journal.damages() == []


def test_a_model_is_compressed_for_whoever_posted_it(chain: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(chain, tmp_path / "registry", symlinks=True))
    with serving(folder) as served:
        view = served.post(HALF, seed=7)
        assert view["state"] == "queued"
        done = served.wait(view["id"])
        assert (done["state"], done["seed"], done["name"]) == ("succeeded", 7, "half")
        assert [step["state"] for step in done["steps"]] == ["succeeded", "succeeded"]
        assert all(step["forecast"]["measured"] == 1 for step in done["steps"])
        made = served.client.get("/v1/artifacts/int8-again").json()
        assert made["summary"]["iri"] == done["artifacts"]["int8-again"]
        run = served.recorded(f"urn:uuid:{view['id']}")
        assert (run.agent, run.outcome) == (view["agent"], "succeeded")
        # The server stays without what its workers need.
        assert "libtorch" not in Path(f"/proc/{served.process.pid}/maps").read_text()
        (worker,) = served.workers()
        assert "libtorch" in Path(f"/proc/{worker.pid}/maps").read_text()
        # What it is told is nowhere where others could read it.
        assert worker.environ() == psutil.Process(served.process.pid).environ()
        assert worker.cmdline()[1:] == ["-P", "-m", "pressmark.api.jobs.worker"]


def test_a_killed_worker_s_run_is_resumed_by_the_next(served: Served, gate: Gate) -> None:
    before = executed(served.folder, "example/append")
    view = served.post(gate.recipe)
    wait_for(gate.started.exists)
    (worker,) = served.workers()
    worker.kill()
    gate.until.touch()
    done = served.wait(view["id"])
    assert done["state"] == "succeeded"
    assert [step["state"] for step in done["steps"]] == ["reused", "succeeded", "succeeded"]
    assert executed(served.folder, "example/append") == before + 2
    assert served.text(done["artifacts"]["third"]).endswith("-!?")
    first, second = f"urn:uuid:{view['id']}", done["run"]
    assert first != second
    assert served.recorded(second).continues == NamedNode(first)
    assert served.recorded(second).agent == view["agent"]
    # Whoever asks for the second record is shown the run that was asked for.
    assert served.run(second)["id"] == view["id"]


def test_a_killed_server_s_jobs_are_finished_by_the_next(folder: Path, gate: Gate) -> None:
    with serving(folder) as served:
        running = served.post(gate.recipe)
        waiting = served.post(gate.recipe.replace("name: three", "name: waiting"))
        wait_for(gate.started.exists)
        (worker,) = served.workers()
        served.kill()
        psutil.wait_procs([worker], timeout=30)
        assert not worker.is_running()
    gate.until.touch()
    with serving(folder) as served:
        first, second = served.wait(running["id"]), served.wait(waiting["id"])
        assert (first["state"], second["state"]) == ("succeeded", "succeeded")
        assert [step["state"] for step in first["steps"]] == ["reused", "succeeded", "succeeded"]
        assert [step["state"] for step in second["steps"]] == ["reused"] * 3
        assert served.recorded(first["run"]).continues == NamedNode(f"urn:uuid:{running['id']}")
        assert executed(folder, "example/wait") == 1
    assert journal_is_whole(folder)


def test_a_server_that_is_ended_leaves_its_run_to_the_next(folder: Path, gate: Gate) -> None:
    with serving(folder) as served:
        view = served.post(gate.recipe)
        wait_for(gate.started.exists)
        (worker,) = served.workers()
        with served.client.stream("GET", f"/v1/runs/{view['id']}/events") as events:
            lines = events.iter_lines()
            assert next(lines) == "retry: 1000"
            served.process.send_signal(signal.SIGINT)
            list(lines)  # they end, although the run does not
        served.process.wait(timeout=30)
    assert served.process.returncode == 0
    assert not worker.is_running()
    gate.until.touch()
    with serving(folder) as served:
        assert served.wait(view["id"])["state"] == "succeeded"


def test_a_run_whose_worker_died_before_it_heard_is_stopped(served: Served, gate: Gate) -> None:
    view = served.post(gate.recipe)
    wait_for(gate.started.exists)
    served.client.post(f"/v1/runs/{view['id']}/cancel")
    served.workers()[0].kill()
    done = served.wait(view["id"])
    assert (done["state"], done["run"]) == ("aborted", f"urn:uuid:{view['id']}")
    assert served.recorded(done["run"]).outcome == "aborted"
    gate.until.touch()
    resumed = served.client.post(f"/v1/runs/{view['id']}/resume").json()
    steps = served.wait(resumed["id"])["steps"]
    assert [step["state"] for step in steps] == ["reused", "succeeded", "succeeded"]


def test_what_kills_every_worker_is_given_up(served: Served, gate: Gate) -> None:
    view = served.post(gate.recipe)
    for _ in range(3):
        wait_for(gate.started.exists)
        gate.started.unlink()
        served.workers()[0].kill()
    done = served.wait(view["id"])
    assert done["state"] == "failed"
    assert done["error"]["type"] == "WorkerDied"
    assert served.recorded(done["run"]).outcome is None
    again = served.client.post(f"/v1/runs/{view['id']}/resume").json()
    gate.until.touch()
    assert served.wait(again["id"])["state"] == "succeeded"
