"""Recipes that cannot be run: each is refused with its line before anything is done."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pressmark.api.cli import exit_codes

GOOD = """\
name: half
inputs:
  base:
steps:
  - step: prune/magnitude
    name: pruned
    parameters: {sparsity: 0.5}
"""

REFUSED: dict[str, tuple[str, str, str]] = {
    "unknown step": ("magnitude", "magnitud", "recipe.yaml:5: there is no step"),
    "unknown parameter": (
        "sparsity:",
        "sparsty:",
        "recipe.yaml:7: prune/magnitude has no parameter",
    ),
    "value of another type": ("0.5", "'half'", "recipe.yaml:7: sparsity: "),
    "value out of range": ("0.5", "1.5", "recipe.yaml:7: sparsity: "),
    "unknown key": ("    name:", "    title:", "recipe.yaml:6: "),
    "unknown input": ("    name:", "    inputs: {base: bas}\n    name:", "recipe.yaml:6: "),
    "name used twice": ("name: pruned", "name: base", "recipe.yaml:6: "),
    "alias bomb": ("  base:", "  base: &a [*a, *a]", "recipe.yaml:3: "),
    "tag that runs code": ("0.5", "!!python/object/apply:os.getcwd []", "recipe.yaml:7: "),
    "nested too deeply": ("0.5", "[" * 99 + "]" * 99, "recipe.yaml:7: nested deeper"),
    "a list": ("name: half", "- name: half", "recipe.yaml:"),
    "key that is a list": ("    name:", "    [a]: b\n    name:", "recipe.yaml:6: a key must be"),
    "reserved name": ("name: pruned", "name: previous", "recipe.yaml:6: 'previous' is a reserved"),
    "no YAML": ("steps:", "steps: [", "recipe.yaml:"),
}


@pytest.mark.parametrize("defect", REFUSED)
def test_a_recipe_is_refused(tmp_path: Path, refused: Callable[..., str], defect: str) -> None:
    old, new, told = REFUSED[defect]
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(GOOD.replace(old, new, 1))
    assert told in refused("run", recipe, "--input", "base")


def test_the_recipe_that_is_spoilt_is_good(cli, kept, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(GOOD)
    arguments = ("run", tmp_path / "recipe.yaml", "--input", "base", "--dry-run")
    assert cli("-R", kept, *arguments).code == 0


def test_all_that_is_wrong_is_told_at_once(cli, kept, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(GOOD.replace("magnitude", "magnitud").replace("name: half", "nam: half"))
    ran = cli("-R", kept, "run", recipe, "--input", "base", "--json")
    assert ran.code == exit_codes.REFUSED
    found = json.loads(ran.err)
    assert [problem["line"] for problem in found["problems"]] == [1, 5]
    assert all(problem["message"] in found["message"] for problem in found["problems"])
