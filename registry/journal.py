"""The journal: which bundles were committed, in which order, and that nothing was changed since.

A journal is a text file of lines of equal length, one per commit::

    000000000001 <bundle digest> <digest of the line before> <digest of this line>

The sequence starts at 1; digests are SHA-256 in hexadecimal; a line's own digest is taken over
the text before it (sequence, bundle and previous digest, with the spaces between), and the first
line's previous digest is 64 zeros. So every line vouches for all lines before it, and whoever keeps
the *head* elsewhere can show any later change.

An entry is acknowledged when its line is on the disk: appending ends with ``fdatasync``. Several
lines may be appended at once, but never into two pages of the file without a sync between them. So
a power cut may leave a part of what was appended, and on some file systems, after that, lines that
end in zero bytes, up to one page of them. They were never acknowledged, so readers skip them and
the next opening for writing cuts them off. Anything else that is wrong is damage.

Lines of equal length make opening a journal, finding an entry and appending independent of how
many entries there are. The Merkle tree over the lines (`pressmark.registry.merkle`) is not stored:
it follows from the lines, and is built when the first proof is asked for.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from pressmark.registry import files, merkle
from pressmark.registry.errors import NotFoundError, StoreDamagedError

#: What the first entry names as the digest of the entry before it.
GENESIS = "0" * 64

_LINE = re.compile(rb"(\d{12}) ([0-9a-f]{64}) ([0-9a-f]{64}) ([0-9a-f]{64})\n")
_LINE_LENGTH = 12 + 3 * 65 + 1
_CHUNK_LINES = 4096
# A file system writes a page as a whole, but two pages in any order.
_PAGE = 4096
# More zeros than one damaged byte can make.
_UNWRITTEN = bytes(8)
_REPAIR = (
    "restore the journal from a backup (`pressmark restore`); "
    "`pressmark verify` tells which artifacts are affected"
)


@dataclass(frozen=True)
class Entry:
    """One line of the journal.

    Attributes:
        sequence: Its place, from 1; the order of all commits.
        bundle_digest: SHA-256 of the bundle's canonical N-Quads, hexadecimal.
        previous: The digest of the entry before it, `GENESIS` for the first.
        digest: SHA-256 over the line's text before it, hexadecimal.
    """

    sequence: int
    bundle_digest: str
    previous: str
    digest: str

    @classmethod
    def following(cls, previous: Entry | None, bundle_digest: str) -> Entry:
        """Makes the entry that comes after another one (None: the first)."""
        sequence = previous.sequence + 1 if previous else 1
        before = previous.digest if previous else GENESIS
        return cls(sequence, bundle_digest, before, _own_digest(sequence, bundle_digest, before))

    @property
    def line(self) -> bytes:
        """The entry as it stands in the file, with its line end."""
        return f"{_body(self.sequence, self.bundle_digest, self.previous)}{self.digest}\n".encode()


@dataclass(frozen=True)
class Proof:
    """That an entry is in the journal: what `verify_inclusion` needs besides the entry.

    Attributes:
        size: Number of entries in the journal that the proof speaks of.
        root: Root of the Merkle tree over that journal, 32 bytes.
        path: The audit path from the entry upwards, 32 bytes each.
    """

    size: int
    root: bytes
    path: tuple[bytes, ...]


def verify_inclusion(entry: Entry, proof: Proof, root: bytes | None = None) -> bool:
    """Checks a proof without the journal.

    Args:
        entry: The entry that is claimed to be in it.
        proof: What `Journal.inclusion_proof` gave.
        root: The root that the verifier trusts; the proof's own if None.
    """
    trusted = proof.root if root is None else root
    place = entry.sequence - 1
    return merkle.verify_inclusion(entry.line, place, proof.size, proof.path, trusted)


class Journal:
    """An append-only, hash-chained file.

    Reading needs no lock: a reader sees the whole lines that were there when it looked. `append`
    and `repair` must only be called under the registry's write lock.

    Args:
        path: The file. It is created by the first append.

    Raises:
        StoreDamagedError: The last whole line is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.RLock()
        self._tree = merkle.MerkleTree()
        self._last: Entry | None = None
        self._descriptor: int | None = None
        self.refresh()

    def __len__(self) -> int:
        """The number of entries, as of the last `refresh` or `append`."""
        return self._last.sequence if self._last else 0

    def refresh(self) -> int:
        """Looks at the file's end again: other processes append too.

        Returns:
            The number of entries.
        """
        with self._mutex:
            count = self._size() // _LINE_LENGTH
            if count != len(self):
                count -= self._torn(count)
            if count != len(self):
                self._last = next(self.entries(count)) if count else None
            return count

    def head(self) -> str:
        """The digest of the last entry; `GENESIS` for an empty journal. It vouches for all."""
        return self._last.digest if self._last else GENESIS

    def last(self) -> Entry | None:
        """The last entry."""
        return self._last

    def append(self, bundle_digest: str) -> Entry:
        """Adds an entry; see `append_all`."""
        (entry,) = self.append_all([bundle_digest])
        return entry

    def append_all(self, bundle_digests: Sequence[str]) -> list[Entry]:
        """Adds entries, in their order. When this returns they survive a power cut.

        If a write fails (a full disk), the file is cut back and the journal is as before.

        Args:
            bundle_digests: SHA-256 of each bundle's canonical N-Quads, hexadecimal.

        Raises:
            OSError: The disk is full or fails; nothing was added.
        """
        with self._mutex:
            descriptor, end = self._file(), len(self) * _LINE_LENGTH
            if os.fstat(descriptor).st_size != end:
                self.repair()  # an earlier append was interrupted
            entries = _following(self._last, bundle_digests)
            try:
                for part in _by_page(end, b"".join(entry.line for entry in entries)):
                    files.append(descriptor, self.path, part)
            except BaseException:
                self._cut(end)
                raise
            self._last = entries[-1]
            return entries

    def repair(self) -> None:
        """Cuts off what is left of a line whose append was cut short. Needs the write lock."""
        whole = self.refresh() * _LINE_LENGTH
        if self._size() > whole:
            self._cut(whole)

    def close(self) -> None:
        """Closes the file that `append` keeps open."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def entry(self, sequence: int) -> Entry:
        """Reads one entry, and checks its own line only.

        Raises:
            NotFoundError: There is no such entry.
            StoreDamagedError: Its line is damaged.
        """
        found = next(self._lines(sequence), None) if sequence > 0 else None
        if found is None:
            raise NotFoundError(f"the journal {self.path} has no entry {sequence}")
        return self._parsed(*found, None)

    def entries(self, from_: int = 1) -> Iterator[Entry]:
        """Reads the entries in order, and checks each line and its link to the one before.

        Args:
            from_: The first sequence wanted.

        Raises:
            StoreDamagedError: A line is damaged; the message names it.
        """
        start = max(from_, 1)
        before: Entry | None = None
        # One line earlier, so that the first wanted line's link is checked too.
        for sequence, line in self._lines(max(start - 1, 1)):
            before = self._parsed(sequence, line, before)
            if sequence >= start:
                yield before

    def root(self) -> bytes:
        """The root of the Merkle tree over all lines, 32 bytes."""
        return self._grown_tree().root()

    def inclusion_proof(self, sequence: int) -> Proof:
        """Proves that an entry is in the journal as it is now.

        Raises:
            NotFoundError: There is no such entry.
        """
        tree = self._grown_tree()
        if not 1 <= sequence <= len(tree):
            raise NotFoundError(f"the journal {self.path} has no entry {sequence}")
        return Proof(len(tree), tree.root(), tree.inclusion_proof(sequence - 1))

    def damages(self) -> list[str]:
        """Reads the whole file and names every line that is wrong, in order.

        Unlike `entries` this goes on after a damaged line, so one flipped byte is named once (and
        perhaps once more at the next line, whose link it breaks).
        """
        found: list[str] = []
        before: Entry | None = None
        for sequence, line in self._lines(1):
            try:
                before = self._parsed(sequence, line, before)
            except StoreDamagedError as error:
                found.append(error.message)
                before = None
        return found

    def _grown_tree(self) -> merkle.MerkleTree:
        with self._mutex:
            for _, line in self._lines(len(self._tree) + 1):
                self._tree.append(line)
            return self._tree

    def _lines(self, first: int) -> Iterator[tuple[int, bytes]]:
        """The whole lines from a sequence on; a torn last line is left out."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek((first - 1) * _LINE_LENGTH)
            sequence = first
            while chunk := file.read(_CHUNK_LINES * _LINE_LENGTH):
                for offset in range(0, len(chunk) - _LINE_LENGTH + 1, _LINE_LENGTH):
                    yield sequence, chunk[offset : offset + _LINE_LENGTH]
                    sequence += 1

    def _parsed(self, sequence: int, line: bytes, before: Entry | None) -> Entry:
        match = _LINE.fullmatch(line)
        if match is None:
            raise self._damage(sequence, "is not a journal line")
        number, bundle, previous, digest = (group.decode() for group in match.groups())
        if int(number) != sequence:
            raise self._damage(sequence, f"says that it is entry {int(number)}")
        if hashlib.sha256(line[: -len(digest) - 1]).hexdigest() != digest:
            raise self._damage(sequence, "does not have the digest that it states")
        expected = GENESIS if sequence == 1 else before and before.digest
        if expected is not None and previous != expected:
            raise self._damage(sequence, f"does not follow line {sequence - 1}")
        return Entry(sequence, bundle, previous, digest)

    def _damage(self, sequence: int, what: str) -> StoreDamagedError:
        return StoreDamagedError(f"line {sequence} of the journal {self.path} {what}", _REPAIR)

    def _torn(self, count: int) -> int:
        """How many lines at the end were only partly written: their ends are still zeros."""
        most = _PAGE // _LINE_LENGTH + 1
        ends = (line.endswith(_UNWRITTEN) for _, line in self._lines(max(count - most, 1)))
        torn = len(list(takewhile(bool, reversed(list(ends)))))
        return torn if torn <= most else 0

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _file(self) -> int:
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            new = not self.path.exists()
            self._descriptor = os.open(self.path, flags, 0o644)
            if new:
                files.sync_folder(self.path.parent)
        return self._descriptor

    def _cut(self, size: int) -> None:
        files.truncate(self._file(), self.path, size)


def _following(last: Entry | None, bundle_digests: Iterable[str]) -> list[Entry]:
    entries = []
    for digest in bundle_digests:
        last = Entry.following(last, digest)
        entries.append(last)
    return entries


def _by_page(start: int, data: bytes) -> Iterator[bytes]:
    """Cuts what is to be written from a place of the file on, so that no part is in two pages."""
    while data:
        room = _PAGE - start % _PAGE
        yield data[:room]
        start, data = start + room, data[room:]


def _body(sequence: int, bundle_digest: str, previous: str) -> str:
    return f"{sequence:012d} {bundle_digest} {previous} "


def _own_digest(sequence: int, bundle_digest: str, previous: str) -> str:
    return hashlib.sha256(_body(sequence, bundle_digest, previous).encode()).hexdigest()
