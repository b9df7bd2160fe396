"""Hashing several things at once while bytes stream by.

SHA-256 is the slowest part of storing a file. `hashlib` releases the interpreter's lock, so each
`Lane` hashes on a thread of its own while the caller reads and writes. Memory stays flat: blocks
come from a small ring of buffers, and a buffer is filled again only after every lane that was
given it is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self, TypeAlias

from pressmark.registry.storage import BLOCK_BYTES

Seen: TypeAlias = Callable[[int], object]

_BUFFERS: Final = 8


class Hash(Protocol):
    """What `hashlib.sha256` gives."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Add bytes."""

    def hexdigest(self) -> str:
        """Give the digest of all bytes so far, as hexadecimal digits."""


class Digest:
    """One SHA-256 that is computed in the background."""

    def __init__(self, executor: ThreadPoolExecutor, begun: Hash | None = None) -> None:
        self._executor = executor
        self._hash = begun or hashlib.sha256()

    def update(self, block: Block) -> None:
        """Add a block; it is kept from being overwritten until it was hashed."""
        block.users.append(self._executor.submit(self._hash.update, block.data))

    def hexdigest(self) -> Future[str]:
        """Give the digest of all blocks added so far, as 64 hexadecimal digits."""
        return self._executor.submit(self._hash.hexdigest)


class Lane:
    """A thread that computes one digest after the other; use as a context manager."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="sha256")

    def digest(self, begun: Hash | None = None) -> Digest:
        """Begin a digest, or go on with one that was begun elsewhere."""
        return Digest(self._executor, begun)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> None:
        self._executor.shutdown(wait=True, cancel_futures=kind is not None)


class Block:
    """A part of a stream in one of the ring's buffers."""

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(BLOCK_BYTES))
        self.data = self._buffer[:0]
        self.users: list[Future[None]] = []

    def fill(self, stream: BinaryIO, limit: int) -> int:
        """Read at most `limit` bytes, after all users of the old bytes are done."""
        for user in self.users:
            user.result()
        self.users.clear()
        count: int = stream.readinto(self._buffer[:limit])  # type: ignore[attr-defined]
        self.data = self._buffer[:count]
        return count


class Ring:
    """Reads streams block by block into a fixed set of buffers."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._next = 0

    def blocks(self, stream: BinaryIO, length: int | None = None) -> Iterator[Block]:
        """Read `length` bytes of a stream, or up to its end where that comes first."""
        left = length
        while left is None or left > 0:
            if self._next == len(self._blocks):  # a short stream needs few
                self._blocks.append(Block())
            block = self._blocks[self._next]
            count = block.fill(stream, BLOCK_BYTES if left is None else min(left, BLOCK_BYTES))
            if count == 0:
                return
            self._next = (self._next + 1) % _BUFFERS
            left = None if left is None else left - count
            yield block


def unseen(_: int) -> None:
    """Follow nothing: for `seen` where nobody waits."""


def sha256_stream(stream: BinaryIO, seen: Seen = unseen) -> str:
    """Hash what is left of a stream, as 64 hexadecimal digits, reading while hashing.

    Args:
        stream: The stream.
        seen: Is told how many bytes were read, again and again.
    """
    begun: Hash = hashlib.sha256()
    left = BLOCK_BYTES  # most blobs are smaller than it takes to start a thread
    while left > 0:
        data = stream.read(left)
        if not data:
            return begun.hexdigest()
        begun.update(data)
        seen(len(data))
        left -= len(data)
    with Lane() as lane:
        digest = lane.digest(begun)
        for block in Ring().blocks(stream):
            digest.update(block)
            seen(len(block.data))
        return digest.hexdigest().result()
