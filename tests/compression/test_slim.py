"""Slim models against stock models with zeros: what is removed, what decodes, what stock loads."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.export.dense import ExportDense
from pressmark.compression.families import Family, Kind, family_of
from pressmark.compression.prune.decoder import Cut, Decoder
from pressmark.compression.prune.slimming import Slimming
from pressmark.compression.step import Context, Inputs, Produced

IDS = torch.arange(2 * 24).reshape(2, 24) * 7 % 120 + 2
LAST = {Kind.ATTENTION: "o_proj", Kind.MLP: "down_proj", Kind.MAMBA: "out_proj"}
FAMILIES = (
    *("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text"),
    *("mamba", "falcon_mamba", "mamba2", "nemotron_h", "bamba", "jamba", "falcon_h1"),
)
FolderOf = Callable[[str], Path]


def cuts_of(checkpoint: Checkpoint, *wanted: str) -> tuple[Cut, ...]:
    """Cuts by text: "2.mlp" takes the MLP of layer 2 away, "2.mlp:16" leaves 16 channels,
    "2.mamba:scan" takes only the scan."""
    family, model = family_of(checkpoint.architecture.config), checkpoint.architecture.meta
    found = []
    for text in wanted:
        layer, _, rest = text.partition(".")
        name, _, keep = rest.partition(":")
        branches = family.of(model.get_submodule(f"{family.stack}.{layer}"))
        branch = next(b for b in branches if name in (b.module, b.kind.value))
        number = int(keep) if keep.isdigit() else None
        found.append(Cut(int(layer), branch, number, scan=keep == "scan"))
    return tuple(found)


def zeroed(checkpoint: Checkpoint, cuts: tuple[Cut, ...]) -> torch.nn.Module:
    """The stock model, with zeros where something is cut."""
    model = checkpoint.model()
    stack = family_of(model.config).stack
    for cut in cuts:
        part = model.get_submodule(f"{stack}.{cut.layer}.{cut.branch.module}")
        last = part.get_submodule(LAST[cut.branch.kind])
        keep = cut.keep or 0
        if cut.branch.kind is Kind.ATTENTION:
            keep *= part.head_dim * part.num_key_value_groups
        last.weight.data[:, keep:] = 0
        if cut.keep is None and last.bias is not None:
            last.bias.data.zero_()
    return model


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


def slim(checkpoint: Checkpoint, cuts: tuple[Cut, ...], folder: Path) -> Checkpoint:
    Slimming(checkpoint, cuts, {}).write(folder)
    return Checkpoint.open(folder)


def branches(family: str, folder: Path) -> list[str]:
    checkpoint = Checkpoint.open(folder)
    found: Family = family_of(checkpoint.architecture.config)
    stack = checkpoint.architecture.meta.get_submodule(found.stack)
    return [f"{at}.{b.module}" for at, layer in enumerate(stack) for b in found.of(layer)]


@pytest.mark.parametrize(
    "family",
    [
        "llama",
        "mistral",
        "qwen2",
        "qwen3",
        "gemma2",
        "gemma3_text",
        "mamba",
        "falcon_mamba",
        "mamba2",
        "nemotron_h",
        "bamba",
        "jamba",
        "falcon_h1",
    ],
)
def test_a_removed_branch_is_a_zeroed_one(
    decoder_folder: FolderOf, tmp_path: Path, family: str
) -> None:
    base = Checkpoint.open(decoder_folder(family))
    for name in branches(family, base.folder):
        cuts = cuts_of(base, name)
        target = tmp_path / name
        target.mkdir()
        made = slim(base, cuts, target)
        assert made.parameter_count < base.parameter_count
        difference = (logits(made.model()) - logits(zeroed(base, cuts))).abs().max()
        assert float(difference) == 0, name


WIDTHS = {
    "llama": ("1.mlp:16", "2.self_attn:1", "3.mlp:40"),
    "qwen3": ("0.self_attn:1", "2.mlp:8"),
    "gemma3_text": ("0.mlp:16", "1.self_attn:1"),
    "jamba": ("1.feed_forward:16",),
    "nemotron_h": ("1.attention:1", "2.mlp:16"),
    "falcon_h1": ("0.self_attn:1", "3.feed_forward:16"),
}


@pytest.mark.parametrize("family", WIDTHS)
def test_a_narrower_branch_is_one_with_zeroed_columns(
    decoder_folder: FolderOf, tmp_path: Path, family: str
) -> None:
    base = Checkpoint.open(decoder_folder(family))
    cuts = cuts_of(base, *WIDTHS[family])
    made = slim(base, cuts, tmp_path)
    torch.testing.assert_close(logits(made.model()), logits(zeroed(base, cuts)), atol=2e-6, rtol=0)


def without_scan(checkpoint: Checkpoint, cuts: tuple[Cut, ...]) -> torch.nn.Module:
    """The stock model, with C = 0 and D = 1 where a scan is cut."""
    model = checkpoint.model()
    stack = family_of(model.config).stack
    for cut in cuts:
        mixer = model.get_submodule(f"{stack}.{cut.layer}.{cut.branch.module}")
        mixer.D.data.fill_(1)
        states = mixer.ssm_state_size
        if hasattr(mixer, "x_proj"):
            mixer.x_proj.weight.data[-states:] = 0
        else:
            size, groups = mixer.intermediate_size, mixer.n_groups * states
            mixer.in_proj.weight.data[2 * size + groups : 2 * size + 2 * groups] = 0
            mixer.conv1d.bias.data[size + groups :] = 0
    return model


@pytest.mark.parametrize(
    "family", [*("mamba", "mamba2", "falcon_mamba", "nemotron_h"), *("bamba", "jamba", "falcon_h1")]
)
def test_a_removed_scan_is_one_without_c_and_with_d_one(
    decoder_folder: FolderOf, tmp_path: Path, family: str
) -> None:
    base = Checkpoint.open(decoder_folder(family))
    cuts = cuts_of(base, "0.mamba:scan")
    made = slim(base, cuts, tmp_path)
    assert made.parameter_count < base.parameter_count
    torch.testing.assert_close(
        logits(made.model()), logits(without_scan(base, cuts)), atol=5e-6, rtol=0
    )


MIXED = {
    "llama": ("0.self_attn", "1.mlp", "2.self_attn", "2.mlp"),
    "mistral": ("0.self_attn", "3.mlp"),
    "gemma2": ("0.self_attn", "2.self_attn", "1.mlp"),
    "gemma3_text": ("0.self_attn", "1.self_attn", "3.self_attn"),
    "mamba": ("0.mixer", "2.mamba:scan"),
    "mamba2": ("0.mamba:scan", "1.mixer"),
    "nemotron_h": ("0.mamba:scan", "1.mixer", "2.mixer"),
    "bamba": ("0.mamba", "1.self_attn", "3.feed_forward"),
    "jamba": ("0.mamba:scan", "1.self_attn", "0.feed_forward"),
    "falcon_h1": ("0.self_attn", "1.mamba:scan", "2.mamba"),
}


# Stock Bamba counts positions from 0 whatever its cache holds, so it is told them.
@pytest.mark.parametrize("family", MIXED)
def test_decoding_with_a_cache_is_recomputing(
    decoder_folder: FolderOf, tmp_path: Path, family: str
) -> None:
    base = Checkpoint.open(decoder_folder(family))
    model = slim(base, cuts_of(base, *MIXED[family]), tmp_path).model()
    whole = logits(model)
    with torch.no_grad():
        cache = model(input_ids=IDS[:, :12], use_cache=True).cache
        steps = []
        for at in range(12, 24):  # without positions: stock code then asks the cache how long it is
            told = {"position_ids": torch.tensor([[at]])} if family == "bamba" else {}
            step = model(input_ids=IDS[:, at : at + 1], cache=cache, use_cache=True, **told)
            steps.append(step.logits[:, 0])
    torch.testing.assert_close(torch.stack(steps, 1), whole[:, 12:], atol=1e-4, rtol=0)
    told = model.generate(IDS[:, :12], max_new_tokens=8, do_sample=False, eos_token_id=None)
    ids = IDS[:, :12]
    for _ in range(8):
        with torch.no_grad():
            ids = torch.cat([ids, model(input_ids=ids).logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(told, ids)


@pytest.mark.parametrize("family", MIXED)
def test_what_was_searched_is_what_is_loaded(
    decoder_folder: FolderOf, tmp_path: Path, family: str
) -> None:
    base = Checkpoint.open(decoder_folder(family))
    cuts = cuts_of(base, *MIXED[family])
    decoder = Decoder(base.model(), family_of(base.architecture.config), IDS)
    for cut in cuts:
        decoder.commit(cut)
    loaded = Decoder(slim(base, cuts, tmp_path).model(), decoder.family, IDS)
    assert torch.equal(decoder.whole(decoder.batches[0]), loaded.whole(loaded.batches[0]))


WHOLE = {
    "llama": ("1.self_attn", "1.mlp"),
    "gemma3_text": ("2.self_attn", "2.mlp"),
    "mamba": ("0.mixer", "3.mixer"),
    "mamba2": ("1.mixer",),
    "falcon_mamba": ("1.mixer",),
    "nemotron_h": ("0.mixer", "2.mixer", "4.mixer"),
}


@pytest.mark.parametrize("family", WHOLE)
def test_stock_code_loads_what_lacks_whole_layers(
    decoder_folder: FolderOf, tmp_path: Path, family: str
) -> None:
    base = Checkpoint.open(decoder_folder(family))
    made = slim(base, cuts_of(base, *WHOLE[family]), tmp_path)
    assert made.plan.is_empty
    stock = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(logits(stock.eval()), logits(made.model()))


def test_stock_code_refuses_what_it_cannot_express(
    decoder_folder: FolderOf, tmp_path: Path
) -> None:
    base = Checkpoint.open(decoder_folder("llama"))
    slim(base, cuts_of(base, "1.self_attn"), tmp_path)
    with pytest.raises(OSError, match=r"no file named model\.safetensors"):
        AutoModelForCausalLM.from_pretrained(tmp_path)


@pytest.mark.parametrize("family", MIXED)
def test_the_dense_twin_is_a_stock_model_that_computes_the_same(
    decoder_folder: FolderOf, tmp_path: Path, make_context: Callable[..., Context], family: str
) -> None:
    base = Checkpoint.open(decoder_folder(family))
    made = slim(base, cuts_of(base, *MIXED[family]), tmp_path)
    if not made.plan.structure:
        pytest.skip("stock code loads it as it is")
    step, inputs = ExportDense(), Inputs({"base": tmp_path})
    output = step.apply(inputs, make_context())
    stock = AutoModelForCausalLM.from_pretrained(output.folder).eval()
    torch.testing.assert_close(logits(stock), logits(made.model()), atol=5e-6, rtol=0)
    found = step.check(inputs, Produced(output.folder), make_context())
    assert found.holds, found.detail
