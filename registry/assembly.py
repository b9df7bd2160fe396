"""Reading a file that is stored as chunks, as if it lay there in one piece."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO

from pressmark.registry.layout import Layout, object_key
from pressmark.registry.storage import Storage


class Assembled(io.RawIOBase):
    """A stored file as one seekable stream over its chunks; no digest is checked here.

    Args:
        storage: Where the chunks lie.
        layout: Which they are.
    """

    def __init__(self, storage: Storage, layout: Layout) -> None:
        self._storage = storage
        self._placed = tuple(layout.placed())
        self._size = layout.size
        self._position = 0
        self._index = -1
        self._chunk: BinaryIO | None = None

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be sought."""
        return True

    def tell(self) -> int:
        """Give the position in the file."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset in the file and give it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        self._index = -1
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from one chunk; 0 at the end, or where a chunk is too short."""
        view = memoryview(buffer).cast("B")
        while view and self._position < self._size:
            chunk, left = self._current()
            count: int = chunk.readinto(view[:left])  # type: ignore[attr-defined]
            if count == 0:  # shorter than the layout says: `verify` names it
                return 0
            self._position += count
            return count
        return 0

    def _current(self) -> tuple[BinaryIO, int]:
        """Give the chunk at the position, ready to be read, and the bytes left in it."""
        if self._index >= 0:
            start, ref = self._placed[self._index]
            if self._position < start + ref.length and self._chunk is not None:
                return self._chunk, start + ref.length - self._position
        self._index = next(
            index
            for index, (start, ref) in enumerate(self._placed)
            if start <= self._position < start + ref.length
        )
        start, ref = self._placed[self._index]
        self._release()
        self._chunk = self._storage.open(object_key(ref.digest))
        self._chunk.seek(self._position - start)
        return self._chunk, start + ref.length - self._position

    def _release(self) -> None:
        if self._chunk is not None:
            self._chunk.close()
            self._chunk = None

    def close(self) -> None:
        """Close the chunk that is open."""
        self._release()
        super().close()
