"""Next-token scores of a causal language model, in memory that does not grow with the vocabulary.

A text is cut into windows that slide over its tokens. Each token is scored once, with all the
context that its window holds before it. The decoder runs over whole windows; the head runs over a
few positions at a time, so that logits for all positions never exist at once (512 positions of a
vocabulary of 262,144 would be half a gigabyte in fp32).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import torch
from torch import Tensor, nn

from pressmark.compression.blocks import BlockList
from pressmark.compression.errors import CompressionError

BATCH_TOKENS: Final = 2048
"""Tokens that the decoder runs at once."""

LOGITS: Final = 1 << 25
"""Logits that the head makes at once: enough rows to be worth reading its weights."""

CACHED: Final = 1 << 21
"""Logits that are looked at in fp32 at once: 8 MiB, so that they stay in the caches."""


@dataclass(frozen=True)
class Window:
    """A stretch of the text that is run at once.

    Attributes:
        start: Its first token.
        end: One past its last token.
        first: The first token that it scores; those before it are context alone.
    """

    start: int
    end: int
    first: int

    @property
    def targets(self) -> int:
        """How many tokens it scores."""
        return self.end - self.first


def slide(tokens: int, length: int, stride: int, has_bos: bool) -> tuple[Window, ...]:
    """Lays windows over a text so that no token is scored twice.

    With a begin-of-text token every token is scored. Without one, the first token of a window has
    no context; it is scored by the window before if the two overlap, else not at all.

    Args:
        tokens: Length of the text.
        length: Positions in a window, the begin-of-text token included.
        stride: How far each window moves on; at most what a window holds is used.
        has_bos: Whether each window starts with a begin-of-text token.
    """
    holds = length - has_bos
    stride = min(stride, holds)
    windows: list[Window] = []
    scored = 0
    for start in range(0, tokens, stride):
        end = min(start + holds, tokens)
        windows.append(Window(start, end, max(scored, start + (not has_bos))))
        scored = end
        if end == tokens:
            break
    return tuple(window for window in windows if window.targets > 0)


@dataclass
class Scores:
    """Sums over scored tokens, in fp64.

    Attributes:
        tokens: How many were scored.
        nats: Negative log-likelihood.
        divergence: Kullback-Leibler divergence from the parent's to the model's distribution.
        agreements: Tokens where both models rank the same one first.
        seconds: Time spent in the model itself, the parent's not counted.
    """

    tokens: int = 0
    nats: float = 0.0
    divergence: float = 0.0
    agreements: int = 0
    seconds: float = 0.0

    def __add__(self, other: Scores) -> Scores:
        return Scores(
            self.tokens + other.tokens,
            self.nats + other.nats,
            self.divergence + other.divergence,
            self.agreements + other.agreements,
            self.seconds + other.seconds,
        )

    @property
    def cross_entropy(self) -> float:
        """Mean negative log-likelihood of a token, in nats."""
        return self.nats / self.tokens

    @property
    def tokens_per_second(self) -> float:
        """Scored tokens per second of the model's own time."""
        return self.tokens / self.seconds


