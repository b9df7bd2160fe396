"""Tensors in safetensors files: lazy reading, and one writer that always gives the same bytes.

Reading maps each tensor for itself, privately and copy-on-write. Nothing is read before it is
touched, memory falls again when the tensor is released, and writing into a tensor never reaches
the file. (Mapping whole files is as fast but keeps every touched page; reading into fresh memory
takes ten times as long.)

Laws: the same tensors and metadata give the same bytes, in whatever order they were added, in any
process; reading what was written gives every tensor back bit for bit.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import BinaryIO, Final, Self

import torch
from torch import Tensor

from pressmark.compression.errors import ModelFileError
from pressmark.registry.errors import InvalidInputError
from pressmark.registry.layout import Header, TensorSpan, read_header_file
from pressmark.registry.progress import SILENT, Progress

DTYPES: Final[Mapping[str, torch.dtype]] = MappingProxyType(
    {
        "BOOL": torch.bool,
        "U8": torch.uint8,
        "I8": torch.int8,
        "F8_E5M2": torch.float8_e5m2,
        "F8_E4M3": torch.float8_e4m3fn,
        "I16": torch.int16,
        "U16": torch.uint16,
        "F16": torch.float16,
        "BF16": torch.bfloat16,
        "I32": torch.int32,
        "U32": torch.uint32,
        "F32": torch.float32,
        "C64": torch.complex64,
        "F64": torch.float64,
        "I64": torch.int64,
        "U64": torch.uint64,
    }
)
"""The dtypes that are read and written, by safetensors code, in the order of the library's enum:
its writer puts later ones first, which also keeps every tensor aligned."""

METADATA: Final[Mapping[str, str]] = MappingProxyType({"format": "pt"})
"""What stock transformers wants to find in a file's header."""

SCANNING: Final = "looking for NaN"
"""What a person reads while every weight is looked at."""

_CODES: Final = {dtype: code for code, dtype in DTYPES.items()}
_RANK: Final = {code: rank for rank, code in enumerate(DTYPES)}
_ALIGNMENT: Final = 8
_SCAN_ELEMENTS: Final = 1 << 22


@dataclass(frozen=True)
class TensorInfo:
    """Where one tensor is stored and what it is.

    Attributes:
        name: Its key in the file.
        dtype: Element type.
        shape: Dimensions; empty for a scalar.
        file: The safetensors file.
        offset: First byte in that file.
        size: Bytes.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    file: Path
    offset: int
    size: int

    @property
    def count(self) -> int:
        """Number of elements."""
        return self.size // self.dtype.itemsize


class TensorFiles(Mapping[str, Tensor]):
    """All tensors of some safetensors files, read when asked for.

    A mapping from name to tensor, in the order of files, then of offsets. The headers are checked
    when the object is made, the bytes are touched only by `read`.

    Args:
        files: The safetensors files, each tensor name in just one of them.

    Raises:
        ModelFileError: A file is truncated, inconsistent or holds an unsupported dtype, or two
            files hold the same tensor.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self.files: Final = tuple(files)
        self._infos: dict[str, TensorInfo] = {}
        self._metadata: dict[Path, Mapping[str, str]] = {}
        for file in self.files:
            header = read_checked_header(file)
            self._metadata[file] = header.metadata
            for span in header.tensors:
                self._add(_info(file, span))

    def _add(self, info: TensorInfo) -> None:
        if (other := self._infos.get(info.name)) is not None:
            raise ModelFileError(
                f"is stored a second time, first in {other.file.name}",
                "keep one of the two files",
                file=info.file.name,
                tensor=info.name,
            )
        self._infos[info.name] = info

    def names(self, file: Path | None = None) -> tuple[str, ...]:
        """The names of all tensors, or of those in one file, in stored order."""
        return tuple(n for n, info in self._infos.items() if file is None or info.file == file)

    def info(self, name: str) -> TensorInfo:
        """What is known of a tensor without reading it.

        Raises:
            ModelFileError: There is no such tensor.
        """
        if name not in self._infos:
            where = ", ".join(file.name for file in self.files) or "no file"
            raise ModelFileError(f"is not stored in {where}", tensor=name)
        return self._infos[name]

    def metadata(self, file: Path) -> Mapping[str, str]:
        """The free text in a file's header."""
        return self._metadata[file]

    def read(self, name: str) -> Tensor:
        """Maps a tensor into memory, shape and dtype as stored.

        The result may be written to; the file stays as it is.

        Raises:
            ModelFileError: There is no such tensor, or its file was cut since it was opened.
        """
        return map_tensor(self.info(name))

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._infos:
            raise KeyError(name)
        return self.read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def __eq__(self, other: object) -> bool:
        return self is other  # a mapping would read and compare every tensor

    def __hash__(self) -> int:
        return id(self)

    def __len__(self) -> int:
        return len(self._infos)


