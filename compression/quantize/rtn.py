"""`quantize/rtn`: rounds every weight of the decoder blocks to the nearest code, without data."""

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import ClassVar, Literal

from pydantic import Field

from pressmark.compression.blocks import block_linears
from pressmark.compression.checkpoint import Checkpoint, CheckpointWriter
from pressmark.compression.errors import CompressionError, ModelFileError
from pressmark.compression.plan import PackedWeight, Quantization
from pressmark.compression.quantize.packing import Layout, pack, smaller_layout
from pressmark.compression.quantize.proof import Proof, dtype_name
from pressmark.compression.quantize.quantizer import Bits, Grid, ScaleDtype, quantize
from pressmark.compression.quantize.tally import Tally
from pressmark.compression.step import (
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

_RESTORED = ("bfloat16", "float16", "float32")


class Rtn(Step):
    """Weight-only round-to-nearest quantization, stored packed.

    Only linear layers inside decoder blocks are quantized, never an embedding or the head; all
    other tensors are the parent's byte for byte. The file names start with ``pressmark-``, because
    stock transformers would load the codes as random weights. See `quantizer` for the grid and its
    laws, `packing` for the layout. Deterministic whatever the processor and the threads.

    Attributes:
        bits: 4 or 8.
        group_size: Input columns that share a scale; null for one scale per output channel.
        symmetric: Whether the zero code is fixed in the middle.
        scale_dtype: How scales are stored.
        layout: "dense" stores all codes, "bitmask" the nonzero ones behind a mask, "auto" takes
            the smaller for each weight.
        targets: Patterns (``*``, ``?``, ``[...]``) of names of the weights to quantize.
        skip: Patterns of names to leave alone, applied last.
    """

    name: ClassVar = "quantize/rtn"
    version: ClassVar = "1"
    activity: ClassVar = PM.Quantize
    produces: ClassVar = PM.QuantizedModel

    bits: Bits = 8
    group_size: int | None = Field(default=None, ge=1)
    symmetric: bool = True
    scale_dtype: ScaleDtype = "float16"
    layout: Literal["auto", "dense", "bitmask"] = "auto"
    targets: tuple[str, ...] = ("*",)
    skip: tuple[str, ...] = ()

    @property
    def grid(self) -> Grid:
        """The grid that the parameters describe."""
        return Grid(self.bits, self.group_size, self.symmetric, self.scale_dtype)

    def chosen(self, base: Checkpoint) -> tuple[str, ...]:
        """The stored names of the weights to quantize; refuses a model before work starts.

        Raises:
            CompressionError: The model is quantized already, or a pattern fits no weight.
            ModelFileError: The group size does not divide the columns of a weight.
        """
        if base.plan.quantization is not None:
            raise CompressionError(
                f"{base.folder.name} is quantized already", "quantize the model it was made from"
            )
        names = tuple(base.bound[name] for name in block_linears(base.architecture))
        _refuse_idle((*self.targets, *self.skip), names)
        chosen = tuple(n for n in names if _fits(n, self.targets) and not _fits(n, self.skip))
        if not chosen:
            raise CompressionError("every weight is skipped", "leave out 'skip', or narrow it")
        for name in chosen:
            _, columns = base.tensors.info(name).shape
            self.grid.groups(columns, name)
        return chosen

    def apply(self, inputs: Inputs, context: Context) -> Output:
        """Quantizes weight after weight; memory holds one at a time."""
        base, tally = inputs.base, Tally()
        names = self.chosen(base)
        weights = {name: PackedWeight(base.tensors.info(name).shape, "float32") for name in names}
        draft = Quantization(self.bits, self.group_size, self.symmetric, weights)
        plan = replace(base.plan, quantization=draft)
        with CheckpointWriter(context.output, parent=base, plan=plan) as writer:
            for name in context.progress.track(names, len(names), "quantizing"):
                weights[name] = self._store(base, name, writer, tally)
            writer.plan = replace(plan, quantization=replace(draft, weights=weights))
            writer.keep_rest()
        after = Checkpoint.open(context.output)
        sizes = (
            Measurement("weight_file_bytes_before", base.size, "By"),
            Measurement("weight_file_bytes_after", after.size, "By"),
        )
        return Output(context.output, (*tally.measurements(), *sizes))

    def check(self, inputs: Inputs, output: Produced, context: Context) -> Evidence:
        """Rounds the parent's weights again and compares with what is stored."""
        base, child = inputs.base, output.checkpoint
        layout: Layout | None = None if self.layout == "auto" else self.layout
        proof = Proof(base, child, self.grid, layout, self.chosen(base))
        names = base.tensors.names()
        for name in context.progress.track(names, len(names), "checking"):
            proof.take(name)
        return Evidence(proof.claims())

    def estimate(self, work: Workload) -> Estimate:
        """Rounds, measures and writes at about 100 MB/s; sized as if all were 16-bit weights."""
        scales = 16 / self.group_size if self.group_size else 0
        share = min(1.0, (self.bits + scales) / 16)
        return Estimate(seconds=work.base / 100e6, bytes=round(work.base * share))

    def _store(
        self, base: Checkpoint, name: str, writer: CheckpointWriter, tally: Tally
    ) -> PackedWeight:
        """Quantizes and writes one weight."""
        weight = base.tensors.read(name)
        if dtype_name(weight) not in _RESTORED:
            raise ModelFileError(
                f"holds {weight.dtype}; only {', '.join(_RESTORED)} weights are quantized",
                "leave it out with 'skip'",
                tensor=name,
            )
        quantized = quantize(weight, self.grid, name=name)
        layout = smaller_layout(quantized) if self.layout == "auto" else self.layout
        parts = pack(quantized, layout)
        for part in sorted(parts):
            writer.write(f"{name}.{part}", parts[part])
        tally.add(weight, quantized, parts)
        return PackedWeight(tuple(weight.shape), dtype_name(weight), layout)


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _refuse_idle(patterns: Iterable[str], names: tuple[str, ...]) -> None:
    """Refuses a pattern that fits no weight: it is misspelt, and would quantize too much."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise CompressionError(
                f"no weight of a linear layer in a block is called '{pattern}'",
                f"the first is called {names[0]}",
            )
