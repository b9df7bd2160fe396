"""A strict reader of GGUF files: metadata, tensor table, and the raw blocks of a tensor.

Layout (little-endian, versions 2 and 3): ``GGUF``, version, counts of tensors and of metadata;
the metadata; the tensor table; padding; the tensors. Everything is checked against the file's
size before it is used: a damaged or hostile file is refused with its name and the tensor's.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pressmark.compression.errors import ModelFileError

MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?"} | {
    10: "Q",
    11: "q",
    12: "d",
}
_STRING: Final = 8
_ARRAY: Final = 9
_MAX_DIMENSIONS: Final = 4
_DEFAULT_ALIGNMENT: Final = 32


@dataclass(frozen=True)
class GgufTensor:
    """One tensor of a GGUF file.

    Attributes:
        name: Its name in llama.cpp's scheme, e.g. "blk.0.attn_q.weight".
        kind: ggml's name of its block format, e.g. "Q4_K".
        shape: Dimensions, slowest first, as torch has them.
        block: (weights, bytes) of one block.
        offset: First byte in the file.
        size: Bytes.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    block: tuple[int, int]
    offset: int
    size: int

    @property
    def count(self) -> int:
        """Number of weights."""
        return prod(self.shape)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row (the last dimension)."""
        return self.shape[-1] // self.block[0] * self.block[1]


@dataclass(frozen=True)
class GgufFile:
    """A GGUF file whose tables have been read and checked.

    Attributes:
        path: The file.
        metadata: All metadata; arrays are tuples.
        tensors: The tensors by name, in the order of the table.
    """

    path: Path
    metadata: Mapping[str, Any]
    tensors: Mapping[str, GgufTensor]

    @classmethod
    def open(cls, path: Path) -> GgufFile:
        """Reads the tables of a file.

        Raises:
            ModelFileError: It is no GGUF file of a known version, or is damaged.
        """
        with path.open("rb") as stream:
            if stream.read(4) != MAGIC:
                raise _damaged(path, "is no GGUF file")
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view:
                return _Tables(path, view).read()

    @property
    def architecture(self) -> str:
        """llama.cpp's name of the architecture, e.g. "gemma3"."""
        return str(self.metadata.get("general.architecture", ""))

    def rows(self, name: str) -> NDArray[np.uint8]:
        """Maps the blocks of a tensor: bytes, [rows, bytes per row]; read when touched."""
        tensor = self.tensors[name]
        mapped: NDArray[np.uint8] = np.memmap(
            self.path, np.uint8, mode="r", offset=tensor.offset, shape=(tensor.size,)
        )
        return mapped.reshape(-1, tensor.row_bytes)

    def pieces(self, name: str, weights: int) -> Iterator[NDArray[np.uint8]]:
        """Gives the rows of a tensor in pieces of about so many weights."""
        rows = self.rows(name)
        step = max(1, weights // self.tensors[name].shape[-1])
        return (rows[start : start + step] for start in range(0, len(rows), step))


def _damaged(path: Path, problem: str, tensor: str | None = None) -> ModelFileError:
    hint = "the file is damaged or of a newer format; fetch it again, or in another format"
    return ModelFileError(problem, hint, file=path.name, tensor=tensor)


class _Tables:
    """A cursor over the head of the file; every read is checked against the end."""

    def __init__(self, path: Path, view: mmap.mmap) -> None:
        self.path = path
        self.view = view
        self.at = len(MAGIC)

    def read(self) -> GgufFile:
        """Reads metadata and tensor table from where the magic ends."""
        version = self._scalar("I")
        if version not in _VERSIONS:
            raise _damaged(self.path, f"is GGUF version {version}; 2 and 3 are read")
        tensors, entries = self._count(24), self._count(12)
        metadata: dict[str, Any] = {}
        for _ in range(entries):
            key = self._string()
            if key in metadata:
                raise _damaged(self.path, f"has the metadata key {key!r} twice")
            metadata[key] = self._value(self._scalar("I"))
        table = [self._entry() for _ in range(tensors)]
        return GgufFile(self.path, metadata, self._placed(table, metadata))

    def _take(self, count: int) -> bytes:
        if self.at + count > len(self.view):
            raise _damaged(self.path, "is truncated: its tables do not fit")
        self.at += count
        return self.view[self.at - count : self.at]

    def _scalar(self, code: str) -> Any:
        return struct.unpack("<" + code, self._take(struct.calcsize("<" + code)))[0]

    def _count(self, least: int) -> int:
        """A number of things that take at least so many bytes each."""
        count = int(self._scalar("Q"))
        if count * least > len(self.view) - self.at:
            raise _damaged(self.path, f"claims {count} entries, more than fit")
        return count

    def _string(self) -> str:
        try:
            return self._take(self._count(1)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise _damaged(self.path, f"holds text that is not UTF-8: {error}") from error

    def _value(self, kind: int, depth: int = 0) -> Any:
        if kind in _SCALARS:
            return self._scalar(_SCALARS[kind])
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY and depth == 0:
            return self._array(self._scalar("I"))
        raise _damaged(self.path, f"has metadata of the unknown type {kind}")

    def _array(self, kind: int) -> tuple[Any, ...]:
        if kind in _SCALARS:
            code = _SCALARS[kind]
            width = struct.calcsize("<" + code)
            count = self._count(width)
            return struct.unpack(f"<{count}{code}", self._take(count * width))
        return tuple(self._value(kind, depth=1) for _ in range(self._count(8)))

    def _entry(self) -> GgufTensor:
        name, dimensions = self._string(), self._scalar("I")
        if not 1 <= dimensions <= _MAX_DIMENSIONS:
            raise _damaged(self.path, f"has {dimensions} dimensions", tensor=name)
        shape = tuple(int(self._scalar("Q")) for _ in range(dimensions))[::-1]
        number, offset = self._scalar("I"), self._scalar("Q")
        if number not in _kinds():
            raise _damaged(self.path, f"has the unknown type {number}", tensor=name)
        kind, block = _kinds()[number]
        if shape[-1] % block[0] or not prod(shape):
            raise _damaged(
                self.path,
                f"of shape {list(shape)} is not made of blocks of {block[0]}",
                tensor=name,
            )
        size = prod(shape) // block[0] * block[1]
        return GgufTensor(name, kind, shape, block, offset, size)

    def _placed(
        self, table: list[GgufTensor], metadata: Mapping[str, Any]
    ) -> dict[str, GgufTensor]:
        """Turns offsets into places in the file, and checks that tensors lie apart."""
        alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
        if type(alignment) is not int or alignment < 1 or alignment % 8:
            raise _damaged(self.path, f"has the alignment {alignment!r}")
        start = end = -(-self.at // alignment) * alignment
        placed: dict[str, GgufTensor] = {}
        for tensor in sorted(table, key=lambda tensor: tensor.offset):
            place = start + tensor.offset
            problem = self._misplaced(tensor, placed, place, end)
            if problem:
                raise _damaged(self.path, problem, tensor=tensor.name)
            end = place + tensor.size
            placed[tensor.name] = GgufTensor(
                tensor.name, tensor.kind, tensor.shape, tensor.block, place, tensor.size
            )
        return {tensor.name: placed[tensor.name] for tensor in table}

    def _misplaced(
        self, tensor: GgufTensor, placed: Mapping[str, GgufTensor], place: int, end: int
    ) -> str:
        if tensor.name in placed:
            return "is in the table twice"
        if place < end:
            return "overlaps the tensor before it"
        missing = place + tensor.size - len(self.view)
        return f"ends {missing} bytes after the truncated file" if missing > 0 else ""


@lru_cache(1)
def _kinds() -> Mapping[int, tuple[str, tuple[int, int]]]:
    """The type numbers of ggml: name, (weights, bytes) of a block."""
    from gguf.constants import GGML_QUANT_SIZES

    return {int(kind): (kind.name, block) for kind, block in GGML_QUANT_SIZES.items()}
