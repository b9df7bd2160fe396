"""Importing and evaluating with every choice that the steps offer."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pressmark.api.cli import exit_codes

CONVERT = "name: c\ninputs: {base: }\nsteps: [{step: convert/gguf, name: bf16}]\n"


@pytest.fixture
def registry(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty registry, which is the one in use."""
    monkeypatch.setenv("PRESSMARK_REGISTRY", str(tmp_path / "registry"))
    assert cli("init").code == 0
    return tmp_path / "registry"


def test_an_import_leaves_out_what_it_is_told_to(
    cli, registry, tiny_folder: Callable[..., Path], tmp_path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder("llama"), folder)
    (folder / "training_args.bin").write_bytes(pickle.dumps({"lr": 1e-3}))
    (folder / "notes.txt").write_text("not for others")
    refused = cli("import", folder)
    assert refused.code == exit_codes.REFUSED
    assert "--exclude 'training_args.bin'" in refused.err
    options = ["--exclude", "*.bin", "--exclude", "notes.txt", "--license", "MIT"]
    made = cli("import", folder, *options, "--json").json
    kept = {path.name for path in tiny_folder("llama").iterdir()}
    assert {file["name"] for file in made["files"]} == kept


def test_an_evaluation_has_the_windows_that_it_is_asked_for(
    cli, registry, tiny_gguf: Callable[..., Path], tmp_path
) -> None:
    (tmp_path / "convert.yaml").write_text(CONVERT)
    assert cli("import", tiny_gguf("llama"), "--name", "gguf").code == 0
    assert cli("run", tmp_path / "convert.yaml", "--input", "gguf").code == 0
    too_long = cli("eval", "bf16")
    assert too_long.code == exit_codes.STEP_FAILED
    assert "at most 64" in too_long.err

    def measured(*options: object) -> dict[str, float]:
        (outcome,) = cli("eval", "bf16", "--max-tokens", 40, *options, "--json").json["outcomes"]
        return {m["name"]: m["value"] for m in outcome["measurements"]}

    # One of 16 positions is the begin-of-text token's.
    plain, overlapping = measured("--window", 16), measured("--window", 16, "--stride", 5)
    assert (plain["tokens"], plain["windows"]) == (40, 3)
    assert (overlapping["tokens"], overlapping["windows"]) == (40, 6)
    assert_asked_by_any_name(cli, "wikitext-2-evaluation", used=3)  # one failed


def assert_asked_by_any_name(cli, dataset: str, *, used: int) -> None:
    """What used a data set is told for its name, its digest, and its IRI as tables print it."""
    (known,) = cli("query", "descriptions", "kind=pm:DataSet", "--json").json
    assert known["name"] == dataset
    short = cli("query", "used_dataset", f"dataset={dataset}").out.splitlines()[1].split()[1]
    assert short.endswith("…")
    for name in (dataset, known["sha256"], known["sha256"][:8], known["thing"], short):
        rows = cli("query", "used_dataset", f"dataset={name}", "--json").json
        assert [row["dataset"] for row in rows] == [known["thing"]] * used
    unknown = cli("query", "used_dataset", "dataset=wikitext-2-evaluatoin")
    assert unknown.code == exit_codes.NOT_FOUND
    assert f"did you mean '{dataset}'?" in unknown.err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--window", 1], "window: "),
        (["--window", 16, "--stride", 17], "stride 17 is longer than the window 16"),
        (["--max-tokens", 0], "max_tokens: "),
    ],
)
def test_windows_that_cannot_be_are_refused_before_anything_is_recorded(
    cli, registry, tiny_folder: Callable[..., Path], options, reason
) -> None:
    assert cli("import", tiny_folder("llama"), "--name", "base").code == 0
    head = cli("head").out
    ran = cli("eval", "base", *options)
    assert ran.code == exit_codes.REFUSED
    assert reason in ran.err
    assert cli("head").out == head
