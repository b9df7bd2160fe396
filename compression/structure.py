"""What structured pruning left of a stock architecture: absent branches, narrower ones.

It is a section of the plan (`pressmark.json`). Whole layers that are gone are no part of it where
stock code can be told so in ``config.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from torch import nn

from pressmark.compression.errors import ModelFileError
from pressmark.compression.families import Branch, Family, Kind, family_of
from pressmark.compression.scanless import Scanless
from pressmark.compression.slim import (
    assign_cache_slots,
    channels_of,
    key_heads_of,
    replaced,
    with_channels,
    with_key_heads,
    without,
)

_HINT: Final = "the checkpoint was written by another release of pressmark, or was edited"


@dataclass(frozen=True)
class Structure:
    """What is left of some layers.

    Attributes:
        absent: Names of branches that are gone, with the norms that served them alone.
        channels: MLPs by name -> channels that are left.
        key_heads: Attentions by name -> key-value heads that are left, each with the same number of
            query heads as before.
        scanless: Names of Mamba mixers without their state-space scan.
    """

    absent: frozenset[str] = frozenset()
    channels: Mapping[str, int] = field(default_factory=dict)
    key_heads: Mapping[str, int] = field(default_factory=dict)
    scanless: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in ("channels", "key_heads"):
            found = dict(sorted(getattr(self, name).items()))
            object.__setattr__(self, name, MappingProxyType(found))

    def __bool__(self) -> bool:
        return bool(self.absent or self.channels or self.key_heads or self.scanless)

    def apply(self, model: Any) -> None:
        """Makes a stock model slim; its parameters may be on the meta device.

        Raises:
            ModelFileError: A name or a number does not fit the model.
            CompressionError: The model's family is unknown.
        """
        if not self:
            return
        family = family_of(model.config)
        open_names = {*self.absent, *self.channels, *self.key_heads, *self.scanless}
        stack = model.get_submodule(family.stack)
        for index, layer in enumerate(list(stack)):
            for branch in family.of(layer):
                name = f"{family.stack}.{index}.{branch.module}"
                stack[index] = self._cut(stack[index], branch, name)
                open_names.discard(name)
        if open_names:
            raise _refusal(min(open_names), "is no branch of this model")
        assign_cache_slots(model, family)

    def _cut(self, layer: nn.Module, branch: Branch, name: str) -> nn.Module:
        if name in self.absent:
            return without(layer, [branch])
        part = layer.get_submodule(branch.module)
        if branch.kind is Kind.MLP and name in self.channels:
            return _narrow(layer, branch, name, self.channels[name], channels_of(part))
        if branch.kind is Kind.ATTENTION and name in self.key_heads:
            return _narrow(layer, branch, name, self.key_heads[name], key_heads_of(part))
        if branch.kind is Kind.MAMBA and name in self.scanless:
            return replaced(layer, branch.module, Scanless(part))
        if name in self.channels or name in self.key_heads or name in self.scanless:
            raise _refusal(name, "is a branch of another kind")
        return layer

    def to_json(self) -> dict[str, Any]:
        """Plain values, keys without a value left out."""
        found = {
            "absent": sorted(self.absent),
            "channels": dict(self.channels),
            "key_heads": dict(self.key_heads),
            "scanless": sorted(self.scanless),
        }
        return {key: value for key, value in found.items() if value}


def _narrow(layer: nn.Module, branch: Branch, name: str, keep: int, has: int) -> nn.Module:
    if not 0 < keep <= has:
        raise _refusal(name, f"cannot keep {keep} of {has}")
    make: Callable[[nn.Module, int], nn.Module]
    make = with_channels if branch.kind is Kind.MLP else with_key_heads
    return replaced(layer, branch.module, make(layer.get_submodule(branch.module), keep))


def _refusal(name: str, problem: str) -> ModelFileError:
    return ModelFileError(f"'structure': {name} {problem}", _HINT, file="pressmark.json")


def branch_name(family: Family, layer: int, branch: Branch) -> str:
    """The name of a branch in the model, e.g. "model.layers.3.self_attn"."""
    return f"{family.stack}.{layer}.{branch.module}"
