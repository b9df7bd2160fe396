"""How quantized weights lie on disk: all codes, or the nonzero ones behind a bit mask.

A weight ``W`` [rows, columns] of ``b`` bits, in groups of ``g`` columns, is stored as tensors named
after it. Below, `packed` is: at eight bits the codes themselves; at four bits two to a byte, the
first in the low half, an odd last one with 0 in the high half.

=============  ========================  ======================================================
``W.scales``   [rows, columns / g]       float16, bfloat16 or float32
``W.zeros``    uint8 [rows, packed]      the groups' zero codes, packed row by row; only if the
                                         grid is asymmetric
``W.codes``    layout "dense":           the codes, packed row by row
               uint8 [rows, packed]
``W.codes``    layout "bitmask":         ``code XOR zero code`` of the elements that the mask
               uint8 [packed]            keeps, row-major, packed without a break between rows
``W.bitmask``  layout "bitmask":         bit i of byte j: column 8 j + i is kept, that is, its
               uint8 [rows, columns / 8] code is not the zero code; spare bits are 0
=============  ========================  ======================================================

Codes and zero codes are unsigned (see `quantizer`). XOR with the zero code maps it to 0 and stays
within the bits, so that one mask serves symmetric and asymmetric grids alike. A dense row of
four-bit codes read as little-endian int32 is the ``weight_packed`` of compressed-tensors.

The mask costs one bit per weight and saves ``b`` bits per zero: it pays above 25 % of zeros at four
bits and 12.5 % at eight. "auto" takes the smaller, per weight, and "dense" when they are equal.

Laws, for every quantized matrix ``q`` and both layouts, on every kernel path:

* ``unpack(pack(q))`` equals ``q``; packing again gives the same bytes (the form is canonical);
* what is not canonical is refused: wrong shapes and types, set padding, a kept zero code, a mask
  that keeps more or fewer elements than there are codes.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, cast

import torch
from torch import Tensor

from pressmark.compression.errors import ModelFileError
from pressmark.compression.kernels import bitmask_pack, bitmask_unpack
from pressmark.compression.plan import PackedWeight, Quantization
from pressmark.compression.quantize.quantizer import (
    SCALE_DTYPES,
    Bits,
    Grid,
    Quantized,
    ScaleDtype,
    dequantize,
)

Layout: TypeAlias = Literal["dense", "bitmask"]

CODES: Final = "codes"
SCALES: Final = "scales"
ZEROS: Final = "zeros"
BITMASK: Final = "bitmask"

_SCALE_NAMES: Final = {dtype: name for name, dtype in SCALE_DTYPES.items()}


def parts_of(layout: str, symmetric: bool) -> tuple[str, ...]:
    """The last parts of the names under which a weight is stored, e.g. ("codes", "scales")."""
    zeros = () if symmetric else (ZEROS,)
    mask = (BITMASK,) if layout == "bitmask" else ()
    return (CODES, SCALES, *zeros, *mask)


def part_names(name: str, packed: PackedWeight, quantization: Quantization) -> tuple[str, ...]:
    """The names of the tensors that store the weight `name`."""
    return tuple(f"{name}.{p}" for p in parts_of(packed.layout, quantization.symmetric))


def packed_sizes(quantized: Quantized) -> dict[Layout, int]:
    """Bytes of codes and mask in each layout; scales and zeros are the same in both."""
    rows, columns = quantized.shape
    bits = quantized.grid.bits
    kept = int(torch.count_nonzero(_relative(quantized)))
    mask = rows * _bytes_for(columns, 1)
    return {
        "dense": rows * _bytes_for(columns, bits),
        "bitmask": mask + _bytes_for(kept, bits),
    }


def smaller_layout(quantized: Quantized) -> Layout:
    """The layout that "auto" takes."""
    sizes = packed_sizes(quantized)
    return "bitmask" if sizes["bitmask"] < sizes["dense"] else "dense"


def pack(quantized: Quantized, layout: Layout) -> dict[str, Tensor]:
    """The tensors to store, by the last part of their name."""
    bits = quantized.grid.bits
    parts = {SCALES: quantized.scales.contiguous()}
    if quantized.zeros is not None:
        parts[ZEROS] = _pack_rows(quantized.zeros, bits)
    if layout == "dense":
        return parts | {CODES: _pack_rows(quantized.codes, bits)}
    masked = bitmask_pack(_relative(quantized))
    codes = _pack_rows(masked.values.unsqueeze(0), bits).flatten()
    return parts | {CODES: codes, BITMASK: masked.mask}


def unpack(
    parts: Mapping[str, Tensor],
    shape: tuple[int, int],
    layout: Layout,
    grid: Grid,
    *,
    name: str = "the weight",
) -> Quantized:
    """Read what `pack` made, trusting nothing.

    Args:
        parts: Tensors by the last part of their name.
        shape: Rows and columns of the weight.
        layout: How the codes are packed.
        grid: What the codes mean.
        name: What errors call the weight.

    Raises:
        ModelFileError: A part is not what `pack` would have made; it is named.
    """
    scales = _checked_scales(parts[SCALES], shape, grid, f"{name}.{SCALES}")
    zeros = None
    if not grid.symmetric:
        zeros = _unpack_rows(
            parts[ZEROS], (shape[0], scales.shape[1]), grid.bits, f"{name}.{ZEROS}"
        )
    if layout == "dense":
        codes = _unpack_rows(parts[CODES], shape, grid.bits, f"{name}.{CODES}")
        return Quantized(codes, scales, zeros, grid)
    relative = Quantized(_unmask(parts, shape, grid, name), scales, zeros, grid)
    return Quantized(_relative(relative), scales, zeros, grid)


def read_quantized(
    tensors: Mapping[str, Tensor], name: str, packed: PackedWeight, quantization: Quantization
) -> Quantized:
    """Read the codes, scales and zero codes of a stored weight.

    Args:
        tensors: The checkpoint's tensors by full name.
        name: The weight.
        packed: How it is stored.
        quantization: The checkpoint's grid.

    Raises:
        ModelFileError: The weight is not two-dimensional, a part is missing, or it is not
            canonical.
    """
    if len(packed.shape) != 2:
        raise ModelFileError(f"is packed with the shape {[*packed.shape]}, not two", tensor=name)
    parts = {p: tensors[f"{name}.{p}"] for p in parts_of(packed.layout, quantization.symmetric)}
    grid = grid_of(quantization, parts[SCALES].dtype, f"{name}.{SCALES}")
    rows, columns = packed.shape
    return unpack(parts, (rows, columns), cast(Layout, packed.layout), grid, name=name)


def restore(
    tensors: Mapping[str, Tensor], name: str, packed: PackedWeight, quantization: Quantization
) -> Tensor:
    """Read a stored weight and dequantize it to the type that it had before.

    Law: equals ``dequantize(q, dtype)`` of the matrix that was stored, bit for bit.

    Raises:
        ModelFileError: As `read_quantized`.
    """
    quantized = read_quantized(tensors, name, packed, quantization)
    dtype = getattr(torch, packed.dtype)
    return dequantize(quantized, dtype)


def count_nonzero(
    tensors: Mapping[str, Tensor], name: str, packed: PackedWeight, quantization: Quantization
) -> int:
    """Count the elements of a stored weight that are not restored as zero.

    Raises:
        ModelFileError: As `read_quantized`.
    """
    if packed.layout == "bitmask":
        return _population(tensors[f"{name}.{BITMASK}"])
    return int(torch.count_nonzero(_relative(read_quantized(tensors, name, packed, quantization))))


def grid_of(quantization: Quantization, scale_dtype: torch.dtype, name: str) -> Grid:
    """The grid of a plan, with the scale type found in the file.

    Raises:
        ModelFileError: The plan's grid, or the scale type, is not one that this release reads.
    """
    if scale_dtype not in _SCALE_NAMES:
        raise ModelFileError(f"holds {scale_dtype}, not one of {[*SCALE_DTYPES]}", tensor=name)
    if quantization.bits not in (4, 8):
        raise ModelFileError(f"has {quantization.bits} bits; 4 and 8 are supported", tensor=name)
    scale = cast(ScaleDtype, _SCALE_NAMES[scale_dtype])
    bits = cast(Bits, quantization.bits)
    return Grid(bits, quantization.group_size, quantization.symmetric, scale)


def _relative(quantized: Quantized) -> Tensor:
    """Codes XOR their group's zero code; its own inverse."""
    codes = quantized.codes
    if quantized.zeros is None:
        return codes ^ quantized.grid.middle
    rows, columns = quantized.shape
    grouped = codes.reshape(rows, quantized.scales.shape[1], quantized.grid.group_size or columns)
    return (grouped ^ quantized.zeros.unsqueeze(-1)).reshape(rows, columns)


