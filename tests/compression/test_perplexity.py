"""Perplexity against a plain statement in fp64, one forward for each window."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.data import DataSet
from pressmark.compression.errors import CompressionError, DataSetError
from pressmark.compression.evaluate import perplexity, scoring
from pressmark.compression.evaluate.perplexity import Perplexity
from pressmark.compression.evaluate.scoring import Scorer, slide
from pressmark.compression.prune.magnitude import Magnitude
from pressmark.compression.quantize.rtn import Rtn
from pressmark.compression.step import Context, Inputs, Produced
from pressmark.registry.errors import InvalidInputError

TinyFolder = Callable[..., Path]
MakeContext = Callable[..., Context]
TEXT = DataSet("text", DataSet.packaged("wikitext-2-evaluation").text[:3000], "CC-BY-SA-3.0", "")
FAMILIES = ["llama", "qwen2", "gemma3_text", "mamba2"]


def plain(folder: Path, tokens: torch.Tensor, length: int, stride: int, bos: int | None):
    """Log-probabilities of every token that has context, from whole windows in fp64."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
    scored: dict[int, torch.Tensor] = {}
    holds = length - (bos is not None)
    for start in range(0, len(tokens), min(stride, holds)):
        ids = tokens[start : start + holds].tolist()
        shift = start
        if bos is not None:
            ids, shift = [bos, *ids], start - 1
        with torch.no_grad():
            logp = model(torch.tensor([ids])).logits[0].double().log_softmax(dim=1)
        for position in range(1, len(ids)):
            scored.setdefault(shift + position, logp[position - 1])
    return scored


def measure(folder: Path, context: Context, parent: Path | None = None, **parameters: object):
    folders = {"base": folder} | ({"parent": parent} if parent else {})
    output = Perplexity(**parameters).apply(Inputs(folders, TEXT), context)
    assert output.folder is None
    return {m.name: m.value for m in output.measurements}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("length", "stride"), [(24, 24), (24, 10), (17, 3)])
