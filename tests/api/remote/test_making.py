"""Runs, evaluations, checks and re-runs on a server print what they print here."""

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pressmark.api.cli import exit_codes
from pressmark.api.remote.watching import Event, parsed

RECIPE = """\
name: tiny-again
inputs:
  base:
data:
  evaluation: {path: deep/text.txt, license: CC0-1.0}
steps:
  - step: prune/magnitude
    name: third
    parameters: {sparsity: 0.3}
  - step: evaluate/perplexity
    of: [third]
    parent: base
    parameters: {window: 16, max_tokens: 64}
    data: evaluation
"""

TWO_STEPS = """\
name: two-steps
inputs:
  base:
steps:
  - step: prune/magnitude
    name: third
    parameters: {sparsity: 0.3}
  - step: quantize/rtn
    name: int4
    parameters: {bits: 4, group_size: 8}
"""

MAKING = (
    "run {two} --input base",
    "run {two} --input base --json",
    "run {recipe} --input base --dry-run",
    "run {recipe} --input base",
    "run {recipe} --input base --json",
    "run {recipe} --input nobody",
    "run {recipe} --input base --input base=int8",
    "run {outside} --input base",
    "run no-such-recipe",
    "run {broken} --input base",
    "run --resume 00000000",
    "eval int8 --data {text} --license CC0-1.0 --window 16 --max-tokens 64 --parent base",
    "eval int8 --data {text}",
    "check int8",
    "check int8 --json",
    "check nobody",
    "reproduce int8",
    "reproduce nobody",
    "lineage int8",
    "ls",
    "ls --runs",
)


@pytest.fixture
def words(tmp_path: Path) -> dict[str, object]:
    text = tmp_path / "deep" / "text.txt"
    text.parent.mkdir()
    text.write_text("five six seven eight\n" * 50)
    recipes = {
        "two": TWO_STEPS,
        "recipe": RECIPE,
        "outside": RECIPE.replace("deep/text.txt", "/etc/hostname"),
        "broken": RECIPE.replace("sparsity: 0.3", "sparsity: 3"),
    }
    for name, recipe in recipes.items():
        (tmp_path / f"{name}.yaml").write_text(recipe)
    return {"text": text} | {name: tmp_path / f"{name}.yaml" for name in recipes}


def measureless(text: str) -> str:
    """Without what is new each time: IRIs, times, and what was measured of time and memory."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME", text)
    text = re.sub(r"\b[0-9a-f]{8}\b", "SHORT", text)
    text = re.sub(r"(< )?\b\d+(\.\d+)?(e-\d+)?( ?(s|min|GB|MB|B))?\b", "NUMBER", text)
    return re.sub(r"  +", "  ", text)


def wrong(text: str) -> str:
    """An error without where the recipe lies: a server was given its text alone."""
    return re.sub(r"\S*(recipe|outside|broken)\S*?(?=:|\n| )", "RECIPE", text)


@pytest.mark.slow
def test_commands_make_the_same(cli, chain, mine, theirs, words) -> None:
    for line in MAKING:
        arguments = [word.format(**words) for word in line.split()]
        here = cli("--registry", mine, *arguments)
        there = cli("--server", theirs.url, *arguments)
        assert (line, there.code) == (line, here.code), there.err
        assert measureless(there.out) == measureless(here.out)
        if "outside" not in line:
            assert measureless(wrong(there.err)) == measureless(wrong(here.err))


@pytest.mark.slow
def test_who_is_interrupted_leaves_the_run_alone(cli, theirs, tmp_path) -> None:
    recipe, said = tmp_path / "two.yaml", tmp_path / "said"
    recipe.write_text(TWO_STEPS)
    with said.open("w") as file:
        watching = subprocess.Popen(
            [theirs.command, "--server", theirs.url, "run", recipe, "--input", "base"],
            stderr=file,
            stdout=file,
        )
        while "step 1 of 2" not in said.read_text():
            assert watching.poll() is None, said.read_text()
            time.sleep(0.02)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=60) == exit_codes.INTERRUPTED, said.read_text()
    run = re.search(r"run --resume ([0-9a-f-]{36})", said.read_text())
    assert run, said.read_text()
    again = cli("--server", theirs.url, "run", "--resume", run[1], "--json")
    assert again.code == 0, again.err
    assert [one["name"] for one in again.json["outcomes"]] == ["third", "int4"]


def test_a_stream_of_events_is_read_as_the_standard_says() -> None:
    stream = [
        "retry: 1000",
        "",
        ": still going on",
        "id: 7",
        "event: log",
        'data: {"text":',
        'data: "one"}',
        "",
        "event: state",
        'data:{"state": "running"}',
        "",
        "data: cut off",
    ]
    found = list(parsed(stream))
    assert found == [Event("7", "log", {"text": "one"}), Event("", "state", {"state": "running"})]
