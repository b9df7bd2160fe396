"""Recipes run by a real server's workers, whatever dies meanwhile."""

from pathlib import Path

from pressmark.registry.registry import Registry
from pressmark.registry.runs import recorded_runs, run_iris

from .conftest import HALF, serving


def test_a_recipe_is_run_for_whoever_posted_it(folder: Path) -> None:
    with serving(folder) as served:
        view = served.post(HALF, seed=7)
        assert view["state"] == "queued"
        done = served.wait(view["id"])
        assert (done["state"], done["seed"], done["name"]) == ("succeeded", 7, "half")
        assert [step["state"] for step in done["steps"]] == ["succeeded", "succeeded"]
        assert list(done["artifacts"]) == ["pruned-again", "int8-again"]
        made = served.client.get("/v1/artifacts/int8-again").json()
        assert made["summary"]["iri"] == done["artifacts"]["int8-again"]
    with Registry.open(folder) as registry:
        (run,) = (r for r in run_iris(registry) if r.value == f"urn:uuid:{view['id']}")
        recorded = recorded_runs(registry, [run])[run]
        assert (recorded.agent, recorded.outcome) == (view["agent"], "succeeded")
