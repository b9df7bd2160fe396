"""The stages of a structured search: what each cuts, how far it goes, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.families import Kind
from pressmark.compression.prune.decoder import Cut, Decoder
from pressmark.compression.prune.head import Head
from pressmark.compression.prune.search import Search
from pressmark.compression.prune.trajectory import FILE_NAME, Trajectory
from pressmark.compression.step import Context, Measurement
from pressmark.registry.errors import InvalidInputError


@dataclass(frozen=True)
class Stage:
    """A part of a search.

    Attributes:
        name: What it cuts, for people.
        cuts: What may be cut from a decoder as it stands, in the order that ties prefer.
        until: The ratio at which the stage ends.
        steps: How many cuts it makes at most.
    """

    name: str
    cuts: Callable[[Decoder], Sequence[Cut]]
    until: float = 1.0
    steps: int | None = None


class StagedSearch:
    """A search over stages that keeps its trajectory, and goes on with one that broke off.

    Args:
        decoder: What is cut.
        head: Measures it.
        context: Where the trajectory is kept and progress is shown.
    """

    def __init__(self, decoder: Decoder, head: Head, context: Context) -> None:
        self.decoder, self.context = decoder, context
        self.cuts: list[Cut] = []
        self.dense: Final = decoder.parameters()
        self.trajectory: Final = Trajectory(context.resumable / FILE_NAME)
        self._known = list(self.trajectory.picks)
        self._search = Search(decoder, head)
        self.before = self._search.loss()

    @property
    def ratio(self) -> float:
        """The share of the layers' parameters that is gone."""
        return 1 - self.decoder.parameters() / self.dense

    def run(self, stage: Stage) -> None:
        """Cuts until a stage's ratio, or its number of steps, is reached.

        Raises:
            InvalidInputError: Nothing is left to cut before that; the trajectory is kept.
        """
        steps = 0
        while self.ratio < stage.until and (stage.steps is None or steps < stage.steps):
            cuts = stage.cuts(self.decoder)
            if not cuts:
                raise unreachable(self.ratio, stage)
            self._take(cuts, stage)
            steps += 1

    def _take(self, cuts: Sequence[Cut], stage: Stage) -> None:
        if self._known:
            pick = self._known.pop(0)
            cut = next(cut for cut in cuts if cut.name == pick.cut)
            self.decoder.commit(cut)
        else:
            cut, pick = self._search.pick(cuts, stage.name)
            self.trajectory.append(pick)
        self.cuts.append(cut)
        self.context.progress.log(
            f"{stage.name}: {pick.cut}, perplexity {math.exp(pick.loss):.2f}, {self.ratio:.1%} gone"
        )

    def measurements(self, base: Checkpoint) -> tuple[Measurement, ...]:
        """What the search cost and reached."""
        picks = self.trajectory.picks
        removed = self.dense - self.decoder.parameters()
        return (
            Measurement("block_ratio", self.ratio),
            Measurement("total_ratio", removed / base.parameter_count),
            Measurement("picks", len(picks)),
            Measurement("calibration_perplexity_before", math.exp(self.before)),
            Measurement("calibration_perplexity", math.exp(picks[-1].loss)),
            Measurement(
                "smallest_gap",
                min((pick.gap for pick in picks if pick.runner_up), default=0.0),
                "nat",
            ),
        )


def refuse_unreachable(stages: Sequence[Stage], decoder: Decoder) -> None:
    """Refuses a ratio before any work where no search can reach it.

    A stage adds at most all that it may cut from the dense model, to what the one before it was to
    reach and overshot by at most one cut.

    Raises:
        InvalidInputError: A stage ends before its ratio; what is reachable is said.
    """
    before = 0.0
    for stage in stages:
        sizes = _sizes(stage, decoder)
        if stage.steps is not None and len(sizes) < stage.steps:
            raise InvalidInputError(
                f"the stage '{stage.name}' was to cut {stage.steps} times, but there are only "
                f"{len(sizes)} things that it may cut",
                "ask for fewer steps",
            )
        if stage.steps is None and before + sum(sizes) < stage.until:
            raise unreachable(before + sum(sizes), stage)
        before = min(
            1.0, before + sum(sizes) if stage.steps else stage.until + max(sizes, default=0.0)
        )


def _sizes(stage: Stage, decoder: Decoder) -> list[float]:
    """The shares of the layers' parameters that a stage could cut, one after the other."""
    layers, dense = list(decoder.layers), decoder.parameters()
    sizes: list[float] = []
    while cuts := stage.cuts(decoder):
        size = decoder.parameters()
        decoder.commit(cuts[0])
        sizes.append((size - decoder.parameters()) / dense)
    decoder.layers[:] = layers
    return sizes


def unreachable(reached: float, stage: Stage) -> InvalidInputError:
    """The error for a ratio that nothing is left for."""
    return InvalidInputError(
        f"the stage '{stage.name}' was to reach {stage.until:.1%} of the layers' parameters, but "
        f"with all that it may cut it gets no further than {reached:.1%}",
        "ask for a smaller ratio, or another split",
    )


def whole_branches(decoder: Decoder, kinds: Sequence[Kind]) -> list[Cut]:
    """Every branch that may go, kind after kind; the last attention and the last of all stay.

    Stock caches ask an attention how long they are.
    """
    found = [
        Cut(layer, branch)
        for kind in kinds
        for layer in range(len(decoder.layers))
        for branch in decoder.branches(layer)
        if branch.kind is kind
    ]
    attention = [cut for cut in found if cut.branch.kind is Kind.ATTENTION]
    left = sum(len(decoder.branches(layer)) for layer in range(len(decoder.layers)))
    return [cut for cut in found if attention != [cut] and left > 1]
