"""Group commit: records that come at the same time share one sync and one transaction.

Whoever commits judges its record against the open graph and stores its blobs, beside others who do
the same. Then one of those who wait leads: under the commit mutex it appends the journal entries of
all of them with one sync, and extends the graph by all of them in one transaction. A record is
acknowledged only after that, and each keeps its own verdict.

Laws, held by tests: commits in a group leave the same bundles, the same kind of chain and the same
graph as the same commits one after the other; a crash loses nothing that was acknowledged.

A judgement that was made beside other commits may be out of date when its record's turn comes. What
it read of the graph is therefore noted (`Reads`). If nothing that was committed meanwhile could
have changed an answer, the verdict stands; otherwise the record is judged again, alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeAlias

from pyoxigraph import Literal, NamedNode, Quad

from pressmark.registry.access import GraphAccess
from pressmark.registry.errors import RecordRefusedError, StoreError, Violation
from pressmark.registry.faults import FaultPoint, reached
from pressmark.registry.graph import ClosedGraphError
from pressmark.registry.index import sequence_of
from pressmark.registry.journal import Entry, Journal
from pressmark.registry.neighbourhood import GraphReader
from pressmark.registry.record import Record

Judge: TypeAlias = Callable[[Record, GraphReader, Collection[str]], tuple[Violation, ...]]
"""Says why a record, for which some files may be absent, cannot be added to a graph."""

#: The most records in one group: the last of them waits for all.
_MOST: Final = 32
#: So many committed records are compared with judgements made before them.
_REMEMBERED: Final = 64


class Reads:
    """Reads a graph, and notes what was asked.

    Args:
        graph: The graph.
    """

    def __init__(self, graph: GraphReader) -> None:
        self._graph = graph
        self._subjects: set[NamedNode] = set()
        self._values: set[tuple[NamedNode, object]] = set()
        self._unknowable = False

    def match(
        self,
        subject: NamedNode | None = None,
        predicate: NamedNode | None = None,
        object_: NamedNode | Literal | None = None,
        graph: NamedNode | None = None,
    ) -> Iterator[Quad]:
        """Find quads by what is given of them."""
        if subject is not None:
            self._subjects.add(subject)
        elif predicate is not None and object_ is not None:
            self._values.add((predicate, object_))
        else:
            self._unknowable = True
        try:
            return iter(list(self._graph.match(subject, predicate, object_, graph)))
        except ClosedGraphError:
            self._unknowable = True
            raise

    def could_see(self, record: Record) -> bool:
        """Tell whether some answer might be another one, had the record been in the graph."""
        if self._unknowable or not self._subjects.isdisjoint(record.subjects):
            return True
        if record.predicates.isdisjoint(predicate for predicate, _ in self._values):
            return False
        return any((predicate, value) in self._values for _, predicate, value, _ in record.terms)


@dataclass(eq=False)
class Proposal:
    """A record on its way into the journal.

    Attributes:
        record: The record.
        absent: The digests of files that need not be here.
        has_files: Whether the record's files are stored.
        seen: How many journal entries were in the graph that it was judged by.
        reads: What was asked of that graph; None where it was not judged yet.
        violations: What the judgement found.
        entry: Its journal entry, once it has one.
        error: Why it has none, or cannot be shown.
        leads: Whether its thread commits for all who wait.
    """

    record: Record
    absent: Collection[str]
    has_files: bool
    seen: int = 0
    reads: Reads | None = None
    violations: tuple[Violation, ...] = ()
    entry: Entry | None = None
    error: Exception | None = None
    is_done: bool = False
    leads: bool = False
    _wake: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._wake.acquire()

    def wait(self) -> None:
        """Sleep until it is done, or leads."""
        self._wake.acquire()

    def wake(self) -> None:
        """End `wait`."""
        self._wake.release()


class GroupCommit:
    """Commits the records of all threads that share a registry handle.

    Args:
        access: The graph.
        journal: The journal.
        judge: Decides whether a record may be committed.
        store: Stores a record's bundle durably, and its files unless they are stored already.
    """

    def __init__(
        self,
        access: GraphAccess,
        journal: Journal,
        judge: Judge,
        store: Callable[[Record, bool], None],
    ) -> None:
        self._access, self._journal = access, journal
        self._judge, self._store = judge, store
        self._guard = threading.Lock()  # of who waits and who leads
        # Python judges one record at a time anyway; threads that took turns would all be late.
        self._judging = threading.Lock()
        self._waiting: deque[Proposal] = deque()
        self._is_led = False
        self._recent: deque[tuple[int, Record]] = deque(maxlen=_REMEMBERED)

    def commit(self, record: Record, absent: Collection[str], *, has_files: bool) -> Entry:
        """Commit a record, together with those that other threads commit now. Only in a session.

        Args:
            record: The record.
            absent: The digests of files that need not be here.
            has_files: Whether its files are stored already.

        Returns:
            Its journal entry; the older one where it is there already.

        Raises:
            RecordRefusedError: It does not conform.
            OSError: The disk is full or fails; it is not in the journal.
            StoreError: It is in the journal, but the graph cannot show it yet.
        """
        proposal = Proposal(record, absent, has_files)
        with suppress(ClosedGraphError):  # by a failed write: then it is judged when it is its turn
            self._prepare(proposal)
        if not proposal.is_done:
            self._take_turn(proposal)
        if proposal.error is not None:
            raise proposal.error
        assert proposal.entry is not None
        self._access.publish_soon()
        return proposal.entry

    # -- beside others ---------------------------------------------------------------------------

    def _prepare(self, proposal: Proposal) -> None:
        """Judge a record by the open graph, and store it if it conforms."""
        seen, graph = self._access.judging()
        if graph is None or self._is_known(proposal, graph):
            return
        reads = Reads(graph)
        with self._judging:
            violations = self._judge(proposal.record, reads, proposal.absent)
        proposal.seen, proposal.reads, proposal.violations = seen, reads, violations
        if not violations:
            self._store_once(proposal)

    def _is_known(self, proposal: Proposal, graph: GraphReader) -> bool:
        sequence = sequence_of(graph, proposal.record.digest)
        if sequence is None:
            return False
        proposal.entry, proposal.is_done = self._journal.entry(sequence), True
        return True

    def _store_once(self, proposal: Proposal) -> None:
        self._store(proposal.record, proposal.has_files)
        proposal.has_files = True

    # -- one for all -----------------------------------------------------------------------------

    def _take_turn(self, proposal: Proposal) -> None:
        """Wait until another thread has committed a record, or lead."""
        with self._guard:
            self._waiting.append(proposal)
            proposal.leads, self._is_led = not self._is_led, True
        try:
            if not proposal.leads:
                proposal.wait()
            while not proposal.is_done:
                self._lead()
        finally:
            self._leave(proposal)

    def _leave(self, proposal: Proposal) -> None:
        """Stop waiting, and let the next one lead."""
        with self._guard:
            if proposal in self._waiting:  # an interrupt ended the wait
                self._waiting.remove(proposal)
            if not proposal.leads:
                return
            self._is_led = bool(self._waiting)
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].wake()

    def _finish(self, proposal: Proposal, error: Exception | None = None) -> None:
        with self._guard:
            proposal.error, proposal.is_done = error, True
            if proposal in self._waiting:
                self._waiting.remove(proposal)
                if not proposal.leads:
                    proposal.wake()

    def _lead(self) -> None:
        """Commit some of those who wait, in their order."""
        with self._access.commit_mutex:
            self._access.live()
            with self._guard:
                waiting = list(islice(self._waiting, _MOST))
            self._write(self._conforming(waiting))

    def _conforming(self, waiting: Sequence[Proposal]) -> list[Proposal]:
        """Those that may be committed together now; the verdict on others is told."""
        group: list[Proposal] = []
        for proposal in waiting:
            if self._is_outdated(proposal, group):
                if group:
                    return group  # what stands before it comes into the graph first
                self._judge_again(proposal)
            if proposal.violations and not proposal.is_done:
                self._finish(proposal, RecordRefusedError(proposal.violations))
            if not proposal.is_done:
                group.append(proposal)
        return group

    def _is_outdated(self, proposal: Proposal, group: Sequence[Proposal]) -> bool:
        """Whether what was committed after a record was judged might change the verdict."""
        reads, since = proposal.reads, self._since(proposal.seen)
        if reads is None or since is None:
            return True
        others = [*since, *(other.record for other in group)]
        digest = proposal.record.digest
        return any(other.digest == digest or reads.could_see(other) for other in others)

    def _since(self, seen: int) -> list[Record] | None:
        """The records of the journal's entries after a place; None where they are not known."""
        count = len(self._journal) - seen
        if not count:
            return []
        if len(self._recent) < count or self._recent[-1][0] != len(self._journal):
            return None
        return [record for _, record in islice(self._recent, len(self._recent) - count, None)]

    def _judge_again(self, proposal: Proposal) -> None:
        """Judge a record by a graph that nobody changes meanwhile."""
        graph = self._access.closed_subjects()
        try:
            if self._is_known(proposal, graph):
                self._finish(proposal)
                return
            proposal.violations = self._judge(proposal.record, graph, proposal.absent)
            if not proposal.violations:
                self._store_once(proposal)
        except Exception as error:
            self._finish(proposal, error)

    def _write(self, group: Sequence[Proposal]) -> None:
        """Append to the journal, and then to the graph."""
        if not group:
            return
        reached(FaultPoint.BEFORE_JOURNAL)
        try:
            entries = self._journal.append_all([one.record.digest for one in group])
        except Exception as error:
            self._write_each(group, error)
            return
        reached(FaultPoint.AFTER_JOURNAL)
        self._show(group, entries)

    def _write_each(self, group: Sequence[Proposal], error: Exception) -> None:
        """Where several cannot be written, perhaps fewer can."""
        if len(group) == 1:
            self._finish(group[0], error)
            return
        for proposal in group:
            self._write([proposal])

    def _show(self, group: Sequence[Proposal], entries: Sequence[Entry]) -> None:
        added = [(one.record, entry) for one, entry in zip(group, entries, strict=True)]
        failure: StoreError | None = None
        try:
            self._access.extend(added)
        except StoreError as error:
            failure = error
        for proposal, (record, entry) in zip(group, added, strict=True):
            self._recent.append((entry.sequence, record))
            proposal.entry = entry
            self._finish(proposal, failure and _unshown(entry, failure))


def _unshown(entry: Entry, error: StoreError) -> StoreError:
    return StoreError(
        f"the record is safe as entry {entry.sequence} of the journal, "
        f"but the graph cannot show it yet: {error}",
        "free space if the disk is full; the next command adds it to the graph by itself",
    )
