"""Compares everything in a registry with everything else, and mends what can be mended.

Each blob is hashed; each layout is followed; the journal's chain is walked; each bundle is looked
up in the graph, quad by quad. What is wrong is named, down to the file and the tensor, with the
command that helps. `repair` never invents bytes: damaged ones are set aside, so that storing,
pulling or restoring the same file puts sound ones in their place.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from pyoxigraph import NamedNode, Quad, RdfFormat, parse

from pressmark.registry.blobs import Damage
from pressmark.registry.errors import (
    BlobDamagedError,
    BlobError,
    PressmarkError,
    StoreLockedError,
)
from pressmark.registry.graph import GraphReader
from pressmark.registry.hashing import sha256_stream
from pressmark.registry.index import indexed_entries, journal_quads
from pressmark.registry.journal import Entry
from pressmark.registry.layout import layout_key, object_key
from pressmark.registry.neighbourhood import JOURNAL_GRAPH
from pressmark.registry.progress import SILENT, Progress
from pressmark.registry.references import References
from pressmark.registry.registry import Registry

RESTORE: Final = "pressmark restore a backup, or pressmark pull the artifact from elsewhere"
REINDEX: Final = "pressmark reindex"
REPAIR: Final = "pressmark fsck --repair"

_WORKERS: Final = 2
_REFRESH_SECONDS: Final = 1.0


@dataclass(frozen=True, order=True)
class Defect:
    """One thing that is wrong.

    Attributes:
        area: "blobs", "journal", "bundles" or "graph".
        subject: What it is about: a digest, a journal line, a graph.
        problem: What is wrong, for a person; names the file and the tensors.
        hint: The command that helps.
        repaired: Whether it was put right.
    """

    area: str
    subject: str
    problem: str
    hint: str
    repaired: bool = False


@dataclass(frozen=True)
class Report:
    """What a check of the whole registry found.

    Attributes:
        defects: Everything wrong, sorted.
        blobs: How many objects were hashed.
        bytes: How many bytes that was.
        bundles: How many bundles were compared with the graph.
    """

    defects: tuple[Defect, ...]
    blobs: int
    bytes: int
    bundles: int

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong, or all of it was repaired."""
        return all(defect.repaired for defect in self.defects)


def fsck(
    registry: Registry, *, repair: bool = False, wait: float = 10.0, progress: Progress = SILENT
) -> Report:
    """Check a registry as a whole.

    Args:
        registry: The registry.
        repair: Remove leftovers, set damaged blobs aside, rebuild a graph that differs.
        wait: Seconds to wait for others, when repairing.
        progress: Is told of the bundles and blobs that were checked.

    Raises:
        StoreLockedError: Others were still storing or writing after `wait` seconds.
    """
    check = _Check(registry, progress)
    check.run()
    return check.repaired(wait) if repair else check.report()


