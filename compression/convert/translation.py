"""What a GGUF file calls things, and what transformers calls them.

llama.cpp's converters rename tensors and configuration, add one to some norm weights, and reorder
the rows of Llama's query and key projections. This module states all of that for the architectures
that are supported, and refuses a file that says anything else: a key that is silently ignored
gives a model that is almost right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from pressmark.compression.convert.gguf_file import GgufFile
from pressmark.compression.errors import ModelFileError

_COMMON_FIELDS: Final = {
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "attention.key_length": "head_dim",
    "rope.freq_base": "rope_theta",
}
_GEMMA2_FIELDS: Final = {
    "attention.sliding_window": "sliding_window",
    "attn_logit_softcapping": "attn_logit_softcapping",
    "final_logit_softcapping": "final_logit_softcapping",
}
_OPTIONAL: Final = frozenset(
    {"attention.head_count_kv", "attention.key_length", "rope.freq_base", *_GEMMA2_FIELDS}
)
_TOKENS: Final = {
    "bos_token_id": "bos_token_id",
    "eos_token_id": "eos_token_id",
    "padding_token_id": "pad_token_id",
}

_COMMON_TENSORS: Final = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_GEMMA_TENSORS: Final = _COMMON_TENSORS | {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}


@dataclass(frozen=True)
class Dialect:
    """How one architecture is written in GGUF.

    Attributes:
        model_type: What transformers calls it.
        model_class: The class of its causal language model.
        fields: Metadata key (without the architecture) -> configuration key.
        tensors: Tensor name (without block and ".weight") -> parameter name (without block).
        norms_plus_one: Whether norm weights are stored plus one.
        permuted: Whether the rows of queries and keys are stored in pairs of rotary halves.
    """

    model_type: str
    model_class: str
    fields: Mapping[str, str] = field(default_factory=lambda: _COMMON_FIELDS)
    tensors: Mapping[str, str] = field(default_factory=lambda: _COMMON_TENSORS)
    norms_plus_one: bool = False
    permuted: bool = False


DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType(
    {
        "llama": Dialect("llama", "LlamaForCausalLM", permuted=True),
        "qwen2": Dialect("qwen2", "Qwen2ForCausalLM"),
        "qwen3": Dialect("qwen3", "Qwen3ForCausalLM"),
        "gemma2": Dialect(
            "gemma2",
            "Gemma2ForCausalLM",
            fields=_COMMON_FIELDS | _GEMMA2_FIELDS,
            tensors=_GEMMA_TENSORS,
            norms_plus_one=True,
        ),
        "gemma3": Dialect(
            "gemma3_text",
            "Gemma3ForCausalLM",
            fields=_COMMON_FIELDS | {"attention.sliding_window": "sliding_window"},
            tensors=_GEMMA_TENSORS,
            norms_plus_one=True,
        ),
    }
)
"""The architectures that can be converted, by their name in GGUF."""


def dialect_of(source: GgufFile) -> Dialect:
    """Finds how a file is written.

    Raises:
        ModelFileError: Its architecture is not supported.
    """
    if source.architecture not in DIALECTS:
        raise ModelFileError(
            f"holds a model of the architecture {source.architecture!r}",
            f"these can be converted: {', '.join(sorted(DIALECTS))}",
            file=source.path.name,
        )
    return DIALECTS[source.architecture]


def configuration(source: GgufFile) -> dict[str, Any]:
    """Says in transformers' words what the metadata says about the model.

    Raises:
        ModelFileError: A key is missing, or one is there that has no known meaning.
    """
    dialect = dialect_of(source)
    prefix = source.architecture + "."
    said = {k.removeprefix(prefix): v for k, v in source.metadata.items() if k.startswith(prefix)}
    _check_implied(source, said)
    for key in dialect.fields.keys() - said.keys() - _OPTIONAL:
        raise ModelFileError(f"lacks the metadata {prefix}{key}", file=source.path.name)
    config = {ours: _plain(said[key]) for key, ours in dialect.fields.items() if key in said}
    config.setdefault("num_key_value_heads", config["num_attention_heads"])
    config.setdefault("rope_theta", 10000.0)
    config["vocab_size"] = len(source.metadata.get("tokenizer.ggml.tokens", ()))
    config["tie_word_embeddings"] = "output.weight" not in source.tensors
    if dialect.norms_plus_one:
        config["query_pre_attn_scalar"] = _gemma_scale(config)
    for key, ours in _TOKENS.items():
        if (token := source.metadata.get(f"tokenizer.ggml.{key}")) is not None:
            config[ours] = token
    return config


def _gemma_scale(config: Mapping[str, Any]) -> int:
    """Gemma scales attention by the head's width; only the two 27B models (46, 62 blocks) do not.

    No metadata says so; llama.cpp knows it from the number of blocks, too.
    """
    heads = config["num_attention_heads"]
    width: int = config["hidden_size"] // heads
    return width if config["num_hidden_layers"] in (46, 62) else config.get("head_dim", width)


def _check_implied(source: GgufFile, said: Mapping[str, Any]) -> None:
    """Keys that only repeat what others say must agree with them; all others must be known."""
    heads, width = said.get("attention.head_count"), said.get("embedding_length")
    if type(heads) is not int or type(width) is not int or heads < 1:
        raise ModelFileError("has different heads per layer, or none", file=source.path.name)
    head = said.get("attention.key_length", width // heads)
    implied = {
        "rope.dimension_count": head,
        "attention.value_length": head,
        "vocab_size": len(source.metadata.get("tokenizer.ggml.tokens", ())),
        "rope.scaling.type": "none",
    }
    for key, value in said.items():
        if key in dialect_of(source).fields or implied.get(key) == value:
            continue
        raise ModelFileError(
            f"says {source.architecture}.{key} = {str(value)[:60]}, which is not supported",
            "convert it with llama.cpp's tools instead, or ask for support",
            file=source.path.name,
        )


def _plain(value: Any) -> Any:
    """Metadata floats are float32; 1e-06 shall not become 9.999999974752427e-07."""
    return float(str(np.float32(value))) if isinstance(value, float) else value


def parameter_name(source: GgufFile, name: str) -> str | None:
    """The parameter that a tensor is, or None if no parameter is meant."""
    match = re.fullmatch(r"(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)", name)
    tensors = dialect_of(source).tensors
    if match is None or match[2] not in tensors:
        return None
    block, stem, leaf = match.groups()
    return f"{'' if block is None else f'model.layers.{block}.'}{tensors[stem]}.{leaf}"


def tensor_name(source: GgufFile, parameter: str) -> str:
    """The name that the `gguf` package gives a parameter.

    Raises:
        ModelFileError: It knows none.
    """
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map

    architecture = next(a for a, name in MODEL_ARCH_NAMES.items() if name == source.architecture)
    layers = source.metadata[f"{source.architecture}.block_count"]
    stem, _, leaf = parameter.rpartition(".")
    found = get_tensor_name_map(architecture, layers).get_name(stem)
    if found is None:
        raise ModelFileError("has no name in GGUF", file=source.path.name, tensor=parameter)
    return f"{found}.{leaf}"
