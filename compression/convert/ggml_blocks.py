"""The block formats of GGUF, stated in plain NumPy.

A quantized tensor is a row of blocks, each holding the codes of 32 or 256 weights and their scales.
Every function here takes blocks as bytes [blocks, bytes per block] and gives float32
[blocks, weights per block], with the arithmetic of the reference in ggml (`ggml-quants.c`,
``dequantize_row_*``): each product and difference is rounded to float32, in that order.

These statements serve as the second opinion: conversion uses the `gguf` package, the check uses
these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Bytes: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]
Codes: TypeAlias = NDArray[Any]


def _half(blocks: Bytes, at: int) -> Floats:
    """The float16 at a byte offset of each block, as a column."""
    return np.ascontiguousarray(blocks[:, at : at + 2]).view(np.float16).astype(np.float32)


def _nibbles(packed: Bytes) -> Codes:
    """[.., n] bytes -> [.., 2n] codes: all low halves, then all high halves."""
    return np.concatenate([packed & 15, packed >> 4], axis=-1)


def _bits(words: Bytes) -> Codes:
    """[blocks, n] bytes -> [blocks, 8n] bits, lowest first."""
    return np.unpackbits(words, axis=-1, bitorder="little")


def _product(scale: Floats, codes: Codes) -> Floats:
    """Scale times code, each product rounded to float32."""
    product: Floats = scale * codes.astype(np.float32)
    return product


def _f32(blocks: Bytes) -> Floats:
    return np.ascontiguousarray(blocks).view(np.float32)


def _f16(blocks: Bytes) -> Floats:
    return np.ascontiguousarray(blocks).view(np.float16).astype(np.float32)


def _bf16(blocks: Bytes) -> Floats:
    words = np.ascontiguousarray(blocks).view(np.uint16).astype(np.uint32)
    return (words << 16).view(np.float32)


def _q4_0(blocks: Bytes) -> Floats:
    codes = _nibbles(blocks[:, 2:18]).astype(np.int8) - 8
    return _product(_half(blocks, 0), codes)


def _q4_1(blocks: Bytes) -> Floats:
    return _product(_half(blocks, 0), _nibbles(blocks[:, 4:20])) + _half(blocks, 2)


def _q5_0(blocks: Bytes) -> Floats:
    codes = _nibbles(blocks[:, 6:22]) | _bits(blocks[:, 2:6]) << 4
    return _product(_half(blocks, 0), codes.astype(np.int8) - 16)


def _q5_1(blocks: Bytes) -> Floats:
    codes = _nibbles(blocks[:, 8:24]) | _bits(blocks[:, 4:8]) << 4
    return _product(_half(blocks, 0), codes) + _half(blocks, 2)


def _q8_0(blocks: Bytes) -> Floats:
    return _product(_half(blocks, 0), blocks[:, 2:34].view(np.int8))


def _scaled(blocks: Bytes, scale: Codes, low: Codes, codes: Codes, at: tuple[int, int]) -> Floats:
    """(d * scale) * code - (dmin * low); scales [blocks, n], codes [blocks, n, weights]."""
    d, dmin = (_half(blocks, place) for place in at)
    factor = (d * scale.astype(np.float32))[:, :, None]
    offset = (dmin * low.astype(np.float32))[:, :, None]
    return (factor * codes.astype(np.float32) - offset).reshape(len(blocks), -1)


def _six_bit_pairs(packed: Bytes) -> tuple[Codes, Codes]:
    """Unpacks 8 scales and 8 minima of 6 bits each from 12 bytes."""
    first, second, third = packed[:, 0:4], packed[:, 4:8], packed[:, 8:12]
    scale = np.concatenate([first & 63, (third & 15) | (first >> 6) << 4], axis=1)
    low = np.concatenate([second & 63, (third >> 4) | (second >> 6) << 4], axis=1)
    return scale, low


def _halves_of_32(packed: Bytes) -> Codes:
    """[blocks, 128] bytes -> [blocks, 8, 32]: of every 32 bytes the low halves, then the high."""
    quarters = packed.reshape(-1, 4, 32)
    return _nibbles(quarters).reshape(-1, 8, 32)


def _q4_k(blocks: Bytes) -> Floats:
    scale, low = _six_bit_pairs(blocks[:, 4:16])
    return _scaled(blocks, scale, low, _halves_of_32(blocks[:, 16:144]), (0, 2))


def _q5_k(blocks: Bytes) -> Floats:
    scale, low = _six_bit_pairs(blocks[:, 4:16])
    fifth = _bits(blocks[:, 16:48]).reshape(-1, 32, 8).swapaxes(1, 2)  # bit j belongs to group j
    codes = _halves_of_32(blocks[:, 48:176]) | fifth << 4
    return _scaled(blocks, scale, low, codes, (0, 2))


def _quarters_of_32(packed: Bytes) -> Codes:
    """[blocks, 64] bytes -> [blocks, 8, 32] codes of two bits: shifts 0, 2, 4, 6 of each half."""
    shifts = np.array([0, 2, 4, 6], np.uint8)[None, None, :, None]
    return (packed.reshape(-1, 2, 1, 32) >> shifts & 3).reshape(-1, 8, 32)


def _q6_k(blocks: Bytes) -> Floats:
    low = blocks[:, :128].reshape(-1, 2, 64)
    codes = _nibbles(low).reshape(-1, 8, 32) | _quarters_of_32(blocks[:, 128:192]) << 4
    scale = _product(_half(blocks, 208), blocks[:, 192:208].view(np.int8))
    signed = (codes.astype(np.int8) - 32).reshape(-1, 16, 16)
    return _product(scale[:, :, None], signed).reshape(len(blocks), -1)


def _q2_k(blocks: Bytes) -> Floats:
    codes = _quarters_of_32(blocks[:, 16:80]).reshape(-1, 16, 16)
    return _scaled(blocks, blocks[:, :16] & 15, blocks[:, :16] >> 4, codes, (80, 82))


def _q3_k(blocks: Bytes) -> Floats:
    third = _bits(blocks[:, :32]).reshape(-1, 32, 8).swapaxes(1, 2)  # bit j belongs to group j
    codes = (_quarters_of_32(blocks[:, 32:96]) | third << 2).astype(np.int8) - 4
    packed = blocks[:, 96:108]
    shifts = np.array([0, 2, 4, 6], np.uint8)[None, :, None]
    high = (packed[:, None, 8:12] >> shifts & 3).reshape(-1, 16)
    scale = (_nibbles(packed[:, :8]) | high << 4).astype(np.int8) - 32
    factor = _product(_half(blocks, 108), scale)
    return _product(factor[:, :, None], codes.reshape(-1, 16, 16)).reshape(len(blocks), -1)


FORMATS: Final[Mapping[str, Callable[[Bytes], Floats]]] = MappingProxyType(
    {
        "F32": _f32,
        "F16": _f16,
        "BF16": _bf16,
        "Q4_0": _q4_0,
        "Q4_1": _q4_1,
        "Q5_0": _q5_0,
        "Q5_1": _q5_1,
        "Q8_0": _q8_0,
        "Q2_K": _q2_k,
        "Q3_K": _q3_k,
        "Q4_K": _q4_k,
        "Q5_K": _q5_k,
        "Q6_K": _q6_k,
    }
)
"""The formats that are stated here, by ggml name."""


def restore(kind: str, rows: Bytes, block_bytes: int) -> Floats:
    """Dequantizes rows.

    Args:
        kind: A key of `FORMATS`.
        rows: Bytes, [rows, bytes per row].
        block_bytes: Bytes of one block.

    Returns:
        Weights, [rows, weights per row].
    """
    blocks = np.ascontiguousarray(rows).reshape(-1, block_bytes)
    with np.errstate(invalid="ignore", over="ignore"):  # a damaged scale shows as NaN or infinity
        return FORMATS[kind](blocks).reshape(len(rows), -1)


def to_bfloat16(values: Floats) -> NDArray[np.uint16]:
    """Rounds float32 to bfloat16, to nearest, ties to even; finite values only.

    Returns:
        The bits, one uint16 each.
    """
    bits = np.ascontiguousarray(values).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