@pytest.mark.parametrize("bos", [True, False])
def test_equals_the_plain_statement(
    tiny_complete: TinyFolder, make_context: MakeContext, family, length, stride, bos
) -> None:
    folder = tiny_complete(family, dtype="float32")
    tokens = TEXT.tokens(Checkpoint.open(folder).tokenizer(), 200)
    scored = plain(folder, tokens, length, stride, 0 if bos else None)
    numbers = measure(folder, make_context(), window=length, stride=stride, bos=bos, max_tokens=200)
    nats = [-float(logp[tokens[place]]) for place, logp in scored.items()]
    assert numbers["tokens"] == len(nats)
    assert numbers["begin_of_text"] == bos
    assert numbers["cross_entropy"] == pytest.approx(sum(nats) / len(nats), rel=1e-5)
    assert numbers["perplexity"] == pytest.approx(math.exp(sum(nats) / len(nats)), rel=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_divergence_and_agreement_equal_the_plain_statement(
    tiny_complete: TinyFolder, make_context: MakeContext, family: str
) -> None:
    parent = tiny_complete(family, dtype="float32")
    context = make_context()
    Magnitude(sparsity=0.6).apply(Inputs({"base": parent}), context)
    tokens = TEXT.tokens(Checkpoint.open(parent).tokenizer(), 150)
    ours, theirs = (plain(f, tokens, 32, 32, 0) for f in (context.output, parent))
    numbers = measure(context.output, make_context(), parent, window=32, stride=32, max_tokens=150)
    divergence = [float((p.exp() * (p - ours[i])).sum()) for i, p in theirs.items()]
    agree = [bool(p.argmax() == ours[i].argmax()) for i, p in theirs.items()]
    assert numbers["kl_divergence"] == pytest.approx(sum(divergence) / len(divergence), rel=1e-3)
    assert numbers["top1_agreement"] == pytest.approx(sum(agree) / len(agree), abs=0.01)
    assert 0 < numbers["top1_agreement"] < 1


def test_a_quantized_model_is_evaluated_as_it_is_restored(
    tiny_complete: TinyFolder, make_context: MakeContext
) -> None:
    parent, context = tiny_complete("llama"), make_context()
    Rtn(bits=8).apply(Inputs({"base": parent}), context)
    numbers = measure(context.output, make_context(), parent, window=32, stride=32)
    assert 0 < numbers["kl_divergence"] < 0.01
    restored = Checkpoint.open(context.output).model()
    tokens = TEXT.tokens(Checkpoint.open(parent).tokenizer())
    scores = Scorer(restored, tokens, [0]).score(slide(31, 32, 32, has_bos=True))
    first = measure(context.output, make_context(), window=32, max_tokens=31)
    assert scores.cross_entropy == first["cross_entropy"]


def test_a_model_compared_with_itself(tiny_complete: TinyFolder, make_context: MakeContext) -> None:
    folder = tiny_complete("gemma3_text")
    numbers = measure(folder, make_context(), folder, window=32, stride=32, max_tokens=100)
    assert numbers["kl_divergence"] == 0
    assert numbers["top1_agreement"] == 1


def test_pieces_of_the_head_change_nothing(
    tiny_complete: TinyFolder, make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_complete("llama", dtype="float32")
    whole = measure(folder, make_context(), window=32, stride=32)
    monkeypatch.setattr(scoring, "LOGITS", 512 * 5)
    monkeypatch.setattr(scoring, "BATCH_TOKENS", 33)
    pieces = measure(folder, make_context(), window=32, stride=32)
    assert pieces["perplexity"] == pytest.approx(whole["perplexity"], rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_progress_moves_within_one_forward(tiny_complete: TinyFolder, family: str) -> None:
    model = Checkpoint.open(tiny_complete(family)).model()
    scorer = Scorer(model, torch.arange(2, 42), [0], model)
    (batch,) = scorer.batches(slide(40, 21, 20, has_bos=True))
    done: list[None] = []
    watched = scorer.score(batch, lambda: done.append(None))
    blocks = model.config.num_hidden_layers
    assert len(done) == scorer.parts(batch) == 2 * blocks + 1  # both decoders, one piece of head
    assert scorer.score(batch).nats == watched.nats
    assert len(done) == scorer.parts(batch)  # nothing goes on watching


def test_logits_are_those_of_the_stock_head(tmp_path: Path) -> None:
    """Gemma 2 caps its logits after the head; Granite scales them."""
    from transformers import Gemma2Config, Gemma2ForCausalLM, GraniteConfig, GraniteForCausalLM

    common = {
        "vocab_size": 64,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "pad_token_id": 0,
    }
    gemma = Gemma2ForCausalLM(
        Gemma2Config(**common, head_dim=8, final_logit_softcapping=0.5, query_pre_attn_scalar=8)
    )
    granite = GraniteForCausalLM(GraniteConfig(**common, logits_scaling=3.0))
    ids = torch.arange(1, 21)
    for model in (gemma.eval(), granite.eval()):
        with torch.no_grad():
            expected = model(ids[None]).logits[0, :-1].log_softmax(dim=1)
        scorer = Scorer(model, ids, [])
        scores = scorer.score(slide(20, 20, 20, has_bos=False))
        nats = -float(expected.gather(1, ids[1:, None]).sum())
        assert scores.nats == pytest.approx(nats, rel=1e-5)
        assert scores.tokens == 19


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(2, 20), st.integers(1, 20), st.booleans())
def test_every_token_counts_at_most_once(tokens, length, stride, has_bos):
    windows = slide(tokens, length, stride, has_bos)
    targets = [t for w in windows for t in range(w.first, w.end)]
    assert len(targets) == len(set(targets))
    assert all(w.end - w.start + has_bos <= length for w in windows)
    assert all(w.first > w.start or has_bos for w in windows)
    if has_bos:
        assert targets == list(range(tokens))
    elif stride < length:
        assert targets == list(range(1, tokens))


def test_a_smaller_stride_gives_more_context(
    tiny_complete: TinyFolder, make_context: MakeContext
) -> None:
    folder = tiny_complete("llama")
    disjoint = measure(folder, make_context(), window=32, stride=32)
    sliding = measure(folder, make_context(), window=32, stride=8)
    assert sliding["tokens"] == disjoint["tokens"]
    assert sliding["windows"] > 3 * disjoint["windows"]


def test_the_check_holds_and_refutes_other_numbers(
    tiny_complete: TinyFolder, make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perplexity, "SAMPLE_TOKENS", 64)
    folder = tiny_complete("gemma3_text")
    inputs = Inputs({"base": folder, "parent": folder}, TEXT)
    step = Perplexity(window=32, stride=32)
    numbers = {m.name: m.value for m in step.apply(inputs, make_context()).measurements}
    assert numbers["sample_tokens"] < numbers["tokens"]

    def refuted(**changes: float) -> list[str]:
        evidence = step.check(inputs, Produced(None, numbers | changes), make_context())
        return [c.text for c in evidence.claims if not c.holds]

    assert refuted() == []
    assert refuted(perplexity=3.0) == ["the perplexity is exp of the cross entropy"]
    assert refuted(tokens=5)[0].endswith("tokens were scored")
    assert refuted(sample_cross_entropy=1.0) == ["sample_cross_entropy is 1"]
    assert refuted(sample_top1_agreement=0.5) == ["sample_top1_agreement is 0.5"]


def test_a_line_of_artifacts_loads_its_tokenizer_once(
    tiny_complete: TinyFolder, make_context: MakeContext, plain_tokenizer, tmp_path: Path
) -> None:
    import shutil

    folder = tiny_complete("llama")
    perplexity._tokenizer.cache_clear()
    with_bos = measure(folder, make_context(), window=8)
    measure(folder, make_context(), window=8)
    assert perplexity._tokenizer.cache_info().misses == 1
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    plain_tokenizer.save_pretrained(other)
    assert measure(other, make_context(), window=8)["begin_of_text"] != with_bos["begin_of_text"]


def test_a_stride_with_gaps_is_refused() -> None:
    with pytest.raises(ValidationError, match="tokens between two windows would never be scored"):
        Perplexity(window=16, stride=17)


def test_a_window_longer_than_the_model_is_refused(
    tiny_complete: TinyFolder, make_context: MakeContext
) -> None:
    with pytest.raises(InvalidInputError, match="only 64 positions"):
        measure(tiny_complete("llama"), make_context(), window=65)


def test_a_text_of_one_token_is_refused(
    tiny_complete: TinyFolder, make_context: MakeContext
) -> None:
    data = DataSet("short", "a", "CC0-1.0", "here")
    inputs = Inputs({"base": tiny_complete("llama")}, data)
    with pytest.raises(DataSetError, match="1 tokens, too few"):
        Perplexity(window=8, stride=8, bos=False).apply(inputs, make_context())


def test_another_vocabulary_is_refused(
    tiny_complete: TinyFolder, make_context: MakeContext, tmp_path: Path
) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=600,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(CompressionError, match="the parent has a vocabulary of 600"):
        measure(tiny_complete("llama"), make_context(), tmp_path, window=8, stride=8)


def test_nan_logits_are_refused(
    tiny_complete: TinyFolder, make_context: MakeContext, tmp_path: Path
) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    folder = tmp_path / "nan"
    shutil.copytree(tiny_complete("llama"), folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"][7] = math.nan
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CompressionError, match="NaN or infinity"):
        measure(folder, make_context(), window=8, stride=8)
