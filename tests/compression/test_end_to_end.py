"""A tiny model through the real steps: import, prune, quantize, evaluate, check, make again."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from pressmark.compression.artifact_files import materialise
from pressmark.compression.checking import check
from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.evaluate.perplexity import Perplexity
from pressmark.compression.history import load_artifact
from pressmark.compression.one_step import evaluate, import_model
from pressmark.compression.recipe import DataSource, Recipe, packaged_recipes
from pressmark.compression.reproduce import reproduce
from pressmark.compression.runner import Runner
from pressmark.registry.facts import summaries
from pressmark.registry.registry import Registry

RECIPE = """\
name: tiny
inputs: {base: }
data:
  calibration: {packaged: wikitext-2-calibration}
  evaluation: {packaged: wikitext-2-evaluation}
steps:
  - step: prune/wanda
    name: pruned
    parameters: {sparsity: 0.5, samples: 4, length: 32}
    data: calibration
  - step: prune/magnitude
    name: plain
    inputs: {base: base}
    parameters: {pattern: "2:4"}
  - step: quantize/rtn
    name: int4
    inputs: {base: pruned}
    parameters: {bits: 4, group_size: 32}
  - step: evaluate/perplexity
    of: [base, pruned, int4]
    parent: base
    parameters: {window: 64, max_tokens: 1200}
    data: evaluation
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRESSMARK_AGENT", "tester")
        with Registry.create(tmp_path_factory.mktemp("e2e") / "registry") as registry:
            yield registry


@pytest.fixture(scope="module")
def base(registry, tiny_complete):
    return import_model(registry, tiny_complete(), "tiny", license="Apache-2.0", threads=1)


@pytest.fixture(scope="module")
def result(registry, base):
    recipe = Recipe.from_bytes(RECIPE.encode())
    return Runner(registry, threads=1).run(recipe, {"base": base})


def folder(registry, artifact, target: Path) -> Path:
    return materialise(registry, load_artifact(registry, artifact), target)


def test_the_import_keeps_every_byte(registry, base, tiny_complete, tmp_path: Path) -> None:
    stored = folder(registry, base, tmp_path / "base")
    source = tiny_complete()
    names = sorted(p.name for p in source.iterdir())
    assert sorted(p.name for p in stored.iterdir()) == names
    assert all((stored / n).read_bytes() == (source / n).read_bytes() for n in names)
    assert load_artifact(registry, base).license == "Apache-2.0"


def test_half_of_the_weights_are_zero_and_the_rest_is_the_parents(
    registry, base, result, tmp_path: Path
) -> None:
    old = folder(registry, base, tmp_path / "old") / "model.safetensors"
    new = folder(registry, result.artifacts["pruned"], tmp_path / "new") / "model.safetensors"
    pruned = 0
    with safe_open(old, "pt") as before, safe_open(new, "pt") as after:
        for name in before.keys():  # noqa: SIM118 - no mapping
            a, b = before.get_tensor(name), after.get_tensor(name)
            zeroed = (b == 0) & (a != 0)
            assert torch.equal(b, torch.where(zeroed, torch.zeros_like(a), a))
            if "proj" in name:
                assert (b == 0).float().mean() == pytest.approx(0.5, abs=0.02)
                pruned += 1
    assert pruned > 0


@pytest.mark.parametrize("name", ["base", "pruned", "plain", "int4"])
def test_parameters_are_counted(registry, result, tmp_path: Path, name: str) -> None:
    """As the loaded model has them: packed ones unpacked, tied ones once."""
    artifact = result.artifacts[name]
    stored = folder(registry, artifact, tmp_path / name)
    parameters = list(Checkpoint.open(stored).model().parameters())
    found = summaries(registry, [artifact])[artifact]
    assert found.parameter_count == sum(p.numel() for p in parameters)
    assert found.nonzero_parameter_count == sum(int((p != 0).sum()) for p in parameters)
    assert (found.nonzero_parameter_count < found.parameter_count) == (name != "base")


def test_what_is_stored_packed_loads_as_a_working_model(registry, result, tmp_path: Path) -> None:
    stored = folder(registry, result.artifacts["int4"], tmp_path / "int4")
    model = Checkpoint.open(stored).model()
    assert torch.isfinite(model(torch.arange(16)[None]).logits).all()


def test_quality_is_measured_along_the_chain(result) -> None:
    measured = {o.name: {m.name: m.value for m in o.measurements} for o in result.outcomes}
    base = measured["evaluate-base"]
    assert base["perplexity"] > 1
    assert "kl_divergence" not in base
    assert measured["evaluate-int4"]["kl_divergence"] > 0
    assert measured["evaluate-pruned"]["perplexity"] != base["perplexity"]


def test_every_edge_holds_when_checked_again(registry, result) -> None:
    found = check(registry, result.artifacts["int4"], threads=1)
    assert [(e.name, e.step, e.verdict) for e in found.edges] == [
        ("int4", "quantize/rtn", "holds"),
        ("pruned", "prune/wanda", "holds"),
        ("tiny", "import", "holds"),
    ]


@pytest.mark.parametrize("name", ["pruned", "int4"])
def test_a_new_process_gives_the_same_bytes(registry, result, name: str) -> None:
    assert reproduce(registry, result.artifacts[name]).difference == ""


def test_the_second_run_takes_no_step(registry, base, result) -> None:
    again = Runner(registry, threads=1).run(Recipe.from_bytes(RECIPE.encode()), {"base": base})
    assert all(outcome.reused for outcome in again.outcomes)


def test_an_evaluation_alone(registry, base, result) -> None:
    data = DataSource(packaged="wikitext-2-evaluation")
    step = Perplexity(window=64, max_tokens=500)
    plain = result.artifacts["plain"]
    (outcome,) = evaluate(registry, plain, data, parent=base, step=step, threads=1).outcomes
    assert {m.name for m in outcome.measurements} >= {"perplexity", "kl_divergence"}


@pytest.mark.parametrize("name", packaged_recipes())
def test_the_recipes_of_ours_are_sound(name: str) -> None:
    recipe = Recipe.load(name)
    assert recipe.name == name
    assert recipe.description
    assert {p.step.needs_data for p in recipe.steps} == {None, "calibration", "evaluation"}
