"""Server and workers are killed again and again, at any point: nothing acknowledged is lost."""

import contextlib
import random
import time
from collections import Counter
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from pyoxigraph import NamedNode

from pressmark.api.jobs.store import Jobs
from pressmark.api.service.database import FILE_NAME, Database
from pressmark.registry.registry import Registry
from pressmark.registry.runs import recorded_runs, recorded_steps

from .conftest import Served, serving

ROUNDS = 4
RECIPE = """\
name: walk
inputs: {{base: ab}}
steps:
  - {{step: example/append, name: one, parameters: {{text: "{mark}"}}}}
  - {{step: example/stroll, name: two, parameters: {{started: /dev/null, steps: 8}}}}
  - {{step: example/append, name: three}}
  - {{step: example/stroll, name: four, parameters: {{started: /dev/null, steps: 8}}}}
"""
STEPS = Counter({"one": 1, "two": 1, "three": 1, "four": 1})


def post(served: Served, acknowledged: set[str]) -> None:
    """Posts a recipe that nobody posted before; what is answered is acknowledged."""
    recipe = RECIPE.format(mark=uuid4())
    with contextlib.suppress(httpx2.TransportError):
        answer = served.client.post("/v1/runs", json={"recipe": recipe}, timeout=60)
        assert answer.status_code == 202, answer.text
        acknowledged.add(answer.json()["id"])


def disturb(served: Served, chance: random.Random, *, worker_first: bool) -> None:
    """Kills a worker and the server, or the server alone, each after some time."""
    time.sleep(chance.uniform(0.0, 8.0))
    if worker_first:
        served.workers()[0].kill()
        time.sleep(chance.uniform(0.0, 8.0))
    served.kill()


@pytest.mark.slow
def test_what_was_acknowledged_is_done_once(folder: Path, request: pytest.FixtureRequest) -> None:
    chance = random.Random(request.config.getoption("randomly_seed", 1))
    acknowledged: set[str] = set()
    for number in range(ROUNDS):
        with serving(folder) as served:
            post(served, acknowledged)
            disturb(served, chance, worker_first=number % 3 == 0)  # three deaths would end a job
    with serving(folder) as served:
        post(served, acknowledged)
        views = [served.wait(run, seconds=400) for run in acknowledged]
        assert {(view["state"], str(view["error"])) for view in views} == {("succeeded", "None")}
    assert len(acknowledged) == ROUNDS + 1
    jobs = Jobs(Database(folder / FILE_NAME))
    with Registry.open(folder) as registry:
        assert registry.journal.damages() == []
        for run in acknowledged:
            runs = [NamedNode(each) for each in jobs.runs(run)]
            recorded = recorded_runs(registry, runs)
            newest = next(recorded[each] for each in runs if each in recorded)
            assert newest.outcome == "succeeded"
            done = (step for each in recorded_steps(registry, runs).values() for step in each)
            assert Counter(step.name for step in done) == STEPS
