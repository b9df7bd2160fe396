"""Step `convert/gguf`: a GGUF file becomes a model folder with bf16 safetensors.

Every weight is dequantized to float32 and rounded once to bfloat16, to nearest, ties to even.
Tensors are streamed in pieces, so memory stays flat. Configuration and vocabulary come from the
file's metadata; a file that says something of unknown meaning is refused.

`check` derives the same weights a second time from nothing but the stored bytes: blocks by the
plain statements of `ggml_blocks` (conversion uses the `gguf` package), names by the table of
`translation` (conversion uses the package's), rounding by integer arithmetic (conversion uses
torch), and compares bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pressmark.compression.architecture import Architecture
from pressmark.compression.checkpoint import Checkpoint, CheckpointWriter
from pressmark.compression.convert.ggml_blocks import FORMATS, restore, to_bfloat16
from pressmark.compression.convert.gguf_file import GgufFile, GgufTensor
from pressmark.compression.convert.translation import (
    configuration,
    dialect_of,
    parameter_name,
    tensor_name,
)
from pressmark.compression.errors import ModelFileError
from pressmark.compression.step import (
    Claim,
    Context,
    Estimate,
    Evidence,
    Inputs,
    Output,
    Produced,
    Step,
    Workload,
)
from pressmark.ontology.terms import PM

PIECE: Final = 1 << 22
"""Weights that are dequantized at once: 16 MiB of float32."""


class ConvertGguf(Step):
    """Turns the GGUF file of an imported artifact into a bf16 checkpoint."""

    name: ClassVar[str] = "convert/gguf"
    version: ClassVar[str] = "1"
    activity = PM.Convert
    produces = PM.ConvertedModel

    def apply(self, inputs: Inputs, context: Context) -> Output:
        """Writes configuration, tokenizer and weights."""
        source = GgufFile.open(find_gguf(inputs.folder()))
        write_configuration(source, context.output)
        write_tokenizer(source, context.output)
        architecture = Architecture.of(context.output, len(source.tensors))
        names = _names(source, architecture)
        with CheckpointWriter(context.output) as writer:
            for parameter in context.progress.track(names, len(names), "dequantizing"):
                tensor = source.tensors[names[parameter]]
                pieces = _dequantized(source, tensor, parameter)
                writer.write_pieces(parameter, torch.bfloat16, tensor.shape, pieces)
        return Output(context.output)

    def check(self, inputs: Inputs, output: Produced, context: Context) -> Evidence:
        """Dequantizes everything again, by other code, and compares bit for bit."""
        source = GgufFile.open(find_gguf(inputs.folder()))
        made = output.checkpoint
        return Evidence(
            (
                _same_tensors(source, made),
                _same_weights(source, made, context),
                _same_configuration(source, made),
                _same_vocabulary(source, made),
            )
        )

    def estimate(self, work: Workload) -> Estimate:
        """About 20 MB of GGUF a second; bf16 takes at most four times the bytes of four bits."""
        return Estimate(seconds=5 + work.base / 20e6, bytes=4 * work.base)


def find_gguf(folder: Path) -> Path:
    """The one GGUF file in a folder.

    Raises:
        ModelFileError: There is none, or more than one.
    """
    found = sorted(folder.glob("*.gguf"))
    if len(found) != 1:
        named = ", ".join(file.name for file in found) or "none"
        raise ModelFileError(
            f"the input must hold one GGUF file; it holds {named}",
            "import one .gguf file, then convert that artifact",
        )
    return found[0]


def write_configuration(source: GgufFile, folder: Path) -> None:
    """Writes `config.json` and `generation_config.json`.

    Raises:
        ModelFileError: The metadata does not describe a model that can be converted.
    """
    from transformers import AutoConfig, GenerationConfig

    dialect = dialect_of(source)
    try:
        config = AutoConfig.for_model(dialect.model_type, **configuration(source))
    except (TypeError, ValueError, KeyError) as error:
        raise ModelFileError(
            f"describes no {dialect.model_type}: {error}", file=source.path.name
        ) from error
    config.architectures = [dialect.model_class]
    config.dtype = torch.bfloat16
    config.save_pretrained(folder)
    GenerationConfig.from_model_config(config).save_pretrained(folder)


def write_tokenizer(source: GgufFile, folder: Path) -> None:
    """Writes the tokenizer that the metadata describes, as transformers rebuilds it.

    Raises:
        ModelFileError: It cannot be rebuilt.
    """
    from transformers import PreTrainedTokenizerFast
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES as CLASSES
    from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

    named = tokenizer_class_from_name(CLASSES.get(dialect_of(source).model_type) or "")
    try:
        tokenizer = (named or PreTrainedTokenizerFast).from_pretrained(
            source.path.parent, gguf_file=source.path.name, local_files_only=True
        )
    except Exception as error:  # whatever the converter makes of hostile metadata
        raise ModelFileError(
            f"describes no tokenizer that transformers can rebuild: {error}", file=source.path.name
        ) from error
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    said = json.loads(file.read_text("utf-8"))
    for key in ("is_local", "local_files_only"):  # about this call, not about the tokenizer
        said.pop(key, None)
    file.write_text(json.dumps(said, indent=2, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")


def _names(source: GgufFile, architecture: Architecture) -> dict[str, str]:
    """Parameter -> tensor, for all that the model keeps; every tensor is used.

    Raises:
        ModelFileError: Naming a tensor that is missing, left over, or of another shape.
    """
    names = {p: tensor_name(source, p) for p in architecture.shapes if p not in architecture.tied}
    used = set(names.values())
    for name, tensor in source.tensors.items():
        if name not in used:
            raise ModelFileError(
                "is no parameter of this architecture, and cannot be left out",
                "convert it with llama.cpp's tools instead, or ask for support",
                file=source.path.name,
                tensor=name,
            )
        if tensor.kind not in FORMATS:
            raise ModelFileError(
                f"is stored as {tensor.kind}; {', '.join(FORMATS)} can be converted",
                file=source.path.name,
                tensor=name,
            )
    architecture.bind({p: source.tensors[n].shape for p, n in names.items() if n in source.tensors})
    return names


def _dequantized(source: GgufFile, tensor: GgufTensor, parameter: str) -> Iterator[Tensor]:
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    kind = GGMLQuantizationType[tensor.kind]
    order = _row_order(source, tensor)
    for rows in _pieces(source, tensor, order):
        values = dequantize(rows, kind)
        if order is not None and len(tensor.shape) == 1:
            values = values[..., order]
        if _is_norm_plus_one(source, tensor):
            values = values - np.float32(1)
        piece = torch.from_numpy(np.array(values))
        if not bool(torch.isfinite(piece).all()):
            raise ModelFileError(
                f"({parameter}) holds NaN or infinity", file=source.path.name, tensor=tensor.name
            )
        yield piece.to(torch.bfloat16)


def _pieces(
    source: GgufFile, tensor: GgufTensor, order: NDArray[np.int64] | None
) -> Iterator[NDArray[np.uint8]]:
    if order is None or len(tensor.shape) == 1:
        yield from source.pieces(tensor.name, PIECE)
        return
    rows = source.rows(tensor.name)
    step = max(1, PIECE // tensor.shape[-1])
    for start in range(0, len(rows), step):
        yield rows[order[start : start + step]]


def _is_norm_plus_one(source: GgufFile, tensor: GgufTensor) -> bool:
    return dialect_of(source).norms_plus_one and tensor.name.endswith("norm.weight")


def _heads(source: GgufFile, tensor: GgufTensor) -> int | None:
    """How many heads the rows of a permuted tensor belong to; None for any other tensor."""
    if not dialect_of(source).permuted:
        return None
    config = configuration(source)
    if ".attn_q." in tensor.name:
        return int(config["num_attention_heads"])
    return int(config["num_key_value_heads"]) if ".attn_k." in tensor.name else None


def _row_order(source: GgufFile, tensor: GgufTensor) -> NDArray[np.int64] | None:
    """Which stored row each row of the parameter is.

    llama.cpp stores the two rotary halves of a head interleaved, transformers one after the other.
    """
    heads = _heads(source, tensor)
    if heads is None:
        return None
    stored = np.arange(tensor.shape[0]).reshape(heads, -1, 2)
    return stored.swapaxes(1, 2).reshape(-1)


# --- the check: the same facts, stated another way ---


def _same_tensors(source: GgufFile, made: Checkpoint) -> Claim:
    """Every tensor is one parameter, every parameter one tensor."""
    text = "every tensor of the GGUF file became one weight, and there is no other weight"
    given = {parameter_name(source, name) or f"? {name}" for name in source.tensors}
    extra, lost = sorted(set(made.tensors) - given), sorted(given - set(made.tensors))
    detail = f"{len(given)} tensors"
    if extra or lost:
        detail = f"lost: {', '.join(lost) or 'none'}; from nowhere: {', '.join(extra) or 'none'}"
    return Claim(text, not extra and not lost, detail)


def _same_weights(source: GgufFile, made: Checkpoint, context: Context) -> Claim:
    text = "every weight is its GGUF block, dequantized and rounded to bfloat16, bit for bit"
    shared = [n for n in source.tensors if (parameter_name(source, n) or "") in made.tensors]
    for name in context.progress.track(shared, len(shared), "checking"):
        parameter = str(parameter_name(source, name))
        if (place := _first_difference(source, name, made.tensors.read(parameter))) is not None:
            return Claim(text, False, f"{parameter} ({name}) differs at element {place}")
    weights = sum(made.tensors.info(name).count for name in made.tensors)
    return Claim(text, bool(shared), f"{weights} weights in {len(shared)} tensors agree")


def _first_difference(source: GgufFile, name: str, stored: Tensor) -> int | None:
    """The first element that is not what the blocks say; None if all are."""
    tensor = source.tensors[name]
    if stored.dtype != torch.bfloat16 or tuple(stored.shape) != tensor.shape:
        return 0
    width = tensor.shape[-1] if len(tensor.shape) > 1 else 1  # a bias is a column
    bits = stored.view(torch.int16).numpy().view(np.uint16).reshape(-1, width)
    heads, at = _heads(source, tensor), 0
    for rows in source.pieces(name, PIECE):
        values = restore(tensor.kind, rows, tensor.block[1]).reshape(-1, width)
        if _is_norm_plus_one(source, tensor):
            values = values - np.float32(1)
        places = _row_places(np.arange(at, at + len(values)), len(bits), heads)
        wrong = np.argwhere(bits[places] != to_bfloat16(values))
        if len(wrong):
            return int(places[wrong[0, 0]]) * width + int(wrong[0, 1])
        at += len(values)
    return None


def _row_places(stored: NDArray[np.int64], count: int, heads: int | None) -> NDArray[np.int64]:
    """Where stored rows are in the parameter: row 2i + half of a head goes to half * size/2 + i."""
    if heads is None:
        return stored
    size = count // heads
    head, row = stored // size, stored % size
    return head * size + (row % 2) * (size // 2) + row // 2


def _same_configuration(source: GgufFile, made: Checkpoint) -> Claim:
    text = "the configuration says what the GGUF metadata says"
    wrong = [
        f"{key} is {made.config.get(key)!r}, not {value!r}"
        for key, value in configuration(source).items()
        if not _agrees(made.config, key, value)
    ]
    return Claim(text, not wrong, "; ".join(wrong))


def _agrees(config: Mapping[str, Any], key: str, value: Any) -> bool:
    if key == "rope_theta":
        rope = config.get("rope_parameters") or {}
        found = rope.get("full_attention", rope).get(key, config.get(key))
    else:
        found = config.get(key)
    if isinstance(value, float):
        return found is not None and np.float32(found) == np.float32(value)
    return bool(found == value)


def _same_vocabulary(source: GgufFile, made: Checkpoint) -> Claim:
    """Compares token by token; Gemma's runs of spaces are spelt differently in GGUF."""
    text = "every token has the number that the GGUF file gives it"
    tokens = source.metadata.get("tokenizer.ggml.tokens", ())
    vocabulary = made.tokenizer().get_vocab()
    wrong = [
        token
        for number, token in enumerate(tokens)
        if number not in (vocabulary.get(token), vocabulary.get(token.replace(" ", "\u2581")))
    ]
    detail = f"{len(tokens)} tokens" if not wrong else f"{len(wrong)} differ, first {wrong[0]!r}"
    return Claim(text, not wrong and bool(tokens), detail)
