"""`evaluate/perplexity`: how well a model predicts a text, and how far it is from its parent.

Perplexity is exp of the mean negative log-likelihood of a token. Windows of fixed length slide over
the text and each token counts once. Where the tokenizer adds a begin-of-text token, every window
starts with it: models that were trained with one (Gemma) are badly wrong without.

With a parent, two numbers say what compression changed where perplexity may hide it: the mean
Kullback-Leibler divergence KL(parent || artifact) of the next-token distributions, in nats, and
how often both rank the same token first.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator
from torch import Tensor

from pressmark.compression.blocks import refuse_length
from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.data import Bos, bos_token
from pressmark.compression.errors import DataSetError
from pressmark.compression.evaluate.scoring import Scorer, Scores, Window, slide
from pressmark.compression.step import (
    Claim,
    Context,
    Estimate,
    Evidence,
    Inputs,
    Measurement,
    Output,
    Produced,
    Step,
    Workload,
)
from pressmark.ontology.terms import PM
from pressmark.registry.ids import sha256_file
from pressmark.registry.progress import counting

SAMPLE_TOKENS = 1000
"""The check scores windows from the start of the text again, until it has this many tokens."""

TOLERANCE = 0.01
"""Relative; what other threads or another machine may change in a mean over bf16 arithmetic."""


class Perplexity(Step):
    """Scores a text with a sliding window.

    Attributes:
        window: Positions in a window, the begin-of-text token included.
        stride: How far each window moves on. None, like a stride equal to `window`: no overlap,
            fastest. Smaller: every token has at least `window - stride` positions of context.
        max_tokens: Use only this many tokens from the start of the text; None uses all.
        bos: Whether windows start with the begin-of-text token; "auto" does as the tokenizer.
    """

    name: ClassVar = "evaluate/perplexity"
    version: ClassVar = "1"
    activity: ClassVar = PM.Evaluate
    produces: ClassVar = None
    optional_roles: ClassVar = ("parent",)
    needs_data: ClassVar = "evaluation"

    window: int = Field(default=512, ge=2)
    stride: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=2)
    bos: Bos = "auto"

    @model_validator(mode="after")
    def _no_gaps(self) -> Self:
        if self.stride is not None and self.stride > self.window:
            raise ValueError(
                f"stride {self.stride} is longer than the window {self.window}: tokens between "
                "two windows would never be scored"
            )
        return self

    def apply(self, inputs: Inputs, context: Context) -> Output:
        """Scores all windows; the first of them also count as the sample that `check` repeats."""
        text, start, windows = self._layout(inputs)
        compared = "parent" in inputs
        context.progress.log(
            f"{len(windows)} windows of {self.window}, {'with' if start else 'without'} a "
            "begin-of-text token"
        )
        scorer, cut = _scorer(inputs, text, start), _sample(windows)
        sample = _run(scorer, windows[:cut], context, "scoring the sample")
        whole = sample + _run(scorer, windows[cut:], context, "scoring")
        numbers = _numbers(whole, compared)
        numbers |= {f"sample_{k}": v for k, v in _numbers(sample, compared).items()}
        numbers |= {"windows": len(windows), "begin_of_text": len(start)}
        numbers["tokens_per_second"] = whole.tokens_per_second
        return Output(None, tuple(Measurement(k, v, _unit(k)) for k, v in numbers.items()))

    def check(self, inputs: Inputs, output: Produced, context: Context) -> Evidence:
        """Scores the first windows again and holds the recorded numbers to each other."""
        text, start, windows = self._layout(inputs)
        said = output.measurements
        sample = windows[: _sample(windows)]
        again = _run(_scorer(inputs, text, start), sample, context, "scoring again")
        found = {f"sample_{k}": v for k, v in _numbers(again, "parent" in inputs).items()}
        tokens = sum(window.targets for window in windows)
        entropy, perplexity = said.get("cross_entropy", math.nan), said.get("perplexity", math.nan)
        return Evidence(
            (
                Claim(f"{tokens} tokens were scored", said.get("tokens") == tokens),
                Claim(
                    "the perplexity is exp of the cross entropy",
                    math.isclose(perplexity, math.exp(min(entropy, 700)), rel_tol=1e-9),
                ),
                *(_claim_again(name, value, said) for name, value in found.items()),
            )
        )

    def estimate(self, work: Workload) -> Estimate:
        """Two operations a weight and token at 300 GFLOP/s; a token is about 4 bytes of text."""
        overlap = self.window / (self.stride or self.window)
        tokens = min(self.max_tokens or math.inf, work.data_bytes / 4) * overlap
        weights = sum(work.bytes.values()) / 2
        return Estimate(seconds=5 + 2 * weights * tokens / 300e9, bytes=0)

    def _layout(self, inputs: Inputs) -> tuple[Tensor, list[int], tuple[Window, ...]]:
        """The text's tokens, what windows start with, and the windows."""
        tokenizer = _tokenizer(_Tokenized.of(inputs.base))
        text = inputs.data.tokens(tokenizer, self.max_tokens)
        refuse_length(inputs.base, self.window)
        start = bos_token(tokenizer, self.bos)
        windows = slide(len(text), self.window, self.stride or self.window, bool(start))
        if not windows:
            raise DataSetError(
                f"data set '{inputs.data.name}' has {len(text)} tokens, too few to score any"
            )
        return text, start, windows


