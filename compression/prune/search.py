"""Greedy backward elimination: take away what hurts least, measure again, go on.

BlockPruner (arXiv:2406.10594), MultiPruner (arXiv:2501.09949) and Mamba-Shedder (arXiv:2501.17088)
are this search over different cuts. Each step tries every cut on calibration text, commits the one
that leaves the lowest loss, and never goes back; of equals the one that was named first wins.

Two things make it fast without changing a single pick. A candidate runs only from its cut on, from
hidden states that all candidates of a step share. And it is given up as soon as it cannot be best
or second best any more; the second best is kept exact, because its distance tells how sure the pick
was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch

from pressmark.compression.prune.decoder import Batch, Cut, Decoder, Prefix
from pressmark.compression.prune.head import Head

PREFIX_BYTES: Final = 1 << 30
"""Hidden states that are kept at once for candidates to begin with."""


_Group = list[tuple[Batch, Prefix]]


@dataclass(frozen=True)
class Pick:
    """A step of a search.

    Attributes:
        stage: The part of the search that it belongs to.
        cut: What was taken away.
        loss: Mean negative log-likelihood of a calibration token afterwards, in nats.
        runner_up: The next best cut; None if there was no other.
        gap: How much higher the loss would have been with it.
    """

    stage: str
    cut: str
    loss: float
    runner_up: str | None
    gap: float


class Search:
    """A search over cuts of one decoder.

    Args:
        decoder: What is cut; every pick is committed to it.
        head: Measures it.
        candidate_done: Called after each candidate.
    """

    def __init__(
        self, decoder: Decoder, head: Head, candidate_done: Callable[[], None] = lambda: None
    ) -> None:
        self.decoder: Final = decoder
        self._head = head
        self._done = candidate_done
        self._last: dict[str, float] = {}
        self._tokens = sum(batch.targets.numel() for batch in decoder.batches)

    def loss(self) -> float:
        """The loss of the decoder as it stands, in nats a token."""
        batches = self.decoder.batches
        return (
            sum(self._head.nats(self.decoder.whole(b), b.targets) for b in batches) / self._tokens
        )

    def pick(self, cuts: Sequence[Cut], stage: str = "") -> tuple[Cut, Pick]:
        """Tries cuts and commits the best.

        Args:
            stage: What to call this part of the search.
            cuts: What may be taken away, in the order in which equals are preferred.

        Raises:
            ValueError: There is none.
        """
        if not cuts:
            raise ValueError("there is nothing to choose from")
        race = Race([cut.name for cut in cuts])
        open_batches = len(self.decoder.batches)
        for group in self._groups():
            open_batches -= len(group)
            self._shortlist(group)
            for cut in sorted(cuts, key=lambda cut: self._last.get(cut.name, 0.0)):
                self._try(race, cut, group, final=not open_batches)
        self._last = dict(race.totals)
        best = cuts[race.order()[0]]
        self.decoder.commit(best)
        return best, self._describe(race, stage)

    def _try(self, race: Race, cut: Cut, group: _Group, *, final: bool) -> None:
        """Adds what a cut loses on some batches; gives it up where that is certain to be too much.

        Lower bounds come first, since they cost little; each is then replaced by what it bounds.
        """
        bound = race.bound() if final else math.inf
        total = race.totals[cut.name]
        states, floors = [], []
        for batch, prefix in group:
            states.append(self.decoder.suffix(cut, batch, prefix))
            floors.append(self._head.at_least(states[-1], batch.targets) if final else 0.0)
            if total + sum(floors) > bound:
                break
        for at, (batch, _) in enumerate(group[: len(states)]):
            if total + sum(floors[at:]) > bound:
                break
            total += self._head.nats(states[at], batch.targets)
        else:
            race.finish(cut.name, total, final=final)
            self._done()
            return
        race.give_up(cut.name, total + sum(floors[at:]))
        self._done()

    def _shortlist(self, group: _Group) -> None:
        _, prefix = group[0]
        targets = torch.cat([batch.targets.reshape(-1) for batch in self.decoder.batches])
        self._head.shortlist(prefix.states[len(self.decoder.layers), 0], targets)

    def _groups(self) -> Iterator[_Group]:
        """Batches with their shared states, as many at once as fit into memory."""
        group: _Group = []
        size = 0
        for batch in self.decoder.batches:
            prefix = self.decoder.prefix(batch)
            states = sum(state.nbytes for state in prefix.states.values())
            if group and size + states > PREFIX_BYTES:
                yield group
                group, size = [], 0
            group.append((batch, prefix))
            size += states
        yield group

    def _describe(self, race: Race, stage: str) -> Pick:
        first, *others = race.order()
        name, loss = race.names[first], race.totals[race.names[first]] / self._tokens
        if not others:
            return Pick(stage, name, loss, None, 0.0)
        second = race.names[others[0]]
        return Pick(stage, name, loss, second, race.totals[second] / self._tokens - loss)


@dataclass
class Race:
    """What each candidate of a step has lost so far, in nats.

    Attributes:
        names: The candidates, in the order in which equals are preferred.
    """

    names: Sequence[str]

    def __post_init__(self) -> None:
        self.totals = dict.fromkeys(self.names, 0.0)
        self._finished: list[str] = []

    def bound(self) -> float:
        """What the second best has lost: whoever loses more decides nothing any more."""
        return sorted([self.totals[name] for name in self._finished] + [math.inf] * 2)[1]

    def finish(self, name: str, total: float, *, final: bool) -> None:
        """Notes a candidate that ran over some batches, or over the last of them."""
        self.totals[name] = total
        if final:
            self._finished.append(name)

    def give_up(self, name: str, at_least: float) -> None:
        """Notes a candidate that lost at least so much, and is not run any more."""
        self.totals[name] = at_least

    def order(self) -> list[int]:
        """The finished candidates, the best first; of equals the one that was named first."""
        found = [at for at, name in enumerate(self.names) if name in set(self._finished)]
        return sorted(found, key=lambda at: (self.totals[self.names[at]], at))
