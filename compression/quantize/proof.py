"""Comparing a quantized checkpoint with its parent, from the bytes of both.

The proof holds for round-to-nearest: codes are derived again and must be equal. It reads one
tensor at a time.
"""

from torch import Tensor

from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.comparing import changed_sidecars, same_bits
from pressmark.compression.errors import ModelFileError
from pressmark.compression.plan import PackedWeight, Quantization
from pressmark.compression.quantize.packing import (
    Layout,
    pack,
    parts_of,
    read_quantized,
    smaller_layout,
)
from pressmark.compression.quantize.quantizer import Grid, Quantized, in_steps, quantize
from pressmark.compression.step import Claim

# Half a step, and the rounding of float32 on the way: see the laws of the quantizer.
HALF_STEP = 0.5 * (1 + 2.0**-12)


class Proof:
    """Collects what is found out about each tensor, then states it.

    Args:
        parent: What was quantized.
        child: The result.
        grid: The grid that the step was asked for.
        layout: The layout that it was asked for; None for the smaller one.
        targets: The weights that it was to quantize.
    """

    def __init__(
        self,
        parent: Checkpoint,
        child: Checkpoint,
        grid: Grid,
        layout: Layout | None,
        targets: tuple[str, ...],
    ) -> None:
        self.parent = parent
        self.child = child
        self.grid = grid
        self.layout = layout
        self.targets = targets
        self.weights = 0
        self.zeros = 0
        self.untouched = 0
        self.failures: dict[str, str] = {}
        self._compare_plan()

    def take(self, name: str) -> None:
        """Compares one stored tensor of the parent with what became of it."""
        if name not in self.targets:
            self._take_untouched(name)
        elif name not in self.child.plan.packed:
            self._fail("plan", f"{name} is not quantized")
        else:
            self._take_quantized(name, self.child.plan.packed[name])

    def claims(self) -> tuple[Claim, ...]:
        """What was found, once every tensor of the parent was taken."""
        self._compare_names()
        self._compare_files()
        count = f"{len(self.targets)} tensors, {self.weights} weights"
        statements = (
            ("plan", f"exactly the chosen weights lie on the grid {_words(self.grid)}", count),
            ("codes", "codes and scales are those of the parent's weights, rounded again", count),
            ("zeros", "every zero of the parent is restored as zero", f"{self.zeros} zeros"),
            ("half", "no weight is off by more than half a step", count),
            ("packed", "what is stored unpacks, and packs to the same bytes again", count),
            ("same", "every other tensor is its parent's", f"{self.untouched} tensors"),
            ("files", "every other file is its parent's", f"{len(self.parent.sidecars())} files"),
        )
        return tuple(
            Claim(text, key not in self.failures, self.failures.get(key, counted))
            for key, text, counted in statements
        )

    def _fail(self, claim: str, detail: str) -> None:
        self.failures.setdefault(claim, f"first: {detail}")

    def _compare_plan(self) -> None:
        found = self.child.plan.quantization
        grid = (self.grid.bits, self.grid.group_size, self.grid.symmetric)
        if found is None or (found.bits, found.group_size, found.symmetric) != grid:
            self._fail("plan", "pressmark.json states another grid")
        for name in sorted(self.child.plan.packed.keys() - set(self.targets)):
            self._fail("plan", f"{name} is quantized but was not chosen")

    def _take_untouched(self, name: str) -> None:
        if name not in self.child.tensors:
            self._fail("same", f"{name} is missing")
        elif not same_bits(self.parent.tensors.read(name), self.child.tensors.read(name)):
            self._fail("same", f"{name} differs")
        else:
            self.untouched += 1

    def _take_quantized(self, name: str, packed: PackedWeight) -> None:
        weight = self.parent.tensors.read(name)
        if (packed.shape, packed.dtype) != (tuple(weight.shape), dtype_name(weight)):
            self._fail("plan", f"{name} has another shape or type in pressmark.json")
            return
        plan = self.child.plan.quantization or Quantization(0, None, True)
        try:
            stored = read_quantized(self.child.tensors, name, packed, plan)
        except ModelFileError as error:
            self._fail("packed", str(error))
            return
        self._compare_codes(name, stored, quantize(weight, self.grid, name=name))
        self._compare_parts(name, stored, packed)
        self._compare_values(name, weight, stored)

    def _compare_codes(self, name: str, stored: Quantized, derived: Quantized) -> None:
        pairs = {
            "codes": (stored.codes, derived.codes),
            "scales": (stored.scales, derived.scales),
            "zeros": (stored.zero_codes(), derived.zero_codes()),
        }
        for part, (one, other) in pairs.items():
            if not same_bits(one, other):
                self._fail("codes", f"{name}.{part}{_place(one, other)}")

    def _compare_parts(self, name: str, stored: Quantized, packed: PackedWeight) -> None:
        layout = self.layout or smaller_layout(stored)
        if packed.layout != layout:
            self._fail("packed", f"{name} is stored {packed.layout}, not {layout}")
            return
        for part, tensor in pack(stored, layout).items():
            if not same_bits(tensor, self.child.tensors.read(f"{name}.{part}")):
                self._fail("packed", f"{name}.{part}")

    def _compare_values(self, name: str, weight: Tensor, stored: Quantized) -> None:
        for values, restored, steps in in_steps(weight, stored):
            self.weights += values.numel()
            self.zeros += int((values == 0).sum())
            if bool(((values == 0) & (restored != 0)).any()):
                self._fail("zeros", name)
            # Written so that NaN fails.
            if not bool((steps <= HALF_STEP).all()):
                self._fail("half", name)

    def _compare_names(self) -> None:
        packed = self.child.plan.packed
        symmetric = self.grid.symmetric
        parts = {f"{n}.{p}" for n in packed for p in parts_of(packed[n].layout, symmetric)}
        extra = set(self.child.tensors) - parts - (set(self.parent.tensors) - set(self.targets))
        for name in sorted(extra):
            self._fail("same", f"{name} is new")

    def _compare_files(self) -> None:
        for name in changed_sidecars(self.parent, self.child):
            self._fail("files", name)


def dtype_name(tensor: Tensor) -> str:
    """Torch's name of a tensor's type, as the plan writes it: "bfloat16"."""
    return str(tensor.dtype).removeprefix("torch.")


def _words(grid: Grid) -> str:
    kind = "symmetric" if grid.symmetric else "asymmetric"
    groups = f"groups of {grid.group_size}" if grid.group_size else "one scale a row"
    return f"int{grid.bits}, {kind}, {groups}, {grid.scale_dtype} scales"


def _place(one: Tensor, other: Tensor) -> str:
    """The first index at which two tensors differ, for a message."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return " has another shape or type"
    return f" at {(one != other).nonzero()[0].tolist()}" if bool((one != other).any()) else ""
