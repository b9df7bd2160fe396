"""Writes what a search left: a folder with fewer and smaller tensors.

Every tensor is its parent's, byte for byte, or a slice of it. Layers of which nothing is left are
dropped and the others numbered anew, so that stock code loads the folder as it is; what stock code
cannot express goes to the plan, and then stock code finds no weights at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from pressmark.compression.architecture import CONFIG_FILE
from pressmark.compression.checkpoint import Checkpoint, CheckpointWriter
from pressmark.compression.families import Family, Kind, family_of
from pressmark.compression.prune.compensation import LAST
from pressmark.compression.prune.decoder import Cut
from pressmark.compression.scanless import KEPT, scanless_rows
from pressmark.compression.slim import SLICED, sliced
from pressmark.compression.structure import Structure, branch_name
from pressmark.registry.progress import SILENT, Progress

LAYERS: Final = "num_hidden_layers"


@dataclass(frozen=True)
class Slimming:
    """What is taken from a checkpoint.

    Attributes:
        base: The checkpoint.
        cuts: What is taken, in order; a later cut of a branch replaces an earlier one.
        orders: int64 orders of channels or key-value heads by branch name, where they are not kept
            from the front.
        solved: Last projections that were solved anew, by branch name.
    """

    base: Checkpoint
    cuts: tuple[Cut, ...]
    orders: Mapping[str, Tensor] = field(default_factory=dict)
    solved: Mapping[str, Tensor] = field(default_factory=dict)

    @cached_property
    def family(self) -> Family:
        """The checkpoint's family."""
        return family_of(self.base.architecture.config)

    @cached_property
    def _stack(self) -> nn.Module:
        return self.base.architecture.meta.get_submodule(self.family.stack)

    @cached_property
    def _last(self) -> dict[str, Cut]:
        """The last cut of each branch, by the branch's name in the parent."""
        return {branch_name(self.family, cut.layer, cut.branch): cut for cut in self.cuts}

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """The parent's layers of which something is left, or that cannot be dropped."""
        layers = range(len(list(self._stack.children())))
        if not self.family.drops_layers:
            return tuple(layers)
        return tuple(at for at in layers if any(self._remains(at)))

    def _remains(self, layer: int) -> Iterable[bool]:
        for branch in self.family.of(self._stack.get_submodule(str(layer))):
            cut = self._last.get(branch_name(self.family, layer, branch))
            yield cut is None or cut.leaves_something

    @cached_property
    def structure(self) -> Structure:
        """What the plan has to say, in the new numbering."""
        places = {old: new for new, old in enumerate(self.kept)}
        absent: set[str] = set()
        scanless: set[str] = set()
        widths: dict[Kind, dict[str, int]] = {Kind.MLP: {}, Kind.ATTENTION: {}}
        for cut in self._last.values():
            if cut.layer not in places:
                continue
            name = branch_name(self.family, places[cut.layer], cut.branch)
            if cut.keep is not None:
                widths[cut.branch.kind][name] = cut.keep
            else:
                (scanless if cut.scan else absent).add(name)
        channels, heads = widths[Kind.MLP], widths[Kind.ATTENTION]
        return Structure(frozenset(absent), channels, heads, frozenset(scanless))

    def write(self, folder: Path, progress: Progress = SILENT) -> None:
        """Writes the slim checkpoint into an empty folder."""
        plan = replace(self.base.plan, structure=self.structure)
        with CheckpointWriter(folder, parent=self.base, plan=plan) as writer:
            names = self.base.tensors.names()
            for stored in progress.track(names, len(names), "writing tensors"):
                self._write(writer, stored)
        if self.config != self.base.config:
            text = json.dumps(self.config, indent=2) + "\n"
            (folder / CONFIG_FILE).write_text(text, encoding="utf-8")

    def _write(self, writer: CheckpointWriter, stored: str) -> None:
        new = self.new_name(stored)
        if new == stored and not self.is_sliced(stored):
            writer.keep(stored)
            return
        if new is not None:
            writer.write(new, self.value(stored))
        if new != stored:
            writer.drop(stored)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The new config.json: the parent's, with fewer layers where some are dropped."""
        if len(self.kept) == len(list(self._stack.children())):
            return self.base.config
        said = self.base.architecture.config.to_dict()
        lists = {key: said[key] for key in self.family.lists if isinstance(said.get(key), list)}
        shorter = {key: [value[at] for at in self.kept] for key, value in lists.items()}
        return self.base.config | shorter | {LAYERS: len(self.kept)}

    @cached_property
    def _parameters(self) -> dict[str, str]:
        return {stored: name for name, stored in self.base.bound.items()}

    def new_name(self, stored: str) -> str | None:
        """What a stored tensor is called in the slim checkpoint; None where it is gone."""
        place = self.place(self._parameters.get(stored, stored))
        cut = self._cut(stored)
        if place is None or (cut and cut.scan and not self._leaf(stored).startswith(KEPT)):
            return None
        return renumbered(stored, self.family, place) if place >= 0 else stored

    def is_sliced(self, stored: str) -> bool:
        """Whether less than the whole tensor is kept, or it is in another order."""
        return self._leaf(stored) in SLICED and self._cut(stored) is not None

    def is_solved(self, stored: str) -> bool:
        """Whether a tensor is not taken from the parent, but solved anew."""
        branch = self._branch(self._parameters.get(stored, stored))
        last = LAST.get(self._last[branch].branch.kind) if branch in self._last else None
        return branch in self.solved and self._leaf(stored) == f"{last}.weight"

    def value(self, stored: str) -> Tensor:
        """What a stored tensor becomes."""
        value, cut = self.base.tensors.read(stored), self._cut(stored)
        if cut is None or not cut.leaves_something:
            return value
        branch = branch_name(self.family, cut.layer, cut.branch)
        module = self.base.architecture.meta.get_submodule(branch)
        if cut.keep is None:
            return value[: scanless_rows(module).get(self._leaf(stored), len(value))]
        if self.is_solved(stored):
            return self.solved[branch].to(value.dtype)
        order = self.orders.get(branch)
        chosen = torch.arange(cut.keep) if order is None else order[: cut.keep]
        return sliced(module, cut.branch, self._leaf(stored), value, chosen)

    def _leaf(self, stored: str) -> str:
        """A tensor's name in its branch."""
        parameter = self._parameters.get(stored, stored)
        return parameter.removeprefix(f"{self._branch(parameter)}.")

    def _cut(self, stored: str) -> Cut | None:
        return self._last.get(self._branch(self._parameters.get(stored, stored)))

    def place(self, parameter: str) -> int | None:
        """The new layer of a parameter; -1 outside of layers, None where it is gone."""
        layer = layer_of(parameter, self.family)
        if layer is None:
            return -1
        if layer not in self.kept:
            return None
        module = self._stack.get_submodule(str(layer))
        for branch in self.family.of(module):
            cut = self._last.get(branch_name(self.family, layer, branch))
            prefix = f"{self.family.stack}.{layer}."
            own = (branch.module, *branch.norms)
            if (
                cut
                and not cut.leaves_something
                and parameter.startswith(tuple(f"{prefix}{n}." for n in own))
            ):
                return None
        return self.kept.index(layer)

    def _branch(self, parameter: str) -> str:
        layer = layer_of(parameter, self.family)
        if layer is None:
            return ""
        for branch in self.family.of(self._stack.get_submodule(str(layer))):
            name = branch_name(self.family, layer, branch)
            if parameter.startswith(f"{name}."):
                return name
        return ""


def layer_of(parameter: str, family: Family) -> int | None:
    """The layer that a parameter belongs to; None outside of layers."""
    found = re.match(re.escape(family.stack) + r"\.(\d+)\.", parameter)
    return int(found[1]) if found else None


def renumbered(stored: str, family: Family, layer: int) -> str:
    """A stored tensor's name in another layer; older files may call the stack by another name."""
    last = family.stack.rpartition(".")[2]
    return re.sub(rf"((?:^|\.){last}\.)\d+\.", rf"\g<1>{layer}.", stored, count=1)
