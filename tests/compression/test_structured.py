"""Structured pruning as a step: it searches, writes, proves, goes on after a break, and refuses."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.data import DataSet
from pressmark.compression.errors import CompressionError
from pressmark.compression.families import Kind, family_of
from pressmark.compression.prune import search as searching
from pressmark.compression.prune.blockpruner import BlockPruner
from pressmark.compression.prune.compensation import DAMPING, Compensation, solved
from pressmark.compression.prune.decoder import Cut, Decoder
from pressmark.compression.prune.multipruner import MultiPruner
from pressmark.compression.prune.structured import Structured
from pressmark.compression.prune.wanda import Wanda
from pressmark.compression.quantize.rtn import Rtn
from pressmark.compression.step import Context, Evidence, Inputs, Output, Produced
from pressmark.registry.errors import InvalidInputError

TinyComplete = Callable[..., Path]
MakeContext = Callable[..., Context]
TEXT = DataSet("text", DataSet.packaged("wikitext-2-calibration").text[:20_000], "CC-BY-SA-3.0", "")
SMALL = {"samples": 6, "length": 24}
MULTI = MultiPruner(ratio=0.4, split=(40, 60, 0), channel_group=8, **SMALL)
BLOCKS = BlockPruner(ratio=0.3, **SMALL)


def inputs_of(folder: Path) -> Inputs:
    return Inputs({"base": folder}, TEXT)


def proof(step: Structured, folder: Path, output: Output, context: Context) -> Evidence:
    measured = {m.name: m.value for m in output.measurements}
    return step.check(inputs_of(folder), Produced(output.folder, measured), context)


def digest(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir())}


@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
@pytest.mark.parametrize("step", [BLOCKS, MULTI, MULTI.model_copy(update={"compensate": False})])
def test_a_slim_model_proves_what_it_is(
    tiny_complete: TinyComplete, make_context: MakeContext, step: Structured, family: str
) -> None:
    folder = tiny_complete(family)
    output = step.apply(inputs_of(folder), make_context())
    measured = {m.name: m.value for m in output.measurements}
    base, made = Checkpoint.open(folder), Checkpoint.open(output.folder)
    assert measured["block_ratio"] >= step.ratio
    assert made.parameter_count == base.parameter_count * (1 - measured["total_ratio"])
    found = proof(step, folder, output, make_context())
    assert found.holds, found.detail
    assert made.model().generate(torch.tensor([[0, 5, 9]]), max_new_tokens=4).shape == (1, 7)


def test_the_same_seed_gives_the_same_bytes(
    tiny_complete: TinyComplete, make_context: MakeContext
) -> None:
    made = [MULTI.apply(inputs_of(tiny_complete()), make_context()) for _ in range(2)]
    assert digest(made[0].folder) == digest(made[1].folder)
    assert made[0].byproducts[0].read_bytes() == made[1].byproducts[0].read_bytes()


@pytest.mark.parametrize("leaf", ["mlp.up_proj.weight", "mlp.down_proj.weight", "norm.weight"])
def test_changed_tensors_are_refuted(
    tiny_complete: TinyComplete, make_context: MakeContext, leaf: str
) -> None:
    step = MultiPruner(ratio=0.2, split=(0, 100, 0), channel_group=16, **SMALL)
    output = step.apply(inputs_of(tiny_complete()), make_context())
    (file,) = output.folder.glob("*.safetensors")
    tensors = load_file(file)
    name = next(n for n in sorted(tensors) if n.endswith(leaf))
    tensors[name] = tensors[name].roll(1, dims=0)
    save_file(tensors, file, {"format": "pt"})
    found = proof(step, tiny_complete(), output, make_context())
    assert not found.holds
    assert name in found.detail or "layer 0 is none of them" in found.detail


def test_a_search_goes_on_where_it_was_killed(
    tiny_complete: TinyComplete,
    make_context: MakeContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = MULTI.apply(inputs_of(tiny_complete()), make_context())
    picks = whole.byproducts[0].read_text().splitlines(keepends=True)
    assert len(picks) >= 4
    left = tmp_path / "unfinished"
    left.mkdir()
    (left / "trajectory.jsonl").write_text("".join(picks[:2]) + picks[2][:20])  # torn by a kill
    tried: list[str] = []
    pick = searching.Search.pick
    monkeypatch.setattr(
        searching.Search, "pick", lambda self, *given: tried.append("") or pick(self, *given)
    )
    again = MULTI.apply(inputs_of(tiny_complete()), replace(make_context(), unfinished=left))
    assert len(tried) == len(picks) - 2
    assert again.byproducts[0].read_text() == "".join(picks)
    assert digest(again.folder) == digest(whole.folder)


def test_the_trajectory_tells_every_pick(
    tiny_complete: TinyComplete, make_context: MakeContext
) -> None:
    output = MULTI.apply(inputs_of(tiny_complete()), make_context())
    picks = [json.loads(line) for line in output.byproducts[0].read_text().splitlines()]
    stages = [pick["stage"] for pick in picks]
    assert stages == sorted(stages, key=["blocks", "channels", "heads"].index)
    assert set(stages) >= {"blocks", "channels"}
    assert all(pick["gap"] >= 0 for pick in picks)
    measured = {m.name: m.value for m in output.measurements}
    assert measured["picks"] == len(picks)
    assert measured["calibration_perplexity"] == pytest.approx(np.exp(picks[-1]["loss"]))


def test_more_than_there_is_is_refused(
    tiny_complete: TinyComplete, make_context: MakeContext
) -> None:
    step = MultiPruner(ratio=0.9, split=(0, 0, 100), **SMALL)
    with pytest.raises(InvalidInputError, match=r"heads.*no further than \d"):
        step.apply(inputs_of(tiny_complete()), make_context())


def test_a_quantized_model_is_refused(
    tiny_complete: TinyComplete, make_context: MakeContext
) -> None:
    packed = Rtn().apply(Inputs({"base": tiny_complete()}), make_context())
    with pytest.raises(CompressionError, match="prune first, then quantize"):
        BLOCKS.apply(inputs_of(packed.folder), make_context())


def test_an_unknown_family_is_told_what_to_write() -> None:
    with pytest.raises(CompressionError, match="residual branches") as caught:
        family_of(SimpleNamespace(model_type="gpt2"))
    assert "families.py" in caught.value.hint


def test_solved_columns_are_least_squares() -> None:
    random = np.random.default_rng(3)
    inputs = random.normal(size=(200, 12)) @ random.normal(size=(12, 12))
    weight = random.normal(size=(5, 12))
    gram = inputs.T @ inputs
    found = solved(torch.from_numpy(weight), torch.from_numpy(gram), 7).numpy()
    # min |X W^T - X_S V^T|^2 + lambda |V - W_S|^2 as one stacked least-squares problem.
    damping = np.sqrt(DAMPING * gram[:7, :7].diagonal().mean())
    matrix = np.vstack([inputs[:, :7], damping * np.eye(7)])
    target = np.vstack([inputs @ weight.T, damping * weight[:, :7].T])
    expected = np.linalg.lstsq(matrix, target, rcond=None)[0].T
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_compensation_brings_a_branch_closer_to_what_it_did(decoder_folder: TinyComplete) -> None:
    checkpoint = Checkpoint.open(decoder_folder("llama"))
    family, model = family_of(checkpoint.architecture.config), checkpoint.model()
    windows = torch.arange(16 * 24).reshape(16, 24) * 7 % 120 + 2
    decoder = Decoder(model, family, windows)
    mlp = next(b for b in decoder.branches(0) if b.kind is Kind.MLP)
    dense = list(decoder.layers)
    (batch,) = decoder.batches
    wanted = decoder.step(dense[0], 0, batch.entering, batch)
    decoder.commit(Cut(0, mlp, 24))
    cut = decoder.step(decoder.layers[0], 0, batch.entering, batch)
    Compensation(dense, decoder).run()
    mended = decoder.step(decoder.layers[0], 0, batch.entering, batch)
    assert float((mended - wanted).norm()) < 0.9 * float((cut - wanted).norm())


def test_a_slim_model_is_pruned_and_quantized_further(
    tiny_complete: TinyComplete, make_context: MakeContext
) -> None:
    slim = BLOCKS.apply(inputs_of(tiny_complete()), make_context())
    half = Wanda(sparsity=0.5, **SMALL).apply(inputs_of(slim.folder), make_context())
    packed = Rtn(bits=8, group_size=None).apply(Inputs({"base": half.folder}), make_context())
    made = Checkpoint.open(packed.folder)
    assert made.plan.structure == Checkpoint.open(slim.folder).plan.structure
    assert made.model()(input_ids=torch.tensor([[0, 5, 9]])).logits.isfinite().all()
