"""The knowledge graph: an index over the bundles, in an embedded Oxigraph or on a SPARQL server.

The graph can always be rebuilt from the bundles and the journal, so nothing here is durable by
itself. What is required of an engine is little: a whole bundle is added or not at all (`extend`),
and SPARQL 1.1 queries see the union of all named graphs as the default graph.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

from pyoxigraph import (
    BlankNode,
    DefaultGraph,
    Literal,
    NamedNode,
    Quad,
    QueryBoolean,
    QueryResultsFormat,
    QueryTriples,
    RdfFormat,
    Store,
    Triple,
)

from pressmark.registry.errors import InvalidInputError, StoreDamagedError, StoreLockedError
from pressmark.registry.locking import FileLock

Term: TypeAlias = NamedNode | Literal
Row: TypeAlias = Mapping[str, Term]
Answer: TypeAlias = list[Row] | bool | list[Triple]

_FULL = (errno.ENOSPC, errno.EDQUOT)
_POLL_SECONDS = 0.005
_REINDEX = "run `pressmark reindex`: it rebuilds the graph from the bundles and the journal"


class ClosedGraphError(Exception):
    """A graph was asked after it was closed. The registry then asks the one that took its place."""


class GraphReader(Protocol):
    """What can be asked of a graph."""

    def query(self, sparql: str) -> Answer:
        """Answers a SPARQL query over the union of all named graphs.

        Args:
            sparql: A SELECT, ASK, CONSTRUCT or DESCRIBE query.

        Returns:
            Rows (unbound variables are left out), a truth value, or triples.

        Raises:
            InvalidInputError: The query is malformed, or is an update.
        """

    def query_as(self, sparql: str, media_type: str) -> bytes:
        """Answers a SPARQL query in a format of the W3C, written by the engine itself.

        Args:
            sparql: As for `query`.
            media_type: Such as "application/sparql-results+json".

        Raises:
            InvalidInputError: The query is malformed, or the format cannot hold its answer.
        """

    def match(
        self,
        subject: NamedNode | None = None,
        predicate: NamedNode | None = None,
        object_: Term | None = None,
        graph: NamedNode | None = None,
    ) -> Iterator[Quad]:
        """Finds quads by what is given of them."""

    def quads(self, graph: NamedNode) -> Iterator[Quad]:
        """All quads of one named graph."""

    def graphs(self) -> Iterator[NamedNode]:
        """The names of all graphs that hold a quad."""

    def strays(self) -> Iterator[Quad]:
        """The quads in no graph that has an IRI for a name. No record ever has one."""


class GraphStore(GraphReader, Protocol):
    """A graph that is open for writing."""

    def extend(self, quads: Iterable[Quad]) -> None:
        """Adds quads: all of them, or none if this fails."""

    def bulk_extend(self, quads: Iterable[Quad]) -> None:
        """Adds very many quads without holding them in memory."""

    def clear(self) -> None:
        """Removes everything."""

    def close(self) -> None:
        """Lets go of the store."""


class EmbeddedGraph:
    """An Oxigraph (RocksDB) store in a folder.

    Only one process may have a folder open, so the registry opens it under its write lock and
    readers open copies (`pressmark.registry.snapshots`), read-only.

    Args:
        path: The folder, made if missing.
        read_only: Open a copy that nobody ever writes to. Several may.
        wait: Seconds to wait for another handle on the folder that is just being closed.
        lock: A lock that is kept for as long as the graph is.

    Raises:
        StoreLockedError: Another handle has the folder open.
        StoreDamagedError: Oxigraph cannot read the folder.
    """

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        wait: float = 1.0,
        lock: FileLock | None = None,
    ) -> None:
        self.path = path
        self._lock = lock
        self._store: Store | None = None
        deadline = time.monotonic() + wait
        while self._store is None:
            try:
                with _failures_named(path):
                    self._store = Store.read_only(str(path)) if read_only else Store(path)
            except OSError as error:
                if not _is_locked(error):
                    raise
                if time.monotonic() >= deadline:
                    raise StoreLockedError(f"the graph {path} is open elsewhere: {error}") from None
                time.sleep(_POLL_SECONDS)

    @property
    def store(self) -> Store:
        """The Oxigraph store."""
        if self._store is None:
            raise ClosedGraphError(f"the graph {self.path} is closed")
        return self._store

    def query(self, sparql: str) -> Answer:
        """Answers a SPARQL query over the union of all named graphs; see `GraphReader`."""
        try:
            with _failures_named(self.path):
                answer = self.store.query(sparql, use_default_graph_as_union=True)
                if isinstance(answer, QueryBoolean):
                    return bool(answer)
                if isinstance(answer, QueryTriples):
                    return list(answer)
                names = [variable.value for variable in answer.variables]
                return [_row(names, solution) for solution in answer]
        except (SyntaxError, ValueError) as error:
            raise _unanswered(error) from error

    def query_as(self, sparql: str, media_type: str) -> bytes:
        """Answers a SPARQL query in a format of the W3C; see `GraphReader`."""
        try:
            with _failures_named(self.path):
                answer = self.store.query(sparql, use_default_graph_as_union=True)
                if isinstance(answer, QueryTriples):
                    graphs = RdfFormat.from_media_type(media_type)
                    written = answer.serialize(format=graphs) if graphs else None
                else:
                    results = QueryResultsFormat.from_media_type(media_type)
                    written = answer.serialize(format=results) if results else None
        except (SyntaxError, ValueError) as error:
            raise _unanswered(error) from error
        if written is None:
            raise InvalidInputError(
                f"{media_type} cannot hold the answer to this query",
                "CONSTRUCT and DESCRIBE give a graph, SELECT and ASK do not: choose another format",
            )
        return written

    def match(
        self,
        subject: NamedNode | None = None,
        predicate: NamedNode | None = None,
        object_: Term | None = None,
        graph: NamedNode | None = None,
    ) -> Iterator[Quad]:
        """Finds quads by what is given of them."""
        with _failures_named(self.path):
            yield from self.store.quads_for_pattern(subject, predicate, object_, graph)

    def quads(self, graph: NamedNode) -> Iterator[Quad]:
        """All quads of one named graph."""
        return self.match(graph=graph)

    def graphs(self) -> Iterator[NamedNode]:
        """The names of all graphs that hold a quad."""
        with _failures_named(self.path):
            for name in self.store.named_graphs():
                if isinstance(name, NamedNode):
                    yield name

    def strays(self) -> Iterator[Quad]:
        """The quads in the default graph, or in graphs that are named by a blank node."""
        with _failures_named(self.path):
            names: list[DefaultGraph | BlankNode] = [DefaultGraph()]
            names += [name for name in self.store.named_graphs() if isinstance(name, BlankNode)]
            for name in names:
                yield from self.store.quads_for_pattern(None, None, None, name)

    def extend(self, quads: Iterable[Quad]) -> None:
        """Adds quads in one transaction."""
        with _failures_named(self.path):
            self.store.extend(quads)

    def bulk_extend(self, quads: Iterable[Quad]) -> None:
        """Adds very many quads without holding them in memory, all or none."""
        with _failures_named(self.path):
            self.store.bulk_extend(quads)

    def clear(self) -> None:
        """Removes everything."""
        with _failures_named(self.path):
            self.store.clear()

    def compact(self) -> None:
        """Merges what a bulk load leaves in layers: later answers take a third of the time."""
        self.store.optimize()

    def copy_to(self, folder: Path) -> None:
        """Makes a copy out of hard links, in milliseconds, whatever the size."""
        with _failures_named(self.path):
            self.store.backup(str(folder))

    def close(self) -> None:
        """Lets go of the store. The folder is free when no answer is being read any more."""
        self._store = None


def _unanswered(error: Exception) -> InvalidInputError:
    return InvalidInputError(
        f"the SPARQL query cannot be answered: {error}",
        "mend the query where it says; pressmark query lists questions that are ready",
    )


def _row(names: list[str], solution: object) -> Row:
    values = ((name, solution[name]) for name in names)  # type: ignore[index]
    return {name: value for name, value in values if value is not None}


def _is_locked(error: OSError) -> bool:
    # RocksDB reports it in words only: "lock hold by current process", "While lock file".
    return "/LOCK" in str(error)


@contextmanager
def _failures_named(path: Path) -> Iterator[None]:
    """Turns what Oxigraph raises for a failing disk or a damaged file into StoreDamagedError.

    Full disks and locks stay an OSError.
    """
    try:
        yield
    except OSError as error:
        if is_full(error) or _is_locked(error):
            raise
        raise StoreDamagedError(f"the graph {path} failed: {error}", _REINDEX) from error
    except RuntimeError as error:
        raise StoreDamagedError(f"the graph {path} failed: {error}", _REINDEX) from error


def is_full(error: OSError) -> bool:
    """Whether an error means that no space is left. RocksDB says so in words, without a number."""
    text = str(error)
    return error.errno in _FULL or any(os.strerror(number) in text for number in _FULL)
