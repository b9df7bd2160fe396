"""Who may have the graph open, and when: sessions of the writer, snapshots for readers.

One process writes at a time (`GraphAccess.writing`); others wait for it. Only the writer has the
graph open, and opening it begins with adding the bundles of the journal entries that it lacks. When
the writer is done, and now and then before, it publishes a snapshot for readers, who therefore
never wait. In a session, reading asks the open graph itself, so that a handle sees its own commits.

A reader that finds the snapshot behind the journal, and nobody writing, catches up by itself: the
last writer was killed. If somebody is writing, the snapshot has to do for the moment.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pyoxigraph import NamedNode, Quad, RdfFormat, parse

from pressmark.registry.errors import (
    StoreDamagedError,
    StoreError,
    StoreLockedError,
    StoreReadOnlyError,
)
from pressmark.registry.faults import FaultPoint, reached
from pressmark.registry.graph import (
    ClosedGraphError,
    EmbeddedGraph,
    GraphReader,
    GraphStore,
    is_full,
)
from pressmark.registry.index import View, indexed_entries, journal_quads, open_index
from pressmark.registry.journal import Entry, Journal
from pressmark.registry.locking import Holder, WriteLock
from pressmark.registry.neighbourhood import ClosedSubjects
from pressmark.registry.progress import SILENT, Progress
from pressmark.registry.record import Record

#: From this many missing entries on, the graph is filled in bulk instead of bundle by bundle.
_BULK_ENTRIES: Final = 500

#: A session spends at most this share of its time on publishing snapshots: after a commit it waits
#: until that is kept. A snapshot takes some 20 milliseconds, so readers are half a second behind.
_PUBLISHING_SHARE: Final = 0.05

#: Seconds after which to look again whether somebody else has published.
_LEAST_REST: Final = 0.02


#: How often whoever waits for another process's commit looks whether it can be read.
_LOOKING_SECONDS: Final = 0.02


class GraphAccess:
    """The graph of one registry handle. Threads may share it.

    Args:
        root: The registry's folder.
        location: The graph's path, or the URL of a SPARQL server.
        journal: The journal that the graph follows.
        read_bundle: Gives the canonical N-Quads of a journal entry.
        wait: Seconds to wait for another process that is writing.
    """

    def __init__(
        self,
        root: Path,
        location: str,
        journal: Journal,
        read_bundle: Callable[[Entry], bytes],
        wait: float,
    ) -> None:
        self._root = root
        self._journal = journal
        self._read_bundle = read_bundle
        self._wait = wait
        self._index = open_index(location)
        self._lock = WriteLock(root / "lock")
        # Reentrant, because catching up for a reader is a session too.
        self._session_mutex, self._view_mutex = threading.RLock(), threading.RLock()
        self._depth = 0
        # Held while a snapshot is made. Never taken by who has the commit mutex.
        self._publishing = threading.RLock()
        #: Held while the journal or the graph is changed.
        self.commit_mutex = threading.RLock()
        self._live: GraphStore | None = None
        self._indexed = 0  # how many journal entries the live graph holds
        self._closed: ClosedSubjects | None = None
        self._described: set[object] = set()  # shared descriptions that the live graph has
        self._view: View | None = None
        self._published_at, self._published_in = 0.0, 0.0
        self._timer: threading.Timer | None = None

    # ---------------------------------------------------------------------- writing

    @property
    def in_session(self) -> bool:
        """Whether this handle holds the write lock."""
        return self._depth > 0

    @contextmanager
    def writing(self, url: str | None = None, wait: float | None = None) -> Iterator[None]:
        """Holds the write lock and the open graph. Sessions nest, and threads may share one.

        Args:
            url: Where this process answers requests, if it is a server.
            wait: Seconds to wait for another writer, if not the handle's.

        Raises:
            StoreLockedError: Somebody else kept writing, and is named; or nobody may write.
            StoreDamagedError: The journal or the graph is damaged.
        """
        self.expect_writable()
        patience = self._wait if wait is None else wait
        if not self._session_mutex.acquire(timeout=patience):
            raise StoreLockedError(f"another thread is waiting to write to {self._root}")
        try:
            if self._depth == 0:
                self._begin(url, patience)
            self._depth += 1
        finally:
            self._session_mutex.release()
        try:
            yield
        finally:
            with self._session_mutex:
                self._depth -= 1
                if self._depth == 0:
                    self._end()

    def expect_writable(self) -> None:
        """Checks that this user may write at all.

        Raises:
            StoreReadOnlyError: Nothing can be written, but everything can be read.
        """
        if not os.access(self._root, os.W_OK):
            raise StoreReadOnlyError(
                f"the registry {self._root} cannot be written: the permission is missing, "
                "or the file system is read-only",
                "use an account that may write there, or `pressmark pull` into another registry",
            )

    def live(self) -> GraphStore:
        """The open graph, caught up with the journal. Only in a session, with the commit mutex."""
        with self.commit_mutex:
            graph = self._live
            if graph is None or self._indexed != len(self._journal):
                graph = graph or self._index.open()
                try:
                    self._catch_up(graph)
                except BaseException:
                    self._live = graph
                    self._drop_live()
                    raise
                self._live = graph
            return graph

    def closed_subjects(self) -> ClosedSubjects:
        """The open graph for judging records by, with what is remembered of it."""
        return self._remembering(self.live())

    def judging(self) -> tuple[int, ClosedSubjects | None]:
        """The same beside others who commit, and how many journal entries it holds at least.

        None where the graph is not open. A failed write may close it at any time.
        """
        indexed, graph = self._indexed, self._live
        return indexed, None if graph is None else self._remembering(graph)

    def _remembering(self, graph: GraphStore) -> ClosedSubjects:
        closed = self._closed
        if closed is None or closed.graph is not graph:
            self._closed = closed = ClosedSubjects(graph)
        return closed

    def extend(self, added: Sequence[tuple[Record, Entry]]) -> None:
        """Adds acknowledged records at once. If that fails, opens the graph again and catches up.

        Raises:
            StoreError: They are in the journal, but cannot be shown yet.
        """
        assert self._live is not None
        reached(FaultPoint.BEFORE_GRAPH)
        try:
            self._live.extend(self._unknown(added, self._live))
            self._indexed = added[-1][1].sequence
        except (OSError, StoreError):
            self._try_again()
        reached(FaultPoint.AFTER_GRAPH)

    def _unknown(self, added: Sequence[tuple[Record, Entry]], graph: GraphReader) -> list[Quad]:
        """Leaves out the shared descriptions that the graph has: adding them changes nothing.

        Much of a step's record describes its machine, engine and recipe, the same each time.
        """
        new: list[Quad] = []
        for record, entry in added:
            for name in record.descriptions - self._described:
                if any(graph.quads(name)):
                    self._described.add(name)
            new += [
                quad
                for quad, (_, _, _, name) in zip(record.statements, record.terms, strict=True)
                if name not in self._described
            ]
            new += journal_quads(record.bundle, entry)
        return new

    def _try_again(self) -> None:
        # After a failed write Oxigraph's handle fails for ever, even when there is space again.
        self._drop_live()
        try:
            self.live()
        except OSError as error:
            raise StoreError(str(error)) from error

    def rebuild(self, progress: Progress = SILENT) -> None:
        """Rebuilds the graph from the bundles and the journal, and replaces it in one step.

        Args:
            progress: Is told of the bundles read.

        Raises:
            StoreLockedError: Somebody else kept writing.
            BlobError: A bundle is missing or damaged; the old graph stays.
        """
        with self._session_mutex, self._publishing, self.commit_mutex:
            outermost = not self._lock.held
            if outermost:
                self._lock.hold(self._wait)
            try:
                self._journal.repair()
                self._drop_live()
                self._index.rebuild(self._all_quads(1, progress))
                self.publish()
            finally:
                if outermost:
                    self._drop_live()
                    self._lock.release()

    def _begin(self, url: str | None, wait: float) -> None:
        self._lock.hold(wait, url)
        try:
            self._journal.repair()
            self.live()
        except BaseException:
            self._lock.release()
            raise

    def _end(self) -> None:
        with self._publishing:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            try:
                self._publish_rest()
            finally:
                self._drop_live()
                self._journal.close()
                self._lock.release()

    def _drop_live(self) -> None:
        self._closed = None
        self._described.clear()
        if self._live is not None:
            self._live.close()
            self._live = None

    def _catch_up(self, graph: GraphStore) -> None:
        total = len(self._journal)
        known = indexed_entries(graph, total)
        if known > total:
            raise StoreDamagedError(
                f"the graph has entry {known} of the journal {self._journal.path}, "
                f"which has only {total} lines",
                "restore the journal from a backup (`pressmark restore`); to give up what came "
                "after its last line instead, run `pressmark reindex`",
            )
        if total - known >= _BULK_ENTRIES and isinstance(graph, EmbeddedGraph):
            graph.bulk_extend(self._all_quads(known + 1))
        else:
            for entry in self._journal.entries(known + 1):
                self._add(entry, graph)
        self._indexed = total

    def _add(self, entry: Entry, graph: GraphStore) -> None:
        nquads = self._read_bundle(entry)
        _expect_nothing_of(bundle_iri(nquads), entry, graph)
        graph.extend(_indexable(nquads, entry))

    def _all_quads(self, first: int, progress: Progress = SILENT) -> Iterator[Quad]:
        total = len(self._journal) - first + 1
        for entry in progress.track(self._journal.entries(first), total, "indexing"):
            yield from _indexable(self._read_bundle(entry), entry)

    # ---------------------------------------------------------------------- snapshots

    def publish(self) -> None:
        """Lets readers see the graph as it is now. Only in a session.

        Others may commit meanwhile: the copy then holds more than it says.
        """
        with self._publishing:
            with self.commit_mutex:
                graph, indexed = self.live(), self._indexed
            reached(FaultPoint.BEFORE_SNAPSHOT)
            begin = time.monotonic()
            self._index.publish(graph, indexed)
            self._published_at = time.monotonic()
            self._published_in = self._published_at - begin
            reached(FaultPoint.AFTER_SNAPSHOT)

    def publish_soon(self) -> None:
        """Publishes now, or a little later if the session would spend too much time on that."""
        due = self._published_at + self._published_in / _PUBLISHING_SHARE
        rest = due - time.monotonic()
        if rest > 0 or not self._publishing.acquire(blocking=False):
            self._publish_later(max(rest, _LEAST_REST))
            return
        try:
            self._publish_rest()
        finally:
            self._publishing.release()

    def publish_now(self) -> None:
        """Publishes what is not published yet, at once: somebody waits for it."""
        with self._publishing:
            self._publish_rest()

    def _publish_later(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = threading.Timer(seconds, self._publish_late)
            self._timer.daemon = True
            self._timer.start()

    def _publish_late(self) -> None:
        self._timer = None
        self.publish_soon()

    def _publish_rest(self) -> None:
        """Publishes what is not published yet. Needs the publishing mutex.

        It is left undone where the disk is full, or a failed write has closed the graph. What was
        committed is safe all the same. Readers see the older snapshot, and make a new one when
        there is space again.
        """
        if self._live is None or self._index.published() == self._indexed:
            return
        try:
            self.publish()
        except ClosedGraphError:
            return
        except OSError as error:
            if not is_full(error):
                raise

    def holder(self) -> Holder | None:
        """Who is writing now, in this process or another; None if nobody is."""
        return self._lock.holder()

    # ---------------------------------------------------------------------- reading

    def reader(self) -> GraphReader:
        """What this handle sees now: the open graph in a session, else a snapshot.

        A session's graph is closed when the session ends, perhaps in another thread, and then
        raises `ClosedGraphError`: ask for a reader again.
        """
        live = self._live
        return self._newest_view().graph if live is None else live

    def await_entry(self, sequence: int) -> None:
        """Waits until a journal entry, which another process commits, can be read here.

        Raises:
            StoreError: It cannot, for longer than this handle waits for writers.
        """
        deadline = time.monotonic() + self._wait
        while not (self.in_session or self._index.is_current(self._newest_view(), sequence)):
            if time.monotonic() > deadline:
                raise StoreError(
                    f"entry {sequence} of the journal cannot be read after {self._wait:g} seconds",
                    "it is safe; whoever writes to the registry may be out of disk space",
                )
            time.sleep(_LOOKING_SECONDS)

    def settled_reader(self) -> GraphReader | None:
        """A snapshot that shows all of the journal, and stays open; None where there is none now.

        In a session there is none: then the open graph is what counts.
        """
        if self.in_session:
            return None
        view = self._newest_view()
        return view.graph if self._is_current(view) else None

    def close_view(self) -> None:
        """Lets go of the snapshot. It is closed when nobody in this process uses it any more."""
        with self._view_mutex:
            self._view = None

    def _newest_view(self) -> View:
        with self._view_mutex:
            if self._view is None or not self._index.is_newest(self._view):
                self._view = self._index.view()
            if self._view is None or not self._is_current(self._view):
                self._refresh_view()
            if self._view is None:
                raise StoreDamagedError(
                    f"the graph of {self._root} cannot be read", "run `pressmark reindex`"
                )
            return self._view

    def _is_current(self, view: View) -> bool:
        return self._index.is_current(view, self._journal.refresh())

    def _refresh_view(self) -> None:
        """Catches up for a reader, if nobody is writing; else the older snapshot has to do."""
        try:
            with self.writing(wait=0.0 if self._view else None):
                if self._view is None:
                    self.publish()
        except (StoreLockedError, OSError) as error:
            full_or_locked = isinstance(error, StoreLockedError) or is_full(error)
            if self._view is None or not full_or_locked:
                raise
        else:
            self._view = self._index.view()


def bundle_iri(nquads: bytes) -> NamedNode:
    """Finds the bundle that canonical N-Quads are: their only graph that is not a description.

    Raises:
        StoreDamagedError: There is no such graph.
    """
    for quad in parse(nquads, format=RdfFormat.N_QUADS):
        name = quad.graph_name
        if isinstance(name, NamedNode) and name.value.startswith("urn:uuid:"):
            return name
    raise StoreDamagedError("a bundle's N-Quads have no graph named <urn:uuid:…>")


def _expect_nothing_of(bundle: NamedNode, entry: Entry, graph: GraphReader) -> None:
    """A bundle comes whole and with its sequence. If only that is missing, it was taken away."""
    if any(True for _ in graph.match(graph=bundle)):
        lost = " and ".join(
            f"{quad.subject} {quad.predicate} {quad.object}"
            for quad in journal_quads(bundle, entry)
        )
        raise StoreDamagedError(
            f"the graph holds statements of journal entry {entry.sequence}, but lacks {lost}",
            "run `pressmark reindex`",
        )


def _indexable(nquads: bytes, entry: Entry) -> list[Quad]:
    quads = list(parse(nquads, format=RdfFormat.N_QUADS))
    return quads + journal_quads(bundle_iri(nquads), entry)
