"""Wanda against its formula, written plainly: whole model, hooks, NumPy."""

import hashlib
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from pressmark.compression import blocks
from pressmark.compression.blocks import block_linears
from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.data import DataSet
from pressmark.compression.errors import CompressionError, DataSetError, ModelFileError
from pressmark.compression.prune.masks import Sparsity
from pressmark.compression.prune.wanda import Wanda
from pressmark.compression.quantize.rtn import Rtn
from pressmark.compression.step import Context, Inputs, Output, Produced
from pressmark.registry.errors import InvalidInputError

TinyFolder = Callable[..., Path]
MakeContext = Callable[..., Context]
TEXT = DataSet("text", DataSet.packaged("wikitext-2-calibration").text[:20_000], "CC-BY-SA-3.0", "")
SMALL = {"samples": 6, "length": 24}


def prune(folder: Path, context: Context, **parameters: object) -> Output:
    return Wanda(**{**SMALL, **parameters}).apply(Inputs({"base": folder}, TEXT), context)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {
        k: v for file in sorted(folder.glob("*.safetensors")) for k, v in load_file(file).items()
    }


def plain_wanda(
    folder: Path, ratio: float, pattern: tuple[int, int] | None
) -> dict[str, np.ndarray]:
    """The formula on the whole stock model: one forward a block, hooks, argsort in NumPy."""
    from transformers import AutoModelForCausalLM

    checkpoint = Checkpoint.open(folder)
    windows = TEXT.windows(checkpoint.tokenizer(), 6, 24, seed=0)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval()
    pruned = {}
    path = blocks.BlockList.find(model).path
    for index in range(len(model.get_submodule(path))):
        linears = {
            name: module
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and name.startswith(f"{path}.{index}.")
        }
        squares = observe(model, linears, windows)
        for name, linear in linears.items():
            weight = linear.weight.detach().float().numpy()
            score = np.abs(weight) * np.sqrt(squares[name] / np.float32(6))
            mask = plain_mask(score, ratio, pattern)
            linear.weight.data[torch.from_numpy(mask)] = 0
            pruned[f"{name}.weight"] = mask
    return pruned


def observe(model, linears, windows):
    squares = {}

    def hook(name):
        def look(_, args):
            x = args[0].detach().float().reshape(-1, args[0].shape[-1])
            squares[name] = x.square().sum(dim=0).numpy()

        return look

    handles = [m.register_forward_pre_hook(hook(name)) for name, m in linears.items()]
    with torch.no_grad():
        model(windows, use_cache=False)
    for handle in handles:
        handle.remove()
    return squares


def plain_mask(score, ratio, pattern):
    mask = np.zeros(score.shape, dtype=bool)
    rows, columns = score.shape
    zeros, run = pattern or (math.floor(columns * ratio), columns)
    for row in range(rows):
        for start in range(0, columns, run):
            order = np.argsort(score[row, start : start + run], kind="stable")
            mask[row, start + order[:zeros]] = True
    return mask


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma3_text", "mamba2"])
@pytest.mark.parametrize(
    ("ratio", "pattern"), [(0.5, None), (0.3, None), (0.5, "2:4"), (0.5, "4:8")]
)
def test_masks_equal_the_plain_formula(
    tiny_complete: TinyFolder, make_context: MakeContext, family: str, ratio: float, pattern: str
) -> None:
    folder = tiny_complete(family)
    output = prune(folder, make_context(), sparsity=ratio, pattern=pattern)
    expected = plain_wanda(folder, ratio, pattern and tuple(map(int, pattern.split(":"))))
    before, after = weights(folder), weights(output.folder)
    assert before.keys() == after.keys()
    assert set(expected) <= set(before)
    for name, tensor in before.items():
        tensor = tensor.clone()
        if name in expected:
            tensor[torch.from_numpy(expected[name])] = 0
        assert torch.equal(tensor.view(torch.uint8), after[name].view(torch.uint8)), name


@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
def test_many_batches_give_the_same_masks(
    tiny_complete: TinyFolder,
    make_context: MakeContext,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
) -> None:
    """From the second batch on, a block's last product is left out while its inputs are seen."""
    monkeypatch.setattr(blocks, "BATCH_TOKENS", 2 * 24)
    folder = tiny_complete(family, dtype="float32")
    after = weights(prune(folder, make_context()).folder)
    for name, mask in plain_wanda(folder, 0.5, None).items():
        assert np.array_equal((after[name] == 0).numpy(), mask), name


def test_a_pruned_checkpoint_reloads_with_identical_logits(
    tiny_complete: TinyFolder, make_context: MakeContext
) -> None:
    from transformers import AutoModelForCausalLM

    folder = tiny_complete("gemma3_text")
    context = make_context()
    output = prune(folder, context)
    ours = Checkpoint.open(output.folder).model()
    stock = AutoModelForCausalLM.from_pretrained(output.folder, dtype="auto")
    by_hand = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    for name, mask in plain_wanda(folder, 0.5, None).items():
        by_hand.get_parameter(name).data[torch.from_numpy(mask)] = 0
    ids = torch.arange(30)[None]
    with torch.no_grad():
        logits = [model(ids).logits for model in (ours, stock, by_hand)]
    assert torch.equal(logits[0], logits[1])
    assert torch.equal(logits[0], logits[2])


