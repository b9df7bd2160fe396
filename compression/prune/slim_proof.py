"""Proves from bytes that a slim checkpoint is made of parts of its parent, and of which.

Nothing that the search kept is trusted. Which layers are left is found by comparing tensors; what
is left of each is read from the plan; then every tensor is compared with the slice of the parent
that it must be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from torch import Tensor, nn

from pressmark.compression.architecture import CONFIG_FILE
from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.comparing import changed_sidecars, same_bits
from pressmark.compression.families import Family, family_of
from pressmark.compression.prune.decoder import Cut
from pressmark.compression.prune.slimming import Slimming, layer_of, renumbered
from pressmark.compression.slim import SLICED
from pressmark.compression.step import Claim
from pressmark.compression.structure import branch_name
from pressmark.registry.progress import Progress

CLOSE: Final = 2.0**-6
"""How far a projection may be, relative to the largest weight, from one that is solved again."""

Remake = Callable[[Checkpoint, tuple[Cut, ...]], Slimming]


def slim_claims(
    parent: Checkpoint, child: Checkpoint, remake: Remake, progress: Progress
) -> tuple[Claim, ...]:
    """Compares a slim checkpoint with its parent.

    Args:
        parent: What was cut.
        child: The result.
        remake: Derives what some cuts of the parent must give.
        progress: Where to report.
    """
    kept = kept_layers(parent, child)
    text = "its layers are layers of its parent, in their order"
    if not isinstance(kept, tuple):
        return (Claim(text, False, f"layer {kept} is none of them, or out of order"),)
    expected = remake(parent, _cuts(parent, child, kept))
    comparison = _Comparison(expected, child)
    names = sorted(name for name in parent.tensors if expected.new_name(name) is not None)
    for stored in progress.track(names, len(names), "comparing tensors"):
        comparison.take(stored)
    extra = sorted(set(child.tensors) - {expected.new_name(name) for name in names})
    files = [name for name in changed_sidecars(parent, child) if name != CONFIG_FILE]
    return (
        Claim(text, True, f"layers {', '.join(map(str, kept))}"),
        *comparison.claims(),
        Claim("no tensor is new", not extra, extra[0] if extra else ""),
        Claim("the configuration differs in its layers alone", child.config == expected.config),
        Claim("every other file is its parent's", not files, files[0] if files else ""),
    )


class _Comparison:
    """Compares tensors with what they must be, and counts."""

    def __init__(self, expected: Slimming, child: Checkpoint) -> None:
        self._expected, self._child = expected, child
        self._counts = dict.fromkeys(("whole", "sliced", "solved"), 0)
        self._wrong: dict[str, str] = {}

    def take(self, stored: str) -> None:
        """Compares what became of one tensor of the parent."""
        expected, new = self._expected, self._expected.new_name(stored)
        kind = "sliced" if expected.is_sliced(stored) else "whole"
        kind = "solved" if expected.is_solved(stored) else kind
        self._counts[kind] += 1
        if new is None or new not in self._child.tensors:
            self._wrong.setdefault(kind, f"{new} is missing")
            return
        wanted, found = expected.value(stored), self._child.tensors.read(new)
        if not (_close(wanted, found) if kind == "solved" else same_bits(wanted, found)):
            self._wrong.setdefault(kind, f"first: {new}")

    def claims(self) -> tuple[Claim, ...]:
        """What was found, once every tensor was taken."""
        texts = {
            "whole": "every whole tensor is its parent's, bit for bit",
            "sliced": "every smaller tensor is the slice of its parent's that the plan says",
            "solved": "every compensated projection is what the calibration text gives again",
        }
        return tuple(
            Claim(texts[kind], kind not in self._wrong, self._wrong.get(kind, f"{count} tensors"))
            for kind, count in self._counts.items()
            if count
        )


def _close(wanted: Tensor, found: Tensor) -> bool:
    if wanted.shape != found.shape or wanted.dtype != found.dtype:
        return False
    return bool((wanted - found).abs().max() <= CLOSE * wanted.abs().max())


def kept_layers(parent: Checkpoint, child: Checkpoint) -> tuple[int, ...] | int:
    """Which layers of the parent the child's are, or the first that is none.

    Each is taken for the first layer after the one before that has the same tensors; if there is
    any assignment, this finds one.
    """
    family = family_of(parent.architecture.config)
    old, new = _layers(parent, family), _layers(child, family)
    found: list[int] = []
    for layer in range(len(new)):
        after = found[-1] + 1 if found else 0
        fits = (at for at in range(after, len(old)) if _alike(old[at], new[layer], parent, child))
        place = next(fits, None)
        if place is None:
            return layer
        found.append(place)
    return tuple(found)


def _layers(checkpoint: Checkpoint, family: Family) -> list[dict[str, str]]:
    """For each layer its stored tensors by their name in layer 0."""
    count = len(list(checkpoint.architecture.meta.get_submodule(family.stack).children()))
    found: list[dict[str, str]] = [{} for _ in range(count)]
    for parameter, stored in checkpoint.bound.items():
        layer = layer_of(parameter, family)
        if layer is not None:
            found[layer][renumbered(parameter, family, 0)] = stored
    return found


def _alike(
    old: Mapping[str, str], new: Mapping[str, str], parent: Checkpoint, child: Checkpoint
) -> bool:
    """Whether all tensors that are never sliced are the same."""
    whole = [name for name in new if not name.endswith(tuple(f".{leaf}" for leaf in SLICED))]
    return all(
        name in old and same_bits(parent.tensors.read(old[name]), child.tensors.read(new[name]))
        for name in whole
    )


def _cuts(parent: Checkpoint, child: Checkpoint, kept: tuple[int, ...]) -> tuple[Cut, ...]:
    """The cuts that the child claims, in the numbering of its parent."""
    family = family_of(parent.architecture.config)
    stack = parent.architecture.meta.get_submodule(family.stack)
    return tuple(_cuts_of(family, stack, child, kept))


def _cuts_of(
    family: Family, stack: nn.Module, child: Checkpoint, kept: tuple[int, ...]
) -> Iterator[Cut]:
    structure = child.plan.structure
    for layer, module in enumerate(stack.children()):
        for branch in family.of(module):
            if layer not in kept:
                yield Cut(layer, branch)
                continue
            name = branch_name(family, kept.index(layer), branch)
            keep = structure.channels.get(name) or structure.key_heads.get(name)
            if name in structure.absent or keep:
                yield Cut(layer, branch, keep)
            if name in structure.scanless:
                yield Cut(layer, branch, scan=True)
