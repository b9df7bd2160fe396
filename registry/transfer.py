"""Takes artifacts, with their whole history, from one registry to another; or to a folder.

What travels is bundles and blobs, both named by their digests. The receiving registry trusts
neither: blobs are hashed as they arrive, and each bundle is validated and committed like a record
made there, in the order of the sender's journal. What it has already is skipped, so a transfer
that was interrupted is simply repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

from pyoxigraph import Literal, NamedNode

from pressmark.ontology.terms import PM, PROV
from pressmark.registry import files
from pressmark.registry.errors import BlobMissingError, InvalidInputError, NotFoundError
from pressmark.registry.folders import local_path, safe_name
from pressmark.registry.graph import GraphReader
from pressmark.registry.hashing import Seen
from pressmark.registry.ids import base_iri
from pressmark.registry.index import sequence_of
from pressmark.registry.journal import Entry
from pressmark.registry.neighbourhood import JOURNAL_GRAPH
from pressmark.registry.progress import MEGABYTE, SILENT, Progress, counting
from pressmark.registry.record import Record
from pressmark.registry.references import References
from pressmark.registry.registry import Registry

_MINTED = "urn:uuid:"


@dataclass(frozen=True)
class Transfer:
    """What a transfer did.

    Attributes:
        sent: How many bundles were new to the receiver.
        known: How many it had already.
        blobs: How many files were new to it.
        bytes: The size of those files; chunks that it had are counted too.
        withheld: Digests of files that the sender no longer has, because they were collected
            after their artifacts' retirement.
    """

    sent: int
    known: int
    blobs: int
    bytes: int
    withheld: tuple[str, ...]


def push(
    source: Registry, target: Registry, artifact: NamedNode, *, progress: Progress = SILENT
) -> Transfer:
    """Give an artifact and its history to another registry.

    Its history is: its ancestors, the activities that made them, the runs of those activities from
    opening to closing, and what was found about these artifacts since: evaluations, evidence,
    retirements. Aliases and tags stay behind: they belong to a registry. Bytes that the receiver
    has lost come again, so pulling an artifact heals it.

    Args:
        source: The registry that has the artifact.
        target: The registry that gets it.
        artifact: The artifact.
        progress: Is told of the files and records sent.

    Raises:
        NotFoundError: The sender does not know the artifact.
        BlobMissingError: The sender lacks bytes that it should have.
        BlobDamagedError: Bytes did not arrive with the digest that they are named by.
        RecordRefusedError: The receiver's shapes refuse a record; those before it were committed.
    """
    entries = history(source, artifact)
    graph = target.graph()
    new = [entry for entry in entries if sequence_of(graph, entry.bundle_digest) is None]
    sending = _Sending(source, target, progress)
    with target.blobs.lease():
        sending.files(artifact, entries, new)
        with target.writing():  # only now: sending may take long, and hold nobody up
            for entry in progress.track(new, len(new), "sending records"):
                bundle = _bundle_at(source.graph(), entry)
                record = Record(bundle, source.read_bundle(entry))
                target.commit(record, absent=sending.excused)
    return Transfer(
        len(new), len(entries) - len(new), sending.count, sending.bytes, sending.withheld
    )


def pull(
    target: Registry, source: Registry, artifact: NamedNode, *, progress: Progress = SILENT
) -> Transfer:
    """Get an artifact and its history from another registry; see `push`."""
    return push(source, target, artifact, progress=progress)


def history(registry: Registry, artifact: NamedNode) -> list[Entry]:
    """Find every bundle that an artifact's history needs, in the journal's order.

    The result is closed: whatever a bundle in it mentions is minted by a bundle in it.

    Raises:
        NotFoundError: The registry does not know the artifact.
    """
    graph = registry.graph()
    if _graph_of(graph, artifact) is None:
        raise NotFoundError(
            f"the registry {registry.root} knows no artifact <{artifact.value}>",
            "list what it knows with pressmark ls",
        )
    wanted = list(_ancestry(graph, artifact))
    wanted += [result for node in wanted for result in _subjects(graph, PM.evaluates, node)]
    found = _closed(graph, wanted)
    return [registry.journal.entry(sequence) for sequence in sorted(found.values())]


def export_artifact(
    registry: Registry, artifact: NamedNode, target: Path | str, *, progress: Progress = SILENT
) -> list[Path]:
    """Write an artifact's files to a new folder, checking each digest.

    The folder appears complete or not at all.

    Args:
        registry: The registry.
        artifact: The artifact.
        target: The folder; it must not exist, or be empty.
        progress: Is told of the files written.

    Returns:
        The files written, sorted.

    Raises:
        NotFoundError: The artifact is unknown, or has no files.
        InvalidInputError: The target is not empty or not on this machine, or a recorded name leads
            out of it.
        BlobMissingError: Bytes are missing; after a retirement they may have been collected.
        BlobDamagedError: Bytes are damaged.
    """
    target = local_path(target).absolute()
    if target.exists() and not files.is_empty_folder(target):
        raise InvalidInputError(f"{target} is not empty", "name a folder that does not exist yet")
    rows = registry.rows("artifact_files", artifact=artifact)
    if not rows:
        raise NotFoundError(f"no files are known of <{artifact.value}>")
    named = {safe_name(row["fileName"].value): row["sha256"].value for row in rows}
    _refuse_nested(named)
    size = sum(int(row["size"].value) for row in rows)
    with (
        files.new_folder(target) as staging,
        counting(progress, size, "writing", MEGABYTE) as seen,
    ):
        for name, digest in named.items():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            _write(registry, artifact, digest, staging / name, seen)
    return sorted(target / name for name in named)


def _write(registry: Registry, artifact: NamedNode, digest: str, target: Path, seen: Seen) -> None:
    try:
        registry.blobs.materialise(digest, target, durable=True, seen=seen)
    except BlobMissingError as error:
        if any(_subjects(registry.graph(), PROV.invalidated, artifact)):
            raise BlobMissingError(
                f"<{artifact.value}> was retired, and its bytes were collected since",
                "pull it from a registry that still has them: pressmark pull ARTIFACT REGISTRY",
            ) from error
        raise


def _refuse_nested(names: dict[PurePosixPath, str]) -> None:
    for name in names:
        if clash := next((parent for parent in name.parents if parent in names), None):
            raise InvalidInputError(f"the recorded name {str(clash)!r} is a file and a folder")


# -- finding a history -------------------------------------------------------------------------


def _graph_of(graph: GraphReader, node: NamedNode) -> NamedNode | None:
    """Find the bundle that mints a node: the only graph in which it is a subject."""
    for quad in graph.match(node, None, None, None):
        if isinstance(quad.graph_name, NamedNode) and quad.graph_name != JOURNAL_GRAPH:
            return quad.graph_name
    return None


def _ancestry(graph: GraphReader, artifact: NamedNode) -> Iterator[NamedNode]:
    seen, left = {artifact}, [artifact]
    while left:
        node = left.pop()
        yield node
        for quad in graph.match(node, PROV.wasDerivedFrom, None, None):
            parent = cast(NamedNode, quad.object)
            if parent not in seen:
                seen.add(parent)
                left.append(parent)


def _said_later(graph: GraphReader, node: NamedNode) -> Iterator[NamedNode]:
    """Find what must not be left behind: how a run ended, what was withdrawn or refuted."""
    yield from _subjects(graph, PM.closes, node)
    yield from _subjects(graph, PROV.invalidated, node)
    for quad in graph.match(node, PROV.qualifiedDerivation, None, None):
        yield from _subjects(graph, PM.aboutDerivation, cast(NamedNode, quad.object))
    for quad in graph.match(node, PROV.qualifiedGeneration, None, None):
        yield from _subjects(graph, PM.aboutGeneration, cast(NamedNode, quad.object))


def _subjects(graph: GraphReader, predicate: NamedNode, value: NamedNode) -> Iterator[NamedNode]:
    for quad in graph.match(None, predicate, value, None):
        yield cast(NamedNode, quad.subject)


def _closed(graph: GraphReader, wanted: list[NamedNode]) -> dict[NamedNode, int]:
    """Follow what bundles mention, and what was said about it later, until nothing is new.

    Returns:
        The bundles with their journal sequence.
    """
    found: dict[NamedNode, int] = {}
    seen: set[NamedNode] = set()
    left = list(wanted)
    while left:
        node = base_iri(left.pop())
        if node in seen or not node.value.startswith(_MINTED):
            continue
        seen.add(node)
        left.extend(_said_later(graph, node))
        bundle = _graph_of(graph, node)
        if bundle is not None and bundle not in found:
            found[bundle] = _sequence(graph, bundle)
            left.extend(q.object for q in graph.quads(bundle) if isinstance(q.object, NamedNode))
    return found


def _sequence(graph: GraphReader, bundle: NamedNode) -> int:
    (quad,) = graph.match(bundle, PM.sequence, None, JOURNAL_GRAPH)
    return int(cast(Literal, quad.object).value)


def _bundle_at(graph: GraphReader, entry: Entry) -> NamedNode:
    (quad,) = graph.match(None, PM.sequence, Literal(entry.sequence), JOURNAL_GRAPH)
    return cast(NamedNode, quad.subject)


# -- sending -----------------------------------------------------------------------------------


class _Sending:
    """Sends the files of a history, those that the receiver lacks."""

    def __init__(self, source: Registry, target: Registry, progress: Progress) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self.count = self.bytes = 0
        self.withheld: tuple[str, ...] = ()
        self.excused: frozenset[str] = frozenset()
        """What the history names and neither side must have: it was retired, or is data."""

    def files(self, artifact: NamedNode, entries: list[Entry], new: list[Entry]) -> None:
        known, fresh = self._references(entries), self._references(new)
        # What the receiver has lost comes again, but not what it retired and collected itself.
        for one in known.artifacts():
            if any(_subjects(self._target.graph(), PROV.invalidated, one)):
                known.retire(one)
        wanted = fresh.named() | known.required() | known.files_of(artifact)
        absent = self._send(sorted(wanted - known.bundles))
        if lost := known.required() & absent:
            digest = min(lost)
            raise BlobMissingError(
                f"{self._source.root} lacks the bytes {digest}: {known.describe(digest)}",
                "run pressmark fsck there, and restore what it names",
            )
        self.withheld = tuple(sorted(absent & known.collectable()))
        self.excused = frozenset(known.named() - known.required())

    def _references(self, entries: list[Entry]) -> References:
        references = References()
        for entry in self._progress.track(entries, len(entries), "reading the history"):
            references.add(entry, self._source.read_bundle(entry))
        return references

    def _send(self, digests: list[str]) -> set[str]:
        """Send files; give those that neither side has."""
        source, target = self._source.blobs, self._target.blobs
        absent: set[str] = set()
        sizes = {digest: source.size(digest) for digest in digests if source.has(digest)}
        total = sum(sizes.values())
        with target.batch(), counting(self._progress, total, "sending files", MEGABYTE) as seen:
            for digest in digests:
                if digest in sizes:
                    if target.receive(source, digest, seen):
                        self.count += 1
                        self.bytes += sizes[digest]
                elif not target.has(digest):
                    absent.add(digest)
        return absent