def read_checked_header(file: Path) -> Header:
    """Reads a safetensors header; every defect is a `ModelFileError` naming the file."""
    try:
        return read_header_file(file)
    except InvalidInputError as error:
        message = error.message.removeprefix(str(file)).lstrip(": ")
        raise ModelFileError(message, error.hint, file=file.name) from error


def map_tensor(info: TensorInfo) -> Tensor:
    """Maps one stored tensor; see `TensorFiles.read`."""
    if not info.size:
        return torch.empty(info.shape, dtype=info.dtype)
    start = info.offset // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
    with info.file.open("rb") as stream:
        if os.fstat(stream.fileno()).st_size < info.offset + info.size:
            raise ModelFileError(
                "was cut since it was opened",
                "nobody may write to a model folder while it is read; start again",
                file=info.file.name,
                tensor=info.name,
            )
        length = info.offset + info.size - start
        view = mmap.mmap(stream.fileno(), length, access=mmap.ACCESS_COPY, offset=start)
    skip = info.offset - start
    buffer = view if skip % info.dtype.itemsize == 0 else bytearray(view)  # other writers' files
    flat = torch.frombuffer(buffer, dtype=info.dtype, count=info.count, offset=skip)
    return flat.reshape(info.shape)


def _info(file: Path, span: TensorSpan) -> TensorInfo:
    if span.dtype not in DTYPES:
        raise ModelFileError(
            f"has the dtype {span.dtype}, which is not supported",
            f"supported are {', '.join(DTYPES)}",
            file=file.name,
            tensor=span.name,
        )
    size = span.end - span.start
    return TensorInfo(span.name, DTYPES[span.dtype], span.shape, file, span.start, size)


def is_finite(tensor: Tensor) -> bool:
    """Tells whether a tensor holds neither NaN nor infinity; integers never do.

    Works in pieces, so that memory stays flat.
    """
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    flat = tensor.reshape(-1)
    starts = range(0, flat.numel(), _SCAN_ELEMENTS)
    return all(_piece_is_finite(flat[start : start + _SCAN_ELEMENTS]) for start in starts)


def require_finite(tensors: TensorFiles, hint: str, progress: Progress = SILENT) -> None:
    """Reads every tensor and refuses NaN and infinity; memory stays flat.

    Args:
        tensors: What to read.
        hint: What to do about a tensor that holds one.
        progress: Is told of each tensor.

    Raises:
        ModelFileError: Naming the first tensor that holds one, and its file.
    """
    for name in progress.track(tensors, len(tensors), SCANNING):
        if not is_finite(tensors.read(name)):
            file = tensors.info(name).file.name
            raise ModelFileError("holds NaN or infinity", hint, file=file, tensor=name)


def _piece_is_finite(piece: Tensor) -> bool:
    if piece.is_complex():
        piece = torch.view_as_real(piece)
    if piece.dtype.itemsize == 1:  # no reductions for the eight-bit floats
        piece = piece.to(torch.float32)
    low, high = torch.aminmax(piece)  # NaN wins both
    return bool(torch.isfinite(low) and torch.isfinite(high))


