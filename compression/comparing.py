"""Where two files begin to differ, named as precisely as the format allows."""

from __future__ import annotations

from typing import BinaryIO, Final

from pressmark.registry.errors import InvalidInputError
from pressmark.registry.layout import Header, read_header

_BLOCK: Final = 1 << 20


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
