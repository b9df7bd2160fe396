"""A decoder in memory that is cut, layer by layer, and run from any point on.

Its layers are plain modules in a list, and a cut replaces one of them by a slim twin, so that
candidates cost no memory and can be tried side by side. What the stock model prepares for its
layers (masks, rotary tables) is noted once for each batch of windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from pressmark.compression.blocks import BATCH_TOKENS, Call, record_calls, share_calls
from pressmark.compression.families import Branch, Family, Kind
from pressmark.compression.scanless import Scanless
from pressmark.compression.slim import (
    Absent,
    channels_of,
    key_heads_of,
    reordered,
    replaced,
    with_channels,
    with_key_heads,
    without,
)
from pressmark.compression.structure import branch_name


@dataclass(frozen=True)
class Cut:
    """Something to take away from one layer.

    Attributes:
        layer: Index of the layer.
        branch: The branch that becomes smaller, or goes.
        keep: Channels or key-value heads that stay; None takes the whole branch away.
        scan: Whether only the state-space scan of a Mamba mixer goes.
    """

    layer: int
    branch: Branch
    keep: int | None = None
    scan: bool = False

    @property
    def leaves_something(self) -> bool:
        """Whether the branch is still there afterwards."""
        return self.keep is not None or self.scan

    @property
    def name(self) -> str:
        """For people and files: "3.self_attn", "3.mlp:1536" or "3.mixer.scan"."""
        kept = "" if self.keep is None else f":{self.keep}"
        if self.scan:
            kept = ".scan"
        return f"{self.layer}.{self.branch.module}{kept}"


@dataclass(frozen=True)
class Batch:
    """Some token windows, ready to be run.

    Attributes:
        entering: Hidden states that enter the first layer, [windows, length, width].
        calls: What each layer is called with besides.
        targets: int64 [windows, length - 1], the token that follows each position but the last.
    """

    entering: Tensor
    calls: tuple[Call, ...]
    targets: Tensor


@dataclass
class Prefix:
    """The hidden states of one batch at every point where a cut may begin.

    Attributes:
        states: (layer, stage) -> hidden states that enter the stage; after the last layer,
            (number of layers, 0).
    """

    states: dict[tuple[int, int], Tensor]


class Decoder:
    """The layers of a model, some of them cut, and the batches that they are tried on.

    Args:
        model: A stock causal language model, filled.
        family: Its family.
        windows: int64 [windows, length].

    Attributes:
        orders: int64 orders of channels or key-value heads by branch name: a branch that is not
            narrowed yet is put in this order when it is.
    """

    def __init__(self, model: nn.Module, family: Family, windows: Tensor) -> None:
        self.family: Final = family
        self.config: Final[Any] = model.config
        self.orders: dict[str, Tensor] = {}
        stack = model.get_submodule(family.stack)
        self.layers: list[nn.Module] = list(stack.children())
        self.batches: Final = tuple(_batches(model, self.layers, windows))

    def branches(self, layer: int) -> tuple[Branch, ...]:
        """What a layer still has, in order of execution."""
        found = self.layers[layer]
        return tuple(
            branch
            for branch in self.family.of(found)
            if not isinstance(found.get_submodule(branch.module), Absent)
        )

    def width(self, layer: int, branch: Branch) -> int:
        """How many channels or key-value heads a branch has."""
        part = self.layers[layer].get_submodule(branch.module)
        return channels_of(part) if branch.kind is Kind.MLP else key_heads_of(part)

    def cut(self, cut: Cut) -> nn.Module:
        """The layer that a cut leaves; it shares the memory of the one that is there."""
        layer = self.layers[cut.layer]
        if not cut.leaves_something:
            return without(layer, [cut.branch])
        if cut.keep is None:
            mixer = layer.get_submodule(cut.branch.module)
            return replaced(layer, cut.branch.module, Scanless(mixer))
        part = layer.get_submodule(cut.branch.module)
        order = self.orders.get(branch_name(self.family, cut.layer, cut.branch))
        if order is not None and len(order) == self.width(cut.layer, cut.branch):
            part = reordered(part, cut.branch, order)
        narrow = with_channels if cut.branch.kind is Kind.MLP else with_key_heads
        return replaced(layer, cut.branch.module, narrow(part, cut.keep))

    def commit(self, cut: Cut) -> None:
        """Makes a cut for good."""
        self.layers[cut.layer] = self.cut(cut)

    def parameters(self) -> int:
        """How many parameters the layers have, shared ones once."""
        found = {id(p): p.numel() for layer in self.layers for p in layer.parameters()}
        return sum(found.values())

    @torch.no_grad()
    def prefix(self, batch: Batch) -> Prefix:
        """Runs a batch through all layers, keeping the states that suffixes begin with."""
        states, hidden = {}, batch.entering
        for index, layer in enumerate(self.layers):
            states[index, 0] = hidden
            later = [b for b in self.branches(index) if b.stage]
            with _noting(layer, later, states, index):
                hidden = self._run(layer, index, hidden.clone(), batch)
        states[len(self.layers), 0] = hidden
        return Prefix(states)

    @torch.no_grad()
    def suffix(self, cut: Cut, batch: Batch, prefix: Prefix) -> Tensor:
        """Runs a batch as if a cut were made, from that point on.

        Returns:
            Hidden states that leave the last layer, [windows, length, width]; bit for bit those of
            `whole` after `commit`.
        """
        stage = cut.branch.stage
        layer = self.cut(cut)
        passed = [b for b in self.branches(cut.layer) if b.stage < stage]
        if (cut.layer, stage) not in prefix.states:
            stage, passed = 0, []
        last = all(b.stage <= stage for b in self.branches(cut.layer))
        alone = sum(b.stage == stage for b in self.branches(cut.layer)) == 1
        hidden = prefix.states[cut.layer, stage].clone()  # a layer may add to it in place
        if cut.leaves_something or not (last and alone):  # else nothing is left of the layer to run
            hidden = self._run(without(layer, passed), cut.layer, hidden, batch)
        return self._finish(hidden, cut.layer + 1, batch)

    @torch.no_grad()
    def whole(self, batch: Batch) -> Tensor:
        """Runs a batch through all layers, without any shortcut."""
        return self._finish(batch.entering.clone(), 0, batch)

    @torch.no_grad()
    def step(self, module: nn.Module, index: int, hidden: Tensor, batch: Batch) -> Tensor:
        """Runs a batch through one layer, or through a module in its place."""
        return self._run(module, index, hidden.clone(), batch)

    def _finish(self, hidden: Tensor, start: int, batch: Batch) -> Tensor:
        for index in range(start, len(self.layers)):
            hidden = self._run(self.layers[index], index, hidden, batch)
        return hidden

    def _run(self, layer: nn.Module, index: int, hidden: Tensor, batch: Batch) -> Tensor:
        if not self.branches(index) and layer is self.layers[index]:
            return hidden
        call = batch.calls[index]
        output: Any = layer(hidden, *call.args, **call.kwargs)
        found: Tensor = output if isinstance(output, Tensor) else output[0]
        return found


@contextmanager
def _noting(
    layer: nn.Module, branches: Sequence[Branch], states: dict[tuple[int, int], Tensor], index: int
) -> Iterator[None]:
    """Notes the hidden states that enter each later stage of a layer while it runs."""
    hooks = [
        layer.get_submodule(branch.norms[0]).register_forward_pre_hook(
            lambda _, given, stage=branch.stage: states.__setitem__((index, stage), given[0])
        )
        for branch in branches
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _batches(model: nn.Module, layers: Sequence[nn.Module], windows: Tensor) -> Iterator[Batch]:
    first: tuple[Call, ...] | None = None
    for ids in torch.split(windows, max(1, BATCH_TOKENS // windows.shape[1])):
        entering, calls = record_calls(model, layers, ids)
        calls = calls if first is None else share_calls(calls, first)
        first = first or calls
        yield Batch(entering, calls, ids[:, 1:])
