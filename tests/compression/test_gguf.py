"""Reading and converting GGUF: against the `gguf` package, stock transformers and the originals."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.convert.ggml_blocks import FORMATS, restore, to_bfloat16
from pressmark.compression.convert.gguf import ConvertGguf, find_gguf
from pressmark.compression.convert.gguf_file import GgufFile
from pressmark.compression.convert.translation import parameter_name, tensor_name
from pressmark.compression.errors import ModelFileError
from pressmark.compression.step import Context, Evidence, Inputs, Produced

T = TypeVar("T")
Tiny = Callable[..., Path]

FAMILIES = ("llama", "qwen2", "gemma3_text")


class Quiet:
    def track(
        self, iterable: Iterable[T], total: int | None = None, label: str = ""
    ) -> Iterator[T]:
        return iter(iterable)

    def log(self, text: str) -> None:
        pass


def convert(file: Path, workdir: Path) -> Context:
    workdir.mkdir()
    context = Context(workdir, Quiet())
    ConvertGguf().apply(Inputs({"base": file.parent}), context)
    return context


def check(file: Path, folder: Path, context: Context) -> Evidence:
    return ConvertGguf().check(Inputs({"base": file.parent}), Produced(folder), context)


@pytest.mark.parametrize("kind", FORMATS)
def test_formats_agree_with_the_gguf_package_on_random_blocks(kind: str) -> None:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
    from gguf.quants import dequantize

    number = GGMLQuantizationType[kind]
    weights, size = GGML_QUANT_SIZES[number]
    rows = np.random.default_rng(3).integers(0, 256, (64, 3 * size), dtype=np.uint8)
    ours = restore(kind, rows, size)
    with np.errstate(all="ignore"):
        theirs = dequantize(rows, number).astype(np.float32)
    assert ours.dtype == np.float32
    assert ours.shape == (64, 3 * weights)
    np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=50)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_rounding_to_bfloat16_is_torchs(values: list[float]) -> None:
    array = np.array(values, np.float32)
    expected = torch.from_numpy(array).to(torch.bfloat16).view(torch.int16).numpy()
    np.testing.assert_array_equal(to_bfloat16(array).view(np.int16), expected)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["F32", "Q5_0"])
def test_reader_agrees_with_the_gguf_package(tiny_gguf: Tiny, family: str, kind: str) -> None:
    require_same_reading(tiny_gguf(family, kind))


def require_same_reading(file: Path) -> None:
    from gguf import GGUFReader

    ours, theirs = GgufFile.open(file), GGUFReader(file)
    assert list(ours.tensors) == [tensor.name for tensor in theirs.tensors]
    for tensor in theirs.tensors:
        mine = ours.tensors[tensor.name]
        assert mine.kind == tensor.tensor_type.name
        assert mine.shape == tuple(reversed(tensor.shape.tolist()))
        assert (mine.offset, mine.size) == (tensor.data_offset, tensor.n_bytes)
    said = {k: f.contents() for k, f in theirs.fields.items() if not k.startswith("GGUF.")}
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in ours.metadata.items()}
    assert plain == said


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_written_as_f32_comes_back_bit_for_bit(
    tiny_folder: Tiny, tiny_gguf: Tiny, tmp_path: Path, family: str
) -> None:
    folder = convert(tiny_gguf(family), tmp_path / "x").output
    found, original = (load_file(f / "model.safetensors") for f in (folder, tiny_folder(family)))
    assert found.keys() == original.keys()
    for name, tensor in original.items():
        assert torch.equal(found[name], tensor), name
    ours, theirs = (Checkpoint.open(f).model() for f in (folder, tiny_folder(family)))
    ids = torch.arange(24)[None]
    with torch.no_grad():
        assert torch.equal(ours(ids).logits, theirs(ids).logits)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["Q4_0", "Q5_0", "Q8_0"])
def test_quantized_files_become_what_transformers_reads_from_them(
    tiny_gguf: Tiny, tmp_path: Path, family: str, kind: str
) -> None:
    from transformers import AutoModelForCausalLM

    file = tiny_gguf(family, kind)
    folder = convert(file, tmp_path / "x").output
    stock = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32
    )
    found, expected = load_file(folder / "model.safetensors"), stock.state_dict()
    for name, tensor in found.items():
        assert torch.equal(tensor, expected[name].to(torch.bfloat16)), name
    again = AutoModelForCausalLM.from_pretrained(folder)
    assert set(again.state_dict()) == set(expected)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["F32", "Q8_0"])
def test_check_holds(tiny_gguf: Tiny, tmp_path: Path, family: str, kind: str) -> None:
    file = tiny_gguf(family, kind)
    context = convert(file, tmp_path / "x")
    evidence = check(file, context.output, context)
    assert evidence.holds, evidence
    assert len(evidence.claims) == 4


def test_same_bytes_twice(tiny_gguf: Tiny, tmp_path: Path) -> None:
    one, other = (
        {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in convert(tiny_gguf("gemma3_text", "Q8_0"), tmp_path / name).output.iterdir()
        }
        for name in ("one", "other")
    )
    assert one == other
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= one.keys()


def test_nothing_of_the_machine_is_written(tiny_gguf: Tiny, tmp_path: Path) -> None:
    file = tiny_gguf("llama")
    for made in convert(file, tmp_path / "x").output.iterdir():
        assert str(file.parent).encode() not in made.read_bytes(), made.name
        assert str(tmp_path).encode() not in made.read_bytes(), made.name


def lowest_bit_flips(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    weight = tensors["model.layers.1.self_attn.k_proj.weight"]
    weight.view(torch.int16)[3, 5] ^= 1
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def rows_are_not_put_back(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    name = "model.layers.0.self_attn.q_proj.weight"
    tensors[name] = tensors[name].reshape(4, 2, 4, 32).transpose(1, 2).reshape(32, 32).contiguous()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def weights_are_float32(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = tensors["lm_head.weight"].float()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def rope_base_is_another(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["rope_parameters"]["rope_theta"] = 5000.0
    (folder / "config.json").write_text(json.dumps(config))


def two_tokens_are_swapped(folder: Path) -> None:
    document = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = document["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (folder / "tokenizer.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lowest_bit_flips, "model.layers.1.self_attn.k_proj.weight (blk.1.attn_k.weight) differs"),
        (rows_are_not_put_back, "model.layers.0.self_attn.q_proj.weight"),
        (weights_are_float32, "lm_head.weight (output.weight) differs at element 0"),
        (rope_base_is_another, "rope_theta"),
        (two_tokens_are_swapped, "2 differ, first 'a'"),
    ],
)
def test_check_refutes_and_names(
    tiny_gguf: Tiny, tmp_path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    file = tiny_gguf("llama")
    context = convert(file, tmp_path / "x")
    spoil(context.output)
    evidence = check(file, context.output, context)
    assert [claim.holds for claim in evidence.claims].count(False) == 1
    assert says in evidence.detail


def test_check_says_where_the_difference_is(tiny_gguf: Tiny, tmp_path: Path) -> None:
    file = tiny_gguf("llama")
    context = convert(file, tmp_path / "x")
    lowest_bit_flips(context.output)
    assert f"differs at element {3 * 32 + 5}" in check(file, context.output, context).detail


@pytest.mark.parametrize("family", FAMILIES)
def test_own_names_and_the_packages_names_agree(tiny_gguf: Tiny, family: str) -> None:
    source = GgufFile.open(tiny_gguf(family))
    for name in source.tensors:
        parameter = parameter_name(source, name)
        assert parameter is not None
        assert tensor_name(source, parameter) == name


def rewritten(file: Path, target: Path, change: Callable[[Any], None]) -> Path:
    """Writes a GGUF file anew, with the metadata or tensors changed."""
    from gguf import GGUFReader, GGUFValueType, GGUFWriter

    reader = GGUFReader(file)
    target.mkdir()
    writer = GGUFWriter(target / file.name, reader.fields["general.architecture"].contents())
    for key, found in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            sub = found.types[1] if found.types[0] == GGUFValueType.ARRAY else None
            writer.add_key_value(key, found.contents(), found.types[0], sub_type=sub)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, np.array(tensor.data), raw_dtype=tensor.tensor_type)
    change(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target / file.name


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda w: w.add_float32("llama.rope.scaling.factor", 8.0), "llama.rope.scaling.factor"),
        (lambda w: w.add_uint32("llama.expert_count", 8), "llama.expert_count = 8"),
        (lambda w: w.add_uint32("llama.rope.dimension_count", 4), "llama.rope.dimension_count = 4"),
        (lambda w: w.add_tensor("rope_freqs.weight", np.ones(4, np.float32)), "rope_freqs.weight"),
        (lambda w: w.add_tensor("blk.2.ffn_up.weight", np.ones((64, 32), np.float32)), "blk.2.ffn"),
    ],
)
def test_what_is_not_understood_is_refused(
    tiny_gguf: Tiny, tmp_path: Path, change: Callable[[Any], None], says: str
) -> None:
    file = rewritten(tiny_gguf("llama"), tmp_path / "changed", change)
    with pytest.raises(ModelFileError, match=says):
        convert(file, tmp_path / "x")


def test_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "x.gguf", "rwkv7")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ModelFileError, match="architecture 'rwkv7'"):
        convert(tmp_path / "x.gguf", tmp_path / "w")


def test_a_folder_without_one_gguf_file_is_refused(tiny_folder: Tiny, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="it holds none"):
        convert(tiny_folder("llama") / "config.json", tmp_path / "x")


@pytest.mark.slow
def test_a_real_file(gemma_gguf: Path, tmp_path: Path) -> None:
    file = find_gguf(gemma_gguf)
    require_same_reading(file)
    context = convert(file, tmp_path / "x")
    assert check(file, context.output, context).holds
    shutil.rmtree(context.output)
