"""`prune/wanda`: zeroes weights by magnitude times the size of what they are multiplied with.

Sun, Liu, Bair, Kolter: A Simple and Effective Pruning Approach for Large Language Models
(arXiv:2306.11695). Score of weight (i, j) = ``|W_ij| * sqrt(r_j)``, with ``r_j`` the mean over
calibration windows of the sum over tokens of ``x_j^2``, in fp32; no weight is updated. Block by
block: the calibration windows run through the still unpruned block, all its linear layers are
pruned, and the pruned block's outputs enter the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, Final

import torch
from pydantic import Field
from torch import Tensor, nn

from pressmark.compression.blocks import Block, BlockStream, Seen, refuse_length
from pressmark.compression.checkpoint import Checkpoint, CheckpointWriter
from pressmark.compression.data import Bos
from pressmark.compression.errors import CompressionError
from pressmark.compression.prune.pruning import Pruning, Tally, zero_lowest
from pressmark.compression.step import Context, Estimate, Inputs, Measurement, Output, Workload

_SUMMED: Final = 512
"""Tokens whose squares are held in fp32 at once."""


class Wanda(Pruning):
    """Prunes each output row (or N:M run) by weight magnitude times input norm.

    The same seed, data and thread count give the same bytes. Another number of threads may sum the
    products of a matrix multiplication in another order.

    Attributes:
        samples: Calibration windows.
        length: Tokens in each, the begin-of-text token included.
        bos: Whether windows start with the begin-of-text token; "auto" does as the tokenizer.
    """

    name: ClassVar = "prune/wanda"
    version: ClassVar = "1"
    needs_data: ClassVar = "calibration"

    samples: int = Field(default=128, ge=1)
    length: int = Field(default=512, ge=2)
    bos: Bos = "auto"

    def apply(self, inputs: Inputs, context: Context) -> Output:
        """Prunes block after block; memory holds one block and the hidden states."""
        base, tally = inputs.base, Tally()
        self.targets(base)
        refuse_length(base, self.length)
        windows = inputs.data.windows(
            base.tokenizer(), self.samples, self.length, context.seed, self.bos
        )
        context.progress.log(f"calibrating with {self.samples} windows of {self.length} tokens")
        stream = BlockStream(base, windows)
        with CheckpointWriter(context.output, parent=base) as writer:
            for block in context.progress.track(stream, len(stream), "pruning blocks"):
                self._prune(base, block, writer, tally)
                if block.index + 1 < len(stream):  # nothing reads what leaves the last block
                    block.advance()
            writer.keep_rest()
        tokens = Measurement("calibration_tokens", windows.numel())
        return Output(context.output, (*tally.measurements(), tokens))

    def _prune(
        self, base: Checkpoint, block: Block, writer: CheckpointWriter, tally: Tally
    ) -> None:
        norms = input_norms(block)
        for name, linear in block.linears.items():
            score = partial(_score, norms[name])
            weight = zero_lowest(base, base.bound[name], score, self.target, writer)
            tally.add(weight)
            linear.weight = nn.Parameter(weight.to(linear.weight.dtype), requires_grad=False)

    def estimate(self, work: Workload) -> Estimate:
        """Two passes of all tokens through the blocks, at 600 GFLOP/s, plus reading and writing.

        Half the bytes of a bf16 model are its weights; each costs two operations a token.
        """
        passes = 2 * 2 * (work.base / 2) * self.samples * self.length
        return Estimate(seconds=passes / 600e9 + work.base / 100e6, bytes=work.base)


def _score(norm: Tensor, weight: Tensor) -> Tensor:
    """|W| times the norm of the inputs; [rows, columns] in fp32."""
    return weight.abs() * norm


def input_norms(block: Block) -> dict[str, Tensor]:
    """Runs the calibration windows through a block and measures what its linear layers see.

    Returns:
        For each weight by full name: sqrt(mean over windows of the sum over tokens of x^2), fp32
        [columns].

    Raises:
        CompressionError: A layer was never used, or its input is not finite.
    """
    observer = _Observer(block)
    with observer.attached():
        block.observe(observer.batch_done)
    return {name: _norm(name, total, block.windows) for name, total in observer.totals.items()}


def _norm(name: str, total: Tensor | None, windows: int) -> Tensor:
    if total is None:
        raise CompressionError(
            f"{name}: no calibration token reached this layer",
            "calibrate with more or other text",
        )
    if not bool(torch.isfinite(total).all()):
        raise CompressionError(
            f"{name}: the calibration text makes NaN or infinity in this layer's input",
            "the model may be damaged, or its dtype too narrow for its activations",
        )
    return torch.sqrt(total / windows)


class _Observer:
    """Sums squares of the inputs of a block's linear layers, once per distinct input.

    Sums are taken in fp32 over pieces of each batch and added in their order, so that the result
    does not depend on timing.
    """

    def __init__(self, block: Block) -> None:
        self._linears = block.linears
        self.totals: dict[str, Tensor | None] = dict.fromkeys(self._linears)
        self._last: tuple[Tensor, Tensor] | None = None
        self._seen: list[str] = []
        self._once = False

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hooks in for the duration."""
        hooks = [
            linear.register_forward_pre_hook(self._hook(name))
            for name, linear in self._linears.items()
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def batch_done(self) -> None:
        """Learns from the batch that just ran: are all layers used exactly once?"""
        self._once = sorted(self._seen) == sorted(self._linears)
        self._seen = []
        self._last = None

    def _hook(self, name: str) -> Any:
        def look(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            self._add(name, self._squares(args[0]))
            if self._once and len(self._seen) == len(self._linears):
                raise Seen  # the block's last product would be thrown away

        return look

    def _add(self, name: str, squares: Tensor) -> None:
        total = self.totals[name]
        self.totals[name] = squares if total is None else total + squares
        self._seen.append(name)

    def _squares(self, x: Tensor) -> Tensor:
        """Sum of x^2 over all tokens; query, key and value share one input and one sum."""
        if self._last is None or self._last[0] is not x:
            rows = torch.split(x.reshape(-1, x.shape[-1]), _SUMMED)
            squares = torch.stack([part.float().square().sum(dim=0) for part in rows])
            self._last = (x, squares.sum(dim=0))
        return self._last[1]
