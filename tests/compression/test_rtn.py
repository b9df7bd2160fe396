"""`quantize/rtn` on tiny models: a stock model with plainly rounded weights is the oracle."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.errors import CompressionError, ModelFileError
from pressmark.compression.progress import NullProgress
from pressmark.compression.quantize.rtn import Rtn
from pressmark.compression.step import Context, Inputs, Output, Produced

FAMILIES = ("llama", "qwen2", "gemma3_text", "mamba2")
SETTINGS: list[dict[str, Any]] = [
    {},
    {"bits": 4, "group_size": 16},
    {"bits": 8, "group_size": 32, "symmetric": False, "layout": "bitmask"},
    {"bits": 4, "symmetric": False, "scale_dtype": "bfloat16", "layout": "dense"},
]
TinyFolder = Callable[..., Path]


def context(tmp_path: Path) -> Context:
    return Context(tmp_path, NullProgress())


def run(step: Rtn, folder: Path, tmp_path: Path) -> Output:
    tmp_path.mkdir(exist_ok=True)
    return step.apply(Inputs({"base": folder}), context(tmp_path))


def checked(step: Rtn, base: Path, made: Path, tmp_path: Path) -> dict[str, str]:
    """The details of the claims that fail."""
    evidence = step.check(Inputs({"base": base}), Produced(made), context(tmp_path))
    return {claim.text: claim.detail for claim in evidence.claims if not claim.holds}


def made_by(output: Output) -> Path:
    assert output.folder is not None
    return output.folder


def measured(output: Output) -> dict[str, float]:
    return {m.name: m.value for m in output.measurements}


def zero_some(folder: Path, tmp_path: Path, share: float = 0.5) -> Path:
    """A copy of the model in which about `share` of the weights of its blocks are zero."""
    target = tmp_path / "sparse"
    shutil.copytree(folder, target)
    tensors = load_file(target / "model.safetensors")
    generator = torch.Generator().manual_seed(0)
    for name, tensor in tensors.items():
        if "layers" in name and tensor.dim() == 2:
            tensor[torch.rand(tensor.shape, generator=generator) < share] = 0
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    return target


def plainly_rounded(weight: torch.Tensor, step: Rtn) -> torch.Tensor:
    """Round to nearest by loops over groups: max and min, scale, codes, back."""
    result = weight.float().clone()
    size = step.group_size or weight.shape[1]
    levels, half = 2**step.bits - 1, 2 ** (step.bits - 1)
    for row in result:
        for group in row.split(size):
            low, high = min(0.0, group.min().item()), max(0.0, group.max().item())
            if step.symmetric:
                sign = -1.0 if high > -low else 1.0
                exact = max(max(-low, high) / half, min(-low, high) / (half - 0.5))
                zero = half
            else:
                sign, exact, zero = 1.0, (high - low) / levels, None
            scale = torch.tensor(exact).to(getattr(torch, step.scale_dtype))
            while scale.item() < exact:  # away from zero: the next larger one
                scale = (scale.view(torch.int16) + 1).view(scale.dtype)
            value = torch.tensor(sign) * scale.float()
            if zero is None:
                zero = round((-torch.tensor(low) / value).item())
            codes = (torch.round(group / value) + zero).clamp(0, levels)
            group.copy_((codes - zero) * value + 0.0)
    return result.to(weight.dtype)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_computes_as_stock_with_plainly_rounded_weights(
    tiny_folder: TinyFolder, tmp_path: Path, family: str, settings: dict[str, Any]
) -> None:
    from transformers import AutoModelForCausalLM

    step, base = Rtn(**settings), tiny_folder(family)
    output = run(step, base, tmp_path)
    ours = Checkpoint.open(made_by(output)).model()
    stock = AutoModelForCausalLM.from_pretrained(base)
    quantized = 0
    for name, module in stock.named_modules():
        if ".layers." in name and isinstance(module, torch.nn.Linear):
            module.weight.data = plainly_rounded(module.weight.data, step)
            quantized += 1
    assert measured(output)["quantized_tensors"] == quantized
    theirs = stock.state_dict()
    for name, value in ours.state_dict().items():
        assert torch.equal(value, theirs[name]), name
    ids = torch.arange(20)[None]
    with torch.no_grad():
        assert torch.equal(ours(ids).logits, stock(ids).logits)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("shard", ["5GB", "20KB"])
def test_its_own_check_holds(
    tiny_folder: TinyFolder, tmp_path: Path, settings: dict[str, Any], shard: str
) -> None:
    step, base = Rtn(**settings), tiny_folder("llama", shard=shard)
    made = made_by(run(step, base, tmp_path))
    evidence = step.check(Inputs({"base": base}), Produced(made), context(tmp_path))
    assert evidence.holds, evidence.detail
    assert len(evidence.claims) == 7


def test_stock_transformers_finds_no_weights(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    for shard in ("5GB", "20KB"):
        made = made_by(run(Rtn(), tiny_folder("llama", shard=shard), tmp_path / shard))
        assert all(n.name.startswith("pressmark-") for n in made.glob("*.safetensors"))
        with pytest.raises(OSError, match="no file named"):
            AutoModelForCausalLM.from_pretrained(made)


def test_embeddings_head_norms_and_other_files_stay(
    tiny_folder: TinyFolder, tmp_path: Path
) -> None:
    base = tiny_folder("llama")
    made = made_by(run(Rtn(), base, tmp_path))
    old = load_file(base / "model.safetensors")
    new = load_file(made / "pressmark-model.safetensors")
    for name, tensor in old.items():
        if name.endswith("_proj.weight"):
            assert name not in new
        else:
            assert torch.equal(new[name], tensor), name
    assert "lm_head.weight" in new
    assert "model.embed_tokens.weight" in new
    for file in base.iterdir():
        if file.suffix != ".safetensors":
            assert (made / file.name).read_bytes() == file.read_bytes()


def test_the_plan_says_what_is_stored_how(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    base = zero_some(tiny_folder("llama"), tmp_path, share=0.4)
    made = made_by(run(Rtn(bits=4, skip=("*o_proj*",)), base, tmp_path / "int4"))
    plan = json.loads((made / "pressmark.json").read_text())["quantization"]
    assert (plan["bits"], plan["group_size"], plan["symmetric"]) == (4, None, True)
    assert len(plan["weights"]) == 2 * 6
    assert plan["weights"]["model.layers.0.mlp.up_proj.weight"] == {
        "shape": [64, 32],
        "dtype": "bfloat16",
        "layout": "bitmask",
    }


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_pruned_weights_stay_zero(
    tiny_folder: TinyFolder, tmp_path: Path, settings: dict[str, Any]
) -> None:
    base = zero_some(tiny_folder("qwen2"), tmp_path)
    output = run(Rtn(**settings), base, tmp_path / "made")
    old, new = Checkpoint.open(base), Checkpoint.open(made_by(output))
    for name in new.plan.packed:
        assert torch.all(new.read(name)[old.read(name) == 0] == 0), name
    assert 0.49 < measured(output)["sparsity"] < 0.7


def test_measurements_are_those_of_the_files(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    base = tiny_folder("llama")
    output = run(Rtn(bits=4, group_size=16), base, tmp_path)
    found = measured(output)
    old, new = Checkpoint.open(base), Checkpoint.open(made_by(output))
    names = list(new.plan.packed)
    weights = sum(old.read(n).numel() for n in names)
    stored = sum(
        new.tensors.read(t).nbytes
        for t in new.tensors
        if t.startswith(tuple(n + "." for n in names))
    )
    errors = torch.cat([(old.read(n).float() - dequantized(new, n)).flatten() for n in names])
    values = torch.cat([old.read(n).float().flatten() for n in names])
    assert found["quantized_weights"] == weights
    assert found["quantized_bytes_before"] == 2 * weights
    assert found["quantized_bytes_after"] == stored
    assert found["bits_per_quantized_weight"] == pytest.approx(8 * stored / weights)
    assert found["largest_absolute_error"] == errors.abs().max().item()
    assert found["mean_absolute_error"] == pytest.approx(errors.abs().mean().item(), rel=1e-5)
    ratio = (errors.square().sum() / values.square().sum()).sqrt().item()
    assert found["relative_rms_error"] == pytest.approx(ratio, rel=1e-5)
    assert 0.4 < found["largest_error_in_steps"] <= 0.5 * (1 + 1e-6)
    size = sum(f.stat().st_size for f in made_by(output).glob("*.safetensors"))
    assert found["weight_file_bytes_after"] == size < found["weight_file_bytes_before"]


def dequantized(checkpoint: Checkpoint, name: str) -> torch.Tensor:
    from pressmark.compression.quantize.packing import read_quantized
    from pressmark.compression.quantize.quantizer import dequantize

    assert checkpoint.plan.quantization is not None
    packed = checkpoint.plan.packed[name]
    quantization = checkpoint.plan.quantization
    return dequantize(read_quantized(checkpoint.tensors, name, packed, quantization))


def test_sparse_weights_are_stored_smaller(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    base = zero_some(tiny_folder("llama"), tmp_path)
    sizes = {}
    for layout in ("dense", "bitmask", "auto"):
        output = run(Rtn(bits=8, layout=layout), base, tmp_path / layout)  # type: ignore[arg-type]
        sizes[layout] = measured(output)["bits_per_quantized_weight"]
        assert measured(output)["bitmasked_tensors"] == (0 if layout == "dense" else 14)
    assert sizes["auto"] == sizes["bitmask"]
    assert sizes["bitmask"] == pytest.approx(sizes["dense"] - 3, abs=0.1), "8 b to 1 + 4 b"


def test_doing_it_again_gives_the_same_bytes(
    tiny_folder: TinyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any number of threads, on either kernel path."""
    from pressmark.compression import kernels
    from pressmark.compression.quantize import packing

    base = zero_some(tiny_folder("llama"), tmp_path)
    made = []
    for index, path in enumerate(kernels.capabilities().paths["bitmask"]):
        monkeypatch.setattr(
            packing,
            "bitmask_pack",
            lambda m, p=path, t=index + 1: kernels.bitmask_pack(m, path=p, threads=t),
        )
        made.append(made_by(run(Rtn(bits=4), base, tmp_path / path)))
    for file in made[0].iterdir():
        assert all((other / file.name).read_bytes() == file.read_bytes() for other in made)