def _bytes_for(elements: int, bits: int) -> int:
    return (elements * bits + 7) // 8


def _pack_rows(codes: Tensor, bits: Bits) -> Tensor:
    """uint8 [rows, columns] to uint8 [rows, ceil(columns * bits / 8)]."""
    if bits == 8:
        return codes.contiguous()
    if codes.shape[1] % 2:
        codes = torch.nn.functional.pad(codes, (0, 1))
    return codes[:, 0::2] | (codes[:, 1::2] << 4)


def _unpack_rows(stored: Tensor, shape: tuple[int, int], bits: Bits, name: str) -> Tensor:
    rows, columns = shape
    _require(stored, torch.uint8, (rows, _bytes_for(columns, bits)), name)
    if bits == 8:
        return stored
    codes = torch.stack((stored & 15, stored >> 4), dim=-1).flatten(1)
    if bool(codes[:, columns:].any()):
        raise ModelFileError("has a code past the last column", tensor=name)
    return codes[:, :columns].contiguous()


def _unmask(parts: Mapping[str, Tensor], shape: tuple[int, int], grid: Grid, name: str) -> Tensor:
    rows, columns = shape
    mask, codes = parts[BITMASK], parts[CODES]
    _require(mask, torch.uint8, (rows, _bytes_for(columns, 1)), f"{name}.{BITMASK}")
    kept = _population(mask)
    _require(codes, torch.uint8, (_bytes_for(kept, grid.bits),), f"{name}.{CODES}")
    values = _unpack_rows(codes.unsqueeze(0), (1, kept), grid.bits, f"{name}.{CODES}").flatten()
    if int(torch.count_nonzero(values)) != kept:
        raise ModelFileError("keeps a code that is the zero code", tensor=f"{name}.{CODES}")
    try:
        return bitmask_unpack(mask, values, columns)
    except ValueError as error:
        raise ModelFileError(str(error), tensor=f"{name}.{BITMASK}") from error