def test_the_check_holds_and_says_what_it_compared(
    tiny_complete: TinyFolder, make_context: MakeContext
) -> None:
    inputs = Inputs({"base": tiny_complete("llama")}, TEXT)
    for pattern in (None, "2:4"):
        step = Wanda(pattern=pattern, **SMALL)
        output = step.apply(inputs, make_context())
        evidence = step.check(inputs, Produced(output.folder), make_context())
        assert evidence.holds, evidence.detail
        assert len(evidence.claims) == 5


def test_measurements_are_counted_zeros(
    tiny_complete: TinyFolder, make_context: MakeContext
) -> None:
    folder = tiny_complete("llama")
    output = prune(folder, make_context(), sparsity=0.4)
    numbers = {m.name: m.value for m in output.measurements}
    names = block_linears(Checkpoint.open(folder).architecture)
    after = weights(output.folder)
    nonzero = sum(int((after[name] != 0).sum()) for name in names)
    total = sum(after[name].numel() for name in names)
    assert numbers["nonzero_weights"] == nonzero
    assert numbers["prunable_weights"] == total
    assert numbers["sparsity"] == 1 - nonzero / total
    assert numbers["calibration_tokens"] == 6 * 24
    assert numbers["pruned_tensors"] == len(names)


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_one_seed_gives_one_digest(tiny_complete: TinyFolder, make_context: MakeContext) -> None:
    folder = tiny_complete("llama")
    first, again, other = (digest(prune(folder, make_context(s)).folder) for s in (0, 0, 1))
    assert first == again
    assert first != other


def test_shards_are_kept(tiny_complete: TinyFolder, make_context: MakeContext) -> None:
    folder = tiny_complete("llama", shard="20KB")
    output = prune(folder, make_context())
    assert {f.name for f in output.folder.iterdir()} == {f.name for f in folder.iterdir()}
    whole = prune(tiny_complete("llama"), make_context())
    sharded = weights(output.folder)
    assert all(torch.equal(sharded[k], v) for k, v in weights(whole.folder).items())


def spoil(folder: Path, target: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    import shutil

    shutil.copytree(folder, target)
    tensors = load_file(target / "model.safetensors")
    change(tensors)
    save_file(tensors, target / "model.safetensors", {"format": "pt"})
    return target


LINEAR = "model.layers.1.mlp.up_proj.weight"


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        (lambda t: t[LINEAR].masked_fill_(t[LINEAR] != 0, 0.5), "every nonzero weight equals"),
        (lambda t: t[LINEAR][3].masked_fill_(t[LINEAR][3] == 0, 0.25), "is zero"),
        (lambda t: t["model.norm.weight"].add_(1), "every other tensor"),
        (lambda t: t["lm_head.weight"][0, :1].neg_(), "every other tensor"),
    ],
)
def test_the_check_refutes_other_changes(
    tiny_complete: TinyFolder, make_context: MakeContext, tmp_path: Path, change, claim: str
) -> None:
    inputs = Inputs({"base": tiny_complete("llama")}, TEXT)
    step = Wanda(**SMALL)
    output = step.apply(inputs, make_context())
    spoilt = spoil(output.folder, tmp_path / "spoilt", change)
    evidence = step.check(inputs, Produced(spoilt), make_context())
    assert not evidence.holds
    refuted = [c for c in evidence.claims if not c.holds]
    assert any(claim in c.text for c in refuted)
    assert all("model." in c.detail or "lm_head" in c.detail for c in refuted)


def test_the_check_refutes_a_filled_parent_zero_and_a_changed_tokenizer(
    tiny_complete: TinyFolder, make_context: MakeContext, tmp_path: Path
) -> None:
    parent = spoil(tiny_complete("llama"), tmp_path / "parent", lambda t: t[LINEAR][0].zero_())
    inputs = Inputs({"base": parent}, TEXT)
    step = Wanda(**SMALL)
    output = step.apply(inputs, make_context())
    child = spoil(output.folder, tmp_path / "child", lambda t: t[LINEAR][0, 5:6].fill_(1))
    (child / "tokenizer_config.json").write_text("{}")
    evidence = step.check(inputs, Produced(child), make_context())
    refuted = {c.text: c.detail for c in evidence.claims if not c.holds}
    assert refuted["every zero of the parent is zero"] == f"first: {LINEAR} at [0, 5]"
    assert refuted["every other file is its parent's"] == "first: tokenizer_config.json"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sparsity": 1.0}, "less than 1"),
        ({"sparsity": -0.1}, "greater than or equal to 0"),
        ({"sparsity": 0.6, "pattern": "2:4"}, r"2:4 has sparsity 0\.5"),
        ({"pattern": "1:4"}, "2:4"),
        ({"samples": 0}, "greater than or equal to 1"),
        ({"sparsty": 0.5}, "sparsty"),
    ],
)
def test_wrong_parameters_are_refused(parameters, message) -> None:
    with pytest.raises(ValidationError, match=message):
        Wanda.parse(parameters)