def test_targets_and_skip(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    base = tiny_folder("llama")
    step = Rtn(targets=("*.mlp.*", "*q_proj*"), skip=("*layers.1.*",))
    made = made_by(run(step, base, tmp_path))
    prefix = "model.layers.0."
    names = ("mlp.down_proj", "mlp.gate_proj", "mlp.up_proj", "self_attn.q_proj")
    assert list(Checkpoint.open(made).plan.packed) == [f"{prefix}{n}.weight" for n in names]
    assert not checked(step, base, made, tmp_path)


@pytest.mark.parametrize("field", ["targets", "skip"])
@pytest.mark.parametrize("pattern", ["*qproj*", "lm_head.weight", "*embed*", "*norm*"])
def test_patterns_that_fit_nothing_are_refused(
    tiny_folder: TinyFolder, tmp_path: Path, field: str, pattern: str
) -> None:
    with pytest.raises(CompressionError, match="no weight of a linear layer"):
        run(Rtn(**{field: (pattern,)}), tiny_folder("llama"), tmp_path)  # type: ignore[arg-type]


def test_skipping_everything_is_refused(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    with pytest.raises(CompressionError, match="every weight is skipped"):
        run(Rtn(skip=("*",)), tiny_folder("llama"), tmp_path)


def test_quantizing_twice_is_refused(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    made = made_by(run(Rtn(), tiny_folder("llama"), tmp_path))
    with pytest.raises(CompressionError, match="is quantized already"):
        run(Rtn(), made, tmp_path / "again")


def test_groups_that_do_not_fit_are_refused_before_any_work(
    tiny_folder: TinyFolder, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileError, match=r"tensor model\.layers\.0\..*32 columns .* of 48"):
        run(Rtn(group_size=48), tiny_folder("llama"), tmp_path)
    assert not list(tmp_path.glob("output/*"))


def test_weights_that_are_no_numbers_are_refused(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    base = zero_some(tiny_folder("llama"), tmp_path)
    tensors = load_file(base / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    tensors[name][3, 4] = float("nan")
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelFileError, match=rf"tensor {name}: holds NaN"):
        run(Rtn(), base, tmp_path / "made")
    assert not list((tmp_path / "made/output").glob("*.safetensors"))


@pytest.mark.parametrize(
    "parameters",
    [{"bits": 5}, {"bits": "8"}, {"group_size": 0}, {"layout": "csr"}, {"scale_dtype": "fp8"}],
)
def test_wrong_parameters_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Rtn.parse(parameters)


def test_parameters_survive_a_record() -> None:
    step = Rtn(bits=4, group_size=64, skip=("*o_proj*",))
    assert Rtn.parse(json.loads(json.dumps(step.parameters()))) == step


# What a forged or damaged result must not get past the check. Each changes the tensors of a good
# one, and names the claim that must fail and what its detail must name.


def flip_code(t: dict[str, torch.Tensor]) -> None:
    row = t["model.layers.1.mlp.up_proj.weight.codes"][5]
    row[(row != 128).nonzero()[0]] ^= 1


def change_scale(t: dict[str, torch.Tensor]) -> None:
    t["model.layers.0.self_attn.k_proj.weight.scales"][2, 0] *= 2


def unzero(t: dict[str, torch.Tensor]) -> None:
    codes = t["model.layers.0.mlp.up_proj.weight.codes"]
    codes[codes == 128] = 129


def change_norm(t: dict[str, torch.Tensor]) -> None:
    t["model.norm.weight"][3] += 1


def change_sign_of_zero(t: dict[str, torch.Tensor]) -> None:
    t["lm_head.weight"][0, 0] = -0.0


def scale_is_nan(t: dict[str, torch.Tensor]) -> None:
    t["model.layers.0.self_attn.k_proj.weight.scales"][0, 0] = float("nan")


FORGERIES: dict[Callable[[dict[str, torch.Tensor]], None], dict[str, str]] = {
    flip_code: {
        "rounded again": "layers.1.mlp.up_proj.weight.codes at [5, ",
        "half a step": "layers.1.mlp.up_proj.weight",
    },
    change_scale: {
        "rounded again": "layers.0.self_attn.k_proj.weight.scales at [2, 0]",
        "half a step": "layers.0.self_attn.k_proj.weight",
    },
    unzero: {
        "rounded again": "layers.0.mlp.up_proj.weight.codes",
        "restored as zero": "layers.0.mlp.up_proj.weight",
        "half a step": "layers.0.mlp.up_proj.weight",
    },
    change_norm: {"every other tensor": "model.norm.weight differs"},
    change_sign_of_zero: {"every other tensor": "lm_head.weight differs"},
    scale_is_nan: {"unpacks": "layers.0.self_attn.k_proj.weight.scales: holds a scale"},
}


@pytest.mark.parametrize("forge", FORGERIES)
def test_forgeries_are_refuted_by_name(
    tiny_folder: TinyFolder, tmp_path: Path, forge: Callable[[dict[str, torch.Tensor]], None]
) -> None:
    base = zero_some(tiny_folder("llama"), tmp_path)
    source = load_file(base / "model.safetensors")
    source["lm_head.weight"][0, 0] = 0.0
    save_file(source, base / "model.safetensors", metadata={"format": "pt"})
    step = Rtn(layout="dense")
    made = made_by(run(step, base, tmp_path / "made"))
    file = made / "pressmark-model.safetensors"
    tensors = load_file(file)
    forge(tensors)
    save_file(tensors, file, metadata={"format": "pt"})
    failed = checked(step, base, made, tmp_path)
    for claim, detail in FORGERIES[forge].items():
        text = next(t for t in failed if claim in t)
        assert detail in failed[text]
    assert len(failed) == len(FORGERIES[forge])


def test_another_layout_than_asked_for_is_refuted(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    base = zero_some(tiny_folder("llama"), tmp_path)
    made = made_by(run(Rtn(layout="dense"), base, tmp_path / "made"))
    failed = checked(Rtn(), base, made, tmp_path)
    assert list(failed) == ["what is stored unpacks, and packs to the same bytes again"]


@pytest.mark.parametrize(
    "other",
    [
        {"bits": 4},
        {"group_size": 16},
        {"symmetric": False},
        {"skip": ("*o_proj*",)},
        {"scale_dtype": "float32"},
    ],
)
def test_other_parameters_than_recorded_are_refuted(
    tiny_folder: TinyFolder, tmp_path: Path, other: dict[str, Any]
) -> None:
    base = tiny_folder("llama")
    made = made_by(run(Rtn(), base, tmp_path))
    assert checked(Rtn(**other), base, made, tmp_path)


def test_a_changed_sidecar_is_refuted(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    base = tiny_folder("llama")
    made = made_by(run(Rtn(), base, tmp_path))
    (made / "generation_config.json").write_text("{}")
    (made / "extra.txt").write_text("")
    failed = checked(Rtn(), base, made, tmp_path)
    assert failed == {"every other file is its parent's": "first: extra.txt"}
