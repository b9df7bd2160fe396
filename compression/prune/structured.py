"""What all methods share that take away whole parts: blocks, channels, heads.

A method says in which stages it cuts what, and where each stage stops. This module searches, writes
the slim checkpoint and checks it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field
from torch import nn

from pressmark.compression.blocks import refuse_length
from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.data import Bos
from pressmark.compression.errors import CompressionError
from pressmark.compression.families import family_of
from pressmark.compression.prune.compensation import Compensation
from pressmark.compression.prune.decoder import Cut, Decoder
from pressmark.compression.prune.head import Head
from pressmark.compression.prune.slim_proof import slim_claims
from pressmark.compression.prune.slimming import Slimming
from pressmark.compression.prune.stages import Stage, StagedSearch, refuse_unreachable
from pressmark.compression.step import (
    Claim,
    Context,
    Estimate,
    Evidence,
    Inputs,
    Output,
    Produced,
    Step,
    Workload,
)
from pressmark.ontology.terms import PM


class Structured(Step):
    """The base of steps that take away whole parts of layers, found by search.

    The same seed, data and thread count give the same bytes.

    Attributes:
        samples: Calibration windows.
        length: Tokens in each, the begin-of-text token included.
        bos: Whether windows start with the begin-of-text token; "auto" does as the tokenizer.
        compensate: Whether projections that lost inputs are solved anew on the calibration text.
    """

    activity: ClassVar = PM.Prune
    produces: ClassVar = PM.PrunedModel
    needs_data: ClassVar = "calibration"

    samples: int = Field(default=32, ge=1)
    length: int = Field(default=512, ge=2)
    bos: Bos = "auto"
    compensate: bool = True

    def staged(self, decoder: Decoder) -> Sequence[Stage]:
        """What is cut, in which order, and how far; may set `decoder.orders`."""
        raise NotImplementedError(f"step {self.name} does not implement staged")

    def apply(self, inputs: Inputs, context: Context) -> Output:
        """Searches, compensates, then writes what is left."""
        base = inputs.base
        self._refuse(base)
        decoder, head = self._prepared(inputs, context)
        stages, dense = self.staged(decoder), list(decoder.layers)
        refuse_unreachable(stages, decoder)
        search = StagedSearch(decoder, head, context)
        for stage in stages:
            search.run(stage)
        slim = self._slimming(base, search.cuts, dense, decoder, context)
        slim.write(context.output, context.progress)
        return Output(
            context.output, search.measurements(base), byproducts=(search.trajectory.file,)
        )

    def check(self, inputs: Inputs, output: Produced, context: Context) -> Evidence:
        """Derives from the bytes that every tensor is its parent's, or the claimed part of it.

        Compensated projections are solved again from the calibration text.
        """
        base, made = inputs.base, output.checkpoint
        said = output.measurements.get("total_ratio", math.nan)
        found = 1 - made.parameter_count / base.parameter_count

        def remake(base: Checkpoint, cuts: tuple[Cut, ...]) -> Slimming:
            decoder, _ = self._prepared(inputs, context)
            self.staged(decoder)
            dense = list(decoder.layers)
            for cut in cuts:
                decoder.commit(cut)
            return self._slimming(base, cuts, dense, decoder, context)

        return Evidence(
            (
                *slim_claims(base, made, remake, context.progress),
                Claim(f"{said:.1%} of all parameters are gone", math.isclose(said, found)),
            )
        )

    def _prepared(self, inputs: Inputs, context: Context) -> tuple[Decoder, Head]:
        base = inputs.base
        windows = inputs.data.windows(
            base.tokenizer(), self.samples, self.length, context.seed, self.bos
        )
        model, family = base.model(), family_of(base.architecture.config)
        return Decoder(model, family, windows), Head(model, family)

    def _slimming(
        self,
        base: Checkpoint,
        cuts: Sequence[Cut],
        dense: Sequence[nn.Module],
        decoder: Decoder,
        context: Context,
    ) -> Slimming:
        solved = Compensation(dense, decoder).run(context.progress) if self.compensate else {}
        return Slimming(base, tuple(cuts), decoder.orders, solved)

    def _refuse(self, base: Checkpoint) -> None:
        if base.plan.packed:
            raise CompressionError(
                f"{base.folder.name} is quantized, and codes are not cut",
                "prune first, then quantize",
            )
        refuse_length(base, self.length)
        family_of(base.architecture.config)

    def estimate(self, work: Workload) -> Estimate:
        """Half of the layers for about five hundred candidates, at 300 GFLOP/s."""
        return Estimate(work.base * self.samples * self.length * 500 / 300e9, bytes=work.base)
