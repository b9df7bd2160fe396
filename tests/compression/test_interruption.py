"""Runs that are watched, killed and stopped from outside, in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pyoxigraph import NamedNode

from pressmark.compression.errors import CompressionError
from pressmark.compression.runner import Runner
from pressmark.compression.workspace import run_state, working_folder
from pressmark.ontology.terms import PM
from pressmark.registry import environment
from pressmark.registry.environment import Engine
from pressmark.registry.ids import new_iri
from pressmark.registry.registry import Registry

WORKER = """
import sys
from pyoxigraph import NamedNode
from pressmark.compression.errors import RunAbortedError
from pressmark.compression.recipe import Recipe
from pressmark.compression.runner import Runner
from pressmark.registry import environment
from pressmark.registry.environment import Engine
from pressmark.registry.registry import Registry

environment.engine = lambda: Engine("1.0", "unknown", "0" * 64)
root, recipe, base = sys.argv[1:]
try:
    Runner(Registry.open(root)).run(Recipe.load(recipe), {"base": NamedNode(base)})
except RunAbortedError as error:
    sys.exit(error.hint)
"""


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


ENGINE = Engine("1.0", "unknown", "0" * 64)


@pytest.fixture(autouse=True)
def same_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process and its children are the same engine, also while its files are edited."""
    monkeypatch.setattr(environment, "engine", lambda: ENGINE)


def interrupted(lab, how: signal.Signals) -> tuple[NamedNode, str]:
    """Runs a recipe of three steps in a process that is hit by a signal in the second."""
    base = lab.bring()
    started, until = lab.folder / "started", lab.folder / "until"
    wait = {"started": str(started), "until": str(until)}
    steps = [
        {"step": "example/append", "name": "first"},
        {"step": "example/wait", "name": "second", "parameters": wait},
        {"step": "example/append", "name": "third", "parameters": {"text": "?"}},
    ]
    recipe = lab.folder / "three.yaml"
    recipe.write_text(f"name: three\ninputs: {{base: }}\nsteps: {json.dumps(steps)}\n")
    command = [sys.executable, "-c", WORKER, str(lab.registry.root), str(recipe), base.value]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(started)
        os.kill(process.pid, how)
        _, message = process.communicate(timeout=60)
    until.touch()
    rows = lab.registry.rows("run_identity")
    (run,) = [row["run"] for row in rows if row["recipeName"].value == "three"]
    return NamedNode(run.value), message


def assert_resumes(lab, run: NamedNode) -> None:
    result = Runner(lab.registry, cache=False).resume(run)
    assert [o.reused for o in result.outcomes] == [True, False, False]
    assert lab.text_of(result.artifacts["third"]) == "ab!!?"
    assert run_state(lab.registry, result.run) == "succeeded"
    (row,) = lab.registry.rows("run_identity", run=result.run)
    assert row["continues"] == run
    assert list((lab.registry.root / "runs").iterdir()) == []


def test_a_killed_run_leaves_nothing_by_half_and_is_resumed(lab) -> None:
    run, _ = interrupted(lab, signal.SIGKILL)
    assert run_state(lab.registry, run) == "interrupted"
    assert len(lab.registry.rows("match", predicate=PM.isStepOf, object=run)) == 1
    assert_resumes(lab, run)


def test_ctrl_c_is_recorded_and_the_run_is_resumed(lab) -> None:
    run, message = interrupted(lab, signal.SIGINT)
    assert message.strip() == f"go on with: pressmark run --resume {run.value}"
    assert run_state(lab.registry, run) == "aborted"
    aborted = lab.registry.rows("match", predicate=PM.outcome, object=PM.aborted)
    assert len(aborted) == 2  # the step and the closing
    assert_resumes(lab, run)


def test_others_write_while_a_step_runs(lab) -> None:
    base = {"base": lab.bring()}
    started, until = lab.folder / "started", lab.folder / "until"
    wait = lab.one_step("example/wait", started=str(started), until=str(until))
    results = []
    thread = threading.Thread(target=lambda: results.append(lab.run(wait, inputs=base)))
    thread.start()
    wait_for(started)
    with Registry.open(lab.registry.root, wait=5.0) as other:
        (run,) = [r["run"] for r in other.rows("run_identity") if "outcome" not in r]
        assert run_state(other, run) == "running"
        with pytest.raises(CompressionError, match="still running"):
            Runner(other).resume(run)
        lab.bring("meanwhile", "other")
    until.touch()
    thread.join()
    assert run_state(lab.registry, results[0].run) == "succeeded"


def test_runs_that_start_together_leave_each_other_alone(lab) -> None:
    dead = lab.registry.root / "runs" / "dead"
    dead.mkdir(parents=True)
    (dead / "left.bin").touch()
    inside = threading.Barrier(8)
    kept = []

    def work() -> None:
        with working_folder(lab.registry, new_iri()) as folder:
            inside.wait(30)
            kept.append(folder.exists())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept == [True] * 8
    assert list((lab.registry.root / "runs").iterdir()) == []
