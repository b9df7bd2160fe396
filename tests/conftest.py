"""What tests of several packages share."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pressmark.api.cli import main
from pressmark.api.packaged_model import GEMMA_3_270M, fetch

TINY: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2, "tie_word_embeddings": False},
    "qwen2": {"num_key_value_heads": 2, "tie_word_embeddings": True},
    "gemma3_text": {
        "num_key_value_heads": 1,
        "head_dim": 8,
        "tie_word_embeddings": True,
        "sliding_window": 8,
        "num_hidden_layers": 6,  # five with a sliding window, one without
        "query_pre_attn_scalar": 8,
    },
    "mamba2": {
        "num_heads": 8,
        "head_dim": 8,
        "state_size": 8,
        "n_groups": 1,
        "chunk_size": 8,
        "expand": 2,
        "tie_word_embeddings": True,
    },
}
"""The families of tiny random models, and what differs from `COMMON`."""

COMMON: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}


CACHE = Path(__file__).parents[1] / ".cache"


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit status."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ran]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs `pressmark ARGUMENTS` in this process."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["pressmark", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def gemma_gguf() -> Path:
    """The folder of Gemma 3 270M's GGUF file, for slow tests: downloaded once (0.25 GB)."""
    CACHE.mkdir(exist_ok=True)
    return fetch(GEMMA_3_270M, CACHE).folder


@pytest.fixture(scope="session")
def gemma(gemma_gguf: Path) -> Path:
    """Gemma 3 270M as a bf16 folder, for slow tests: converted once and kept; never write to it."""
    from pressmark.compression.convert.gguf import ConvertGguf
    from pressmark.compression.progress import NullProgress
    from pressmark.compression.step import Context, Inputs

    folder = CACHE / "models" / "gemma-3-270m"
    if not folder.exists():
        work = CACHE / "models" / f"converting-{os.getpid()}"
        work.mkdir(parents=True)
        made = ConvertGguf().apply(Inputs({"base": gemma_gguf}), Context(work, NullProgress()))
        assert made.folder is not None
        made.folder.rename(folder)
        shutil.rmtree(work)
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes tiny random models with stock transformers; each is made once, so never write to it.

    ``tiny_folder("llama")`` gives the folder of a bf16 model of two layers and width 32;
    ``shard="20KB"`` splits its weights into several files, ``dtype="float32"`` sets the type.
    """
    made: dict[tuple[str, str, str], Path] = {}

    def make(family: str = "llama", *, shard: str = "5GB", dtype: str = "bfloat16") -> Path:
        key = (family, shard, dtype)
        if key not in made:
            made[key] = tmp_path_factory.mktemp(family)
            save_tiny(made[key], family, shard, dtype)
        return made[key]

    return make


def save_tiny(folder: Path, family: str, shard: str, dtype: str) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    values = COMMON | TINY[family]
    if family == "mamba2":
        for name in ("intermediate_size", "num_attention_heads", "max_position_embeddings"):
            del values[name]
    config = AutoConfig.for_model(family, **values)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():  # norms and biases begin equal; make all differ
            parameter.data.add_(torch.randn_like(parameter) * 0.05)
    model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=shard)


@pytest.fixture(scope="session")
def tiny_gguf(
    tiny_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Writes a tiny model as GGUF, by the rules of llama.cpp's converter.

    ``tiny_gguf("llama")`` gives a file with all tensors in F32; `kind` is used for matrices.
    """
    made: dict[tuple[str, str], Path] = {}

    def make(family: str = "llama", kind: str = "F32") -> Path:
        if (family, kind) not in made:
            file = tmp_path_factory.mktemp("gguf") / f"{family}-{kind}.gguf"
            write_gguf(file, tiny_folder(family), GGUF_NAMES[family], kind)
            made[family, kind] = file
        return made[family, kind]

    return make


GGUF_NAMES = {"llama": "llama", "qwen2": "qwen2", "gemma3_text": "gemma3"}


def write_gguf(file: Path, folder: Path, architecture: str, kind: str) -> None:
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFWriter, get_tensor_name_map
    from gguf.constants import MODEL_ARCH_NAMES
    from gguf.quants import quantize
    from safetensors.torch import load_file

    config = json.loads((folder / "config.json").read_text())
    arch = next(a for a, name in MODEL_ARCH_NAMES.items() if name == architecture)
    names = get_tensor_name_map(arch, config["num_hidden_layers"])
    writer = GGUFWriter(file, architecture)
    write_gguf_metadata(writer, architecture, config)
    for name, tensor in load_file(folder / "model.safetensors").items():
        stem, _, leaf = name.rpartition(".")
        values = tensor.float().numpy()
        if architecture == "gemma3" and name.endswith("norm.weight"):
            values = values + np.float32(1)
        if architecture == "llama" and (".q_proj." in name or ".k_proj." in name):
            heads = config["num_key_value_heads" if ".k_" in name else "num_attention_heads"]
            halves = values.reshape(heads, 2, -1, values.shape[-1])
            values = np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(values.shape)
        stored = GGMLQuantizationType[kind if values.ndim == 2 else "F32"]
        data = quantize(values, stored)
        writer.add_tensor(f"{names.get_name(stem)}.{leaf}", data, raw_dtype=stored)
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file):
        write()
    writer.write_tensors_to_file()
    writer.close()


def write_gguf_metadata(writer: Any, architecture: str, config: Any) -> None:
    writer.add_license("mit")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(1_000_000.0 if architecture == "gemma3" else 10_000.0)
    if architecture == "gemma3":
        writer.add_key_length(config["head_dim"])
        writer.add_value_length(config["head_dim"])
        writer.add_sliding_window(config["sliding_window"])
    letters = [chr(code) for code in range(ord("!"), ord("!") + 94)]
    tokens = ["<bos>", "<eos>", *letters]
    tokens += [f"{a}{b}" for a in letters for b in letters][: 512 - len(tokens)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3] + [1] * (len(tokens) - 2))
    writer.add_token_merges([f"{t[0]} {t[1]}" for t in tokens[96:]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(1)
    writer.add_add_bos_token(True)
