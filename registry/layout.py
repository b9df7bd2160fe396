"""How a safetensors file is cut into chunks, and the hardened parser that this needs.

A safetensors file is 8 bytes of little-endian header length *n*, *n* bytes of JSON, and the
tensors' bytes without gaps. Cut at tensor borders it shares what it has in common with other
files: the verbatim header is one chunk, every large tensor is one chunk, and runs of small
neighbours are packed together. A `Layout` lists the chunks in order.

Laws: the spans of a file cover it exactly and in order; ``Layout.from_bytes(x.to_bytes()) == x``.

The parser is stricter than the reference library: it also refuses duplicate keys. It reads
nothing but the header, so it needs neither NumPy nor torch.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Final, NoReturn

from pressmark.registry.errors import InvalidInputError

MAX_HEADER_BYTES: Final = 100_000_000
"""Longest header that the reference library reads; a longer one is refused before it is read."""

PACK_BYTES: Final = 64 << 10
"""Tensors below this are packed with their neighbours, up to this many bytes a chunk."""

DTYPE_BITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        **{"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6},
        **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
        **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
        **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
        **dict.fromkeys(("U32", "I32", "F32"), 32),
        **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    }
)
"""Bits of one element of each safetensors dtype."""

OBJECTS: Final = "objects"
LAYOUTS: Final = "layouts"
"""Top folders of a blob store: bytes by their own digest, layouts by the digest of their file."""

_DIGEST: Final = re.compile("[0-9a-f]{64}")
_LENGTH_BYTES: Final = 8
_MAX_DIMENSIONS: Final = 64
_ENTRY_KEYS: Final = frozenset({"dtype", "shape", "data_offsets"})
_LAYOUT_FORMAT: Final = "pressmark-layout-1"


@dataclass(frozen=True)
class TensorSpan:
    """One tensor of a safetensors file.

    Attributes:
        name: Its key in the header.
        dtype: A key of `DTYPE_BITS`.
        shape: Its dimensions; empty for a scalar.
        start: Offset of its first byte *in the file*.
        end: Offset after its last byte in the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Header:
    """What the header of a safetensors file says, found consistent with the file's size.

    Attributes:
        length: Bytes of the header, its own length field included: where tensors begin.
        tensors: All tensors, in offset order, without gap or overlap.
        metadata: The free text under ``__metadata__``.
    """

    length: int
    tensors: tuple[TensorSpan, ...]
    metadata: Mapping[str, str]

    def overlapping(self, start: int, end: int) -> tuple[str, ...]:
        """Name the tensors that have bytes in ``[start, end)`` of the file."""
        return tuple(t.name for t in self.tensors if t.start < end and start < t.end)


@dataclass(frozen=True)
class ChunkRef:
    """A chunk of a stored file: SHA-256 in hexadecimal, and length in bytes."""

    digest: str
    length: int


@dataclass(frozen=True)
class Layout:
    """How to put a file together again: its chunks one after the other."""

    chunks: tuple[ChunkRef, ...]

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return sum(chunk.length for chunk in self.chunks)

    def placed(self) -> Iterator[tuple[int, ChunkRef]]:
        """Give each chunk with its offset in the file."""
        offset = 0
        for chunk in self.chunks:
            yield offset, chunk
            offset += chunk.length

    def to_bytes(self) -> bytes:
        """Write the layout as JSON, always the same bytes for the same layout."""
        chunks = [[chunk.digest, chunk.length] for chunk in self.chunks]
        document = {"chunks": chunks, "format": _LAYOUT_FORMAT}
        return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes, file: str) -> "Layout":
        """Read a layout back.

        Args:
            data: What `to_bytes` gave.
            file: Name of the layout for the error.

        Raises:
            InvalidInputError: It is not a layout of this format.
        """
        document = _load_json(data, file)
        match document:
            case {"format": format_, "chunks": list(chunks)} if format_ == _LAYOUT_FORMAT:
                return cls(tuple(_chunk_ref(chunk, file) for chunk in chunks))
            case _:
                _refuse(file, f"is not a layout of the format {_LAYOUT_FORMAT}")


def read_header(stream: BinaryIO, size: int, file: str) -> Header:
    """Read and check the header of a safetensors file.

    Args:
        stream: The file, at its beginning.
        size: Bytes of the whole file.
        file: Name of the file for the error.

    Raises:
        InvalidInputError: The file is not a well-formed safetensors file. The message names the
            file and, where it is about one, the tensor.
    """
    prefix = stream.read(_LENGTH_BYTES)
    if len(prefix) < _LENGTH_BYTES:
        _refuse(file, f"is truncated: {size} bytes, and the header's length takes 8")
    length = int.from_bytes(prefix, "little")
    if length > MAX_HEADER_BYTES:
        _refuse(file, f"has a header of {length} bytes; {MAX_HEADER_BYTES} are allowed")
    if _LENGTH_BYTES + length > size:
        _refuse(file, f"has a header of {length} bytes that is longer than the file ({size})")
    data = stream.read(length)
    if len(data) < length:
        _refuse(file, "ended while its header was read")
    return parse_header(data, size, file)


def read_header_file(path: Path | str) -> Header:
    """Read and check the header of a safetensors file on disk; see `read_header`."""
    path = Path(path)
    with path.open("rb") as stream:
        return read_header(stream, path.stat().st_size, str(path))