@dataclass(frozen=True)
class _Tokenized:
    """A checkpoint, equal to every other with the same files beside its weights."""

    digest: str
    checkpoint: Checkpoint = field(compare=False)

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> _Tokenized:
        """Hashes all that a tokenizer can depend on: every file but the weights and the plan."""
        digest = hashlib.sha256()
        for name, file in sorted(checkpoint.sidecars().items()):
            digest.update(f"{name}\0{sha256_file(file)}\n".encode())
        return cls(digest.hexdigest(), checkpoint)


@lru_cache(maxsize=1)
def _tokenizer(tokenized: _Tokenized) -> Any:
    """Artifacts of one line share a tokenizer, and a large one takes seconds to load."""
    return tokenized.checkpoint.tokenizer()


def _scorer(inputs: Inputs, text: Tensor, start: list[int]) -> Scorer:
    parent = inputs["parent"].model() if "parent" in inputs else None
    return Scorer(inputs.base.model(), text, start, parent)


def _sample(windows: Sequence[Window]) -> int:
    """How many of the first windows together score `SAMPLE_TOKENS`; all if they score fewer."""
    totals = accumulate(window.targets for window in windows)
    return next((i for i, total in enumerate(totals, 1) if total >= SAMPLE_TOKENS), len(windows))


def _run(scorer: Scorer, windows: Sequence[Window], context: Context, label: str) -> Scores:
    scores = Scores()
    batches = scorer.batches(windows)
    parts = sum(scorer.parts(batch) for batch in batches)
    with counting(context.progress, parts, label) as part_done:
        for batch in batches:
            scores += scorer.score(batch, part_done)
    return scores


def _numbers(scores: Scores, compared: bool) -> dict[str, float]:
    numbers = {
        "perplexity": math.exp(min(scores.cross_entropy, 700)),
        "cross_entropy": scores.cross_entropy,
        "tokens": scores.tokens,
    }
    if compared:
        numbers["kl_divergence"] = scores.divergence / scores.tokens
        numbers["top1_agreement"] = scores.agreements / scores.tokens
    return numbers


def _unit(name: str) -> str:
    if name.endswith(("cross_entropy", "kl_divergence")):
        return "nat"
    return "1/s" if name == "tokens_per_second" else "1"


def _claim_again(name: str, value: float, said: Mapping[str, float]) -> Claim:
    recorded = said.get(name, math.nan)
    near = math.isclose(recorded, value, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return Claim(f"{name} is {recorded:.6g}", near, f"scored again: {value:.6g}")
