"""The registry: what was committed, and what can be asked about it.

Commit order. A record is validated; its files, then its bundle, are stored as blobs; one line is
appended to the journal and synced: from then on the record is *acknowledged*, and survives a power
cut. Last, the graph is extended. Threads that commit at the same time share the sync and the
extension (`pressmark.registry.group_commit`). The graph is only an index: whatever happens before
or while it is extended, it is brought up to date from the journal and the bundles when it is opened
again (`pressmark.registry.access`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, Self, TypeVar

from pyoxigraph import NamedNode, Triple

from pressmark import ontology
from pressmark.ontology.questions import Value, bind
from pressmark.registry import files, neighbourhood
from pressmark.registry.access import GraphAccess
from pressmark.registry.blobs import BlobStore
from pressmark.registry.config import FILE_NAME, Config
from pressmark.registry.errors import (
    BlobDamagedError,
    BlobMissingError,
    InvalidInputError,
    RecordRefusedError,
    StorageFullError,
    Violation,
)
from pressmark.registry.faults import FaultPoint, reached
from pressmark.registry.folders import local_path
from pressmark.registry.graph import Answer, ClosedGraphError, GraphReader, Row, is_full
from pressmark.registry.group_commit import GroupCommit
from pressmark.registry.index import sequence_of
from pressmark.registry.journal import Entry, Journal
from pressmark.registry.locking import Holder
from pressmark.registry.progress import SILENT, Progress
from pressmark.registry.record import Record
from pressmark.registry.references import lacking_files

#: Seconds to wait for another process that is writing.
DEFAULT_WAIT: Final = 10.0

_ATTEMPTS: Final = 5

Answered = TypeVar("Answered")


class RecordValidator(Protocol):
    """Decides whether a record may be committed."""

    def validate(self, record: Record, graph: neighbourhood.GraphReader) -> tuple[Violation, ...]:
        """Gives every reason why not; an empty tuple means that it may."""


@dataclass(frozen=True)
class Receipt:
    """What a commit gives back: the record is acknowledged.

    Attributes:
        sequence: The record's place in the journal, from 1.
        digest: SHA-256 of the bundle's canonical N-Quads, hexadecimal.
        head: Digest of its journal entry: it vouches for the record and for all before it.
    """

    sequence: int
    digest: str
    head: str


class Committer(Protocol):
    """Commits records where the graph is written: in the process that serves the registry."""

    def commit(self, record: Record) -> Receipt:
        """Commits a record whose files are stored already. Twice is as good as once."""


class Registry:
    """A registry in a folder. Make one with `create`, open one with `open`.

    A handle may be used by many threads. It must not be carried across a ``fork``.

    Attributes:
        root: The folder.
        config: What ``registry.json`` says.
        blobs: Files and bundles by their digests.
        journal: Which bundles were committed, in order.
    """

    def __init__(
        self,
        root: Path,
        config: Config,
        wait: float,
        validator: RecordValidator | None = None,
        committer: Committer | None = None,
    ) -> None:
        self.root = root
        self.config = config
        self.blobs = BlobStore(config.location(root, config.blobs), lock=root / "blobs.lock")
        self.journal = Journal(root / "journal")
        location = config.location(root, config.graph)
        self._access = GraphAccess(root, location, self.journal, self.read_bundle, wait)
        self._validator = validator
        self._committer = committer
        self._group = GroupCommit(self._access, self.journal, self._judge, self._store)

    # ------------------------------------------------------------------ making and opening

    @classmethod
    def create(
        cls,
        path: Path | str,
        *,
        blobs: str | None = None,
        graph: str | None = None,
        wait: float = DEFAULT_WAIT,
        validator: RecordValidator | None = None,
    ) -> Registry:
        """Makes an empty registry.

        Args:
            path: Its folder; made if missing, must not hold a registry.
            blobs: Where the blobs go: any fsspec URL, or a path. The folder ``blobs`` by default.
            graph: The query URL of a SPARQL 1.1 server. An embedded Oxigraph by default.
            wait: Seconds to wait for other writers.
            validator: Decides which records conform; by default the packaged shapes do.

        Raises:
            InvalidInputError: There is a registry already, or the path is a remote URL.
            PressmarkError: The blob store or the graph cannot be opened; there is no registry.
        """
        root = _local_path(path)
        if (root / FILE_NAME).exists():
            raise InvalidInputError(f"there is a registry in {root} already")
        files.make_folder(root)
        config = Config(blobs=blobs or "blobs", graph=graph or "graph")
        config.save(root)
        try:
            registry = cls(root, config, wait, validator)
            with registry.writing():
                return registry
        except BaseException:  # it can be made again, where the server or the bucket is right
            files.remove(root / FILE_NAME)
            raise

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        wait: float = DEFAULT_WAIT,
        validator: RecordValidator | None = None,
        committer: Committer | None = None,
    ) -> Registry:
        """Opens a registry.

        Nothing is waited for and nothing is locked until the first commit.

        Args:
            path: Its folder, or a ``file:`` URL of it.
            wait: Seconds to wait for other writers.
            validator: Decides which records conform; by default the packaged shapes do.
            committer: Another process that writes the graph meanwhile: the handle stores files by
                itself, and gives records to it.

        Raises:
            NotFoundError: There is no registry.
            StoreVersionError: Another release wrote it.
            StoreDamagedError: Its configuration or the end of its journal is damaged.
        """
        root = _local_path(path)
        return cls(root, Config.load(root), wait, validator, committer)

    def close(self) -> None:
        """Lets go of the snapshot that is being read. The handle can be used again."""
        self._access.close_view()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ writing

    @contextmanager
    def writing(self, *, url: str | None = None) -> Iterator[Self]:
        """Holds the write lock and the open graph over many commits. Sessions nest.

        With a committer nothing is held: whoever commits judges each record as it comes.

        Args:
            url: Where this process answers requests, if it is a server: others are told.

        Raises:
            StoreLockedError: Another process kept writing; it is named.
            StoreDamagedError: The journal or the graph is damaged.
        """
        if self._committer is not None:
            yield self
            return
        with self._access.writing(url):
            if not self.config.is_current:
                self._announce_versions()
            yield self

    def commit(self, record: Record, *, absent: Collection[str] = ()) -> Receipt:
        """Validates a record and stores it for ever. Committing it again changes nothing.

        Outside of a session the files are stored before the write lock is taken, so that large
        ones hold nobody up.

        Args:
            record: The record. Each file that it names comes with it, or is here already.
            absent: The digests of files that need not be here: what had them was retired.

        Returns:
            The receipt: the record survives a power cut from now on.

        Raises:
            RecordRefusedError: It does not conform, or nobody has a file that it names; nothing
                was stored.
            StorageFullError: No space is left; nothing of it can be seen.
            StoreLockedError: Another process kept writing, or nobody may write.
            BlobDamagedError: A file does not have the digest that the record gives it.
            StoreError: It is acknowledged, but the graph cannot show it before the next command.
        """
        self._access.expect_writable()
        if self._committer is not None:
            return self._commit_there(record, self._committer)
        with _full_disk_named(self.root), self.blobs.lease():
            before = self._access.settled_reader() if record.files else None
            if before is not None and sequence_of(before, record.digest) is None:
                if violations := self._judge(record, before, absent):
                    raise RecordRefusedError(violations)
                self._store_files(record)
            with self.writing():
                entry = self._group.commit(record, absent, has_files=before is not None)
        return _receipt(entry)

    def violations(self, record: Record) -> tuple[Violation, ...]:
        """Judges a record as `commit` would, and stores nothing.

        What is committed meanwhile may change the verdict.

        Returns:
            Every reason why it would be refused; none if it conforms.
        """
        return self._judge(record, self.graph())

    def await_entry(self, sequence: int) -> None:
        """Waits until what this handle reads shows an entry that another process commits.

        Raises:
            StoreError: It does not, for longer than the handle waits for writers.
        """
        self._access.await_entry(sequence)

    def writer(self) -> Holder | None:
        """Who is writing to the registry now; None if nobody is. A server tells its URL there."""
        return self._access.holder()

    def reindex(self, *, progress: Progress = SILENT) -> int:
        """Rebuilds the graph from the bundles and the journal, and replaces it in one step.

        Args:
            progress: Is told of the bundles read.

        Returns:
            The number of bundles.

        Raises:
            BlobMissingError: A bundle is missing; the old graph stays.
            BlobDamagedError: A bundle is damaged; the old graph stays.
        """
        self._access.rebuild(progress)
        return len(self.journal)

    # ------------------------------------------------------------------ reading

    def rows(self, query_name: str, **parameters: Value) -> list[Row]:
        """Runs one of the packaged SELECT queries (``ontology/queries``).

        Args:
            query_name: The file's name without ``.rq``.
            parameters: A term, or several of which any will do, for the query's parameters; see
                `pressmark.ontology.questions`.

        Returns:
            The rows; a variable without a value is left out of its row.

        Raises:
            InvalidInputError: The query has no such parameter.
        """
        text = ontology.query(query_name)
        try:
            bound = bind(text, **parameters)
        except KeyError as error:
            raise InvalidInputError(f"{query_name}.rq: {error.args[0]}") from None
        answer = self._ask(lambda graph: graph.query(bound))
        if isinstance(answer, bool):
            raise InvalidInputError(f"the query {query_name} asks for a truth value, not for rows")
        return [row for row in answer if not isinstance(row, Triple)]

    def sparql(self, text: str) -> Answer:
        """Runs any SPARQL query over the union of all graphs.

        The query is trusted: it has no time limit, and SERVICE would be followed.

        Raises:
            InvalidInputError: It is malformed or an update.
        """
        return self._ask(lambda graph: graph.query(text))

    def sparql_as(self, text: str, media_type: str) -> bytes:
        """Runs any SPARQL query like `sparql`, and gives its answer in a format of the W3C.

        Raises:
            InvalidInputError: It is malformed or an update, or the format cannot hold its answer.
        """
        return self._ask(lambda graph: graph.query_as(text, media_type))

    def knows(self, node: NamedNode) -> bool:
        """Whether anything is said of a node: cheaper than a query."""
        return self._ask(lambda graph: any(graph.match(node)))

    def graph(self) -> GraphReader:
        """What this handle sees of the graph now: the open graph in a session, else a snapshot.

        Use it at once: a later commit of the handle, or a newer snapshot, closes it.
        """
        return self._access.reader()

    def refresh(self, wait: float | None = None) -> None:
        """Publishes a new snapshot from the graph itself, and reads from it from now on.

        Reading does this by itself when a snapshot is behind the journal; calling it is for those
        who doubt the snapshot (`pressmark.registry.verify`).

        Args:
            wait: Seconds to wait for another writer, if not the handle's.

        Raises:
            StoreLockedError: Another process kept writing.
        """
        with self._access.writing(wait=wait):
            self._access.publish()

    def publish(self) -> None:
        """Lets other processes read at once what was committed in this handle's session.

        They see it some time later anyway, so that many commits share one snapshot.
        """
        self._access.publish_now()

    def read_bundle(self, entry: Entry) -> bytes:
        """The canonical N-Quads of a journal entry's bundle.

        Raises:
            BlobMissingError: It is not in the blob store.
            BlobDamagedError: Its bytes do not have the digest.
        """
        try:
            return self.blobs.read(entry.bundle_digest)
        except (BlobMissingError, BlobDamagedError) as error:
            message = f"the bundle of journal entry {entry.sequence} cannot be read: "
            raise type(error)(message + error.message, error.hint) from error

    # ------------------------------------------------------------------ inside

    def _ask(self, ask: Callable[[GraphReader], Answered]) -> Answered:
        for _ in range(_ATTEMPTS):
            try:
                return ask(self.graph())
            except ClosedGraphError:  # by another thread, which has just finished writing
                continue
        return ask(self.graph())

    def _announce_versions(self) -> None:
        """Says in the configuration that records of newer shapes follow."""
        self.config = replace(
            self.config, ontology=ontology.ONTOLOGY_VERSION, shapes=ontology.SHAPES_VERSION
        )
        self.config.save(self.root)

    def _judge(
        self, record: Record, graph: neighbourhood.GraphReader, absent: Collection[str] = ()
    ) -> tuple[Violation, ...]:
        if self._validator is None:
            from pressmark.registry.validation import Validator

            self._validator = Validator()
        if violations := self._validator.validate(record, graph):
            return violations
        return tuple(lacking_files(record, self.blobs, absent))

    def _commit_there(self, record: Record, committer: Committer) -> Receipt:
        with _full_disk_named(self.root), self.blobs.lease():
            self._store_files(record)
            receipt = committer.commit(record)
        self.await_entry(receipt.sequence)  # a handle sees its own commits
        return receipt

    def _store_files(self, record: Record) -> None:
        reached(FaultPoint.BEFORE_FILES)
        with self.blobs.batch():
            for sha256, path in record.files.items():
                found = self.blobs.put_file(path, sha256)
                if found != sha256:
                    raise BlobDamagedError(
                        f"{path} has the digest {found}, but the record says {sha256}",
                        "the file was changed after it was recorded: run the step again",
                    )
        reached(FaultPoint.AFTER_FILES)

    def _store(self, record: Record, has_files: bool) -> None:
        if not has_files:
            self._store_files(record)
        reached(FaultPoint.BEFORE_BUNDLE)
        self.blobs.put_bytes(record.nquads)
        reached(FaultPoint.AFTER_BUNDLE)


def _receipt(entry: Entry) -> Receipt:
    return Receipt(entry.sequence, entry.bundle_digest, entry.digest)


def _local_path(path: Path | str) -> Path:
    hint = (
        "a registry's journal and lock need a local folder; its blobs and its graph may be "
        "elsewhere: `pressmark init FOLDER --blobs URL --graph URL`"
    )
    return local_path(path, hint).expanduser().absolute()


@contextmanager
def _full_disk_named(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise StorageFullError(
            f"no space is left for the registry {root}; the record is not in it",
            "free space (`pressmark gc` removes what no artifact uses), then repeat the command",
        ) from error