class SafetensorsWriter:
    """Writes one safetensors file, tensor by tensor, never holding more than one in memory.

    Tensors go to a spool beside the file first, because the header needs all shapes and comes
    first; `close` puts header and tensors together in the library's canonical order. With one
    metadata key the result is byte for byte what `safetensors.torch.save_file` writes.

    Args:
        path: The file to write; it appears when the writer is closed without an error.
        metadata: Free text for the header; keys are sorted.
    """

    def __init__(self, path: Path, metadata: Mapping[str, str] = METADATA) -> None:
        self.path: Final = path
        self._metadata = dict(sorted(metadata.items()))
        self._sources: dict[str, TensorInfo] = {}
        self._spool_path = path.with_name(f".{path.name}.spool")
        self._spool: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    @property
    def size(self) -> int:
        """Bytes of all tensors so far."""
        return sum(info.size for info in self._sources.values())

    def names(self) -> tuple[str, ...]:
        """The names of the tensors so far, in the order they were added."""
        return tuple(self._sources)

    def write(self, name: str, tensor: Tensor) -> None:
        """Adds a tensor, as it is in memory, row-major.

        Raises:
            ModelFileError: The name was added before, or the dtype is not supported.
        """
        self.write_pieces(name, tensor.dtype, tuple(tensor.shape), (tensor,))

    def write_pieces(
        self, name: str, dtype: torch.dtype, shape: tuple[int, ...], pieces: Iterable[Tensor]
    ) -> None:
        """Adds a tensor that comes in pieces, in row-major order.

        Args:
            name: Its name.
            dtype: The type of every piece.
            shape: The shape of the whole.
            pieces: Tensors that hold its elements one after the other.

        Raises:
            ModelFileError: As `write`, or the pieces do not add up to the shape.
        """
        if dtype not in _CODES:
            raise ModelFileError(f"has the dtype {dtype}", file=self.path.name, tensor=name)
        if self._spool is None:
            self._spool = self._spool_path.open("w+b")
        size = torch.Size(shape).numel() * dtype.itemsize
        start = self._spool.tell()
        self._add(name, TensorInfo(name, dtype, shape, self._spool_path, start, size))
        for piece in pieces:
            self._spool.write(_bytes_of(piece))
        if self._spool.tell() != start + size:
            del self._sources[name]
            raise ModelFileError(
                f"came in pieces that do not make {list(shape)}", file=self.path.name, tensor=name
            )

    def copy(self, info: TensorInfo, name: str | None = None) -> None:
        """Adds a stored tensor as it is, under its own or another name, without reading it now."""
        self._add(name or info.name, info)

    def _add(self, name: str, info: TensorInfo) -> None:
        if name in self._sources or name == "__metadata__":
            raise ModelFileError(
                "is a name that cannot be written twice or at all", file=self.path.name, tensor=name
            )
        self._sources[name] = info

    def close(self) -> None:
        """Writes the file.

        Raises:
            OSError: The disk is full or failing; no file appears.
        """
        if self._spool is not None:
            self._spool.flush()
        part = self.path.with_name(f".{self.path.name}.part")
        try:
            with part.open("wb", buffering=0) as out:
                _write_all(out, self._header())
                for name in self._order():
                    _append(out, self._sources[name])
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)
            self.discard()

    def discard(self) -> None:
        """Forgets what was written; no file appears."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None
        self._spool_path.unlink(missing_ok=True)

    def _order(self) -> list[str]:
        return sorted(self._sources, key=lambda n: (-_RANK[_CODES[self._sources[n].dtype]], n))

    def _header(self) -> bytes:
        entries: dict[str, object] = {"__metadata__": self._metadata} if self._metadata else {}
        offset = 0
        for name in self._order():
            info = self._sources[name]
            end = offset + info.size
            entries[name] = {
                "dtype": _CODES[info.dtype],
                "shape": list(info.shape),
                "data_offsets": [offset, end],
            }
            offset = end
        text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % _ALIGNMENT)
        return len(text).to_bytes(8, "little") + text


def _bytes_of(tensor: Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy().data)


def _write_all(out: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[out.write(view) :]


def _append(out: BinaryIO, info: TensorInfo) -> None:
    """Copies stored bytes inside the kernel, which shares blocks where the file system can."""
    offset, left = info.offset, info.size
    with info.file.open("rb") as source:
        while left:
            copied = _copy_range(source.fileno(), out.fileno(), left, offset)
            if not copied:
                raise ModelFileError("ended early", file=info.file.name, tensor=info.name)
            offset, left = offset + copied, left - copied


def _copy_range(source: int, target: int, count: int, offset: int) -> int:
    try:
        return os.copy_file_range(source, target, count, offset_src=offset)
    except OSError:  # across file systems, or one that cannot; a real failure shows below
        return os.write(target, os.pread(source, min(count, 1 << 24), offset))
