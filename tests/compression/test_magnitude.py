"""Magnitude pruning against a stable argsort in NumPy."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pressmark.compression.blocks import block_linears
from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.prune.magnitude import Magnitude
from pressmark.compression.step import Context, Inputs, Produced

TinyFolder = Callable[..., Path]
MakeContext = Callable[..., Context]


@pytest.mark.parametrize("family", ["llama", "mamba2"])
def test_the_smallest_weights_of_each_row_go(
    tiny_folder: TinyFolder, make_context: MakeContext, family: str
) -> None:
    folder = tiny_folder(family)
    output = Magnitude(sparsity=0.37).apply(Inputs({"base": folder}), make_context())
    before, after = (load_file(f / "model.safetensors") for f in (folder, output.folder))
    names = block_linears(Checkpoint.open(folder).architecture)
    for name, old in before.items():
        expected = old.float().numpy()
        if name in names:
            for row in expected:
                order = np.argsort(np.abs(row), kind="stable")
                row[order[: int(0.37 * len(row))]] = 0
        assert np.array_equal(after[name].float().numpy(), expected), name


def test_the_check_holds_and_refutes_another_choice(
    tiny_folder: TinyFolder, make_context: MakeContext, tmp_path: Path
) -> None:
    inputs, step = Inputs({"base": tiny_folder("llama")}), Magnitude(pattern="2:4")
    output = step.apply(inputs, make_context())
    assert step.check(inputs, Produced(output.folder), make_context()).holds
    name = "model.layers.0.mlp.up_proj.weight"
    tensors = load_file(output.folder / "model.safetensors")
    old = inputs.base.tensors.read(name)
    zero, kept = (
        int(i[0]) for i in ((tensors[name][0] == 0).nonzero(), tensors[name][0].nonzero())
    )
    tensors[name][0, zero], tensors[name][0, kept] = old[0, zero], 0
    save_file(tensors, output.folder / "model.safetensors", {"format": "pt"})
    evidence = step.check(inputs, Produced(output.folder), make_context())
    assert [c.text for c in evidence.claims if not c.holds][-1] == "exactly the smallest are zero"


def test_nothing_is_pruned_at_sparsity_zero(
    tiny_folder: TinyFolder, make_context: MakeContext
) -> None:
    folder = tiny_folder("llama")
    output = Magnitude(sparsity=0.0).apply(Inputs({"base": folder}), make_context())
    before, after = (load_file(f / "model.safetensors") for f in (folder, output.folder))
    assert all(torch.equal(before[name], after[name]) for name in before)
