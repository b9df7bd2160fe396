"""`export/dense`: the stock twin of a slim checkpoint, zeros where something was taken away.

Stock code cannot express a layer without attention or with fewer channels, but it computes the same
with zeros in their place: a removed branch ends in a projection of zeros, removed channels and
heads have zero columns, a removed scan has ``C = 0`` and ``D = 1``. So the twin runs wherever the
original ran. It is as large and as slow as the original.
"""

from __future__ import annotations

from typing import ClassVar, Final

import torch
from torch import Tensor

from pressmark.compression.architecture import Architecture
from pressmark.compression.checkpoint import Checkpoint, CheckpointWriter
from pressmark.compression.comparing import changed_sidecars, same_bits
from pressmark.compression.errors import CompressionError
from pressmark.compression.plan import Plan
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

COMPARED: Final = 64
"""Tokens on which the check compares what both models compute."""

CLOSE: Final = 0.02
"""Logits may differ by so much, relative to the largest: zeros change how sums are blocked."""


class ExportDense(Step):
    """Fills what is missing with zeros, so that stock transformers loads the folder."""

    name: ClassVar = "export/dense"
    version: ClassVar = "1"
    activity: ClassVar = PM.Convert
    produces: ClassVar = PM.ConvertedModel

    def apply(self, inputs: Inputs, context: Context) -> Output:
        """Writes every tensor of the stock architecture."""
        slim = inputs.base
        _refuse(slim)
        shapes = stock_shapes(slim)
        with CheckpointWriter(context.output, parent=slim, plan=Plan()) as writer:
            for name in context.progress.track(shapes, len(shapes), "writing tensors"):
                if name in slim.bound or not _is_tied(slim, name):
                    writer.write(slim.bound.get(name, name), filled(slim, name, shapes[name]))
        return Output(context.output)

    def check(self, inputs: Inputs, output: Produced, context: Context) -> Evidence:
        """Compares each tensor, and what both models compute."""
        slim, made = inputs.base, output.checkpoint
        shapes, wrong = stock_shapes(slim), ""
        for name in context.progress.track(shapes, len(shapes), "comparing tensors"):
            if name in made.bound and not same_bits(
                made.read(made.bound[name]), filled(slim, name, shapes[name])
            ):
                wrong = wrong or f"first: {name}"
        files = changed_sidecars(slim, made)
        return Evidence(
            (
                Claim("every tensor is the slim one's, and zero beyond it", not wrong, wrong),
                Claim("every other file is its parent's", not files, files[0] if files else ""),
                _same_logits(slim, made, context.seed),
            )
        )

    def estimate(self, work: Workload) -> Estimate:
        """Writes at 200 MB/s; the original was perhaps half as large again."""
        return Estimate(seconds=2 + work.base * 1.5 / 200e6, bytes=int(work.base * 1.5))


def stock_shapes(slim: Checkpoint) -> dict[str, tuple[int, ...]]:
    """Name and shape of everything that the stock architecture keeps."""
    architecture = slim.architecture
    return Architecture(architecture.config, architecture.dtype).shapes


def filled(slim: Checkpoint, name: str, shape: tuple[int, ...]) -> Tensor:
    """A stock tensor: what the slim checkpoint has of it, and zeros; one for a lost scan's D."""
    stored = slim.bound.get(name)
    if stored is None:
        mixer, _, leaf = name.rpartition(".")
        value = 1.0 if leaf == "D" and mixer in slim.plan.structure.scanless else 0.0
        return torch.full(shape, value, dtype=slim.dtype)
    kept = slim.read(stored)
    whole = torch.zeros(shape, dtype=kept.dtype)
    whole[tuple(slice(size) for size in kept.shape)] = kept
    return whole


def _is_tied(slim: Checkpoint, name: str) -> bool:
    return name in slim.architecture.tied


def _refuse(slim: Checkpoint) -> None:
    if slim.plan.packed:
        raise CompressionError(
            f"{slim.folder.name} is quantized, and codes have no stock form",
            "export the pruned artifact that it was quantized from",
        )
    if not slim.plan.structure:
        raise CompressionError(
            f"{slim.folder.name} lacks nothing that stock code expects",
            "use it as it is: stock transformers loads it",
        )


def _same_logits(slim: Checkpoint, made: Checkpoint, seed: int) -> Claim:
    vocabulary = int(slim.architecture.config.vocab_size)
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(vocabulary, (1, COMPARED), generator=generator)
    with torch.no_grad():
        one, other = (model(input_ids=ids).logits.float() for model in (slim.model(), made.model()))
    difference = float((one - other).abs().max() / one.abs().max())
    return Claim(
        "both models compute the same", difference <= CLOSE, f"logits differ by {difference:.1e}"
    )
