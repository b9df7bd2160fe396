"""`prune/magnitude`: zeroes the smallest weights of every row; the baseline that needs no data."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from pressmark.compression.checkpoint import Checkpoint, CheckpointWriter
from pressmark.compression.comparing import same_bits
from pressmark.compression.prune.pruning import Pruning, Tally, zero_lowest
from pressmark.compression.step import Claim, Context, Evidence, Inputs, Output, Produced


class Magnitude(Pruning):
    """Zeroes the weights of smallest absolute value, in each output row or N:M run.

    Deterministic whatever the number of threads.
    """

    name: ClassVar = "prune/magnitude"
    version: ClassVar = "1"

    def apply(self, inputs: Inputs, context: Context) -> Output:
        """Prunes weight after weight."""
        base, tally = inputs.base, Tally()
        names = self.targets(base)
        with CheckpointWriter(context.output, parent=base) as writer:
            for name in context.progress.track(names, len(names), "pruning"):
                tally.add(zero_lowest(base, name, Tensor.abs, self.target, writer))
            writer.keep_rest()
        return Output(context.output, tally.measurements())

    def check(self, inputs: Inputs, output: Produced, context: Context) -> Evidence:
        """Besides what every pruning claims: that exactly the smallest weights were zeroed."""
        claims = super().check(inputs, output, context).claims
        wrong = self._first_wrong(inputs.base, output.checkpoint)
        detail = f"first: {wrong}" if wrong else ""
        return Evidence((*claims, Claim("exactly the smallest are zero", not wrong, detail)))

    def _first_wrong(self, base: Checkpoint, child: Checkpoint) -> str:
        for name in self.targets(base):
            expected = base.tensors.read(name)
            expected.masked_fill_(self.target.mask(expected.float().abs()), 0)
            if not same_bits(expected, child.tensors.read(name)):
                return name
        return ""