class _Check:
    def __init__(self, registry: Registry, progress: Progress) -> None:
        self._registry = registry
        self._blobs = registry.blobs
        self._progress = progress
        self._references = References()
        self._defects: list[Defect] = []
        self._hashed = self._bytes = 0
        self._damaged: dict[str, str] = {}
        self._users: dict[str, list[Damage]] = defaultdict(list)

    def run(self) -> None:
        # Others may go on committing: the graph is looked at before the journal, so that what it
        # holds must be in the journal; and the lease keeps collectors from removing meanwhile.
        known = self._registry.journal.refresh()
        graph = self._fresh_graph()
        with self._blobs.lease():
            # Bundles before blobs: they say what the blobs are, which every message uses.
            entries = self._journal_and_bundles()
            if graph is not None:
                self._graph(graph, entries, known)
            self._objects()
            self._layouts()
            self._name_damaged_objects()
            self._missing()
            self._foreign_files()
        self._leftovers()

    def report(self) -> Report:
        bundles = len(self._references.bundles)
        return Report(tuple(sorted(set(self._defects))), self._hashed, self._bytes, bundles)

    # -- history ---------------------------------------------------------------------------------

    def _journal_and_bundles(self) -> list[Entry]:
        journal = self._registry.journal
        journal.refresh()
        chain = journal.damages()
        for problem in chain:
            self._note("journal", "journal", problem, RESTORE)
        if chain:
            return []
        entries = self._progress.track(journal.entries(), len(journal), "reading the history")
        return [entry for entry in entries if self._read(entry)]

    def _read(self, entry: Entry) -> bool:
        try:
            self._references.add(entry, self._registry.read_bundle(entry))
        except BlobError as error:
            problem = f"the bundle of journal entry {entry.sequence}: {error.message}"
            self._note("bundles", entry.bundle_digest, problem, RESTORE)
            return False
        return True

    # -- graph -----------------------------------------------------------------------------------

    def _graph(self, graph: GraphReader, entries: list[Entry], known: int) -> None:
        total = len(self._registry.journal)
        indexed = indexed_entries(graph, total)
        if indexed < known:
            problem = f"holds the journal's entries up to {indexed} only, of {known}"
            self._note("graph", str(self._registry.root), problem, REINDEX)
            indexed = total
        seen: set[NamedNode] = set()
        compared = [entry for entry in entries if entry.sequence <= indexed]
        for entry in self._progress.track(compared, len(compared), "comparing the graph"):
            for name, expected in _by_graph(self._registry.read_bundle(entry)).items():
                if name not in seen:
                    seen.add(name)
                    self._compare(name, expected, set(graph.quads(name)))
                if name.value.startswith("urn:uuid:"):
                    found = set(graph.match(name, None, None, JOURNAL_GRAPH))
                    self._compare(JOURNAL_GRAPH, set(journal_quads(name, entry)), found)
        if len(entries) == total:
            self._foreign(graph, seen)

    def _fresh_graph(self) -> GraphReader | None:
        """Open the graph itself; a snapshot only where somebody is writing, or nobody can."""
        try:
            with suppress(StoreLockedError, PermissionError):
                self._registry.refresh(_REFRESH_SECONDS)
            return self._registry.graph()
        except (PressmarkError, OSError) as error:
            problem = f"cannot be opened: {getattr(error, 'message', error)}"
            self._note("graph", str(self._registry.root), problem, REINDEX)
            return None

    def _foreign(self, graph: GraphReader, seen: set[NamedNode]) -> None:
        for name in set(graph.graphs()) - seen - {JOURNAL_GRAPH}:
            self._note("graph", name.value, "belongs to no bundle of the journal", REINDEX)
        for quad in graph.quads(JOURNAL_GRAPH):
            if quad.subject not in seen:
                problem = f"has a statement about no bundle: {_text(quad)}"
                self._note("graph", JOURNAL_GRAPH.value, problem, REINDEX)
        for quad in graph.strays():
            problem = f"the statement {_text(quad)} is in no named graph"
            self._note("graph", "default graph", problem, REINDEX)

    def _compare(self, name: NamedNode, expected: set[Quad], found: set[Quad]) -> None:
        for quad in expected - found:
            self._note("graph", name.value, f"lacks the statement {_text(quad)}", REINDEX)
        for quad in found - expected:
            problem = f"has a statement that no bundle makes: {_text(quad)}"
            self._note("graph", name.value, problem, REINDEX)

    # -- blobs -----------------------------------------------------------------------------------

    def _objects(self) -> None:
        digests = list(self._blobs.objects())
        with ThreadPoolExecutor(_WORKERS) as pool:
            found = self._progress.track(pool.map(self._hash, digests), len(digests), "hashing")
            for digest, (size, problem) in zip(digests, found, strict=True):
                self._hashed += 1
                self._bytes += size
                if problem:
                    self._damaged[digest] = problem

    def _hash(self, digest: str) -> tuple[int, str]:
        key = object_key(digest)
        try:
            with self._blobs.storage.open(key) as stream:
                found = sha256_stream(stream)
        except (BlobError, OSError) as error:
            return 0, f"cannot be read: {error}"
        problem = "" if found == digest else f"has the digest {found}"
        return self._blobs.storage.size(key) or 0, problem

    def _layouts(self) -> None:
        digests = list(self._blobs.layouts())
        with ThreadPoolExecutor(_WORKERS) as pool:
            verified = pool.map(self._blobs.verify, digests)
            found = self._progress.track(verified, len(digests), "putting files together")
            for digest, damages in zip(digests, found, strict=True):
                for damage in damages:
                    self._layout_damage(digest, damage)

    def _layout_damage(self, digest: str, damage: Damage) -> None:
        if damage.blob in self._damaged:
            self._users[damage.blob].append(damage)
            return
        owner = self._references.describe(digest)
        self._note("blobs", damage.blob, f"{owner}: {damage}", RESTORE)
        if damage.blob == digest:  # the layout itself
            self._damaged.setdefault(digest, "")

    def _name_damaged_objects(self) -> None:
        for digest, problem in self._damaged.items():
            if not problem:
                continue
            uses = [
                f"{self._references.describe(damage.file)}, {damage}"
                for damage in self._users.get(digest, ())
            ]
            owner = "; ".join(uses) or self._references.describe(digest)
            self._note("blobs", digest, f"the blob {digest} {problem} ({owner})", RESTORE)

    def _missing(self) -> None:
        for digest in sorted(self._references.required()):
            if not self._blobs.has(digest):
                problem = f"{self._references.describe(digest)}: the bytes are missing"
                self._note("blobs", digest, problem, RESTORE)

    def _foreign_files(self) -> None:
        for key in self._blobs.foreign():
            self._note("blobs", key, "is no blob: somebody else put it here", "remove it by hand")

    def _leftovers(self) -> None:
        # Where somebody is storing, nobody can tell a leftover from what is being written.
        with suppress(StoreLockedError), self._blobs.collecting(wait=0):
            for key, size, _ in self._blobs.storage.leftovers():
                self._note("blobs", key, f"{size} bytes that a crash has left", REPAIR)

    def _note(self, area: str, subject: str, problem: str, hint: str) -> None:
        self._defects.append(Defect(area, subject, problem, hint))

    # -- repair ----------------------------------------------------------------------------------

    def repaired(self, wait: float) -> Report:
        done: set[str] = set()
        with self._blobs.collecting(wait):
            for key, _, _ in list(self._blobs.storage.leftovers()):
                self._blobs.storage.remove(key)
                done.add(key)
            for digest, problem in self._damaged.items():
                key = object_key(digest) if problem else layout_key(digest)
                self._blobs.storage.set_aside(key)
        reindexed = self._reindex_if_needed()
        self._defects = [
            replace(d, repaired=d.subject in done or (d.area == "graph" and reindexed))
            for d in self._defects
        ]
        return self.report()

    def _reindex_if_needed(self) -> bool:
        areas = {defect.area for defect in self._defects}
        # A graph rebuilt from a damaged history would lack what only the old one still has.
        if "graph" not in areas or areas & {"journal", "bundles"}:
            return False
        try:
            self._registry.reindex(progress=self._progress)
        except BlobDamagedError:
            return False
        return True


def _by_graph(nquads: bytes) -> dict[NamedNode, set[Quad]]:
    graphs: dict[NamedNode, set[Quad]] = defaultdict(set)
    for quad in parse(nquads, format=RdfFormat.N_QUADS):
        if isinstance(quad.graph_name, NamedNode):
            graphs[quad.graph_name].add(quad)
    return graphs


def _text(quad: Quad) -> str:
    return f"{quad.subject} {quad.predicate} {quad.object}"
