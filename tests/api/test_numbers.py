"""Of what was measured, the telling numbers are shown first, and the rest when it is asked for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pressmark.api.cli.numbers import human_number
from pressmark.api.telling import chosen

CONVERT = "name: c\ninputs: {base: }\nsteps: [{step: convert/gguf, name: bf16}]\n"
HALVE = (
    "name: h\ninputs: {base: }\nsteps: [{step: prune/magnitude, name: half, "
    "parameters: {sparsity: 0.5}}]\n"
)


@pytest.fixture
def evaluated(
    cli, tiny_gguf: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry with two evaluated artifacts, which is the one in use."""
    monkeypatch.setenv("PRESSMARK_REGISTRY", str(tmp_path / "registry"))
    (tmp_path / "convert.yaml").write_text(CONVERT)
    (tmp_path / "halve.yaml").write_text(HALVE)
    for line in (
        ["init"],
        ["import", tiny_gguf("llama"), "--name", "gguf"],
        ["run", tmp_path / "convert.yaml", "--input", "gguf"],
        ["run", tmp_path / "halve.yaml", "--input", "bf16"],
        ["eval", "bf16", "--window", "32", "--max-tokens", "100"],
        ["eval", "half", "--window", "32", "--max-tokens", "100", "--parent", "bf16"],
    ):
        ran = cli(*line)
        assert ran.code == 0, ran.err


def measured(text: str, heading: str) -> list[str]:
    """The names of the numbers under a heading."""
    section = text.partition(heading)[2].partition("\n\n")[0].splitlines()[1:]
    return [line.split(":")[0].strip() for line in section if ":" in line]


TELLING = ["perplexity", "kl_divergence", "top1_agreement", "tokens_per_second"]


def test_show_begins_with_the_telling_numbers(cli, evaluated) -> None:
    text, everything = cli("show", "half").out, cli("show", "half", "--all").out
    assert measured(text, "evaluated on") == TELLING
    known = {
        m["name"] for m in cli("show", "half", "--json").json["evaluations"][0]["measurements"]
    }
    assert measured(everything, "evaluated on")[:4] == TELLING
    assert set(measured(everything, "evaluated on")) == known
    assert f"and {len(known) - 4} more with --all" in text
    assert "more with --all" not in everything
    assert "sparsity: 0.5" in text
    assert "pruned_tensors" not in text
    assert "pruned_tensors" in everything


def test_diff_begins_with_the_telling_numbers(cli, evaluated) -> None:
    def metrics(*options: str) -> list[str]:
        text = cli("diff", "bf16", "half", *options).out
        section = text.split("metrics on")[1].split("\n\n")[0].splitlines()[2:]
        return [line.split()[0] for line in section if "more with" not in line]

    assert metrics() == TELLING
    assert metrics("--all")[:4] == TELLING
    assert {"windows", "begin_of_text", "sample_perplexity"} <= set(metrics("--all"))
    text = cli("diff", "bf16", "half").out
    steps = text.split("measured by the steps")[1].split("\n\n")[0]
    assert "sparsity" in steps
    assert "prunable_weights" not in steps
    assert "more with --all" in steps


def test_runs_are_listed_newest_first(cli, evaluated) -> None:
    names = [line.split()[2] for line in cli("ls", "--runs").out.splitlines()[1:]]
    assert names[2:] == ["h", "c", "import"]
    rows = cli("ls", "--runs", "--json").json
    times = [row["startedAt"] for row in rows]
    assert times == sorted(times, reverse=True)


def test_a_number_that_is_not_known_is_shown() -> None:
    names = ["windows", "novelty", "sparsity", "sample_novelty"]
    assert chosen(names, str, everything=False) == (["sparsity", "novelty"], 2)
    assert chosen(names, str, everything=True) == (
        ["sparsity", "windows", "novelty", "sample_novelty"],
        0,
    )


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "1", "-"),
        (1_234_567.0, "By", "1.2 MB"),
        (16384.0, "1", "16,384"),
        (0.875190123, "nat", "0.87519 nat"),
        (365.2961, "1/s", "365.296 1/s"),
    ],
)
def test_numbers_have_their_units(value, unit, text) -> None:
    assert human_number(value, unit) == text
