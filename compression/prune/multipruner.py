"""`prune/multipruner`: blocks first, then MLP channels, then attention heads.

Munoz, Yuan, Jain: MultiPruner: Balanced Structure Removal in Foundation Models (arXiv:2501.09949).
Three searches with cumulative thresholds: depth up to a part of the ratio, then groups of MLP
channels, then groups of heads. Channels and heads are ordered by importance before, so that a
layer always gives up its tail; what is searched is which layer gives up the next group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final, NamedTuple

from pydantic import Field
from torch import Tensor, nn

from pressmark.compression.families import Family, Kind
from pressmark.compression.prune.decoder import Cut, Decoder
from pressmark.compression.prune.importance import order_of
from pressmark.compression.prune.stages import Stage, whole_branches
from pressmark.compression.prune.structured import Structured
from pressmark.compression.structure import branch_name


class Setting(NamedTuple):
    """How a ratio is split over blocks, channels and heads, and how many channels go at once."""

    split: tuple[float, float, float]
    channels: int


#: Section 4.1 and appendix of the paper, by (model_type, hidden_size, layers).
PAPER: Final = {
    ("llama", 4096, 32): Setting((44, 52, 4), 1024),
    ("llama", 5120, 40): Setting((44, 52, 4), 1024),
    ("llama", 3072, 28): Setting((10, 90, 0), 768),
    ("qwen2", 4096, 32): Setting((44, 52, 4), 1024),
    ("qwen2", 5120, 40): Setting((44, 52, 4), 2048),
    ("qwen2", 3584, 28): Setting((50, 50, 0), 1024),
}
#: The paper's Llama 3 models share their shape with Llama 2 7B, but not its attention.
LLAMA_3: Final = Setting((30, 70, 0), 1024)
EVERY_HEAD: Final = (44.0, 52.0, 4.0)
"""The paper's split where every query head has a key-value head of its own."""
GROUPED: Final = (50.0, 50.0, 0.0)
"""And where several share one: those few are too sensitive to be taken away."""


class MultiPruner(Structured):
    """Removes blocks, then MLP channels, then attention heads.

    Attributes:
        ratio: Share of the layers' parameters to take away; embeddings, final norm and head do not
            count.
        split: Shares of blocks, channels and heads in what is taken away; None takes the paper's
            for the models that it treats, else one by the kind of attention.
        channel_group: Channels that go at once; None takes a quarter of the hidden size.
        head_group: Key-value heads that go at once, with their query heads.
        reorder: Whether channels and heads are ordered by importance first.
    """

    name: ClassVar = "prune/multipruner"
    version: ClassVar = "1"

    ratio: float = Field(gt=0, lt=1)
    split: tuple[float, float, float] | None = None
    channel_group: int | None = Field(default=None, ge=1)
    head_group: int = Field(default=1, ge=1)
    reorder: bool = True

    def staged(self, decoder: Decoder) -> Sequence[Stage]:
        """Depth, channels and heads, each up to its cumulative share of the ratio."""
        setting = self.setting(decoder.config)
        if self.reorder:
            decoder.orders |= orders(decoder.family, decoder.layers)
        total = sum(setting.split)
        blocks, channels = (sum(setting.split[: n + 1]) / total * self.ratio for n in range(2))
        kinds = (Kind.ATTENTION, Kind.MLP)
        return (
            Stage("blocks", lambda found: whole_branches(found, kinds), blocks),
            Stage("channels", lambda found: narrower(found, Kind.MLP, setting.channels), channels),
            Stage(
                "heads", lambda found: narrower(found, Kind.ATTENTION, self.head_group), self.ratio
            ),
        )

    def setting(self, config: Any) -> Setting:
        """What holds for a model: what was asked for, the paper's setting, or the general rule."""
        grouped = config.num_key_value_heads != config.num_attention_heads
        paper = PAPER.get((config.model_type, config.hidden_size, config.num_hidden_layers))
        if paper and grouped and paper.split[2]:
            paper = LLAMA_3 if config.model_type == "llama" else None
        found = paper or Setting(GROUPED if grouped else EVERY_HEAD, config.hidden_size // 4)
        return Setting(self.split or found.split, self.channel_group or found.channels)


def orders(family: Family, layers: Iterable[nn.Module]) -> dict[str, Tensor]:
    """The order of importance of every MLP's channels and every attention's heads, by branch."""
    return {
        branch_name(family, layer, branch): order_of(module.get_submodule(branch.module), branch)
        for layer, module in enumerate(layers)
        for branch in family.of(module)
    }


def narrower(decoder: Decoder, kind: Kind, group: int) -> list[Cut]:
    """Every branch of a kind without its last channels or heads; at least one always stays."""
    return [
        Cut(layer, branch, keep)
        for layer in range(len(decoder.layers))
        for branch in decoder.branches(layer)
        if branch.kind is kind and (keep := decoder.width(layer, branch) - group) > 0
    ]
