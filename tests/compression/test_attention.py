"""Fast attention against fp64, against the stock kernel, and inside stock models."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from pressmark.compression import attention
from pressmark.compression.attention import NAME, attend, use_fast_attention
from pressmark.compression.blocks import BlockStream
from pressmark.compression.checkpoint import Checkpoint

TinyFolder = Callable[..., Path]
LAYER = SimpleNamespace(is_causal=True, num_key_value_groups=1)


def random(shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    windows, heads, length, width = shape
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(windows, length, heads, width, generator=generator)
    return x.transpose(1, 2).to(dtype)  # strided as models make it


def plain(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float
) -> torch.Tensor:
    """softmax(q k^T) v over the past, in fp64."""
    groups = query.shape[1] // key.shape[1]
    q, k, v = query.double(), *(x.double().repeat_interleave(groups, 1) for x in (key, value))
    scores = q @ k.transpose(2, 3) * scaling
    future = torch.ones(scores.shape[2:], dtype=torch.bool).triu(1)
    return (scores.masked_fill(future, -torch.inf).softmax(3) @ v).transpose(1, 2)


@pytest.mark.parametrize(
    ("heads", "key_heads", "length", "width"),
    [(4, 4, 128, 16), (4, 1, 200, 32), (6, 2, 131, 8), (2, 2, 257, 64)],
)
@pytest.mark.parametrize("scaling", [None, 0.3])
def test_as_exact_as_the_stock_kernel(heads, key_heads, length, width, scaling) -> None:
    query = random((2, heads, length, width), 0)
    key, value = (random((2, key_heads, length, width), seed) for seed in (1, 2))
    expected = plain(query, key, value, scaling or width**-0.5)
    stock = scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=scaling, enable_gqa=True
    ).transpose(1, 2)
    ours, _ = attend(LAYER, query, key, value, None, scaling=scaling)
    assert ours.shape == expected.shape
    error, allowed = ((x.double() - expected).square().mean().sqrt() for x in (ours, stock))
    assert error < 1.5 * allowed


@pytest.mark.parametrize("windows", [1, 3])
def test_masks_as_exact_as_the_stock_kernel(windows: int) -> None:
    """A sliding window of 40 tokens; and one mask for each window, with a gap of its own."""
    query, key, value = (random((3, 2, 150, 16), seed) for seed in range(3))
    places = torch.arange(150)
    mask = (places[:, None] >= places) & (places[:, None] < places + 40)
    mask = mask[None, None].repeat(windows, 1, 1, 1)
    for window in range(1, windows):
        mask[window, 0, 60:, 50 + window] = False
    stock = scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2)
    scores = query.double() @ key.double().transpose(2, 3) * 0.25
    expected = scores.masked_fill(~mask, -torch.inf).softmax(3) @ value.double()
    ours, _ = attend(LAYER, query, key, value, mask)
    error, allowed = (
        (x.double() - expected.transpose(1, 2)).square().mean().sqrt() for x in (ours, stock)
    )
    assert error < 1.5 * allowed


def test_the_future_is_never_seen() -> None:
    query, key, value = (random((1, 2, 160, 8), seed) for seed in range(3))
    before, _ = attend(LAYER, query, key, value, None)
    key[:, :, 100:], value[:, :, 100:] = 9.0, -9.0
    after, _ = attend(LAYER, query, key, value, None)
    assert torch.equal(before[:, :100], after[:, :100])
    assert not torch.equal(before[:, 100:], after[:, 100:])


@pytest.mark.parametrize("case", ["float32", "short", "bias", "blind", "not causal"])
def test_everything_else_is_left_to_stock(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("took the fast path")

    monkeypatch.setattr(attention, "_attend", fail)
    length = 64 if case == "short" else 128
    dtype = torch.float32 if case == "float32" else torch.bfloat16
    query, key, value = (random((1, 2, length, 8), seed, dtype) for seed in range(3))
    mask = torch.ones(length, length, dtype=torch.bool).tril()[None, None]
    masks = {"bias": mask.to(dtype), "blind": mask & (torch.arange(length) > 0)}
    causal, given = case != "not causal", masks.get(case)
    ours, _ = attend(LAYER, query, key, value, given, is_causal=causal)
    stock = scaled_dot_product_attention(
        query, key, value, attn_mask=given, is_causal=causal and given is None
    )
    torch.testing.assert_close(ours, stock.transpose(1, 2), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma3_text"])
def test_blocks_compute_what_the_stock_model_computes_with_it(
    tiny_folder: TinyFolder, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM

    monkeypatch.setattr(attention, "SHORTEST", 32)  # the tiny models know 64 positions
    folder = tiny_folder(family)
    windows = torch.arange(3 * 48).reshape(3, 48) * 7 % 512
    stream = BlockStream(Checkpoint.open(folder), windows)
    for block in stream:
        block.advance()
    states: list[torch.Tensor] = []
    for name, dtype in ((NAME, "auto"), ("sdpa", "auto"), ("sdpa", torch.float64)):
        model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation=name, dtype=dtype)
        model.model.norm.register_forward_pre_hook(lambda _, args: states.append(args[0]))
        with torch.no_grad():
            model(windows, use_cache=False)
    assert torch.equal(stream.states[0], states[0])
    assert not torch.equal(states[0], states[1])
    ours, stock = ((x.double() - states[2]).square().mean() for x in states[:2])
    assert ours < 2 * stock


def test_a_model_without_attention_is_left_alone(tiny_folder: TinyFolder) -> None:
    model = Checkpoint.open(tiny_folder("mamba2")).architecture.skeleton()
    before = model.config._attn_implementation
    use_fast_attention(model)
    assert model.config._attn_implementation in (before, NAME)
