"""Opening, loading and writing checkpoints, with stock transformers as the oracle."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pressmark.compression.checkpoint import Checkpoint, CheckpointWriter
from pressmark.compression.errors import ModelFileError
from pressmark.compression.plan import Plan

FAMILIES = ("llama", "qwen2", "gemma3_text", "mamba2")
TinyFolder = Callable[..., Path]


def stock(folder: Path, dtype: torch.dtype | str = "auto") -> torch.nn.Module:
    from transformers import AutoModelForCausalLM

    model: torch.nn.Module = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    return model


def logits(model: torch.nn.Module, length: int = 24) -> torch.Tensor:
    ids = torch.arange(length)[None] * 7 % 512
    with torch.no_grad():
        found: torch.Tensor = model(ids).logits
    return found


def require_same(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    for mine, other in (
        (dict(ours.state_dict()), dict(theirs.state_dict())),
        (dict(ours.named_buffers()), dict(theirs.named_buffers())),
    ):
        assert mine.keys() == other.keys()
        for name, value in mine.items():
            assert value.dtype == other[name].dtype, name
            assert torch.equal(value, other[name]), name
    assert torch.equal(logits(ours), logits(theirs))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [None, torch.float32])
def test_computes_what_stock_transformers_computes(
    tiny_folder: TinyFolder, family: str, dtype: torch.dtype | None
) -> None:
    folder = tiny_folder(family)
    require_same(Checkpoint.open(folder).model(dtype), stock(folder, dtype or "auto"))


def test_half_precision_as_stock(tiny_folder: TinyFolder) -> None:
    folder = tiny_folder("llama", dtype="float32")
    require_same(Checkpoint.open(folder).model(torch.float16), stock(folder, torch.float16))


@pytest.mark.parametrize("family", FAMILIES)
def test_shards_load_as_stock(tiny_folder: TinyFolder, family: str) -> None:
    folder = tiny_folder(family, shard="20KB")
    checkpoint = Checkpoint.open(folder)
    assert len(checkpoint.weight_files) > 2
    require_same(checkpoint.model(), stock(folder))


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_without_a_stated_type_the_weights_decide(
    tiny_folder: TinyFolder, tmp_path: Path, dtype: str
) -> None:
    folder = tmp_path / "x"
    shutil.copytree(tiny_folder("llama", dtype=dtype), folder)
    config = json.loads((folder / "config.json").read_text())
    del config["dtype"]
    (folder / "config.json").write_text(json.dumps(config))
    require_same(Checkpoint.open(folder).model(), stock(folder))


@pytest.mark.parametrize("name", ["mamba2-tiny", "nemotron-h-tiny"])
def test_trained_models_load_as_stock(name: str) -> None:
    folder = Path(__file__).parents[3] / "shared" / "models" / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    require_same(Checkpoint.open(folder).model(), stock(folder))


def test_the_model_is_in_evaluation_mode_and_asks_for_no_gradient(tiny_folder: TinyFolder) -> None:
    model = Checkpoint.open(tiny_folder("llama")).model()
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_tied_weights_are_one(tiny_folder: TinyFolder) -> None:
    checkpoint = Checkpoint.open(tiny_folder("qwen2"))
    model = checkpoint.model()
    head, embedding = model.get_parameter("lm_head.weight"), model.get_input_embeddings().weight
    assert head is embedding
    assert "lm_head.weight" not in checkpoint.bound
    assert checkpoint.parameter_count == sum(
        p.numel() for p in stock(checkpoint.folder).parameters()
    )


def test_tied_weights_may_be_stored_twice_or_under_the_other_name(
    tiny_folder: TinyFolder, tmp_path: Path
) -> None:
    tensors = load_file(tiny_folder("qwen2") / "model.safetensors")
    embedding = tensors["model.embed_tokens.weight"]
    embedding[3] = 0
    other = {**tensors, "lm_head.weight": embedding.clone()}
    differs = {**tensors, "lm_head.weight": embedding * 2}
    only_head = {n: t for n, t in other.items() if n != "model.embed_tokens.weight"}
    for i, variant in enumerate((other, only_head, differs)):
        folder = copy_with(tiny_folder("qwen2"), tmp_path / str(i), variant)
        checkpoint = Checkpoint.open(folder)
        require_same(checkpoint.model(), stock(folder))
        expected = list(stock(folder).parameters())
        assert checkpoint.parameter_count == sum(p.numel() for p in expected)
        assert checkpoint.count_nonzero() == sum(int((p != 0).sum()) for p in expected)


def copy_with(source: Path, target: Path, tensors: dict[str, torch.Tensor]) -> Path:
    target.mkdir()
    for file in source.iterdir():
        if file.suffix != ".safetensors":
            shutil.copy(file, target)
    save_file(tensors, target / "model.safetensors", {"format": "pt"})
    return target


def test_generation_settings_come_along(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    folder = copy_with(
        tiny_folder("llama"),
        tmp_path / "x",
        load_file(tiny_folder("llama") / "model.safetensors"),
    )
    settings = {"max_new_tokens": 5, "bos_token_id": 0, "eos_token_id": 3}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    model = Checkpoint.open(folder).model()
    assert model.generation_config.max_new_tokens == 5
    assert model.generation_config.eos_token_id == 3


def test_the_tokenizer_is_the_folders(
    tiny_folder: TinyFolder, tmp_path: Path, bos_tokenizer
) -> None:
    folder = tmp_path / "x"
    shutil.copytree(tiny_folder("llama"), folder)
    bos_tokenizer.save_pretrained(folder)
    found = Checkpoint.open(folder).tokenizer()
    assert found("some text").input_ids == bos_tokenizer("some text").input_ids
    with pytest.raises(ModelFileError, match=r"tokenizer\.json"):
        Checkpoint.open(tiny_folder("llama")).tokenizer()


def test_an_unknown_buffer_of_old_checkpoints_is_ignored_as_stock_does(
    tiny_folder: TinyFolder, tmp_path: Path
) -> None:
    tensors = load_file(tiny_folder("llama") / "model.safetensors")
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    folder = copy_with(tiny_folder("llama"), tmp_path / "x", tensors)
    require_same(Checkpoint.open(folder).model(), stock(folder))


@pytest.mark.parametrize("shard", ["5GB", "20KB"])
def test_keeping_everything_gives_the_same_folder(
    tiny_folder: TinyFolder, tmp_path: Path, shard: str
) -> None:
    source = tiny_folder("llama", shard=shard)
    (target := tmp_path / "x").mkdir()
    with CheckpointWriter(target, Checkpoint.open(source)) as writer:
        writer.keep_rest()
    index = "model.safetensors.index.json"
    for file in source.iterdir():
        if file.name != index:
            assert (target / file.name).read_bytes() == file.read_bytes(), file.name
    names = {file.name for file in source.iterdir()}
    assert {file.name for file in target.iterdir()} == names
    if index in names:
        ours, theirs = (json.loads((f / index).read_text()) for f in (target, source))
        assert ours["weight_map"] == theirs["weight_map"]


@pytest.mark.parametrize("shard", ["5GB", "20KB"])
def test_written_weights_reach_stock_transformers_and_nothing_else_changes(
    tiny_folder: TinyFolder, tmp_path: Path, shard: str
) -> None:
    base = Checkpoint.open(tiny_folder("qwen2", shard=shard))
    changed = [n for n in base.tensors if n.endswith("up_proj.weight")]
    (folder := tmp_path / "x").mkdir()
    with CheckpointWriter(folder, base) as writer:
        for name in changed:
            writer.write(name, base.tensors.read(name) * 0.5)
        writer.keep_rest()
    child = Checkpoint.open(folder)
    assert child.weight_files == base.weight_files
    for name in base.tensors:
        factor = 0.5 if name in changed else 1.0
        assert torch.equal(child.tensors.read(name), base.tensors.read(name) * factor)
        assert child.tensors.info(name).file.name == base.tensors.info(name).file.name
    require_same(child.model(), stock(folder))


def test_the_order_of_writing_does_not_matter(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    base = Checkpoint.open(tiny_folder("llama", shard="20KB"))
    folders = []
    for order in (list(base.tensors), list(reversed(list(base.tensors)))):
        folders.append(tmp_path / str(len(folders)))
        folders[-1].mkdir()
        with CheckpointWriter(folders[-1], base) as writer:
            for name in order:
                writer.write(name, base.tensors.read(name))
    one, other = ({f.name: f.read_bytes() for f in folder.iterdir()} for folder in folders)
    assert one == other


def test_a_forgotten_tensor_is_named(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    base = Checkpoint.open(tiny_folder("llama"))
    writer = CheckpointWriter(tmp_path, base)
    with pytest.raises(ModelFileError, match=r"tensor lm_head\.weight: was neither"):
        writer.close()


def test_sidecars_go_along_but_no_other_weights(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(tiny_folder("llama"), source)
    (source / "README.md").write_text("---\nlicense: mit\n---\n")
    (source / "consolidated.safetensors").write_bytes((source / "model.safetensors").read_bytes())
    (source / "onnx").mkdir()
    (source / "onnx" / "model.onnx").write_bytes(b"\x08\x07")
    (source / "onnx" / "notes.txt").write_bytes(b"\x00 notes")
    (target := tmp_path / "target").mkdir()
    with CheckpointWriter(target, Checkpoint.open(source)) as writer:
        writer.keep_rest()
    found = {p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()}
    expected = {"README.md", "config.json", "generation_config.json", "model.safetensors"}
    assert found == expected | {"onnx/notes.txt"}
    assert (target / "onnx" / "notes.txt").read_bytes() == b"\x00 notes"


def test_nothing_of_the_machine_is_written(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    with CheckpointWriter(tmp_path, Checkpoint.open(tiny_folder("llama", shard="20KB"))) as writer:
        writer.keep_rest()
    for file in tmp_path.iterdir():
        assert str(tmp_path).encode() not in file.read_bytes()
    with safe_open(next(tmp_path.glob("*.safetensors")), "pt") as opened:
        assert opened.metadata() == {"format": "pt"}


def test_weights_that_are_not_finite_are_named(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    tensors = load_file(tiny_folder("llama") / "model.safetensors")
    Checkpoint.open(tiny_folder("llama")).check_finite()
    tensors["model.norm.weight"][3] = float("inf")
    checkpoint = Checkpoint.open(copy_with(tiny_folder("llama"), tmp_path / "x", tensors))
    with pytest.raises(ModelFileError, match=r"model\.safetensors, tensor model\.norm\.weight: "):
        checkpoint.check_finite()


def test_plan_and_file_names_must_agree(tiny_folder: TinyFolder, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    shutil.copytree(tiny_folder("llama"), folder)
    (folder / "model.safetensors").rename(folder / "pressmark-model.safetensors")
    with pytest.raises(ModelFileError, match=r"pressmark-model\.safetensors: must not"):
        Checkpoint.open(folder)
    (folder / "pressmark.json").write_bytes(Plan().to_json())
    with pytest.raises(ModelFileError, match="must not"):
        Checkpoint.open(folder)
