"""Where the graph is kept, who writes it and what readers see of it.

The graph follows the journal: entry by entry, each in one transaction together with a statement of
the entry's sequence in the graph `JOURNAL_GRAPH`. So a graph always holds the entries 1 to n, for
some n, and is brought up to date by adding the bundles of the rest.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pyoxigraph import Literal, NamedNode, Quad

from pressmark.ontology.terms import PM
from pressmark.registry import neighbourhood
from pressmark.registry.graph import EmbeddedGraph, GraphReader, GraphStore
from pressmark.registry.journal import Entry
from pressmark.registry.neighbourhood import JOURNAL_GRAPH
from pressmark.registry.snapshots import Snapshot, Snapshots
from pressmark.registry.sparql_server import SparqlServerGraph


def journal_quads(bundle: NamedNode, entry: Entry) -> list[Quad]:
    """What the graph says of a journal entry."""
    return [
        Quad(bundle, PM.sequence, Literal(entry.sequence), JOURNAL_GRAPH),
        Quad(bundle, PM.bundleDigest, Literal(entry.bundle_digest), JOURNAL_GRAPH),
    ]


def bundle_at(graph: GraphReader, sequence: int) -> NamedNode | None:
    """The bundle that the graph has for a journal sequence."""
    for quad in graph.match(None, PM.sequence, Literal(sequence), JOURNAL_GRAPH):
        if isinstance(quad.subject, NamedNode):
            return quad.subject
    return None


def sequence_of(graph: neighbourhood.GraphReader, bundle_digest: str) -> int | None:
    """The journal sequence under which the graph has a bundle's digest."""
    for found in graph.match(None, PM.bundleDigest, Literal(bundle_digest), JOURNAL_GRAPH):
        if isinstance(found.subject, NamedNode):
            for quad in graph.match(found.subject, PM.sequence, None, JOURNAL_GRAPH):
                if isinstance(quad.object, Literal):
                    return int(quad.object.value)
    return None


def indexed_entries(graph: GraphReader, journal_length: int) -> int:
    """How many journal entries a graph holds.

    Entries are added in order, so the first one that is missing is found by bisection; and usually
    the very last one is there.

    Args:
        graph: The graph.
        journal_length: The number of entries in the journal.

    Returns:
        The number; one more than `journal_length` if the graph holds entries that the journal does
        not have.
    """
    if bundle_at(graph, journal_length + 1) is not None:
        return journal_length + 1
    low, high = 0, journal_length
    middle = high
    while low < high:
        if bundle_at(graph, middle) is not None:
            low = middle
        else:
            high = middle - 1
        middle = (low + high + 1) // 2
    return low


@dataclass(frozen=True)
class View:
    """What a reader reads.

    Attributes:
        graph: The graph.
        snapshot: The copy that it is; None on a server, where readers see the graph itself.
    """

    graph: GraphReader
    snapshot: Snapshot | None = None


class Index(Protocol):
    """A place for the graph."""

    def open(self) -> GraphStore:
        """Opens the graph for writing. Needs the write lock."""

    def publish(self, graph: GraphStore, sequence: int) -> None:
        """Lets readers see the graph as it is now. Needs the write lock."""

    def published(self) -> int:
        """The last journal entry that readers see; -1 if that cannot be said."""

    def view(self) -> View | None:
        """Gives a reader something to read; None if there is nothing that can be read."""

    def is_current(self, view: View, journal_length: int) -> bool:
        """Whether a view shows all of the journal."""

    def is_newest(self, view: View) -> bool:
        """Whether there is nothing newer to read than this view."""

    def rebuild(self, quads: Iterable[Quad]) -> None:
        """Replaces the whole graph. Needs the write lock, and the graph closed."""


class EmbeddedIndex:
    """The graph in the registry's folder: a symbolic link ``graph`` to the folder of the store.

    Args:
        link: The symbolic link.
    """

    def __init__(self, link: Path) -> None:
        self._link = link
        self._snapshots = Snapshots(link.parent / "snapshots")

    def open(self) -> GraphStore:
        """Opens the graph for writing; an empty one if there is none."""
        if not self._link.exists():
            self._point_to(self._new_folder())
        return EmbeddedGraph(self._link.resolve())

    def publish(self, graph: GraphStore, sequence: int) -> None:
        """Publishes a copy."""
        assert isinstance(graph, EmbeddedGraph)
        self._snapshots.publish(graph, sequence)

    def published(self) -> int:
        """The last journal entry in the newest copy; -1 if there is none."""
        return self._snapshots.sequence()

    def view(self) -> View | None:
        """Opens the newest copy."""
        snapshot = self._snapshots.open()
        return None if snapshot is None else View(snapshot.graph, snapshot)

    def is_current(self, view: View, journal_length: int) -> bool:
        """Whether the copy shows all of the journal."""
        return view.snapshot is not None and view.snapshot.sequence >= journal_length

    def is_newest(self, view: View) -> bool:
        """Whether there is no newer copy."""
        return view.snapshot is not None and view.snapshot.name == self._snapshots.current()

    def rebuild(self, quads: Iterable[Quad]) -> None:
        """Fills a new folder, points the link to it in one step, and removes the old folder."""
        folder = self._new_folder()
        graph = EmbeddedGraph(folder)
        graph.bulk_extend(quads)
        graph.compact()
        graph.close()
        self._point_to(folder)

    def _new_folder(self) -> Path:
        return self._link.with_name(f"{self._link.name}-{secrets.token_hex(4)}")

    def _point_to(self, folder: Path) -> None:
        link = self._link.with_name(f"{self._link.name}-{secrets.token_hex(4)}.link")
        link.symlink_to(folder.name)
        link.replace(self._link)
        self._collect(folder)

    def _collect(self, folder: Path) -> None:
        """Removes every other folder: the old graph, and what an interrupted rebuild left."""
        for path in self._others():
            if path.is_symlink():
                path.unlink()
            elif path != folder:
                shutil.rmtree(path)

    def _others(self) -> Iterator[Path]:
        return self._link.parent.glob(f"{self._link.name}-*")


class ServerIndex:
    """The graph on a SPARQL server: readers and the writer ask the same server.

    Args:
        url: The server's query endpoint; see `SparqlServerGraph`.
    """

    def __init__(self, url: str) -> None:
        self._graph = SparqlServerGraph(url)
        self._seen = 0  # how many journal entries the server was once found to hold

    def open(self) -> GraphStore:
        """Gives the server."""
        return self._graph

    def publish(self, graph: GraphStore, sequence: int) -> None:
        """Does nothing: what is on the server is seen at once."""

    def published(self) -> int:
        """Not known: nothing is published on a server."""
        return -1

    def view(self) -> View | None:
        """Gives the server."""
        return View(self._graph)

    def is_current(self, view: View, journal_length: int) -> bool:
        """Whether the server has all of the journal."""
        if journal_length > self._seen:
            self._seen = min(indexed_entries(view.graph, journal_length), journal_length)
        return journal_length <= self._seen

    def is_newest(self, view: View) -> bool:
        """Whether it is the server, than which nothing is newer."""
        return view.graph is self._graph

    def rebuild(self, quads: Iterable[Quad]) -> None:
        """Empties the server's graphs and fills them again; readers see them grow meanwhile."""
        self._seen = 0
        self._graph.clear()
        self._graph.bulk_extend(quads)


def open_index(location: str) -> Index:
    """Gives the index at a path or at a server's URL."""
    if location.startswith(("http://", "https://")):
        return ServerIndex(location)
    return EmbeddedIndex(Path(location))
