"""The packed layouts against their statement in NumPy, and against damage."""

import hashlib
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pressmark.compression import kernels
from pressmark.compression.errors import ModelFileError
from pressmark.compression.plan import PackedWeight, Quantization
from pressmark.compression.quantize import packing
from pressmark.compression.quantize.packing import (
    Layout,
    count_nonzero,
    pack,
    packed_sizes,
    part_names,
    restore,
    smaller_layout,
    unpack,
)
from pressmark.compression.quantize.quantizer import Grid, Quantized, dequantize, quantize

LAYOUTS: tuple[Layout, ...] = ("dense", "bitmask")
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


def random_quantized(
    shape: tuple[int, int], grid: Grid, zeros: float = 0.5, seed: int = 0
) -> Quantized:
    """Every code and zero code possible; about `zeros` of the codes are zero codes."""
    generator = torch.Generator().manual_seed(seed)
    groups = grid.groups(shape[1])

    def draw(size: tuple[int, int]) -> torch.Tensor:
        return torch.randint(0, grid.highest + 1, size, generator=generator, dtype=torch.uint8)

    codes, scales = draw(shape), torch.rand(shape[0], groups, generator=generator) + 0.1
    zero_codes = None if grid.symmetric else draw((shape[0], groups))
    found = Quantized(codes, scales.half(), zero_codes, grid)
    spread = found.zero_codes().repeat_interleave(grid.group_size or max(1, shape[1]), 1)
    zero = torch.rand(shape, generator=generator) < zeros
    codes[zero] = spread[:, : shape[1]][zero]
    return found