def _population(mask: Tensor) -> int:
    """How many bits are set."""
    halves = mask - ((mask >> 1) & 0x55)
    quarters = (halves & 0x33) + ((halves >> 2) & 0x33)
    return int(((quarters + (quarters >> 4)) & 0x0F).sum(dtype=torch.int64))


def _checked_scales(scales: Tensor, shape: tuple[int, int], grid: Grid, name: str) -> Tensor:
    _require(scales, SCALE_DTYPES[grid.scale_dtype], (shape[0], grid.groups(shape[1], name)), name)
    if not bool(torch.isfinite(scales).all()) or bool((scales == 0).any()):
        raise ModelFileError("holds a scale that is 0, infinite or NaN", tensor=name)
    if not grid.symmetric and bool((scales < 0).any()):
        raise ModelFileError("holds a negative scale of an asymmetric grid", tensor=name)
    return scales


def _require(tensor: Tensor, dtype: torch.dtype, shape: tuple[int, ...], name: str) -> None:
    if tensor.dtype != dtype or tuple(tensor.shape) != shape:
        raise ModelFileError(
            f"is {tensor.dtype} {[*tensor.shape]}, but the plan makes it {dtype} {[*shape]}",
            "the file and pressmark.json do not belong together",
            tensor=name,
        )
