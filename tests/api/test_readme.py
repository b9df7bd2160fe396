"""The README's examples work as they stand."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.S | re.M)


def test_there_are_examples_of_each_kind() -> None:
    assert len(blocks("bash")) >= 5
    assert len(blocks("python")) == 1
    assert len(blocks("yaml")) == 1


def test_it_tells_every_exit_code() -> None:
    from pressmark.api.cli import exit_codes

    told = {int(code) for code in re.findall(r"^\| (\d+) \| ", README, re.M)}
    constants = {
        value for name, value in vars(exit_codes).items() if name.isupper() and name[0] != "_"
    }
    assert constants <= told
    assert "@@" not in README


def test_the_recipe_is_accepted() -> None:
    from pressmark.compression.recipe import Recipe

    (text,) = blocks("yaml")
    recipe = Recipe.from_bytes(text.encode())
    assert [planned.step.name for planned in recipe.steps][:2] == ["prune/wanda", "quantize/rtn"]


def test_every_form_of_a_data_set_is_shown_and_accepted() -> None:
    import yaml

    from pressmark.compression.data import PACKAGED
    from pressmark.compression.recipe import DataSource

    forms = [yaml.safe_load(form) for form in re.findall(r"^\| `(\{.*\})` \|", README, re.M)]
    sources = [DataSource.model_validate(form) for form in forms]
    assert {key for form in forms for key in form} == set(DataSource.model_fields)
    assert {source.packaged for source in sources} <= {None, *PACKAGED}
    for name in re.findall(r"`(compression/[\w/]+\.py)`", README):
        assert (ROOT / name).is_file()


def test_the_step_runs_and_its_check_holds(
    tiny_folder: Callable[..., Path], tmp_path: Path
) -> None:
    from pressmark.compression.progress import NullProgress
    from pressmark.compression.step import Context, Inputs, Produced

    (text,) = blocks("python")
    names: dict[str, object] = {"__name__": "example"}
    exec(compile(text, "README.md", "exec"), names)
    step = names["Scale"](exponent=-2)  # type: ignore[operator]
    inputs, context = Inputs({"base": tiny_folder("llama")}), Context(tmp_path, NullProgress())
    output = step.apply(inputs, context)
    assert step.check(inputs, Produced(output.folder), context).holds
    assert not step.check(inputs, Produced(tiny_folder("llama")), context).holds


def test_every_command_that_is_mentioned_exists() -> None:
    from typer.main import get_command

    from pressmark.api.cli.app import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"pressmark ([a-z]+)", README)) <= known


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_demo_and_then_every_example(tmp_path: Path) -> None:
    """What a new user does: the demo, then each example, in order, pasted as it stands."""
    (tmp_path / ".cache").symlink_to(ROOT / ".cache")
    (ROOT / ".cache").mkdir(exist_ok=True)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    script = "set -euo pipefail\npressmark demo\n" + "\n".join(blocks("bash"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PRESSMARK_")}
    environment["PATH"] = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "int8 <- pruned <- bf16 <- gemma-3-270m" in done.stdout
    assert "executed, reproduced" in done.stdout
    assert (tmp_path / "demo-out" / "report.html").stat().st_size > 10_000
