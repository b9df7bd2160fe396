"""Recipes over HTTP, up to the point where a worker would take them."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pressmark.api.jobs.folders import files_folder
from pressmark.api.service.app import create_app
from pressmark.api.service.database import FILE_NAME, Database
from pressmark.api.service.profiles import Profiles
from pressmark.api.service.tokens import Scope, Tokens

RECIPE = """\
name: half
inputs: {base: base}
steps:
  - {step: prune/magnitude, name: halved, parameters: {sparsity: 0.25}}
"""
WRONG = """\
name: wrong
inputs: {base: base}
steps:
  - step: prune/magnitud
  - step: prune/magnitude
    name: pruned
    parameters: {sparsity: "half"}
"""
TEXT = """\
name: measured
inputs: {{base: base}}
data:
  text: {text}
steps:
  - {{step: evaluate/perplexity, data: text}}
"""


@pytest.fixture(scope="module")
def shared(chain: Path, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """One application for all tests here: its checking process takes long to start."""
    copy = tmp_path_factory.mktemp("runs") / "registry"
    shutil.copytree(chain, copy, symlinks=True)
    return create_app(copy)


@pytest.fixture(scope="module")
def tokens(shared: FastAPI) -> Callable[[str, Scope], str]:
    from datetime import UTC, datetime

    database = Database(shared.state.registry.root / FILE_NAME)

    def make(name: str, scope: Scope) -> str:
        agent = Profiles(database).known(name).agent
        return Tokens(database).create(agent, scope, "test", datetime.now(UTC), None)[1]

    return make


@pytest.fixture(scope="module")
def open_client(shared: FastAPI) -> Iterator[TestClient]:
    with TestClient(shared) as client:
        yield client


@pytest.fixture
def client(open_client: TestClient, tokens: Callable[[str, Scope], str]) -> TestClient:
    """A client that may write."""
    open_client.headers["Authorization"] = f"Bearer {tokens('Ada', Scope.WRITE)}"
    return open_client


def post(client: TestClient, recipe: object, **order: object) -> Any:
    return client.post("/v1/runs", json={"recipe": recipe, **order})


def count(client: TestClient) -> int:
    return len(client.get("/v1/runs", params={"limit": 200}).json()["runs"])


def test_a_recipe_is_accepted_with_its_plan(client: TestClient) -> None:
    answer = post(client, RECIPE, seed=5)
    assert answer.status_code == 202, answer.text
    view = answer.json()
    assert answer.headers["location"] == f"/v1/runs/{view['id']}"
    assert (view["state"], view["kind"], view["name"], view["seed"]) == (
        "queued",
        "recipe",
        "half",
        5,
    )
    base = client.get("/v1/artifacts/base").json()["summary"]["iri"]
    assert view["inputs"] == {"base": base}
    (step,) = view["steps"]
    assert (step["name"], step["step"], step["state"]) == ("halved", "prune/magnitude", "waiting")
    assert step["forecast"]["bytes"] > 0
    assert client.get(answer.headers["location"]).json() == view
    assert client.get("/v1/runs").json()["runs"][0]["id"] == view["id"]


def test_a_recipe_may_be_yaml_or_an_object(client: TestClient) -> None:
    yaml = client.post(
        "/v1/runs",
        params={"input": "base=pruned", "seed": 4},
        content=RECIPE,
        headers={"Content-Type": "application/yaml"},
    )
    assert yaml.status_code == 202, yaml.text
    pruned = client.get("/v1/artifacts/pruned").json()["summary"]["iri"]
    assert (yaml.json()["inputs"], yaml.json()["seed"]) == ({"base": pruned}, 4)
    steps = [{"step": "quantize/rtn", "parameters": {"bits": 8}}]
    plain = post(client, {"name": "eight", "inputs": {"base": "base"}, "steps": steps})
    assert plain.status_code == 202, plain.text
    assert plain.json()["steps"][0]["forecast"]["reused"] is False


def test_a_dry_run_does_nothing(client: TestClient) -> None:
    before = count(client)
    answer = post(client, RECIPE, dry_run=True)
    assert answer.status_code == 200
    assert answer.json()["name"] == "half"
    assert answer.json()["free_bytes"] > 0
    assert [step["name"] for step in answer.json()["steps"]] == ["halved"]
    assert count(client) == before


def test_every_mistake_is_told_with_its_line(client: TestClient) -> None:
    before = count(client)
    answer = post(client, WRONG)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "urn:pressmark:problem:Recipe"
    assert [each["line"] for each in problem["problems"]] == [4, 7]
    assert "did you mean 'prune/magnitude'" in problem["problems"][0]["hint"]
    assert count(client) == before


@pytest.mark.parametrize(
    ("recipe", "order", "status", "told"),
    [
        ("name: [", {}, 422, "recipe"),
        (RECIPE, {"inputs": {"base": "nothing-like-that"}}, 404, "nothing-like-that"),
        (RECIPE, {"inputs": {"other": "base"}}, 422, "no input 'other'"),
        (RECIPE.replace("{base: base}", "{base: }"), {}, 422, "needs an artifact"),
        (RECIPE, {"seed": -1}, 422, "seed"),
        (RECIPE, {"wrong": 1}, 422, "wrong"),
        (RECIPE, {"uploads": ["0123"]}, 404, "upload"),
    ],
)
def test_what_cannot_be_run_is_refused(
    client: TestClient, recipe: str, order: dict[str, object], status: int, told: str
) -> None:
    answer = post(client, recipe, **order)
    assert answer.status_code == status, answer.text
    assert told in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/etc/hostname", "../secret.txt", "not-sent.txt", "a/../b.txt"])
def test_texts_are_not_read_from_the_server_s_disk(client: TestClient, path: str) -> None:
    root = client.app.state.registry.root
    (root / "jobs").mkdir(exist_ok=True)
    (root / "jobs" / "secret.txt").write_text("a secret of the server\n" * 50)
    answer = post(client, TEXT.format(text=f"{{path: {path}, license: MIT}}"))
    assert answer.status_code == 422, answer.text
    assert "did not come with the recipe" in answer.json()["detail"]


@pytest.mark.parametrize("hub", ["/etc", "text", "../files", "./x", "json", "a/../b", "a/.."])
def test_hub_texts_are_neither_folders_nor_formats(client: TestClient, hub: str) -> None:
    answer = post(client, TEXT.format(text=f"{{hub: {hub}, license: MIT}}"))
    assert answer.status_code == 422, answer.text
    assert "is no text of the hub" in answer.json()["detail"]


@pytest.mark.parametrize("source", ["/etc", "~/models", "registry", "./x", "a/b/c"])
def test_models_are_not_imported_from_the_server_s_disk(client: TestClient, source: str) -> None:
    steps = [{"step": "import", "name": "taken", "parameters": {"source": source}}]
    answer = post(client, {"name": "take", "steps": steps})
    assert answer.status_code == 422, answer.text
    assert "would read the disk" in answer.json()["detail"]


def test_a_path_is_no_name_of_an_input(client: TestClient, tiny_folder: Any) -> None:
    folder = str(tiny_folder("llama"))  # what it holds is in the registry
    assert post(client, RECIPE, inputs={"base": folder}).status_code == 404
    default = RECIPE.replace("{base: base}", f"{{base: {folder}}}")
    assert post(client, default).status_code == 404


def test_a_text_may_be_sent_with_the_recipe(client: TestClient) -> None:
    sent = ("words that nobody has seen before\n" * 40).encode()
    upload = client.post("/v1/uploads", json={"name": "my/text.txt", "size": len(sent)}).json()
    recipe = TEXT.format(text="{path: my/text.txt, license: MIT}")
    assert post(client, recipe, uploads=[upload["id"]]).status_code == 400  # not complete
    client.patch(
        f"/v1/uploads/{upload['id']}",
        content=sent,
        headers={"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"},
    )
    answer = post(client, recipe, uploads=[upload["id"]])
    assert answer.status_code == 202, answer.text
    root = client.app.state.registry.root
    assert (files_folder(root, answer.json()["id"]) / "my/text.txt").read_bytes() == sent
    assert client.get(f"/v1/uploads/{upload['id']}").status_code == 404


def test_a_recipe_that_is_sent_twice_is_run_once(client: TestClient) -> None:
    key = {"Idempotency-Key": "once"}
    before = count(client)
    answers = [client.post("/v1/runs", json={"recipe": RECIPE}, headers=key) for _ in range(3)]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert {answer.status_code for answer in answers} == {202}
    assert count(client) == before + 1
    other = client.post("/v1/runs", json={"recipe": RECIPE, "seed": 9}, headers=key)
    assert other.status_code == 422


def test_another_s_key_is_another_one(
    client: TestClient, tokens: Callable[[str, Scope], str]
) -> None:
    key = {"Idempotency-Key": "shared"}
    first = client.post("/v1/runs", json={"recipe": RECIPE}, headers=key).json()
    key["Authorization"] = f"Bearer {tokens('Bo', Scope.WRITE)}"
    second = client.post("/v1/runs", json={"recipe": RECIPE}, headers=key).json()
    assert first["id"] != second["id"]
    assert first["agent"] != second["agent"]


def test_runs_are_listed_page_by_page_with_those_of_others(client: TestClient) -> None:
    post(client, RECIPE)
    everything = client.get("/v1/runs", params={"limit": 200}).json()["runs"]
    paged, after = [], None
    while True:
        query = {"limit": 2} | ({"after": after} if after else {})
        answer = client.get("/v1/runs", params=query)
        paged += answer.json()["runs"]
        after = answer.json()["next"]
        assert ('rel="next"' in answer.headers.get("link", "")) == (after is not None)
        if after is None:
            break
    assert paged == everything
    assert [run["id"] for run in paged] == sorted((run["id"] for run in paged), reverse=True)
    recorded = [run for run in paged if run["posted"] is None]
    assert [run["state"] for run in recorded] == ["succeeded", "succeeded"]  # of the fixture
    assert [step["step"] for step in recorded[0]["steps"]] == ["prune/magnitude", "quantize/rtn"]
    assert set(recorded[0]["artifacts"]) == {"pruned", "int8"}


def test_a_run_of_others_is_found_but_not_done_here(client: TestClient) -> None:
    runs = client.get("/v1/runs", params={"limit": 200}).json()["runs"]
    other = next(run for run in runs if run["posted"] is None)
    for name in (other["id"], other["run"], other["id"][-8:]):
        assert client.get(f"/v1/runs/{name}").json() == other
    assert client.get(f"/v1/runs/{other['id']}/events").status_code == 404
    assert client.post(f"/v1/runs/{other['id']}/cancel").status_code == 409
    assert client.post(f"/v1/runs/{other['id']}/resume").status_code == 409  # it succeeded
    assert client.get("/v1/runs/ffffffff").status_code == 404


def test_what_is_cancelled_before_it_began_ends_its_events(client: TestClient) -> None:
    run = post(client, RECIPE).json()["id"]
    assert client.post(f"/v1/runs/{run}/cancel").json()["state"] == "aborted"
    text = client.get(f"/v1/runs/{run}/events").text
    assert [line for line in text.splitlines() if line.startswith("event")] == ["event: state"] * 2
    last = text.split("id: ")[-1].partition("\n")[0]
    headers = {"Last-Event-ID": last}
    assert client.get(f"/v1/runs/{run}/events", headers=headers).status_code == 204
    assert client.post(f"/v1/runs/{run}/resume").status_code == 409


def test_checks_and_re_runs_are_jobs_too(client: TestClient) -> None:
    for kind, route in (("check", "checks"), ("reproduction", "reproductions")):
        key = {"Idempotency-Key": route}
        first = client.post(f"/v1/artifacts/int8/{route}", headers=key)
        assert first.status_code == 202
        assert (first.json()["kind"], first.json()["name"]) == (kind, "int8")
        again = client.post(f"/v1/artifacts/int8/{route}", headers=key)
        assert again.json()["id"] == first.json()["id"]
        assert client.post(f"/v1/artifacts/none/{route}").status_code == 404


def test_readers_see_runs_and_ask_for_none(
    client: TestClient, tokens: Callable[[str, Scope], str]
) -> None:
    run = post(client, RECIPE).json()["id"]
    client.headers["Authorization"] = f"Bearer {tokens('Bo', Scope.READ)}"
    assert client.get(f"/v1/runs/{run}").status_code == 200
    for path in (f"runs/{run}/cancel", f"runs/{run}/resume", "artifacts/int8/checks", "runs"):
        assert client.post(f"/v1/{path}", json={"recipe": RECIPE}).status_code == 403


def test_other_bodies_are_refused(client: TestClient) -> None:
    for kind in ("text/plain", "application/xml", ""):
        answer = client.post("/v1/runs", content=RECIPE, headers={"Content-Type": kind})
        assert answer.status_code == 415
    bad = client.post("/v1/runs", content=b"{", headers={"Content-Type": "application/json"})
    assert bad.status_code == 422
    latin = client.post(
        "/v1/runs", content=b"name: \xe4", headers={"Content-Type": "application/yaml"}
    )
    assert latin.status_code == 415
    assert post(client, "x" * (3 << 20)).status_code == 413


def test_without_torch_it_says_what_to_install(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pressmark.api.jobs.checker.find_spec", lambda _: None)
    for path in ("runs", "artifacts/int8/checks", "artifacts/int8/reproductions"):
        answer = client.post(f"/v1/{path}", json={"recipe": RECIPE})
        assert answer.status_code == 501
        assert "pressmark[compress]" in answer.json()["hint"]


def test_many_recipes_at_once_take_no_thread_from_others(client: TestClient) -> None:
    checker = client.app.state.checker
    with ThreadPoolExecutor(60) as pool:
        with checker._mutex:  # a recipe that takes long to check
            posts = [pool.submit(post, client, RECIPE, dry_run=True) for _ in range(59)]
            answer = pool.submit(client.get, "/v1/artifacts/int8").result(timeout=20)
            assert answer.status_code == 200
            assert not any(each.done() for each in posts)
        assert {each.result().status_code for each in posts} == {200}


def test_a_dead_checker_is_replaced(client: TestClient) -> None:
    assert post(client, RECIPE, dry_run=True).status_code == 200
    (process,) = (p for p in psutil.Process().children() if "spawn_main" in str(p.cmdline()))
    process.kill()
    assert post(client, RECIPE, dry_run=True).status_code == 500
    assert post(client, RECIPE, dry_run=True).status_code == 200
