"""The tensors of stored safetensors files: where their bytes lie, and which of them are equal.

No tensor is loaded. A tensor that is a chunk of its own has the chunk's digest, and tensors at the
same place of the same chunk are equal; only where neither tells, the chunks that small tensors
share are read, each once, in constant memory, and against its own digest: damaged bytes are named
as such, and never taken for a change.
"""

import hashlib
import io
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from pressmark.registry.blobs import BlobStore
from pressmark.registry.errors import BlobDamagedError
from pressmark.registry.layout import PACK_BYTES, ChunkRef, Header, Layout, TensorSpan, read_header

SUFFIX: Final = ".safetensors"

_READ_BYTES: Final = 1 << 20
_EMPTY: Final = hashlib.sha256().hexdigest()

Part: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Place:
    """Bytes within a blob.

    Attributes:
        blob: A chunk, or a whole file.
        start: Offset in it of the first byte.
        end: Offset after the last one.
    """

    blob: ChunkRef
    start: int
    end: int

    @property
    def digest(self) -> str | None:
        """SHA-256 of the bytes, where that is known without reading them."""
        if self.start == self.end:
            return _EMPTY
        return self.blob.digest if self.end - self.start == self.blob.length else None


@dataclass(frozen=True)
class Located:
    """A tensor, and where its bytes lie."""

    file: str
    span: TensorSpan
    place: Place


def located(blobs: BlobStore, sha256: str, file: str) -> Iterator[Located]:
    """Finds the tensors of a stored safetensors file, in offset order.

    Args:
        blobs: Where it is stored.
        sha256: Its digest.
        file: Its name.

    Raises:
        BlobMissingError: It, or a chunk that is needed, is not here.
        BlobDamagedError: Its header is damaged.
        InvalidInputError: It is no well-formed safetensors file.
    """
    layout, size = blobs.layout(sha256), blobs.size(sha256)
    chunks = list(layout.placed()) if layout else [(0, ChunkRef(sha256, size))]
    starts = [start for start, _ in chunks]
    for span in _header(blobs, sha256, layout, size, file).tensors:
        start, chunk = chunks[bisect_right(starts, span.start) - 1]
        if span.end > start + chunk.length:  # cut elsewhere than by this program
            start, chunk = 0, ChunkRef(sha256, size)
        yield Located(file, span, Place(chunk, span.start - start, span.end - start))


def _header(blobs: BlobStore, sha256: str, layout: Layout | None, size: int, file: str) -> Header:
    """The header; against its digest, unless a large file is kept whole."""
    if layout is not None:
        sha256 = layout.chunks[0].digest
    elif size > PACK_BYTES:
        with blobs.open(sha256) as stream:
            return read_header(stream, size, file)
    return read_header(io.BytesIO(blobs.read(sha256)), size, file)


def digests(blobs: BlobStore, places: Iterable[Place]) -> dict[Place, str]:
    """Gives the SHA-256 of bytes, reading each blob once, and only those that have to be read.

    Raises:
        BlobMissingError: A blob is not here.
        BlobDamagedError: A blob does not have its digest.
    """
    found: dict[Place, str] = {}
    unread: dict[str, dict[Part, Place]] = {}
    for place in places:
        if place.digest is not None:
            found[place] = place.digest
        else:
            unread.setdefault(place.blob.digest, {})[place.start, place.end] = place
    for blob, wanted in sorted(unread.items()):
        parts = _part_digests(blobs, blob, wanted)
        found |= {wanted[part]: digest for part, digest in parts.items()}
    return found


def _part_digests(blobs: BlobStore, blob: str, parts: Iterable[Part]) -> Mapping[Part, str]:
    """Reads a blob once; parts may overlap, since two files can cut the same bytes differently."""
    whole, position = hashlib.sha256(), 0
    hashes = {part: hashlib.sha256() for part in parts}
    with blobs.open(blob) as stream:
        while data := stream.read(_READ_BYTES):
            whole.update(data)
            view = memoryview(data)
            for (start, end), part in hashes.items():
                part.update(view[max(start - position, 0) : max(end - position, 0)])
            position += len(data)
    if whole.hexdigest() != blob:
        raise BlobDamagedError(
            f"the blob {blob} in {blobs.url} is damaged", "`pressmark fsck` says what is"
        )
    return {part: found.hexdigest() for part, found in hashes.items()}
