"""The quantizer against its statement, written plainly in NumPy, float64 and Python integers."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pressmark.compression.errors import CompressionError, ModelFileError
from pressmark.compression.quantize.quantizer import Grid, dequantize, quantize

GRIDS = [
    Grid(bits, group_size, symmetric, scale_dtype)  # type: ignore[arg-type]
    for bits in (4, 8)
    for group_size in (None, 16)
    for symmetric in (True, False)
    for scale_dtype in ("float16", "bfloat16", "float32")
]
every_grid = pytest.mark.parametrize("grid", GRIDS, ids=str)

# The division is in float32: a quotient of up to 2**bits is off by 2**-24 of itself.
HALF_STEP = {4: 0.5 * (1 + 2.0**-18), 8: 0.5 * (1 + 2.0**-14)}


def weights(rows: int = 6, columns: int = 64, zeros: float = 0.3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=generator) * 0.02
    weight[torch.rand(weight.shape, generator=generator) < zeros] = 0
    return weight.to(torch.bfloat16)


MANTISSA_BITS_AND_LEAST_EXPONENT = {
    "float16": (10, -14),
    "bfloat16": (7, -126),
    "float32": (23, -126),
}


def away_from_zero(exact: Fraction, dtype: str) -> float:
    """The least value of the dtype that is not below a positive number, in exact arithmetic."""
    mantissa, least = MANTISSA_BITS_AND_LEAST_EXPONENT[dtype]
    exponent = math.frexp(float(exact))[1] - 1
    spacing = Fraction(2) ** (max(exponent, least) - mantissa)
    return float(math.ceil(exact / spacing) * spacing)


def stated(group: NDArray[Any], grid: Grid) -> tuple[list[int], float, int]:
    """Codes, scale and zero code of one group, as the docstring says, number by number."""
    low = min(Fraction(0), *map(Fraction, map(float, group)))
    high = max(Fraction(0), *map(Fraction, map(float, group)))
    levels = 2**grid.bits - 1
    if low == high == 0:
        return [grid.middle if grid.symmetric else 0] * len(group), 1.0, 0
    if grid.symmetric:
        heavy, light = max(-low, high), min(-low, high)
        exact = max(heavy / 2 ** (grid.bits - 1), light / (2 ** (grid.bits - 1) - Fraction(1, 2)))
        scale = away_from_zero(exact, grid.scale_dtype) * (-1 if high > -low else 1)
        zero = 2 ** (grid.bits - 1)
    else:
        scale = away_from_zero((high - low) / levels, grid.scale_dtype)
        zero = min(levels, int(np.rint(np.float32(-float(low)) / np.float32(scale))))
    quotients = np.float32(group) / np.float32(scale)
    codes = [min(levels, max(0, round(float(q)) + zero)) for q in quotients]  # half to even
    return codes, scale, zero


@every_grid
def test_equals_the_statement(grid: Grid) -> None:
    weight = weights(columns=48 if grid.group_size else 33)
    found = quantize(weight, grid)
    size = grid.group_size or weight.shape[1]
    for row in range(weight.shape[0]):
        for group in range(weight.shape[1] // size):
            part = slice(group * size, (group + 1) * size)
            codes, scale, zero = stated(weight[row, part].float().numpy(), grid)
            assert found.codes[row, part].tolist() == codes
            assert found.scales[row, group].item() == scale
            if found.zeros is not None:
                assert found.zeros[row, group].item() == zero


def float64_restored(found: Any) -> torch.Tensor:
    """(code - zero) * scale in float64, where the product is exact for any scale dtype."""
    size = found.shape[1] // found.scales.shape[1]
    scales = found.scales.double().repeat_interleave(size, 1)
    zeros = found.zero_codes().double().repeat_interleave(size, 1)
    return (found.codes.double() - zeros) * scales


@every_grid
def test_dequantizing_equals_float64(grid: Grid) -> None:
    found = quantize(weights(), grid)
    restored = dequantize(found)
    assert restored.dtype == torch.float32
    torch.testing.assert_close(restored.double(), float64_restored(found), rtol=2**-24, atol=0)
    if grid.scale_dtype != "float32":
        assert torch.equal(restored.double(), float64_restored(found)), "exact for 16-bit scales"


@st.composite
def rows_of_weights(draw: st.DrawFn) -> torch.Tensor:
    """Two groups of eight weights of any magnitude down to denormals, zeros among them."""
    exponent = draw(st.integers(-132, 14))
    value = st.floats(-1, 1, width=32, allow_subnormal=False) | st.just(0.0) | st.just(-0.0)
    row = draw(st.lists(value, min_size=16, max_size=16))
    return (torch.tensor([row], dtype=torch.float64) * 2.0**exponent).float()


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("scale_dtype", ["float16", "bfloat16", "float32"])
@settings(max_examples=50, deadline=None)
@given(weight=rows_of_weights())
def test_laws(bits: Any, symmetric: bool, scale_dtype: Any, weight: torch.Tensor) -> None:
    """Zeros stay +0.0, nothing is off by more than half a step, requantizing changes nothing."""
    grid = Grid(bits, 8, symmetric, scale_dtype)
    found = quantize(weight, grid)
    restored = dequantize(found)
    zero = weight == 0
    assert torch.all(restored[zero] == 0)
    assert not torch.any(torch.signbit(restored[zero]))
    error = (weight.double() - float64_restored(found)).abs()
    step = found.scales.double().abs().repeat_interleave(8, 1)
    assert torch.all(error <= step * HALF_STEP[bits])
    scales = found.scales.float().repeat_interleave(8, 1)
    zeros = found.zero_codes().repeat_interleave(8, 1)
    assert torch.equal(torch.round(restored / scales) + zeros, found.codes.float())


@every_grid
def test_zeros_survive_a_pruned_matrix(grid: Grid) -> None:
    weight = weights(zeros=0.7)
    restored = dequantize(quantize(weight, grid), torch.bfloat16)
    assert torch.all(restored[weight == 0].view(torch.int16) == 0), "+0.0 bit for bit"


@pytest.mark.parametrize("bits", [4, 8])
def test_symmetric_turns_with_the_sign(bits: Any) -> None:
    """The grid of -w is that of w with the scales' signs turned: the codes are the same.

    (Where both sides are equally heavy, neither is turned.)
    """
    weight = torch.randn(6, 64, generator=torch.Generator().manual_seed(2))
    one, other = (quantize(w, Grid(bits, 16)) for w in (weight, -weight))
    assert torch.equal(one.codes, other.codes)
    assert torch.equal(one.scales, -other.scales)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("symmetric", [True, False])
def test_weights_of_one_sign_lose_no_half_of_the_range(sign: int, symmetric: bool) -> None:
    """A scheme whose scale is max / 15 with the zero code at 8 clips the upper half here."""
    weight = sign * torch.linspace(0.01, 1, 32).reshape(1, 32)
    found = quantize(weight, Grid(4, None, symmetric))
    steps = 8 if symmetric else 15
    assert abs(found.scales.item()) == pytest.approx(1 / steps, rel=1e-3)
    assert torch.all((dequantize(found) - weight).abs() <= 0.5 / steps * 1.001)


def test_the_heaviest_weight_lies_on_a_code() -> None:
    found = quantize(torch.tensor([[-8.0, 3.0, 1.0], [8.0, -3.0, -1.0]]), Grid(4))
    assert found.scales.flatten().tolist() == [1.0, -1.0]
    assert found.codes.tolist() == [[0, 11, 9], [0, 11, 9]]


def test_golden_codes_round_half_to_even() -> None:
    weight = torch.tensor([[-8.0, 0.5, 1.5, 2.5, -0.5, -1.5, 0.0, 7.4]])
    assert (quantize(weight, Grid(4)).codes - 8).to(torch.int8).tolist() == [
        [-8, 0, 2, 2, 0, -2, 0, 7]
    ]


@every_grid
def test_a_group_of_zeros_has_scale_one(grid: Grid) -> None:
    weight = torch.zeros(2, 32)
    weight[1] = torch.randn(32)
    found = quantize(weight, grid)
    assert torch.all(found.scales[0] == 1)
    assert torch.all(dequantize(found)[0] == 0)


@every_grid
@pytest.mark.parametrize("magnitude", [2.0**-149, 2.0**-133, 2.0**-126, 1e-30, 1e-8, 3e-5])
def test_tiny_weights_never_divide_by_zero(grid: Grid, magnitude: float) -> None:
    """The scale would be 0 in its storage dtype; it is the least one above 0 and the law holds."""
    weight = torch.tensor([[magnitude, -magnitude, 0.0, magnitude] * 8])
    found = quantize(weight, grid)
    assert torch.all(found.scales != 0)
    error = (dequantize(found).double() - weight.double()).abs()
    assert torch.all(error <= found.scales.double().abs().max() * HALF_STEP[grid.bits])


@every_grid
@pytest.mark.parametrize("shape", [(0, 16), (3, 0), (0, 0)])
def test_empty_matrices(grid: Grid, shape: tuple[int, int]) -> None:
    found = quantize(torch.zeros(shape), grid)
    assert found.shape == shape
    assert dequantize(found).shape == shape


def test_pieces_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    from pressmark.compression.quantize import quantizer

    weight = weights(rows=37, columns=64)
    whole = quantize(weight, Grid(4, 16, False))
    monkeypatch.setattr(quantizer, "_PIECE", 200)
    pieces = quantize(weight, Grid(4, 16, False))
    assert torch.equal(whole.codes, pieces.codes)
    assert torch.equal(whole.scales, pieces.scales)
    assert torch.equal(dequantize(whole), dequantize(pieces))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@every_grid
def test_weights_that_are_no_numbers_are_refused(grid: Grid, bad: float) -> None:
    weight = weights()
    weight[3, 20] = bad
    with pytest.raises(ModelFileError, match=r"tensor blocks\.3\.w: .*NaN or infinite"):
        quantize(weight, grid, name="blocks.3.w")


def test_scales_too_large_for_their_type_are_refused() -> None:
    weight = torch.full((1, 16), 1e7)
    with pytest.raises(ModelFileError, match=r"need scales beyond float16.*\n?.*float32"):
        quantize(weight, Grid(4))
    for scale_dtype in ("bfloat16", "float32"):
        assert torch.isfinite(dequantize(quantize(weight, Grid(4, None, True, scale_dtype)))).all()  # type: ignore[arg-type]


def test_groups_that_do_not_fit_are_refused_with_those_that_do() -> None:
    with pytest.raises(ModelFileError, match=r"tensor w: 96 columns .* groups of 64") as caught:
        quantize(torch.zeros(2, 96), Grid(4, 64), name="w")
    assert "[96, 48, 32, 16, 8]" in caught.value.hint


def test_other_tensors_are_refused() -> None:
    for wrong in (torch.zeros(3), torch.zeros(2, 2, 2), torch.zeros(2, 2, dtype=torch.int8)):
        with pytest.raises(ModelFileError, match="only floating-point matrices"):
            quantize(wrong, Grid())


@pytest.mark.parametrize(
    "arguments", [{"bits": 3}, {"group_size": 0}, {"scale_dtype": "float8"}, {"bits": True}]
)
def test_impossible_grids_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(CompressionError):
        Grid(**arguments)


def test_symmetric_error_is_below_the_usual_grids() -> None:
    """Mean squared error on Gaussian weights: the numbers that the module's docstring states."""
    weight = torch.randn(512, 128, generator=torch.Generator().manual_seed(1))
    ours = dequantize(quantize(weight, Grid(4, 128)))

    def mse(restored: torch.Tensor) -> float:
        return ((restored - weight) ** 2).mean().item()

    def absmax(divisor: float) -> torch.Tensor:
        step = weight.abs().amax(1, keepdim=True) / divisor
        return torch.round(weight / step).clamp(-8, 7) * step

    assert mse(ours) / mse(absmax(7)) == pytest.approx(0.77, abs=0.02)
    assert mse(ours) / mse(absmax(7.5)) == pytest.approx(0.87, abs=0.02)