def nibbles(codes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Rows of four-bit codes, two to a byte, written with Python's own integers."""
    rows = []
    for row in codes.tolist():
        row = row + [0] * (len(row) % 2)
        rows.append([row[i] + 16 * row[i + 1] for i in range(0, len(row), 2)])
    return np.array(rows, np.uint8).reshape(len(rows), (codes.shape[1] + 1) // 2)


def stated(q: Quantized, layout: Layout) -> dict[str, np.ndarray[Any, Any]]:
    """The tensors that the module's docstring describes."""
    rows = nibbles if q.grid.bits == 4 else np.asarray
    codes = q.codes.numpy()
    parts = {"scales": q.scales.numpy()}
    if q.zeros is not None:
        parts["zeros"] = rows(q.zeros.numpy())
    if layout == "dense":
        return parts | {"codes": rows(codes)}
    zero = q.zero_codes().repeat_interleave(q.grid.group_size or codes.shape[1], 1).numpy()
    kept = codes != zero
    values = (codes ^ zero)[kept].reshape(1, -1)
    mask = np.packbits(kept, axis=1, bitorder="little")
    return parts | {"codes": rows(values).ravel(), "bitmask": mask}


GRIDS = [Grid(b, g, s) for b in (4, 8) for g in (None, 6) for s in (True, False)]  # type: ignore[arg-type]


@every_layout
@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("shape", [(5, 66), (1, 6), (7, 12), (3, 126)])
def test_equals_the_statement(layout: Layout, grid: Grid, shape: tuple[int, int]) -> None:
    found = random_quantized(shape, grid)
    parts = pack(found, layout)
    expected = stated(found, layout)
    assert parts.keys() == expected.keys()
    for part, tensor in parts.items():
        np.testing.assert_array_equal(tensor.numpy(), expected[part])


@every_layout
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_zeros_are_counted_without_restoring(layout: Layout, grid: Grid) -> None:
    found = random_quantized((5, 66), grid)
    tensors = {f"w.{part}": tensor for part, tensor in pack(found, layout).items()}
    plan = Quantization(grid.bits, grid.group_size, grid.symmetric)
    counted = count_nonzero(tensors, "w", PackedWeight((5, 66), "float32", layout), plan)
    assert counted == np.count_nonzero(dequantize(found, torch.float32).numpy()) < 5 * 66


@every_layout
@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(0, 7),
    groups=st.integers(1, 5),
    group_size=st.integers(1, 40),
    bits=st.sampled_from([4, 8]),
    symmetric=st.booleans(),
    zeros=st.floats(0, 1),
    seed=st.integers(0, 999),
)
def test_unpacking_gives_back_what_was_packed(
    layout: Layout,
    rows: int,
    groups: int,
    group_size: int,
    bits: Any,
    symmetric: bool,
    zeros: float,
    seed: int,
) -> None:
    grid = Grid(bits, group_size, symmetric)
    q = random_quantized((rows, groups * group_size), grid, zeros, seed)
    parts = pack(q, layout)
    found = unpack(parts, q.shape, layout, grid)
    assert torch.equal(found.codes, q.codes)
    assert torch.equal(found.scales, q.scales)
    assert (found.zeros is None) == symmetric
    assert torch.equal(found.zero_codes(), q.zero_codes())
    again = pack(found, layout)
    assert all(torch.equal(again[part], parts[part]) for part in parts)
    size = sum(t.nbytes for p, t in parts.items() if p in ("codes", "bitmask"))
    assert packed_sizes(q)[layout] == size


@pytest.mark.parametrize("bits", [4, 8])
def test_both_kernel_paths_write_the_same_bytes(bits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    q = random_quantized((67, 1023), Grid(bits, None, False))
    written = []
    for path in kernels.capabilities().paths["bitmask"]:
        monkeypatch.setattr(
            packing, "bitmask_pack", lambda m, p=path: kernels.bitmask_pack(m, path=p)
        )
        written.append({name: t.numpy().tobytes() for name, t in pack(q, "bitmask").items()})
    assert all(parts == written[0] for parts in written)


@pytest.mark.parametrize(("bits", "pays_above"), [(4, 0.25), (8, 0.125)])
def test_auto_takes_the_smaller_layout(bits: Any, pays_above: float) -> None:
    def at(zeros: int) -> Quantized:
        codes = torch.ones(1, 8000, dtype=torch.uint8)
        codes[0, :zeros] = 1 << (bits - 1)
        return Quantized(codes, torch.ones(1, 1).half(), None, Grid(bits))

    break_even = round(pays_above * 8000)
    assert smaller_layout(at(break_even - 2)) == "dense"
    assert smaller_layout(at(break_even)) == "dense", "equal sizes"
    assert smaller_layout(at(break_even + 2)) == "bitmask"


def test_golden_dense_nibbles_are_those_of_compressed_tensors() -> None:
    """Signed codes -8..-1 in columns 0..7 make the little-endian word 0x76543210."""
    q = Quantized(torch.arange(8, dtype=torch.uint8)[None], torch.ones(1, 1).half(), None, Grid(4))
    assert pack(q, "dense")["codes"].numpy().view("<u4").tolist() == [[0x76543210]]
    zeros = quantize(torch.zeros(1, 8), Grid(4))
    assert pack(zeros, "dense")["codes"].numpy().view("<u4").tolist() == [[0x88888888]]
    zeros = quantize(torch.zeros(1, 8), Grid(8))
    assert pack(zeros, "dense")["codes"].numpy().view("<u4").tolist() == [[0x80808080] * 2]


def test_golden_bitmask() -> None:
    weight = torch.tensor([[-8.0, 0, 0, 1, 0, 0, 0, 0, 0, 7]])
    parts = pack(quantize(weight, Grid(4)), "bitmask")
    assert parts["bitmask"].tolist() == [[0x09, 0x02]]
    assert parts["codes"].tolist() == [0x18, 0x07], "two's complement nibbles -8, 1 | 7"
    assert parts["scales"].tolist() == [[1.0]]


GOLDEN: dict[tuple[Grid, Layout], str] = {
    (Grid(4, 16), "dense"): "bf09a8bc4e01a8e1f40a36d1ea1ffeac0ff790fa6c1ab65e2670ddac81a3a7d0",
    (Grid(4, 16), "bitmask"): "57236f49a088434f0052b142c731702981e4600fd65c5c87a14c9ce39b228d44",
    (Grid(8, None, False), "dense"): (
        "78d88d263234e0ae9da5fa3da757452f6be370604258837b1dab1efa771868c6"
    ),
    (Grid(8, None, False), "bitmask"): (
        "650693e0aa8156664e64d6131d13674bea0f448dbb773cf44dca42f309bd070d"
    ),
}


@pytest.mark.parametrize(("grid", "layout"), GOLDEN, ids=str)
def test_golden_bytes_never_change(grid: Grid, layout: Layout) -> None:
    """What is stored once is read for ever: another digest needs another version of the plan."""
    numbers = torch.arange(6 * 48) * 7919 % 257 - 128
    weight = (numbers * (numbers.abs() > 40)).reshape(6, 48).float() / 1024
    digest = hashlib.sha256()
    for part, tensor in sorted(pack(quantize(weight, grid), layout).items()):
        digest.update(part.encode() + tensor.flatten().view(torch.uint8).numpy().tobytes())
    assert digest.hexdigest() == GOLDEN[grid, layout]


@every_layout
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_restoring_a_stored_weight(layout: Layout, symmetric: bool, dtype: str) -> None:
    weight = torch.randn(10, 64)
    weight[weight.abs() < 0.8] = 0
    q = quantize(weight, Grid(4, 32, symmetric, "bfloat16"))
    plan = Quantization(4, 32, symmetric)
    packed = PackedWeight((10, 64), dtype, layout)
    stored = {f"w.{part}": tensor for part, tensor in pack(q, layout).items()}
    assert set(part_names("w", packed, plan)) == stored.keys()
    found = restore(stored, "w", packed, plan)
    assert found.dtype == getattr(torch, dtype)
    assert torch.equal(found, dequantize(q, getattr(torch, dtype)))
    assert torch.all(found[weight == 0] == 0)


def damaged(part: str, change: Any, layout: Layout = "bitmask", **grid: Any) -> Any:
    """Packs a matrix with an odd number of columns and kept codes, and changes one part."""
    settings = {"bits": 4, "group_size": 33, "symmetric": False} | grid
    q = random_quantized((3, 33), Grid(**settings), zeros=0.4, seed=3)
    parts = pack(q, layout)
    parts[part] = change(parts[part].clone())
    return lambda: unpack(parts, q.shape, layout, q.grid, name="w")


def with_bit(tensor: torch.Tensor, index: Any, bits: int) -> torch.Tensor:
    tensor[index] |= bits
    return tensor


def without_a_kept_code(codes: torch.Tensor) -> torch.Tensor:
    codes[0] &= 0xF0
    return codes


def with_value(tensor: torch.Tensor, value: float) -> torch.Tensor:
    tensor[1, 0] = value
    return tensor


DAMAGE = {
    "mask bit past the last column": (
        damaged("bitmask", lambda t: with_bit(t, (0, 4), 0x80)),
        r"w\.(codes|bitmask)",
    ),
    "mask keeps one more": (damaged("bitmask", lambda t: t | 1), r"w\.codes"),
    "mask too narrow": (damaged("bitmask", lambda t: t[:, :-1]), r"w\.bitmask: is .*\[3, 4\]"),
    "mask of signed bytes": (damaged("bitmask", lambda t: t.view(torch.int8)), r"w\.bitmask"),
    "a kept zero code": (damaged("codes", without_a_kept_code), r"w\.codes: keeps a code"),
    "codes cut short": (damaged("codes", lambda t: t[:-1]), r"w\.codes: is "),
    "codes too long": (damaged("codes", lambda t: torch.cat([t, t])), r"w\.codes: is "),
    "dense codes cut short": (damaged("codes", lambda t: t[:2], "dense"), r"w\.codes: is "),
    "dense padding set": (
        damaged("codes", lambda t: with_bit(t, (1, 16), 0x10), "dense"),
        r"w\.codes: has a code past",
    ),
    "zero codes of another shape": (damaged("zeros", lambda t: t[:2]), r"w\.zeros: is "),
    "zero codes with padding set": (
        damaged("zeros", lambda t: with_bit(t, (0, 0), 0xF0)),
        r"w\.zeros: has a code past",
    ),
    "scale of another type": (damaged("scales", lambda t: t.float()), r"w\.scales: is "),
    "scale NaN": (damaged("scales", lambda t: with_value(t, float("nan"))), r"w\.scales: holds"),
    "scale infinite": (damaged("scales", lambda t: with_value(t, float("inf"))), r"w\.scales"),
    "scale zero": (damaged("scales", lambda t: with_value(t, 0.0)), r"w\.scales: holds"),
    "negative scale": (damaged("scales", lambda t: with_value(t, -1.0)), r"w\.scales: holds a neg"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_refused_and_named(name: str) -> None:
    attempt, message = DAMAGE[name]
    with pytest.raises(ModelFileError, match=message):
        attempt()


def test_a_mask_bit_moved_past_the_last_column_is_refused() -> None:
    """The population still agrees with the codes: only the kernel can tell."""

    def move(mask: torch.Tensor) -> torch.Tensor:
        row, byte = next((r, b) for r in range(3) for b in range(4) if mask[r, b])
        mask[row, byte] &= mask[row, byte] - 1
        return with_bit(mask, (row, 4), 0x80)

    with pytest.raises(ModelFileError, match=r"w\.bitmask: .*past the last column"):
        damaged("bitmask", move)()


def test_a_negative_scale_is_legal_on_a_symmetric_grid() -> None:
    damaged("scales", lambda t: with_value(t, -1.0), symmetric=True)()


def test_a_plan_that_cannot_be_read_is_refused() -> None:
    q = quantize(torch.randn(2, 8), Grid(8))
    stored = {f"w.{part}": tensor for part, tensor in pack(q, "dense").items()}
    flat = PackedWeight((16,), "bfloat16")
    with pytest.raises(ModelFileError, match=r"tensor w: .*\[16\]"):
        restore(stored, "w", flat, Quantization(8, None, True))
    with pytest.raises(ModelFileError, match="has 5 bits"):
        restore(stored, "w", PackedWeight((2, 8), "bfloat16"), Quantization(5, None, True))
    stored["w.scales"] = stored["w.scales"].double()
    with pytest.raises(ModelFileError, match=r"w\.scales: holds torch\.float64"):
        restore(stored, "w", PackedWeight((2, 8), "bfloat16"), Quantization(8, None, True))
