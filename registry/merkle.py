"""The Merkle tree of RFC 6962 section 2.1 (the one behind Certificate Transparency).

A tree over the journal's entries lets somebody who kept nothing but a root (32 bytes) check that
an entry is in the journal, from a proof of about log2(n) digests, without reading the journal.
Leaves are hashed with the prefix 0 and nodes with the prefix 1, so that no node can pass as a leaf.

The tree is kept as its *complete* subtrees, level by level: ``levels[k][i]`` is the root over the
leaves ``i * 2**k`` up to (not including) ``(i + 1) * 2**k``. Appending touches one node per level
that becomes complete: one on average, log2(n) at most.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def leaf_hash(data: bytes) -> bytes:
    """Hashes one entry as a leaf (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hashes two subtrees to their parent (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """An append-only tree with roots and inclusion proofs for every size that it ever had."""

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = [[]]

    def __len__(self) -> int:
        return len(self._levels[0])

    def append(self, data: bytes) -> None:
        """Adds one entry."""
        node = leaf_hash(data)
        for level in self._levels:
            level.append(node)
            if len(level) % 2:
                return
            node = node_hash(level[-2], level[-1])
        self._levels.append([node])

    def root(self, size: int | None = None) -> bytes:
        """Gives the tree's root digest.

        Args:
            size: Over the first `size` entries only; all of them if None.
        """
        return self._subtree(0, len(self) if size is None else size)

    def inclusion_proof(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """Gives the audit path of an entry (RFC 6962 section 2.1.1), from the leaf upwards.

        Args:
            index: The entry, from 0.
            size: Size of the tree to prove it in; the present one if None.

        Raises:
            IndexError: The tree of that size has no such entry.
        """
        end = len(self) if size is None else size
        if not 0 <= index < end <= len(self):
            raise IndexError(f"no entry {index} in a tree of {end}")
        path: list[bytes] = []
        start = 0
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._subtree(middle, end))
                end = middle
            else:
                path.append(self._subtree(start, middle))
                start = middle
        return tuple(reversed(path))

    def _subtree(self, start: int, end: int) -> bytes:
        """The root over [start, end), where start is a multiple of the split size."""
        count = end - start
        if count == 0:
            return hashlib.sha256(b"").digest()
        if count & (count - 1) == 0:
            level = count.bit_length() - 1
            return self._levels[level][start >> level]
        middle = start + _split(count)
        return node_hash(self._subtree(start, middle), self._subtree(middle, end))


def verify_inclusion(
    data: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Checks that an entry is in a tree, given nothing but the tree's size and root.

    Args:
        data: The entry's bytes.
        index: Its place, from 0.
        size: Number of entries in the tree.
        proof: The audit path from the leaf upwards.
        root: The root that is trusted.

    Returns:
        Whether the proof leads from the entry to exactly this root (RFC 9162 section 2.1.3.2).
    """
    if not 0 <= index < size:
        return False
    place, last, digest = index, size - 1, leaf_hash(data)
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            digest = node_hash(sibling, digest)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            digest = node_hash(digest, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and digest == root


def _split(count: int) -> int:
    """The largest power of two below `count` (at least 2)."""
    return 1 << ((count - 1).bit_length() - 1)
