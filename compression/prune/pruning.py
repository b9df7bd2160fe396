"""What all methods share that zero single weights: parameters, counting, and the proof.

A method gives every weight a score; `masks` says which scores go; this module applies masks,
writes the checkpoint and checks it. Only weights of linear layers inside decoder blocks change,
everything else is byte for byte the parent's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from pressmark.compression.blocks import block_linears
from pressmark.compression.checkpoint import Checkpoint, CheckpointWriter
from pressmark.compression.comparing import bits, changed_sidecars, same_bits
from pressmark.compression.errors import CompressionError, ModelFileError
from pressmark.compression.prune.masks import PATTERNS, Sparsity
from pressmark.compression.step import (
    Claim,
    Context,
    Estimate,
    Evidence,
    Inputs,
    Measurement,
    Produced,
    Step,
    Workload,
)
from pressmark.compression.tensors import is_finite
from pressmark.ontology.terms import PM
from pressmark.registry.errors import InvalidInputError

_RANKED: Final = 1 << 20
"""Weights that are ranked at once, in fp32: 4 MiB."""


class Pruning(Step):
    """The base of steps that zero single weights, in rows or in N:M patterns.

    Attributes:
        sparsity: Share of each row's weights that become zero.
        pattern: "2:4" or "4:8" zeroes that many in every run of four or eight input columns.
    """

    activity: ClassVar = PM.Prune
    produces: ClassVar = PM.PrunedModel

    sparsity: float = Field(default=0.5, ge=0, lt=1)
    pattern: Literal["2:4", "4:8"] | None = None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        try:
            Sparsity(self.sparsity, self.pattern)
        except InvalidInputError as error:
            raise ValueError(error.message) from error
        return self

    @property
    def target(self) -> Sparsity:
        """Sparsity and pattern as one value."""
        return Sparsity(self.sparsity, self.pattern)

    def targets(self, base: Checkpoint) -> tuple[str, ...]:
        """The stored names of the weights that are pruned; refuses a model before work starts.

        Raises:
            CompressionError: The model is quantized, or has no linear layers in blocks.
            InvalidInputError: A weight's columns do not divide into the pattern's runs.
            ModelFileError: A weight holds NaN or infinity.
        """
        if base.plan.packed:
            raise CompressionError(
                f"{base.folder.name} is quantized, and codes are not pruned",
                "prune first, then quantize: exact zeros stay exact zeros",
            )
        names = tuple(base.bound[name] for name in block_linears(base.architecture))
        for name in names:
            self.target.refuse_shape(name, base.tensors.info(name).shape[1])
            if not is_finite(base.tensors.read(name)):
                raise ModelFileError(
                    "holds NaN or infinity", "the model is damaged; fetch it again", tensor=name
                )
        return names

    def check(self, inputs: Inputs, output: Produced, context: Context) -> Evidence:
        """Derives from the bytes that only zeroing happened, and as much as is claimed."""
        proof = Proof(inputs.base, output.checkpoint, self.target)
        targets = {inputs.base.bound[name] for name in block_linears(inputs.base.architecture)}
        names = inputs.base.tensors.names()
        for name in context.progress.track(names, len(names), "checking"):
            proof.take(name, name in targets)
        return Evidence(proof.claims())

    def estimate(self, work: Workload) -> Estimate:
        """Reads, ranks and writes at about 100 MB/s; the output is as large as the input."""
        return Estimate(seconds=work.base / 100e6, bytes=work.base)


@dataclass
class Tally:
    """Counts zeros while weights are written.

    Attributes:
        weights: Weights in pruned tensors so far.
        zeros: Zeros among them.
        shares: Share of zeros of each tensor.
    """

    weights: int = 0
    zeros: int = 0
    shares: list[float] = field(default_factory=list)

    def add(self, weight: Tensor) -> None:
        """Counts one pruned tensor."""
        zeros = weight.numel() - int(torch.count_nonzero(weight))
        self.weights += weight.numel()
        self.zeros += zeros
        self.shares.append(zeros / max(weight.numel(), 1))

    def measurements(self) -> tuple[Measurement, ...]:
        """The achieved sparsity over all pruned tensors, its extremes, and the counts."""
        return (
            Measurement("sparsity", self.zeros / max(self.weights, 1)),
            Measurement("sparsity_of_densest_tensor", min(self.shares)),
            Measurement("sparsity_of_sparsest_tensor", max(self.shares)),
            Measurement("prunable_weights", self.weights),
            Measurement("nonzero_weights", self.weights - self.zeros),
            Measurement("pruned_tensors", len(self.shares)),
        )


def zero_lowest(
    base: Checkpoint,
    name: str,
    score: Callable[[Tensor], Tensor],
    target: Sparsity,
    writer: CheckpointWriter,
) -> Tensor:
    """Zeroes a stored weight's lowest scores and writes it.

    Args:
        base: The parent.
        name: The stored weight, [rows, columns].
        score: Maps some rows of the weight in fp32 to their scores, fp32 of the same shape.
        target: How much to zero.
        writer: Takes the result under the same name.

    Returns:
        The pruned weight in its stored dtype.
    """
    weight = base.tensors.read(name)
    for rows in torch.split(
        weight, max(1, _RANKED // weight.shape[1])
    ):  # rows are views of the weight
        rows.masked_fill_(target.mask(score(rows.float())), 0)
    writer.write(name, weight)
    return weight


class Proof:
    """Compares a pruned checkpoint with its parent, tensor by tensor, bit for bit.

    Args:
        parent: What was pruned.
        child: The result.
        target: How sparse it claims to be.
    """

    def __init__(self, parent: Checkpoint, child: Checkpoint, target: Sparsity) -> None:
        self.parent = parent
        self.child = child
        self.target = target
        self.kept = 0
        self.zeroed = 0
        self.untouched = 0
        self.failures: dict[str, str] = {}

    def take(self, name: str, pruned: bool) -> None:
        """Compares one tensor of the parent; `pruned` says whether it may have new zeros."""
        if name not in self.child.tensors:
            self._fail("same", f"{name} is missing")
            return
        old, new = self.parent.tensors.read(name), self.child.tensors.read(name)
        if old.shape != new.shape or old.dtype != new.dtype:
            self._fail("same", f"{name} changed shape or dtype")
        elif pruned:
            self._take_pruned(name, old, new)
        elif same_bits(old, new):
            self.untouched += 1
        else:
            self._fail("same", f"{name} differs")

    def _take_pruned(self, name: str, old: Tensor, new: Tensor) -> None:
        nonzero = new != 0
        self.kept += int(nonzero.sum())
        self.zeroed += int((~nonzero & (old != 0)).sum())
        self._fail_at("kept", name, nonzero & (bits(old) != bits(new)))
        self._fail_at("zeros", name, nonzero & (old == 0))
        self._fail_at("sparse", name, too_dense(~nonzero, self.target))

    def _fail_at(self, claim: str, name: str, wrong: Tensor) -> None:
        if wrong.any():
            place = ", ".join(str(int(index)) for index in wrong.nonzero()[0])
            self._fail(claim, f"{name} at [{place}]")

    def _fail(self, claim: str, detail: str) -> None:
        self.failures.setdefault(claim, f"first: {detail}")

    def claims(self) -> tuple[Claim, ...]:
        """What was found, once every tensor was taken."""
        extra = sorted(set(self.child.tensors) - set(self.parent.tensors))
        if extra:
            self._fail("same", f"{extra[0]} is new")
        for file in changed_sidecars(self.parent, self.child):
            self._fail("files", file)
        return tuple(
            Claim(text, key not in self.failures, self.failures.get(key, counted))
            for key, text, counted in self._statements()
        )

    def _statements(self) -> Iterator[tuple[str, str, str]]:
        groups = f"every run of {PATTERNS[p][1]} columns" if (p := self.target.pattern) else ""
        share = f"{self.target.pattern or self.target.ratio} of " + (groups or "every row")
        yield "kept", "every nonzero weight equals its parent's", f"{self.kept} weights"
        yield "zeros", "every zero of the parent is zero", f"{self.zeroed} new zeros"
        yield "sparse", f"at least {share} is zero", f"{self.zeroed} new zeros"
        yield "same", "every other tensor is its parent's", f"{self.untouched} tensors"
        yield "files", "every other file is its parent's", f"{len(self.parent.sidecars())} files"


def too_dense(zeros: Tensor, target: Sparsity) -> Tensor:
    """Marks the groups with fewer zeros than claimed.

    Args:
        zeros: bool [rows, columns].
        target: The claim.

    Returns:
        bool [rows] or, with a pattern, [rows, runs].
    """
    if target.pattern is None:
        return zeros.sum(dim=1) < target.zeros_per_row(zeros.shape[1])
    wanted, run = PATTERNS[target.pattern]
    if zeros.shape[1] % run:
        return torch.ones(zeros.shape[0], dtype=torch.bool)
    return zeros.reshape(len(zeros), -1, run).sum(dim=2) < wanted
