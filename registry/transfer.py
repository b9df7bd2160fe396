"""Takes artifacts, with their whole history, from one registry to another; or to a folder.

What travels is bundles and blobs, both named by their digests. The receiving registry trusts
neither: blobs are hashed as they arrive, and each bundle is validated and committed like a record
made there, in the order of the sender's journal. What it has already is skipped, so a transfer
that was interrupted is simply repeated.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol, cast

from pyoxigraph import Literal, NamedNode, RdfFormat

from pressmark.ontology.terms import PM, PROV
from pressmark.registry import files
from pressmark.registry.descriptions import FileEntry
from pressmark.registry.errors import (
    BlobDamagedError,
    BlobMissingError,
    InvalidInputError,
    NotFoundError,
)
from pressmark.registry.facts import artifact_files
from pressmark.registry.folders import local_path, safe_name
from pressmark.registry.graph import GraphReader
from pressmark.registry.hashing import Seen
from pressmark.registry.ids import base_iri
from pressmark.registry.index import sequence_of
from pressmark.registry.journal import Entry
from pressmark.registry.neighbourhood import JOURNAL_GRAPH
from pressmark.registry.progress import MEGABYTE, SILENT, Progress, counting
from pressmark.registry.record import record_from_rdf
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
    return transfer(LocalPeer(source), LocalPeer(target), artifact, progress=progress)


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
    target = export_folder(target)
    named = export_names(artifact, artifact_files(registry, artifact))
    size = sum(entry.size for entry in named.values())
    with (
        files.new_folder(target) as staging,
        counting(progress, size, "writing", MEGABYTE) as seen,
    ):
        for name, entry in named.items():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            _write(registry, artifact, entry.sha256, staging / name, seen)
    return sorted(target / name for name in named)


def export_folder(target: Path | str) -> Path:
    """The folder that files are to be written to, as an absolute path.

    Raises:
        InvalidInputError: It is not empty, or not on this machine.
    """
    path = local_path(target).absolute()
    if path.exists() and not files.is_empty_folder(path):
        raise InvalidInputError(f"{path} is not empty", "name a folder that does not exist yet")
    return path


def export_names(
    artifact: NamedNode, entries: Iterable[FileEntry]
) -> dict[PurePosixPath, FileEntry]:
    """The files of an artifact by the names under which they can be written.

    Raises:
        NotFoundError: There are no files.
        InvalidInputError: A recorded name leads out of the folder, or is a file and a folder.
    """
    named = {safe_name(entry.name): entry for entry in entries}
    if not named:
        raise NotFoundError(f"no files are known of <{artifact.value}>")
    for name in named:
        if clash := next((parent for parent in name.parents if parent in named), None):
            raise InvalidInputError(f"the recorded name {str(clash)!r} is a file and a folder")
    return named


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


# -- sending -----------------------------------------------------------------------------------


def transfer(
    source: Peer, target: Peer, artifact: NamedNode, *, progress: Progress = SILENT
) -> Transfer:
    """Give an artifact and its history to another registry, wherever both are; see `push`."""
    bundles = dict(source.history(artifact))
    unknown = target.unknown(list(bundles))
    new = {digest: nquads for digest, nquads in bundles.items() if digest in unknown}
    known, fresh = _references(bundles, progress), _references(new, progress)
    # What the receiver has lost comes again, but not what it retired and collected itself.
    for one in target.retired(known.artifacts()):
        known.retire(one)
    wanted = (fresh.named() | known.required() | known.files_of(artifact)) - known.bundles
    sizes = source.sizes(wanted)
    absent = wanted - set(sizes) - set(target.sizes(wanted - set(sizes)))
    if lost := known.required() & absent:
        digest = min(lost)
        raise BlobMissingError(
            f"{source.name} lacks the bytes {digest}: {known.describe(digest)}",
            "run pressmark fsck there, and restore what it names",
        )
    total = sum(sizes.values())
    with target.receiving():
        with counting(progress, total, "sending files", MEGABYTE) as seen:
            taken = target.take(source, sizes, seen)
        records = progress.track(list(new.items()), len(new), "sending records")
        target.commit(records, frozenset(known.named() - known.required()))
    return Transfer(
        len(new),
        len(bundles) - len(new),
        len(taken),
        sum(sizes[digest] for digest in taken),
        tuple(sorted(absent & known.collectable())),
    )


def _references(bundles: Mapping[str, bytes], progress: Progress) -> References:
    references = References()
    for digest, nquads in progress.track(bundles.items(), len(bundles), "reading the history"):
        references.bundles.add(digest)
        references.read(nquads)
    return references


class Peer(Protocol):
    """A registry that gives or gets a history: in a folder, or behind a server.

    Attributes:
        name: What it is called in messages.
    """

    name: str

    def history(self, artifact: NamedNode) -> Iterable[tuple[str, bytes]]:
        """Digest and canonical N-Quads of every bundle that a history needs, in order.

        Raises:
            NotFoundError: The artifact is unknown.
        """

    def sizes(self, digests: Collection[str]) -> Mapping[str, int]:
        """The sizes of those files that are here."""

    def fetch(self, digest: str, target: Path, seen: Seen) -> None:
        """Write a file's bytes to a path, checked."""

    def unknown(self, bundles: Sequence[str]) -> Collection[str]:
        """Those bundles that are not in the journal."""

    def retired(self, artifacts: Collection[NamedNode]) -> Collection[NamedNode]:
        """Those artifacts that were retired here."""

    def receiving(self) -> AbstractContextManager[None]:
        """Keep what is taken from being collected before it is committed."""

    def take(self, source: Peer, sizes: Mapping[str, int], seen: Seen) -> Collection[str]:
        """Take files; gives the digests of those that were new."""

    def commit(self, bundles: Iterable[tuple[str, bytes]], absent: Collection[str]) -> None:
        """Commit bundles in order; some of the files that they name need not be here.

        Raises:
            InvalidInputError: One is no bundle.
            RecordRefusedError: One does not conform; those before it were committed.
        """