def test_too_little_text_is_refused(tiny_complete: TinyFolder, make_context: MakeContext) -> None:
    with pytest.raises(DataSetError, match="but 100000 are asked for"):
        prune(tiny_complete("llama"), make_context(), samples=100_000)


def test_windows_longer_than_the_model_are_refused(
    tiny_complete: TinyFolder, make_context: MakeContext
) -> None:
    with pytest.raises(InvalidInputError, match=r"windows of 65 tokens .* only 64 positions"):
        prune(tiny_complete("llama"), make_context(), length=65)


def test_pruning_again_keeps_every_zero(
    tiny_complete: TinyFolder, make_context: MakeContext
) -> None:
    sparse = prune(tiny_complete("llama"), make_context(), pattern="2:4").folder
    sparser = prune(sparse, make_context(), sparsity=0.7).folder
    before, after = weights(sparse), weights(sparser)
    for name in block_linears(Checkpoint.open(sparse).architecture):
        assert not (after[name][before[name] == 0] != 0).any()
        assert (
            (after[name] == 0).sum(dim=1) == Sparsity(0.7).zeros_per_row(after[name].shape[1])
        ).all()


def test_a_quantized_model_is_refused(tiny_complete: TinyFolder, make_context: MakeContext) -> None:
    context = make_context()
    Rtn(bits=8).apply(Inputs({"base": tiny_complete("llama")}), context)
    with pytest.raises(CompressionError, match="is quantized"):
        prune(context.output, make_context())


def test_nan_weights_are_named(
    tiny_complete: TinyFolder, make_context: MakeContext, tmp_path: Path
) -> None:
    folder = spoil(
        tiny_complete("llama"), tmp_path / "nan", lambda t: t[LINEAR][0, :1].fill_(math.nan)
    )
    context = make_context()
    with pytest.raises(ModelFileError, match=LINEAR):
        prune(folder, context)
    assert not list(context.output.iterdir())


def test_nan_activations_are_named(
    tiny_complete: TinyFolder, make_context: MakeContext, tmp_path: Path
) -> None:
    folder = spoil(
        tiny_complete("llama"),
        tmp_path / "inf",
        lambda t: t["model.embed_tokens.weight"].fill_(math.inf),
    )
    with pytest.raises(CompressionError, match=r"layers\.\d+\..*NaN or infinity"):
        prune(folder, make_context())


def test_columns_that_no_pattern_divides_are_named(
    tmp_path: Path, bos_tokenizer, make_context: MakeContext
) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=512,
        hidden_size=32,
        intermediate_size=30,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    bos_tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InvalidInputError, match=r"mlp\.down_proj\.weight has 30 input columns"):
        prune(tmp_path, make_context(), pattern="4:8")


def test_a_layer_that_no_token_reaches_is_named() -> None:
    from pressmark.compression.prune.wanda import _norm

    with pytest.raises(CompressionError, match=r"a\.b: no calibration token"):
        _norm("a.b", None, 3)


MEASURE = """
import sys
from pathlib import Path
from pressmark.compression.data import DataSet
from pressmark.compression.progress import NullProgress
from pressmark.compression.prune.wanda import Wanda
from pressmark.compression.step import Context, Inputs

def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key))

text = DataSet.packaged("wikitext-2-calibration")
for model in sys.argv[1:]:  # the first one loads libraries and warms caches
    workdir = Path(model + "-pruned")
    workdir.mkdir()
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    Wanda(samples=16, length=64).apply(
        Inputs({"base": Path(model)}, text), Context(workdir, NullProgress())
    )
print(status("VmHWM") - before)
"""


@pytest.mark.slow
def test_memory_is_that_of_two_blocks(tmp_path: Path, bos_tokenizer) -> None:
    """Five blocks of 98 MiB: above its start a run may take the embeddings and the head, two of
    the blocks, the hidden states, and 64 MiB to rank and sum in."""
    from transformers import LlamaConfig, LlamaForCausalLM

    def make(name: str, layers: int, hidden: int) -> str:
        config = LlamaConfig(
            vocab_size=512,
            hidden_size=hidden,
            intermediate_size=hidden * 11 // 4,
            num_hidden_layers=layers,
            num_attention_heads=8,
            num_key_value_heads=8,
            max_position_embeddings=128,
        )
        LlamaForCausalLM._from_config(config, dtype=torch.bfloat16).save_pretrained(tmp_path / name)
        bos_tokenizer.save_pretrained(tmp_path / name)
        return str(tmp_path / name)

    models = [make("small", 1, 256), make("large", 5, 2048)]
    try:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *models],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        shutil.rmtree(tmp_path)
    block = 2 * (4 * 2048**2 + 3 * 2048 * 5632)
    embeddings, states = 2 * 2 * 512 * 2048, 2 * 16 * 64 * 2048
    assert int(done.stdout) * 1024 < embeddings + 2 * block + states + (64 << 20)