def parse_header(data: bytes, size: int, file: str) -> Header:
    """Check the JSON of a safetensors header against the size of its file.

    Args:
        data: The header without its length field.
        size: Bytes of the whole file.
        file: Name of the file for the error.

    Raises:
        InvalidInputError: As `read_header`.
    """
    if not data.startswith(b"{"):
        _refuse(file, "has a header that does not begin with '{'")
    document = _load_json(data, file)
    metadata = _metadata(document.pop("__metadata__", {}), file)
    base = _LENGTH_BYTES + len(data)
    found = (_tensor(name, entry, base, file) for name, entry in document.items())
    tensors = tuple(sorted(found, key=lambda tensor: (tensor.start, tensor.end)))
    _check_contiguous(tensors, base, size, file)
    return Header(base, tensors, metadata)


def chunk_spans(header: Header) -> tuple[tuple[int, int], ...]:
    """Decide where a safetensors file is cut.

    The header is one span, a tensor of `PACK_BYTES` or more is one, and neighbours below that are
    packed until the next would make the span longer than `PACK_BYTES`.

    Returns:
        ``(start, end)`` offsets that cover the file without gap, none empty.
    """
    cuts = [0, header.length]
    for tensor in header.tensors:
        packed = tensor.end - cuts[-2] <= PACK_BYTES and cuts[-2] >= header.length
        if packed:
            cuts[-1] = tensor.end
        elif tensor.end > tensor.start:
            cuts.append(tensor.end)
    return tuple(pairwise(cuts))


def _refuse(file: str, reason: str, tensor: str | None = None) -> NoReturn:
    where = f"{file}: tensor {tensor!r}" if tensor is not None else file
    raise InvalidInputError(
        f"{where} {reason}",
        "the file is damaged or was not written by a safetensors library; fetch it again",
    )


def _load_json(data: bytes, file: str) -> dict[str, Any]:
    try:
        document = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        _refuse(file, f"has a header that is not valid JSON: {error}")
    if not isinstance(document, dict):
        _refuse(file, "has a header that is not a JSON object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} occurs twice")
    return result


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _metadata(value: Any, file: str) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        _refuse(file, "has a __metadata__ that does not map text to text")
    return MappingProxyType(value)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _tensor(name: str, entry: Any, base: int, file: str) -> TensorSpan:
    if not isinstance(entry, dict) or entry.keys() != _ENTRY_KEYS:
        _refuse(file, f"must have exactly the keys {', '.join(sorted(_ENTRY_KEYS))}", name)
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        _refuse(file, f"has the unknown dtype {dtype!r}", name)
    if not isinstance(shape, list) or not all(map(_is_count, shape)):
        _refuse(file, f"has the shape {shape!r}; it must be a list of counts", name)
    if len(shape) > _MAX_DIMENSIONS:
        _refuse(file, f"has {len(shape)} dimensions; {_MAX_DIMENSIONS} are allowed", name)
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_count, offsets)):
        _refuse(file, f"has the offsets {offsets!r}; they must be two counts", name)
    start, end = offsets
    if 8 * (end - start) != prod(shape) * DTYPE_BITS[dtype]:
        _refuse(file, f"of {dtype} {shape} does not take the {end - start} bytes given", name)
    return TensorSpan(name, dtype, tuple(shape), base + start, base + end)


def _check_contiguous(tensors: tuple[TensorSpan, ...], base: int, size: int, file: str) -> None:
    position = base
    for tensor in tensors:
        if tensor.start > position:
            _refuse(file, f"begins after a gap of {tensor.start - position} bytes", tensor.name)
        if tensor.start < position:
            _refuse(
                file, f"overlaps the tensor before it by {position - tensor.start}", tensor.name
            )
        if tensor.end > size:
            _refuse(file, f"ends {tensor.end - size} bytes after the truncated file", tensor.name)
        position = tensor.end
    if position != size:
        _refuse(file, f"has {size - position} trailing bytes that belong to no tensor")


def _chunk_ref(value: Any, file: str) -> ChunkRef:
    match value:
        case [str(digest), int(length)] if is_digest(digest) and _is_count(length):
            return ChunkRef(digest, length)
        case _:
            _refuse(file, f"lists {value!r} instead of a digest and a length")


def is_digest(text: str) -> bool:
    """Tell whether a text is a SHA-256 in the form used everywhere: 64 lowercase digits."""
    return _DIGEST.fullmatch(text) is not None


def object_key(digest: str) -> str:
    """Give the storage key of bytes under their own digest."""
    return _key(OBJECTS, digest)


def layout_key(digest: str) -> str:
    """Give the storage key of a file's layout."""
    return _key(LAYOUTS, digest)


def digest_of(key: str) -> str:
    """Give the digest back that `object_key` or `layout_key` was made from."""
    return "".join(key.split("/")[1:])


def is_key(key: str) -> bool:
    """Tell whether a storage key is one that `object_key` or `layout_key` gives."""
    folder, _, rest = key.partition("/")
    digest = rest.replace("/", "")
    return is_digest(digest) and key == _key(folder, digest)


def _key(folder: str, digest: str) -> str:
    if not is_digest(digest):
        raise InvalidInputError(
            f"{digest!r} is not a SHA-256", "give 64 lowercase hexadecimal digits"
        )
    return f"{folder}/{digest[0]}/{digest[1:]}"
