"""What quantizing cost and gained, counted tensor by tensor in flat memory."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pressmark.compression.quantize.quantizer import Quantized, in_steps
from pressmark.compression.step import Measurement


@dataclass
class Tally:
    """Adds up sizes and rounding errors of quantized weights.

    Attributes:
        weights: Quantized weights so far.
        tensors: Quantized tensors so far.
        bitmasked: Tensors among them that were stored behind a bit mask.
        zeros: Weights that are restored as zero.
        bytes_before: Their size in the parent.
        bytes_after: Their size now: codes, scales, zero codes and masks.
        largest_step_error: The largest error in units of the weight's own step; at most about 1/2.
        largest_error: The largest absolute error.
        errors: Sum of absolute errors.
        squared_errors: Sum of squared errors.
        squares: Sum of squared weights.
    """

    weights: int = 0
    tensors: int = 0
    bitmasked: int = 0
    zeros: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    largest_step_error: float = 0.0
    largest_error: float = 0.0
    errors: float = 0.0
    squared_errors: float = 0.0
    squares: float = 0.0

    def add(self, weight: Tensor, quantized: Quantized, parts: Mapping[str, Tensor]) -> None:
        """Counts one weight, as it was, as codes, and as it is stored."""
        self.weights += weight.numel()
        self.tensors += 1
        self.bitmasked += "bitmask" in parts
        self.bytes_before += weight.nbytes
        self.bytes_after += sum(part.nbytes for part in parts.values())
        for piece, restored, steps in in_steps(weight, quantized):
            self._add_errors(piece, restored, steps)

    def _add_errors(self, weight: Tensor, restored: Tensor, steps: Tensor) -> None:
        if weight.numel() == 0:
            return
        error = (weight - restored).abs_()
        self.zeros += restored.numel() - int(torch.count_nonzero(restored))
        self.largest_step_error = max(self.largest_step_error, float(steps.max()))
        self.largest_error = max(self.largest_error, float(error.max()))
        self.errors += float(error.sum(dtype=torch.float64))
        self.squared_errors += float(error.square_().sum(dtype=torch.float64))
        self.squares += float(weight.square().sum(dtype=torch.float64))

    def measurements(self) -> tuple[Measurement, ...]:
        """The totals; ratios are over the quantized weights alone, not the whole model."""
        count = max(self.weights, 1)
        relative = math.sqrt(self.squared_errors / self.squares) if self.squares else 0.0
        return (
            Measurement("quantized_weights", self.weights),
            Measurement("quantized_tensors", self.tensors),
            Measurement("bitmasked_tensors", self.bitmasked),
            Measurement("quantized_bytes_before", self.bytes_before, "By"),
            Measurement("quantized_bytes_after", self.bytes_after, "By"),
            Measurement("bits_per_quantized_weight", 8 * self.bytes_after / count, "bit"),
            Measurement("sparsity", self.zeros / count),
            Measurement("relative_rms_error", relative),
            Measurement("mean_absolute_error", self.errors / count),
            Measurement("largest_absolute_error", self.largest_error),
            Measurement("largest_error_in_steps", self.largest_step_error),
        )
