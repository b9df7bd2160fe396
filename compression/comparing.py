"""Whether files and tensors are the same bit for bit, and where two files begin to differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

import torch
from torch import Tensor

from pressmark.registry.errors import InvalidInputError
from pressmark.registry.layout import Header, read_header

if TYPE_CHECKING:
    from pressmark.compression.checkpoint import Checkpoint

_BLOCK: Final = 1 << 20
_INTEGERS: Final = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def bits(tensor: Tensor) -> Tensor:
    """The same memory as integers, so that 0.0 and -0.0 differ and NaN equals itself."""
    return tensor.view(_INTEGERS[tensor.dtype.itemsize])


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal in type, shape and every bit."""
    alike = one.dtype == other.dtype and one.shape == other.shape
    return alike and torch.equal(bits(one), bits(other))


def changed_sidecars(parent: Checkpoint, child: Checkpoint) -> list[str]:
    """The files besides weights that are not the parent's byte for byte, by name."""
    old, new = parent.sidecars(), child.sidecars()
    differing = sorted(old.keys() ^ new.keys())
    both = sorted(old.keys() & new.keys())
    return differing + [n for n in both if old[n].read_bytes() != new[n].read_bytes()]


def first_difference(old: BinaryIO, new: BinaryIO) -> str:
    """Tells where the second of two different files departs from the first, for a person.

    In safetensors files the tensor is named, else the byte.

    Args:
        old: Opened at its beginning, seekable.
        new: Likewise.
    """
    header = _header(old)
    old.seek(0)
    new.seek(0)
    offset = _first_offset(old, new)
    if header is not None:
        if tensors := header.overlapping(offset, offset + 1):
            return f"tensor {tensors[0]} differs (byte {offset})"
        return f"the header differs (byte {offset})"
    return f"differs from byte {offset} on"


def _first_offset(old: BinaryIO, new: BinaryIO) -> int:
    offset = 0
    while True:
        one, two = old.read(_BLOCK), new.read(_BLOCK)
        if one != two or not one:
            pairs = zip(one, two, strict=False)
            here = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(two)))
            return offset + here
        offset += len(one)


def _header(file: BinaryIO) -> Header | None:
    """The header, if the file is a safetensors file."""
    size = file.seek(0, 2)
    file.seek(0)
    try:
        return read_header(file, size, "file")
    except InvalidInputError:
        return None