class Scorer:
    """Scores windows of a text with a model, and compares it with a parent if one is given.

    Args:
        model: A stock causal language model.
        text: int64 [tokens].
        start: What every window starts with: the begin-of-text id, or nothing.
        parent: A model over the same vocabulary.
    """

    def __init__(
        self, model: nn.Module, text: Tensor, start: Sequence[int], parent: nn.Module | None = None
    ) -> None:
        self._text = text
        self._start = torch.tensor(start, dtype=torch.int64)
        self._model = _Split(model)
        self._parent = _Split(parent) if parent is not None else None

    def batches(self, windows: Sequence[Window]) -> tuple[Sequence[Window], ...]:
        """Groups consecutive windows of one length, so that none needs padding."""
        batches: list[Sequence[Window]] = []
        for length, group in groupby(windows, key=lambda window: window.end - window.start):
            same = list(group)
            size = max(1, BATCH_TOKENS // (length + len(self._start)))
            batches += (same[at : at + size] for at in range(0, len(same), size))
        return tuple(batches)

    def parts(self, batch: Sequence[Window]) -> int:
        """How many parts `score` has: each block of a decoder, each piece of the head's rows."""
        blocks = self._model.blocks + (self._parent.blocks if self._parent else 0)
        return blocks + len(self._pieces(sum(window.targets for window in batch)))

    @torch.no_grad()
    def score(
        self, batch: Sequence[Window], part_done: Callable[[], None] = lambda: None
    ) -> Scores:
        """Scores windows of one length.

        Args:
            batch: The windows.
            part_done: Called after each of its `parts`: a large model takes a minute for a batch.
        """
        ids, rows, targets = self._inputs(batch)
        scores = Scores()
        began = time.perf_counter()
        states = self._model.states(ids, rows, part_done)
        scores.seconds += time.perf_counter() - began
        parents = self._parent.states(ids, rows, part_done) if self._parent else None
        for piece in self._pieces(len(rows)):
            self._add(
                scores, targets[piece], states[piece], None if parents is None else parents[piece]
            )
            part_done()
        return scores

    def _pieces(self, rows: int) -> Sequence[slice]:
        size = max(1, LOGITS // self._model.vocabulary)
        return [slice(at, at + size) for at in range(0, rows, size)]

    def _inputs(self, batch: Sequence[Window]) -> tuple[Tensor, Tensor, Tensor]:
        """Token ids [windows, length], flat positions that predict, and the tokens they predict."""
        ids = torch.stack([torch.cat([self._start, self._text[w.start : w.end]]) for w in batch])
        before = len(self._start) - 1  # the position before a token predicts it
        rows = [
            torch.arange(w.first - w.start, w.end - w.start) + before + row * ids.shape[1]
            for row, w in enumerate(batch)
        ]
        targets = torch.cat([self._text[w.first : w.end] for w in batch])
        return ids, torch.cat(rows), targets

    def _add(self, scores: Scores, targets: Tensor, states: Tensor, parents: Tensor | None) -> None:
        began = time.perf_counter()
        logits = self._model.logits(states)
        scores.seconds += time.perf_counter() - began
        others = None if parents is None or not self._parent else self._parent.logits(parents)
        if others is not None and others.shape != logits.shape:
            raise CompressionError(
                f"the parent has a vocabulary of {others.shape[1]}, the artifact of "
                f"{logits.shape[1]}",
                "compare with a parent that has the same tokenizer",
            )
        rows = max(1, CACHED // logits.shape[1])
        for at in range(0, len(targets), rows):
            piece = slice(at, at + rows)
            _count(scores, targets[piece], logits[piece], None if others is None else others[piece])


def _count(scores: Scores, targets: Tensor, logits: Tensor, parent: Tensor | None) -> None:
    """Adds likelihoods, KL(parent || model) = sum_v p_v (log p_v - log q_v) and agreement."""
    began = time.perf_counter()
    ours = logits.log_softmax(dim=1, dtype=torch.float32)
    likelihoods = ours.gather(1, targets[:, None])
    scores.seconds += time.perf_counter() - began
    if not bool(torch.isfinite(likelihoods).all()):
        raise CompressionError(
            "the model's logits hold NaN or infinity", "the artifact is damaged; check it"
        )
    scores.tokens += len(targets)
    scores.nats -= float(likelihoods.double().sum())
    if parent is None:
        return
    theirs = parent.log_softmax(dim=1, dtype=torch.float32)
    scores.agreements += int((theirs.argmax(dim=1) == ours.argmax(dim=1)).sum())
    divergence = (theirs.exp() * theirs.sub_(ours)).sum(dim=1)
    # Rounding can make a divergence of nothing slightly negative.
    scores.divergence += float(divergence.double().clamp_(min=0).sum())


class _Split:
    """A causal language model in two halves: decoder, and head with whatever follows it.

    The head half is the model's own forward with its decoder standing still, so that logit
    scaling and soft-capping are the stock code's.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._decoder = model.base_model
        self._output: Any = None
        self._blocks = BlockList.find(model)
        self.vocabulary = int(model.config.vocab_size)

    @property
    def blocks(self) -> int:
        """How many blocks the decoder has."""
        return self._blocks.count

    def states(self, ids: Tensor, rows: Tensor, block_done: Callable[[], None]) -> Tensor:
        """Last hidden states of chosen positions.

        Args:
            ids: int64 [windows, length].
            rows: int64 [positions], indices into windows x length.
            block_done: Called after each block.

        Returns:
            [positions, width] in the model's dtype.
        """
        with self._watched(block_done):
            self._output = self._decoder(input_ids=ids, use_cache=False)
        hidden: Tensor = self._output.last_hidden_state
        return hidden.reshape(-1, hidden.shape[-1])[rows]

    @contextmanager
    def _watched(self, block_done: Callable[[], None]) -> Iterator[None]:
        parts = (self._model.get_submodule(name) for name in self._blocks.names())
        hooks = [part.register_forward_hook(lambda *_: block_done()) for part in parts]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def logits(self, states: Tensor) -> Tensor:
        """[positions, vocabulary] in the model's dtype from hidden states [positions, width]."""
        self._output.last_hidden_state = states[None]
        self._decoder.forward = lambda *_, **__: self._output
        try:
            ids = torch.zeros((1, len(states)), dtype=torch.int64)
            logits: Tensor = self._model(input_ids=ids, use_cache=False).logits
        finally:
            del self._decoder.forward
        return logits[0]