class LocalPeer:
    """A registry in a folder, as one side of a transfer.

    Args:
        registry: The registry.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.name = str(registry.root)

    def history(self, artifact: NamedNode) -> Iterator[tuple[str, bytes]]:
        """See `Peer`."""
        for entry in history(self.registry, artifact):
            yield entry.bundle_digest, self.registry.read_bundle(entry)

    def sizes(self, digests: Collection[str]) -> dict[str, int]:
        """See `Peer`."""
        blobs = self.registry.blobs
        return {digest: blobs.size(digest) for digest in sorted(digests) if blobs.has(digest)}

    def fetch(self, digest: str, target: Path, seen: Seen) -> None:
        """See `Peer`."""
        self.registry.blobs.materialise(digest, target, seen=seen)

    def unknown(self, bundles: Sequence[str]) -> set[str]:
        """See `Peer`."""
        graph = self.registry.graph()
        return {digest for digest in bundles if sequence_of(graph, digest) is None}

    def retired(self, artifacts: Collection[NamedNode]) -> set[NamedNode]:
        """See `Peer`."""
        graph = self.registry.graph()
        return {one for one in artifacts if any(_subjects(graph, PROV.invalidated, one))}

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """See `Peer`."""
        with self.registry.blobs.lease():
            yield

    def take(self, source: Peer, sizes: Mapping[str, int], seen: Seen) -> list[str]:
        """See `Peer`."""
        with self.registry.blobs.batch():
            return [digest for digest in sizes if self._take(source, digest, seen)]

    def _take(self, source: Peer, digest: str, seen: Seen) -> bool:
        blobs = self.registry.blobs
        if isinstance(source, LocalPeer):  # chunk by chunk, and only the chunks that are new
            return blobs.receive(source.registry.blobs, digest, seen)
        if blobs.has(digest):
            return False
        with tempfile.TemporaryDirectory(prefix="pressmark-transfer-") as folder:
            path = Path(folder) / digest
            source.fetch(digest, path, seen)
            if (found := blobs.put_file(path, digest)) != digest:
                raise BlobDamagedError(
                    f"{source.name} gave bytes with the digest {found} for {digest}",
                    "repeat the transfer; if it happens again, run pressmark fsck there",
                )
        return True

    def commit(self, bundles: Iterable[tuple[str, bytes]], absent: Collection[str]) -> None:
        """See `Peer`."""
        with self.registry.writing():  # only now: sending may take long, and hold nobody up
            for _, nquads in bundles:
                record = record_from_rdf(nquads, RdfFormat.N_QUADS)
                self.registry.commit(record, absent=absent)
