"""`prune/mamba-shedder`: takes Mamba blocks, state-space scans and other parts of hybrids away.

Munoz, Yuan, Jain: Mamba-Shedder: Post-Transformer Compression for Efficient Selective Structured
State Space Models (arXiv:2501.17088). Stages follow one another; the kinds of parts within a stage
are tried together, and each stage makes a number of cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from pressmark.compression.families import Kind
from pressmark.compression.prune.decoder import Cut, Decoder
from pressmark.compression.prune.multipruner import narrower
from pressmark.compression.prune.stages import Stage, whole_branches
from pressmark.compression.prune.structured import Structured
from pressmark.compression.scanless import Scanless

Part = Literal["mamba", "scan", "attention", "mlp", "channels"]


class Shedding(BaseModel):
    """A stage.

    Attributes:
        parts: Kinds of parts that are tried together: whole Mamba blocks, only their scans, whole
            attentions, whole MLPs, groups of MLP channels.
        steps: How many are taken away.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    parts: tuple[Part, ...] = Field(min_length=1)
    steps: int = Field(ge=1)


class MambaShedder(Structured):
    """Removes parts of Mamba models and hybrids, stage after stage.

    Attributes:
        stages: The stages, in order, such as ``[{parts: [mamba, mlp], steps: 3}]``.
        channel_group: MLP channels that go at once; None takes a quarter of the hidden size.
    """

    name: ClassVar = "prune/mamba-shedder"
    version: ClassVar = "1"

    stages: tuple[Shedding, ...] = Field(min_length=1)
    channel_group: int | None = Field(default=None, ge=1)

    def staged(self, decoder: Decoder) -> Sequence[Stage]:
        """Each stage with the parts that it may take."""
        group = self.channel_group or decoder.config.hidden_size // 4
        return tuple(
            Stage(
                " & ".join(stage.parts), partial(candidates, stage.parts, group), steps=stage.steps
            )
            for stage in self.stages
        )


_WHOLE: Final[Mapping[str, Kind]] = {
    "mamba": Kind.MAMBA,
    "attention": Kind.ATTENTION,
    "mlp": Kind.MLP,
}
_NARROW: Final[Mapping[str, Callable[[Decoder, int], list[Cut]]]] = {
    "scan": lambda decoder, _: scans(decoder),
    "channels": lambda decoder, group: narrower(decoder, Kind.MLP, group),
}


def candidates(parts: Sequence[Part], group: int, decoder: Decoder) -> list[Cut]:
    """All that some kinds of parts offer, in the order of the kinds."""
    found: list[Cut] = []
    for part in parts:
        kind = _WHOLE.get(part)
        found += whole_branches(decoder, [kind]) if kind else _NARROW[part](decoder, group)
    return found


def scans(decoder: Decoder) -> list[Cut]:
    """The state-space scan of every Mamba mixer that has one."""
    return [
        Cut(layer, branch, scan=True)
        for layer, module in enumerate(decoder.layers)
        for branch in decoder.branches(layer)
        if branch.kind is Kind.MAMBA
        and not isinstance(module.get_submodule(branch.module), Scanless)
    ]
