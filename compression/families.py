"""What a family of decoders is made of: the residual branches of its layers, by name.

Every decoder here is a stack of layers, and every layer adds the outputs of a few *branches*
(attention, MLP, Mamba mixer) to the hidden states: ``h + branch(norm(h))``. Taking a branch away
leaves the hidden states as they are. That is all that structured pruning has to know of a family;
a new one is one more entry in `FAMILIES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from torch import nn

from pressmark.compression.errors import CompressionError


class Kind(StrEnum):
    """What a branch computes."""

    ATTENTION = "attention"
    MLP = "mlp"
    MAMBA = "mamba"


@dataclass(frozen=True)
class Branch:
    """A residual branch of a layer.

    Attributes:
        kind: What it computes. Attention gives a tuple, the others a tensor.
        module: Its name in the layer.
        norms: Names of what runs for this branch alone, before it or after it.
        stage: Branches of one stage read the same hidden states; their outputs are added together.
    """

    kind: Kind
    module: str
    norms: tuple[str, ...]
    stage: int = 0


@dataclass(frozen=True)
class Family:
    """Decoders that are built alike.

    Attributes:
        types: Their ``model_type`` in config.json.
        stack: Name of the list of layers in the model.
        final_norm: Name of the norm between the last layer and the head.
        branches: What a layer may hold, in order of execution.
        lists: Keys of config.json that hold one entry for each layer.
        drops_layers: Whether stock code builds the model with fewer layers, given shorter `lists`
            and ``num_hidden_layers``.
    """

    types: tuple[str, ...]
    stack: str
    final_norm: str
    branches: tuple[Branch, ...]
    lists: tuple[str, ...] = ("layer_types",)
    drops_layers: bool = True

    def of(self, layer: nn.Module) -> tuple[Branch, ...]:
        """The branches that a stock layer of this family has."""
        return tuple(b for b in self.branches if _has(layer, b))


def _has(layer: nn.Module, branch: Branch) -> bool:
    if branch.module == "mixer" and hasattr(layer, "block_type"):  # Nemotron-H: one mixer of a kind
        return _MIXERS.get(layer.block_type) is branch.kind  # type: ignore[call-overload]
    return _submodule(layer, branch.module) is not None


def _submodule(layer: nn.Module, name: str) -> nn.Module | None:
    for part in name.split("."):
        found = getattr(layer, part, None)
        if not isinstance(found, nn.Module):
            return None
        layer = found
    return layer


_MIXERS: Final = {
    "linear_attention": Kind.MAMBA,
    "full_attention": Kind.ATTENTION,
    "mlp": Kind.MLP,
}
_FEED_FORWARD: Final = Branch(Kind.MLP, "feed_forward", ("pre_ff_layernorm",), stage=1)

FAMILIES: Final = (
    Family(
        ("llama", "mistral", "qwen2", "qwen3"),
        "model.layers",
        "model.norm",
        (
            Branch(Kind.ATTENTION, "self_attn", ("input_layernorm",)),
            Branch(Kind.MLP, "mlp", ("post_attention_layernorm",), stage=1),
        ),
    ),
    Family(
        ("gemma2", "gemma3_text"),
        "model.layers",
        "model.norm",
        (
            Branch(Kind.ATTENTION, "self_attn", ("input_layernorm", "post_attention_layernorm")),
            Branch(Kind.MLP, "mlp", ("pre_feedforward_layernorm", "post_feedforward_layernorm"), 1),
        ),
    ),
    Family(
        ("mamba", "mamba2", "falcon_mamba"),
        "backbone.layers",
        "backbone.norm_f",
        (Branch(Kind.MAMBA, "mixer", ("norm",)),),
    ),
    Family(
        ("nemotron_h",),
        "model.layers",
        "model.norm_f",
        tuple(Branch(kind, "mixer", ("norm",)) for kind in Kind),
        lists=("layers_block_type", "layer_types"),
    ),
    Family(
        ("bamba", "jamba"),
        "model.layers",
        "model.final_layernorm",
        (
            Branch(Kind.MAMBA, "mamba", ("input_layernorm",)),
            Branch(Kind.ATTENTION, "self_attn", ("input_layernorm",)),
            _FEED_FORWARD,
        ),
        drops_layers=False,
    ),
    Family(
        ("falcon_h1",),
        "model.layers",
        "model.final_layernorm",
        (Branch(Kind.MAMBA, "mamba", ()), Branch(Kind.ATTENTION, "self_attn", ()), _FEED_FORWARD),
    ),
    Family(
        ("zamba2",),
        "model.layers",
        "model.final_layernorm",
        (
            Branch(Kind.MAMBA, "mamba", ("input_layernorm",)),
            Branch(Kind.MAMBA, "mamba_decoder.mamba", ("mamba_decoder.input_layernorm",)),
        ),
        drops_layers=False,
    ),
)


def family_of(config: Any) -> Family:
    """The family of a transformers configuration.

    Raises:
        CompressionError: It is none of `FAMILIES`; the hint says what to write.
    """
    for family in FAMILIES:
        if config.model_type in family.types:
            return family
    known = ", ".join(name for family in FAMILIES for name in family.types)
    raise CompressionError(
        f"it is not known which parts of a '{config.model_type}' layer are residual branches",
        "add a Family to pressmark/compression/families.py that names its layers' branches and "
        f"norms; known are {known}",
    )
