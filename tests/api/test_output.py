"""How results read: one wording everywhere, labelled, no longer than they need to be."""

import dataclasses
import re
import shutil
from pathlib import Path

import pytest

from pressmark.api.cli.difference import print_difference
from pressmark.api.cli.output import estimated_seconds
from pressmark.registry.diff import MetricChange, diff
from pressmark.registry.registry import Registry
from pressmark.registry.search import resolve


@pytest.fixture
def registry(chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the chain, which is the registry in use."""
    copy = tmp_path / "registry"
    shutil.copytree(chain, copy, symlinks=True)
    monkeypatch.setenv("PRESSMARK_REGISTRY", str(copy))
    return copy


def test_assurance_has_one_wording(cli, registry, tmp_path) -> None:
    cli("get", "int8", "-o", tmp_path / "got")
    weights = tmp_path / "got" / "pressmark-model.safetensors"
    for command in (("ls",), ("show", "int8"), ("lineage", "int8"), ("where", weights)):
        assert "executed, checked" in cli(*command).out, command


def test_the_head_says_what_it_is_and_what_it_is_for(cli, registry) -> None:
    found, text = cli("head", "--json").json, cli("head")
    assert text.out.startswith(f"head {found['head']} of {found['entries']} journal entries, ")
    assert text.out.endswith(f"the last of {found['recorded_at']}\n")
    assert found["recorded_at"] == max(
        row["end"]
        for row in cli(
            "query",
            "PREFIX prov: <http://www.w3.org/ns/prov#> PREFIX pm: <https://w3id.org/pressmark/ns#>"
            "SELECT ?end { ?a prov:endedAtTime|pm:closedAtTime ?end }",
            "--json",
        ).json
    )
    (hint,) = re.findall(r"pressmark (verify --head \w+)", text.err)
    assert cli("tag", "int8", "later").code == 0
    assert cli(*hint.split()).code == 0
    assert cli("verify", "--head", "0" * 63 + "1").code == 1


def test_the_head_of_nothing(cli, tmp_path) -> None:
    assert cli("-R", tmp_path / "new", "init").code == 0
    assert cli("-R", tmp_path / "new", "head", "--json").json["recorded_at"] is None
    assert cli("-R", tmp_path / "new", "head").out.endswith("of 0 journal entries\n")


def test_an_estimate_is_no_more_exact_than_it_can_be(cli, registry, tmp_path) -> None:
    assert (estimated_seconds(0.02), estimated_seconds(1.0)) == ("< 1 s", "1.0 s")
    recipe = tmp_path / "quarter.yaml"
    recipe.write_text(
        "name: quarter\ninputs:\n  base:\nsteps:\n"
        "  - step: prune/magnitude\n    parameters: {sparsity: 0.25}\n"
    )
    forecast = cli("run", recipe, "--input", "base", "--dry-run").out
    assert forecast.count("< 1 s") == 2  # the step, and all together
    assert cli("run", recipe, "--input", "base").code == 0
    again = cli("run", recipe, "--input", "base")
    assert re.search(r"-> prune \(reused [0-9a-f]{8}\)\n", again.err)
    assert "urn:uuid" not in again.err


def test_a_difference_names_each_data_set_once(
    registry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Registry.open(registry) as opened:
        one, two = (resolve(opened, name) for name in ("base", "pruned"))
        found = diff(opened, one, two)
    metrics = tuple(
        MetricChange(metric, data, settings, "1", 2.0, 3.0, None, None)
        for metric in ("cross_entropy", "perplexity")
        for data, settings in (("text", "window=8"), ("text", ""), ("other", ""))
    )
    print_difference(dataclasses.replace(found, metrics=metrics))
    shown = capsys.readouterr().out
    assert re.findall(r"^metrics on (.*)$", shown, re.M) == ["other", "text", "text (window=8)"]
    assert len(re.findall(r"^perplexity +2 +3 +\+1$", shown, re.M)) == 3
