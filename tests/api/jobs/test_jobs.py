"""Jobs of a real worker: stopped, resumed, watched; checks and re-runs."""

import json
from collections.abc import Iterator
from pathlib import Path

from .conftest import Gate, Served, wait_for

STROLL = """\
name: walk
inputs: {{base: ab}}
steps:
  - {{step: example/append, name: near, parameters: {{text: "{started}"}}}}
  - {{step: example/stroll, name: far, parameters: {{started: "{started}", steps: {steps}}}}}
"""


def stroll(folder: Path, steps: int) -> str:
    return STROLL.format(started=folder / "started", steps=steps)


def events(served: Served, run: str, after: int | None = None) -> Iterator[dict[str, str]]:
    """Reads server-sent events as a browser does."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with served.client.stream("GET", f"/v1/runs/{run}/events", headers=headers, timeout=60) as got:
        assert got.status_code == 200
        assert got.headers["content-type"].startswith("text/event-stream")
        event: dict[str, str] = {}
        for line in got.iter_lines():
            if not line and "data" in event:
                yield event
            if not line:
                event = {}
            name, _, value = line.partition(": ")
            event[name] = value


def test_a_run_is_stopped_at_the_next_safe_point_and_resumed(
    served: Served, tmp_path: Path
) -> None:
    view = served.post(stroll(tmp_path, 600))
    wait_for((tmp_path / "started").exists)
    answer = served.client.post(f"/v1/runs/{view['id']}/cancel")
    assert answer.status_code == 202
    assert answer.json()["cancelling"]
    done = served.wait(view["id"])
    assert done["state"] == "aborted"
    assert [step["state"] for step in done["steps"]] == ["succeeded", "aborted"]
    assert served.recorded(done["run"]).outcome == "aborted"
    assert served.client.post(f"/v1/runs/{view['id']}/cancel").status_code == 409
    (tmp_path / "started").unlink()
    resumed = served.client.post(f"/v1/runs/{view['id']}/resume")
    assert resumed.status_code == 202
    assert resumed.json()["continues"] == done["run"]
    again = resumed.json()["id"]
    assert again != view["id"]
    wait_for((tmp_path / "started").exists)
    served.client.post(f"/v1/runs/{again}/cancel")
    assert [step["state"] for step in served.wait(again)["steps"]] == ["reused", "aborted"]


def test_a_run_that_waits_is_stopped_without_a_trace(served: Served, gate: Gate) -> None:
    first = served.post(gate.recipe)
    wait_for(gate.started.exists)
    second = served.post(gate.recipe.replace("name: three", "name: never"))
    stopped = served.client.post(f"/v1/runs/{second['id']}/cancel").json()
    assert (stopped["state"], stopped["run"]) == ("aborted", None)
    assert served.client.post(f"/v1/runs/{second['id']}/resume").status_code == 409
    gate.until.touch()
    assert served.wait(first["id"])["state"] == "succeeded"
    names = [run["name"] for run in served.client.get("/v1/runs").json()["runs"]]
    assert names.count("never") == 1
    assert served.run(second["id"])["started"] is None


def test_events_are_read_to_the_end_and_gone_on_with(served: Served, tmp_path: Path) -> None:
    view = served.post(stroll(tmp_path, 30))
    seen = []
    for event in events(served, view["id"]):
        seen.append(event)
        if event["event"] == "progress":
            break  # the connection breaks in the middle
    last = int(seen[-1]["id"])
    seen += events(served, view["id"], after=last)
    numbers = [int(event["id"]) for event in seen]
    assert numbers == sorted(set(numbers))
    kinds = {event["event"] for event in seen}
    assert kinds == {"state", "step", "progress", "log"}
    states = [json.loads(e["data"])["state"] for e in seen if e["event"] == "state"]
    assert states == ["queued", "running", "succeeded"]
    told = next(json.loads(e["data"]) for e in seen if e["event"] == "progress")
    assert told["label"] == "strolling"
    assert 0 < told["done"] < told["total"] == 30
    assert 0 < told["seconds_left"] < 60
    over = served.client.get(
        f"/v1/runs/{view['id']}/events", headers={"Last-Event-ID": str(numbers[-1])}
    )
    assert over.status_code == 204


def test_a_failed_run_says_why(served: Served, gate: Gate) -> None:
    view = served.post(
        gate.recipe.replace("example/wait", "example/fail").replace(
            f'{{started: "{gate.started}", until: "{gate.until}"}}', "{}"
        )
    )
    done = served.wait(view["id"])
    assert done["state"] == "failed"
    assert done["error"]["type"] == "StepFailed"
    assert "the weights are on fire" in done["error"]["detail"]
    assert [step["state"] for step in done["steps"]] == ["succeeded", "failed", "waiting"]
    assert served.recorded(done["run"]).outcome == "failed"


def test_a_lineage_is_checked_and_made_again(served: Served, gate: Gate) -> None:
    gate.until.touch()
    made = served.wait(served.post(gate.recipe)["id"])["artifacts"]["first"]
    check = served.client.post(f"/v1/artifacts/{made}/checks")
    assert check.status_code == 202
    again = served.client.post(f"/v1/artifacts/{made}/reproductions").json()
    checked = served.wait(check.json()["id"])
    assert (checked["kind"], checked["state"], checked["subject"]) == ("check", "succeeded", made)
    assert checked["result"]["holds"] is True
    assert [edge["verdict"] for edge in checked["result"]["edges"]] == ["holds", "holds"]
    reproduced = served.wait(again["id"])
    assert reproduced["result"]["equal"] is True
    evidence = served.client.get("/v1/queries/evidence", params={"artifact": made}).json()
    found = [row["activityKind"]["value"] for row in evidence["results"]["bindings"]]
    assert sum(kind.endswith("#Check") for kind in found) == 2
    assert sum(kind.endswith("#Reproduce") for kind in found) == 1
