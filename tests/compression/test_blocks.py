"""Streaming blocks, with the whole stock model as the oracle."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from pressmark.compression import blocks
from pressmark.compression.blocks import Block, BlockList, BlockStream, block_linears
from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.errors import CompressionError

TinyFolder = Callable[..., Path]
WINDOWS = torch.arange(5 * 24).reshape(5, 24) * 7 % 512
LENGTH = 24
"""Longer than gemma's sliding window of 8, so that its two kinds of mask differ."""


def stock_states(folder: Path, windows: torch.Tensor) -> list[torch.Tensor]:
    """What enters each block, and at last what enters the final norm, in the stock model."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval()
    layers = model.get_submodule(BlockList.find(model).path)
    seen: list[torch.Tensor] = []
    for layer in layers:
        layer.register_forward_pre_hook(
            lambda _, args, kwargs: seen.append(
                (args[0] if args else kwargs["hidden_states"]).clone()
            ),
            with_kwargs=True,
        )
    layers[-1].register_forward_hook(
        lambda _, __, output: seen.append(output if isinstance(output, torch.Tensor) else output[0])
    )
    with torch.no_grad():
        model(windows, use_cache=False)
    return seen


def joined(stream: BlockStream) -> torch.Tensor:
    return torch.cat(stream.states)


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma3_text", "mamba2"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_blocks_see_what_they_see_in_the_whole_model(
    tiny_folder: TinyFolder, monkeypatch: pytest.MonkeyPatch, family: str, dtype: str
) -> None:
    monkeypatch.setattr(blocks, "BATCH_TOKENS", 5 * LENGTH)  # one batch: bit for bit the same
    folder = tiny_folder(family, dtype=dtype)
    expected = stock_states(folder, WINDOWS)
    stream = BlockStream(Checkpoint.open(folder), WINDOWS)
    for block in stream:
        assert torch.equal(joined(stream), expected[block.index])
        block.observe()
        assert torch.equal(joined(stream), expected[block.index])
        block.advance()
    assert torch.equal(joined(stream), expected[-1])


@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
def test_batches_change_nothing(
    tiny_folder: TinyFolder, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    monkeypatch.setattr(blocks, "BATCH_TOKENS", 2 * LENGTH)  # batches of 2, 2 and 1
    folder = tiny_folder(family, dtype="float32")
    stream = BlockStream(Checkpoint.open(folder), WINDOWS)
    assert [len(batch) for batch in stream.states] == [2, 2, 1]
    for block in stream:
        block.advance()
    torch.testing.assert_close(joined(stream), stock_states(folder, WINDOWS)[-1])


def test_arguments_are_kept_once(tiny_folder: TinyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BATCH_TOKENS", LENGTH)
    stream = BlockStream(Checkpoint.open(tiny_folder("gemma3_text")), WINDOWS)
    kept = {
        tensor.data_ptr()
        for calls in stream._calls
        for call in calls
        for value in call.kwargs.values()
        for tensor in (value if isinstance(value, tuple) else (value,))
        if isinstance(tensor, torch.Tensor)
    }
    assert len(stream._calls) == 5
    assert len(kept) <= 8  # not five times as many


def test_weights_live_only_while_their_block_runs(tiny_folder: TinyFolder) -> None:
    stream = BlockStream(Checkpoint.open(tiny_folder("llama")), WINDOWS)
    assert all(p.is_meta for p in stream._model.parameters())
    for block in stream:
        real = {name for name, p in stream._model.named_parameters() if not p.is_meta}
        assert real == {f"{block.name}.{name}" for name, _ in block.module.named_parameters()}
    assert all(p.is_meta for p in stream._model.parameters())


def test_embeddings_and_head_are_no_block_linears(tiny_folder: TinyFolder) -> None:
    checkpoint = Checkpoint.open(tiny_folder("llama"))
    names = block_linears(checkpoint.architecture)
    assert len(names) == 2 * 7
    assert all(name.startswith("model.layers.") for name in names)
    assert "lm_head.weight" in checkpoint.tensors


def test_linears_are_named_as_stored(tiny_folder: TinyFolder) -> None:
    checkpoint = Checkpoint.open(tiny_folder("gemma3_text"))
    names = [name for block in BlockStream(checkpoint, WINDOWS) for name in block.linears]
    assert tuple(names) == block_linears(checkpoint.architecture)


def test_a_model_without_linear_layers_in_blocks_is_refused(tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=64, n_embd=16, n_layer=1, n_head=2, n_positions=16)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    with pytest.raises(CompressionError, match=r"no block of GPT2LMHeadModel holds an nn\.Linear"):
        block_linears(Checkpoint.open(tmp_path).architecture)


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(CompressionError, match="Linear has no list of decoder blocks"):
        BlockList.find(nn.Linear(2, 2))


class Plus(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, hidden: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.linear(hidden) + 1,)


def test_blocks_that_return_tuples_are_run() -> None:
    hidden = torch.ones(2, 3, 4)
    block = Block(0, "layers.0", Plus(), [hidden.clone()], (blocks.Call((), {}),))
    block.advance()
    torch.testing.assert_close(block.states[0], block.module(hidden)[0])


@pytest.mark.slow
def test_memory_stays_at_one_block_and_the_hidden_states(tmp_path: Path) -> None:
    """24 blocks of 6.3 MB, 151 MB in all: a pass may take a fraction of that above its start."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=512,
        hidden_size=512,
        intermediate_size=1536,
        num_hidden_layers=24,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=128,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(tmp_path)
    code = (
        "import sys, torch\n"
        "from pressmark.compression.blocks import BlockStream\n"
        "from pressmark.compression.checkpoint import Checkpoint\n"
        "def status(key):\n"
        "    return next(int(line.split()[1]) for line in open('/proc/self/status')"
        " if line.startswith(key))\n"
        "checkpoint = Checkpoint.open(sys.argv[1])\n"
        "for _ in range(2):\n"  # the first pass loads libraries and warms caches
        "    stream = BlockStream(checkpoint, torch.arange(16 * 64).reshape(16, 64) % 512)\n"
        "    before = status('VmRSS')\n"
        "    open('/proc/self/clear_refs', 'w').write('5')\n"
        "    for block in stream: block.observe(); block.advance()\n"
        "print(status('VmHWM') - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 60_000  # KiB


SMALL = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
OTHER_FAMILIES = {
    "bloom": {"n_layer": 2, "n_head": 4},
    "cohere2": {"sliding_window": 8},
    "exaone4": {},
    "falcon": {"new_decoder_architecture": True, "num_kv_heads": 2},
    "gemma2": {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 8},
    "gpt_bigcode": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    "gpt_neox": {},
    "gptj": {"n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 8, "n_positions": 64},
    "granite": {},
    "lfm2": {},
    "mamba": {"state_size": 8},
    "mistral": {"sliding_window": 8},
    "mpt": {"d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 64},
    "olmo2": {},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "phi3": {},
    "qwen3": {"head_dim": 8},
    "stablelm": {},
}


@pytest.mark.slow
@pytest.mark.parametrize("family", OTHER_FAMILIES)
def test_many_families_are_streamed_as_stock_runs_them(tmp_path: Path, family: str) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(family, **SMALL | OTHER_FAMILIES[family])
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    windows = torch.arange(3 * LENGTH).reshape(3, LENGTH) % 128
    stream = BlockStream(Checkpoint.open(tmp_path), windows)
    for block in stream:
        block.observe()
        block.advance()
    assert torch.equal(joined(stream), stock_states(tmp_path, windows)[-1])
