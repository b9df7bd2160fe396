"""Frees the bytes that nothing needs any more.

Bundles are never collected, nor are logs, recipes and by-products: history stays. What goes are
the files of contents all of whose artifacts were retired, chunks that no file consists of any
more, and what interrupted commits left. Commits in flight are safe: everybody who stores holds
the blob store's lease until the record is in the journal, and collecting excludes them for the
short time between a last look at the journal and the removal.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from pressmark.registry.blobs import BlobStore
from pressmark.registry.errors import BlobDamagedError
from pressmark.registry.layout import digest_of, layout_key, object_key
from pressmark.registry.progress import SILENT, Progress
from pressmark.registry.references import References
from pressmark.registry.registry import Registry

GRACE: Final = 3600.0
"""Seconds for which a blob that no record ever named is safe: its record may be on its way."""

UNLOCKED_GRACE: Final = 24 * 3600.0
"""The same where storing cannot be locked out: a blob store without a lock file."""


@dataclass(frozen=True, order=True)
class Freed:
    """One thing that was removed, or would be.

    Attributes:
        key: Its place in the blob store.
        bytes: Its size.
    """

    key: str
    bytes: int

    @property
    def blob(self) -> str:
        """Its digest; for a temporary file, its name."""
        return digest_of(self.key)


@dataclass(frozen=True)
class Swept:
    """What a collection did.

    Attributes:
        freed: What was removed, or would be.
        kept: How many objects and layouts stay.
        spared: How many of them stay only because they are younger than the grace period.
        dry_run: Whether nothing was removed.
    """

    freed: tuple[Freed, ...]
    kept: int
    spared: int
    dry_run: bool

    @property
    def bytes(self) -> int:
        """Bytes on disk that were freed, or would be."""
        return sum(one.bytes for one in self.freed)


def gc(
    registry: Registry,
    *,
    dry_run: bool = False,
    grace: float | None = None,
    wait: float = 10.0,
    progress: Progress = SILENT,
) -> Swept:
    """Remove the blobs that no bundle of the journal needs.

    Most of the work, reading all bundles, is done before anybody is locked out.

    Args:
        registry: The registry. Its blob store must not be shared with another registry.
        dry_run: Only tell what would be removed.
        grace: Seconds for which a blob that no record has named yet stays after it was last
            stored. By default an hour, or a day where there is no lock. What was retired goes at
            once.
        wait: Seconds to wait for running commits.
        progress: Is told of the bundles read.

    Raises:
        BlobMissingError: A bundle is missing: nobody knows what it needs. Nothing was removed.
        BlobDamagedError: A bundle, or the layout of a needed file, is damaged. Nothing was removed.
        StoreLockedError: A commit was still storing after `wait` seconds.
    """
    if grace is None:
        grace = GRACE if registry.blobs.is_lockable else UNLOCKED_GRACE
    sweep = _Sweep(registry, time.time() - grace, progress)
    sweep.look()
    if dry_run:
        return sweep.result(dry_run=True)
    with registry.blobs.collecting(wait):
        sweep.look()
        sweep.remove()
    return sweep.result(dry_run=False)


def collect_references(
    registry: Registry, known: References, first: int = 1, progress: Progress = SILENT
) -> int:
    """Read the journal's bundles into `known`, from a sequence on.

    Returns:
        The sequence after the last one read.
    """
    total = registry.journal.refresh() - first + 1
    for entry in progress.track(registry.journal.entries(first), total, "reading the history"):
        known.add(entry, registry.read_bundle(entry))
        first = entry.sequence + 1
    return first


def keys_of(blobs: BlobStore, digests: Collection[str]) -> dict[str, set[str]]:
    """Give, for each file, the storage keys that it may consist of: its own, and its chunks'.

    Raises:
        BlobDamagedError: A layout cannot be read.
    """
    keys = {digest: {object_key(digest)} for digest in digests}
    for digest in blobs.layouts():
        layout = blobs.layout(digest) if digest in keys else None
        if layout is not None:
            keys[digest].add(layout_key(digest))
            keys[digest].update(object_key(chunk.digest) for chunk in layout.chunks)
    return keys


class _Sweep:
    def __init__(self, registry: Registry, born_before: float, progress: Progress) -> None:
        self._registry = registry
        self._storage = registry.blobs.storage
        self._born_before = born_before
        self._progress = progress
        self._references = References()
        self._next = 1
        self._doomed: tuple[Freed, ...] = ()
        self._kept = self._spared = 0

    def look(self) -> None:
        """Read what the journal has gained since the last look, and decide anew."""
        self._next = collect_references(
            self._registry, self._references, self._next, self._progress
        )
        try:
            keys = keys_of(self._registry.blobs, self._references.named())
        except BlobDamagedError as error:
            hint = "run pressmark fsck, and restore what it names, before collecting"
            raise BlobDamagedError(f"nothing was collected: {error.message}", hint) from error
        blobs = self._registry.blobs
        everything = {*map(object_key, blobs.objects()), *map(layout_key, blobs.layouts())}
        needed = _union(keys[digest] for digest in self._references.live())
        unneeded = everything - needed
        retired = _union(keys.values())
        doomed = {key for key in unneeded if key in retired or self._is_old(key)}
        self._kept, self._spared = len(everything - doomed), len(unneeded - doomed)
        sized = (Freed(key, self._storage.size(key) or 0) for key in doomed)
        self._doomed = tuple(sorted((*sized, *self._leftovers())))

    def _is_old(self, key: str) -> bool:
        try:
            return self._storage.modified(key) <= self._born_before
        except FileNotFoundError:
            return False

    def _leftovers(self) -> list[Freed]:
        return [
            Freed(key, size)
            for key, size, modified in self._storage.leftovers()
            if modified <= self._born_before
        ]

    def remove(self) -> None:
        """Remove layouts first: one that is there should have all its chunks."""
        # "layouts" sorts before "objects" and both before "tmp".
        for one in self._doomed:
            self._storage.remove(one.key)

    def result(self, *, dry_run: bool) -> Swept:
        return Swept(self._doomed, self._kept, self._spared, dry_run)


def _union(sets: Iterable[set[str]]) -> set[str]:
    return set().union(*sets)
