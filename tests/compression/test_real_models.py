"""A real model through pruning and evaluation."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.data import DataSet
from pressmark.compression.evaluate.perplexity import Perplexity
from pressmark.compression.prune.magnitude import Magnitude
from pressmark.compression.prune.wanda import Wanda
from pressmark.compression.step import Context, Inputs, Produced, Step

GEMMA = Path(__file__).parents[2] / ".cache" / "models" / "gemma-3-270m"
MakeContext = Callable[..., Context]

SHARED = Path(__file__).parents[3] / "shared" / "models"

pytestmark = pytest.mark.slow
needs_gemma = pytest.mark.usefixtures("gemma")


@pytest.fixture(scope="module")
def pruned(gemma: Path, make_context: MakeContext) -> dict[str, Path]:
    """Gemma 3 270M, half of it pruned, by method."""
    data = DataSet.packaged("wikitext-2-calibration")
    steps: tuple[Step, ...] = (Wanda(samples=8, length=256), Magnitude())
    folders = {}
    for step in steps:
        output = step.apply(Inputs({"base": GEMMA}, data), make_context())
        assert output.folder is not None
        folders[step.name] = output.folder
    return folders


def perplexity(folder: Path, context: Context, **parameters: object) -> dict[str, float]:
    inputs = Inputs({"base": folder, "parent": GEMMA}, DataSet.packaged("wikitext-2-evaluation"))
    output = Perplexity(max_tokens=1022, **parameters).apply(inputs, context)
    return {m.name: m.value for m in output.measurements}


@needs_gemma
def test_wanda_hurts_less_than_magnitude(
    pruned: dict[str, Path], make_context: MakeContext
) -> None:
    base = perplexity(GEMMA, make_context())
    wanda, magnitude = (perplexity(f, make_context()) for f in pruned.values())
    assert base["perplexity"] < wanda["perplexity"] < magnitude["perplexity"]
    assert wanda["kl_divergence"] < magnitude["kl_divergence"]
    assert base["kl_divergence"] == 0


@needs_gemma
def test_gemma_needs_its_begin_of_text_token(make_context: MakeContext) -> None:
    with_bos = perplexity(GEMMA, make_context())
    without = perplexity(GEMMA, make_context(), bos=False)
    assert with_bos["begin_of_text"] == 1
    assert without["perplexity"] > 1.5 * with_bos["perplexity"]


@needs_gemma
def test_the_check_holds_on_real_weights(
    pruned: dict[str, Path], make_context: MakeContext
) -> None:
    inputs = Inputs({"base": GEMMA})
    for step in (Wanda(), Magnitude()):
        evidence = step.check(inputs, Produced(pruned[step.name]), make_context())
        assert evidence.holds, evidence.detail


@needs_gemma
def test_every_row_of_a_real_block_has_the_plain_formula_s_zeros(pruned: dict[str, Path]) -> None:
    """Block 0 sees the embeddings alone, so one hook on the stock model gives its inputs."""
    from transformers import AutoModelForCausalLM

    base = Checkpoint.open(GEMMA)
    windows = DataSet.packaged("wikitext-2-calibration").windows(base.tokenizer(), 8, 256, 0)
    model = AutoModelForCausalLM.from_pretrained(GEMMA, dtype="auto")
    seen = []
    model.model.layers[0].self_attn.q_proj.register_forward_pre_hook(
        lambda _, args: seen.append(args[0].double().square().sum(dim=(0, 1)).numpy())
    )
    with torch.no_grad():
        for window in windows:
            model.model(window[None])
    name = "model.layers.0.self_attn.q_proj.weight"
    weight = base.tensors.read(name).float().numpy()
    score = np.abs(weight) * np.sqrt(sum(seen) / 8)
    ours = Checkpoint.open(pruned["prune/wanda"]).tensors.read(name).float().numpy()
    kept = np.where(ours != 0, score, np.inf).min(axis=1)
    cut = np.where(ours == 0, score, 0).max(axis=1)
    assert ((ours == 0).sum(axis=1) >= 320).all()
    assert (cut <= kept * (1 + 1e-4)).all()


@pytest.mark.parametrize(("name", "published"), [("mamba2-tiny", 67.3), ("nemotron-h-tiny", 52.6)])
def test_trained_hybrids_are_evaluated_and_pruned(
    name: str, published: float, make_context: MakeContext
) -> None:
    """Their makers give the perplexity of the first 10k tokens of the test split."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    inputs = Inputs({"base": folder}, DataSet.packaged("wikitext-2-calibration"))
    found = []
    for step in (None, Wanda(samples=16, length=256), Magnitude()):
        target = folder
        if step is not None:
            target = step.apply(inputs, make_context()).folder
        evaluated = Inputs({"base": target}, DataSet.packaged("wikitext-2-evaluation"))
        output = Perplexity(window=256, max_tokens=10_000).apply(evaluated, make_context())
        found.append({m.name: m.value for m in output.measurements}["perplexity"])
    base, wanda, magnitude = found
    assert base == pytest.approx(published, rel=0.02)
    assert base < wanda < magnitude
