"""Spoilt model folders: each is refused with an error that names the file and the tensor.

Every defect is a function of that name which spoils a good folder; `REFUSED` says what the error
must tell. Nothing may be executed, nothing outside the folder may be read, and an import that is
refused leaves the registry as it was.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.errors import ModelFileError

Defect = Callable[[Path], None]

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
RAN = "the-pickle-ran"


class Bomb:
    """A pickle of this creates a file when it is loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
        return os.mkdir, (str(self.folder / RAN),)


def edit_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def edit_json(folder: Path, name: str, **values: Any) -> None:
    document = json.loads((folder / name).read_text()) | values
    (folder / name).write_text(json.dumps(document))


def edit_header(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    data = (folder / WEIGHTS).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    (folder / WEIGHTS).write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


def weights_are_truncated(folder: Path) -> None:
    os.truncate(folder / WEIGHTS, (folder / WEIGHTS).stat().st_size - 7)


def weights_are_empty(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"")


def header_is_truncated(folder: Path) -> None:
    os.truncate(folder / WEIGHTS, 100)


def header_is_longer_than_the_file(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[:8] = (len(data) * 2).to_bytes(8, "little")
    (folder / WEIGHTS).write_bytes(data)


def header_claims_an_exabyte(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[:8] = (1 << 60).to_bytes(8, "little")
    (folder / WEIGHTS).write_bytes(data)


def tensors_overlap(folder: Path) -> None:
    def overlap(header: dict[str, Any]) -> None:
        header["model.norm.weight"]["data_offsets"] = [0, 64]

    edit_header(folder, overlap)


def shape_and_bytes_disagree(folder: Path) -> None:
    def grow(header: dict[str, Any]) -> None:
        header["model.norm.weight"]["shape"] = [1 << 40]

    edit_header(folder, grow)


def bytes_trail(folder: Path) -> None:
    with (folder / WEIGHTS).open("ab") as stream:
        stream.write(b"hidden")


def dtype_is_unknown(folder: Path) -> None:
    def rename(header: dict[str, Any]) -> None:
        header["model.norm.weight"]["dtype"] = "F128"

    edit_header(folder, rename)


def tensor_is_missing(folder: Path) -> None:
    edit_tensors(folder, lambda tensors: tensors.pop("model.layers.1.mlp.up_proj.weight"))


def tensor_is_unexpected(folder: Path) -> None:
    edit_tensors(folder, lambda tensors: tensors.update(backdoor=torch.ones(3)))


def tensor_has_the_wrong_shape(folder: Path) -> None:
    edit_tensors(folder, lambda tensors: tensors.update({"model.norm.weight": torch.ones(31)}))


def weights_are_a_pickle(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(folder)))


def pickle_lies_beside_the_weights(folder: Path) -> None:
    (folder / "training_args.bin").write_bytes(pickle.dumps(Bomb(folder)))


def pickle_is_named_safetensors(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(pickle.dumps(Bomb(folder), protocol=4))


def pickle_is_named_json(folder: Path) -> None:
    (folder / "extra.json").write_bytes(pickle.dumps(Bomb(folder), protocol=2))


def torch_archive_is_named_safetensors(folder: Path) -> None:
    with zipfile.ZipFile(folder / WEIGHTS, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb(folder)))


def index_names_a_file_outside(folder: Path) -> None:
    save_file(load_file(folder / WEIGHTS), folder.parent / "outside.safetensors")
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    write_index(folder, dict.fromkeys(tensors, "../outside.safetensors"))


def index_names_an_absolute_path(folder: Path) -> None:
    write_index(folder, dict.fromkeys(load_file(folder / WEIGHTS), "/etc/passwd"))


def index_names_a_pickle(folder: Path) -> None:
    write_index(folder, dict.fromkeys(load_file(folder / WEIGHTS), "config.json"))


def index_names_a_missing_shard(folder: Path) -> None:
    names = list(load_file(folder / WEIGHTS))
    write_index(folder, dict.fromkeys(names, WEIGHTS) | {names[0]: "model-2.safetensors"})


def index_misplaces_a_tensor(folder: Path) -> None:
    names = list(load_file(folder / WEIGHTS))
    shutil.copy(folder / WEIGHTS, folder / "two.safetensors")
    save_file({"x": torch.ones(1)}, folder / "two.safetensors")
    write_index(
        folder,
        {**dict.fromkeys(names, WEIGHTS), "x": "two.safetensors", names[0]: "two.safetensors"},
    )


def index_has_no_map(folder: Path) -> None:
    (folder / INDEX).write_text("{}")


def write_index(folder: Path, weight_map: dict[str, str]) -> None:
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def link_leaves_the_folder(folder: Path) -> None:
    shutil.move(folder / WEIGHTS, folder.parent / "secret")
    (folder / WEIGHTS).symlink_to("../secret")


def sidecar_link_leaves_the_folder(folder: Path) -> None:
    (folder / "vocab.txt").symlink_to("/etc/passwd")


def folder_link_leaves_the_folder(folder: Path) -> None:
    (folder / "etc").symlink_to("/etc")


def link_leads_nowhere(folder: Path) -> None:
    (folder / "vocab.txt").symlink_to("gone")


def link_loops(folder: Path) -> None:
    (folder / "vocab.txt").symlink_to("vocab.txt")


def file_is_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "vocab.txt")


def config_is_missing(folder: Path) -> None:
    (folder / "config.json").unlink()


def config_is_no_json(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"\x00{")


def config_is_a_list(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


def config_is_deeply_nested(folder: Path) -> None:
    (folder / "config.json").write_text('{"a":' * 100_000 + "1" + "}" * 100_000)


def config_asks_for_remote_code(folder: Path) -> None:
    edit_json(folder, "config.json", auto_map={"AutoModelForCausalLM": "evil.Model"})
    (folder / "evil.py").write_text(f"import os; os.mkdir({str(folder / RAN)!r})")


def config_names_an_unknown_model(folder: Path) -> None:
    edit_json(folder, "config.json", model_type="../../evil")


def config_names_an_encoder(folder: Path) -> None:
    edit_json(folder, "config.json", model_type="vit")


def config_is_quantized_elsewhere(folder: Path) -> None:
    edit_json(folder, "config.json", quantization_config={"quant_method": "gptq", "bits": 4})


def config_asks_for_a_billion_layers(folder: Path) -> None:
    edit_json(folder, "config.json", num_hidden_layers=10**9)


def config_hides_a_billion_layers(folder: Path) -> None:
    edit_json(folder, "config.json", text_config={"n_layer": 10**9})


def config_asks_for_text_layers(folder: Path) -> None:
    edit_json(folder, "config.json", hidden_size="wide")


def config_divides_by_zero(folder: Path) -> None:
    edit_json(folder, "config.json", num_attention_heads=0, head_dim=None)


def plan_is_from_the_future(folder: Path) -> None:
    (folder / "pressmark.json").write_text('{"version": 99}')


def plan_has_an_unknown_key(folder: Path) -> None:
    (folder / "pressmark.json").write_text('{"version": 1, "run": "rm -rf /"}')


def weight_is_nan(folder: Path) -> None:
    edit_tensors(folder, lambda tensors: tensors["model.norm.weight"].fill_(float("nan")))


def weight_is_infinite(folder: Path) -> None:
    def spoil(tensors: dict[str, torch.Tensor]) -> None:
        tensors["model.layers.0.mlp.up_proj.weight"][1, 1] = float("-inf")

    edit_tensors(folder, spoil)


def weights_are_missing(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


REFUSED: dict[Defect, str] = {
    weights_are_missing: "there is neither model.safetensors nor",
    weights_are_truncated: "model.safetensors: tensor",
    weights_are_empty: "model.safetensors: is truncated",
    header_is_truncated: "model.safetensors: has a header",
    header_is_longer_than_the_file: "longer than the file",
    header_claims_an_exabyte: "model.safetensors: has a header of 1152921504606846976 bytes",
    tensors_overlap: "overlaps the tensor before it by 64",
    shape_and_bytes_disagree: "tensor 'model.norm.weight' of BF16 [1099511627776] does not take",
    bytes_trail: "model.safetensors: has 6 trailing bytes",
    dtype_is_unknown: "tensor 'model.norm.weight' has the unknown dtype 'F128'",
    tensor_is_missing: "tensor model.layers.1.mlp.up_proj.weight: is missing",
    tensor_is_unexpected: "tensor backdoor: is stored, but config.json",
    tensor_has_the_wrong_shape: "tensor model.norm.weight: has the shape [31]",
    weights_are_a_pickle: "pytorch_model.bin: is a pickle",
    pickle_lies_beside_the_weights: "training_args.bin: is a pickle",
    pickle_is_named_safetensors: "model.safetensors: is a pickle",
    pickle_is_named_json: "extra.json: is a pickle",
    torch_archive_is_named_safetensors: "model.safetensors: is a pickle",
    index_names_a_file_outside: "names the file '../outside.safetensors'",
    index_names_an_absolute_path: "names the file '/etc/passwd'",
    index_names_a_pickle: "config.json: is named by model.safetensors.index.json",
    index_names_a_missing_shard: "model-2.safetensors: is named by",
    index_misplaces_a_tensor: "is not in two.safetensors as the index says",
    index_has_no_map: "model.safetensors.index.json: has no 'weight_map'",
    link_leaves_the_folder: "model.safetensors: is a link out of the folder",
    sidecar_link_leaves_the_folder: "vocab.txt: is a link out of the folder",
    folder_link_leaves_the_folder: "etc: is a link out of the folder",
    link_leads_nowhere: "vocab.txt: is a link that leads nowhere",
    link_loops: "vocab.txt: is a link that leads nowhere",
    file_is_a_pipe: "vocab.txt: is neither a file nor a folder",
    config_is_missing: "config.json: is missing",
    config_is_no_json: "config.json: is not JSON",
    config_is_a_list: "config.json: is not a JSON object",
    config_is_deeply_nested: "config.json: is not JSON",
    config_asks_for_remote_code: "config.json: 'auto_map' asks for Python code",
    config_names_an_unknown_model: "config.json: 'model_type' is '../../evil'",
    config_names_an_encoder: "config.json: 'model_type' is 'vit'",
    config_is_quantized_elsewhere: "config.json: 'quantization_config'",
    config_asks_for_a_billion_layers: "config.json: 'num_hidden_layers' is 1000000000",
    config_hides_a_billion_layers: "config.json: 'n_layer' is 1000000000",
    config_asks_for_text_layers: "config.json: transformers cannot build",
    config_divides_by_zero: "config.json: transformers cannot build",
    plan_is_from_the_future: "pressmark.json: 'version' is 99",
    plan_has_an_unknown_key: "pressmark.json: 'run' is not a key",
}


@pytest.fixture
def folder(tiny_folder: Callable[..., Path], tmp_path: Path) -> Path:
    """A good model folder that may be spoilt."""
    target = tmp_path / "model"
    shutil.copytree(tiny_folder("llama"), target)
    return target


def named(defect: Any) -> str:
    return getattr(defect, "__name__", "")


@pytest.mark.parametrize("defect", REFUSED, ids=named)
def test_opening_refuses(folder: Path, defect: Defect) -> None:
    Checkpoint.open(folder)
    defect(folder)
    with pytest.raises(ModelFileError) as refused:
        Checkpoint.open(folder)
    assert REFUSED[defect] in str(refused.value)
    assert str(folder.parent) not in refused.value.message
    assert not (folder / RAN).exists()


NOT_IMPORTED: dict[Defect, str] = REFUSED | {
    weight_is_nan: "model.safetensors, tensor model.norm.weight: holds NaN or infinity",
    weight_is_infinite: "tensor model.layers.0.mlp.up_proj.weight: holds NaN or infinity",
}


@pytest.mark.parametrize("defect", NOT_IMPORTED, ids=named)
def test_import_refuses(folder: Path, refused: Callable[..., str], defect: Defect) -> None:
    defect(folder)
    error = refused("import", folder, "--name", "hostile")
    assert NOT_IMPORTED[defect] in error
    assert not (folder / RAN).exists()


def magic_is_wrong(data: bytearray) -> None:
    data[:4] = b"GGML"


def version_is_unknown(data: bytearray) -> None:
    data[4:8] = (99).to_bytes(4, "little")


def tensors_are_truncated(data: bytearray) -> None:
    del data[-40:]


def tables_are_truncated(data: bytearray) -> None:
    del data[300:]


def tensor_count_is_huge(data: bytearray) -> None:
    data[8:16] = (1 << 60).to_bytes(8, "little")


def metadata_count_is_huge(data: bytearray) -> None:
    data[16:24] = (1 << 50).to_bytes(8, "little")


def key_length_is_huge(data: bytearray) -> None:
    data[24:32] = (1 << 62).to_bytes(8, "little")


def key_is_not_utf8(data: bytearray) -> None:
    data[32:34] = b"\xff\xfe"


def file_ends_after_the_magic(data: bytearray) -> None:
    del data[4:]


def tensor_name_is_used_twice(data: bytearray) -> None:
    at = data.index(b"blk.1.attn_q.weight")
    data[at : at + 19] = b"blk.0.attn_q.weight"


def tensor_type_is_unknown(data: bytearray) -> None:
    at = data.index(b"output_norm.weight") + 18 + 4 + 8
    data[at : at + 4] = (200).to_bytes(4, "little")


def tensor_is_larger_than_the_file(data: bytearray) -> None:
    at = data.index(b"output_norm.weight") + 18 + 4
    data[at : at + 8] = (1 << 40).to_bytes(8, "little")


def tensor_offset_points_beyond(data: bytearray) -> None:
    at = data.index(b"output_norm.weight") + 18 + 4 + 8 + 4
    data[at : at + 8] = (1 << 33).to_bytes(8, "little")


def tensors_share_bytes(data: bytearray) -> None:
    at = data.index(b"output_norm.weight") + 18 + 4 + 8 + 4
    data[at : at + 8] = (0).to_bytes(8, "little")


def last_bytes_are_nan(data: bytearray) -> None:
    data[-32:] = (0x7FC00000).to_bytes(4, "little") * 8


GGUF_REFUSED: dict[Callable[[bytearray], None], str] = {
    magic_is_wrong: "is no GGUF file",
    version_is_unknown: "is GGUF version 99",
    tensors_are_truncated: "bytes after the truncated file",
    tables_are_truncated: "llama-F32.gguf: ",
    tensor_count_is_huge: "claims 1152921504606846976 entries",
    metadata_count_is_huge: "claims 1125899906842624 entries",
    key_length_is_huge: "claims 4611686018427387904 entries",
    key_is_not_utf8: "holds text that is not UTF-8",
    file_ends_after_the_magic: "is truncated",
    tensor_name_is_used_twice: "tensor blk.0.attn_q.weight: is in the table twice",
    tensor_type_is_unknown: "tensor output_norm.weight: has the unknown type 200",
    tensor_is_larger_than_the_file: "tensor output_norm.weight: ",
    tensor_offset_points_beyond: "tensor output_norm.weight: ends",
    tensors_share_bytes: "overlaps the tensor before it",
    last_bytes_are_nan: "holds NaN or infinity",
}


@pytest.mark.parametrize("defect", GGUF_REFUSED, ids=named)
def test_import_refuses_gguf(
    tiny_gguf: Callable[..., Path],
    tmp_path: Path,
    refused: Callable[..., str],
    defect: Callable[[bytearray], None],
) -> None:
    good = tiny_gguf("llama")
    data = bytearray(good.read_bytes())
    defect(data)
    bad = tmp_path / good.name
    bad.write_bytes(data)
    error = refused("import", bad, "--name", "hostile")
    assert GGUF_REFUSED[defect] in error
    assert good.name in error


def test_what_is_no_model_is_not_imported(tmp_path: Path, refused: Callable[..., str]) -> None:
    file = tmp_path / "model.pt"
    file.write_bytes(pickle.dumps(Bomb(tmp_path)))
    assert "model.pt: is neither a model folder nor a GGUF file" in refused("import", file)
    assert "there is nothing at" in refused("import", tmp_path / "missing")
    assert not (tmp_path / RAN).exists()
