"""Where an artifact comes from, what became of it, and how sure that is.

The edges are ``prov:wasDerivedFrom``, stated by the step that used one artifact and made the
other; nothing is inferred. How sure an edge is has two axes, both derived when asked and never
stored. *Origin*: executed here by a step, or declared by a registration. *Evidence*: what checks
and re-runs that point at the edge have found. A chain is as sure as its weakest edge, on each axis.

An artifact without parents (an import) also has an edge: to the place that it was taken from.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from pyoxigraph import NamedNode

from pressmark.registry.errors import NotFoundError
from pressmark.registry.facts import (
    ArtifactSummary,
    Reader,
    integer,
    node,
    optional_node,
    short_id,
    summaries,
    text,
)
from pressmark.registry.graph import Row


class Origin(IntEnum):
    """Who says that an edge is there; a larger value is surer."""

    DECLARED = 0
    EXECUTED = 1

    def __str__(self) -> str:
        return self.name.lower()


class Evidence(IntEnum):
    """What was found about an edge; a larger value is surer. One refutation outweighs the rest."""

    REFUTED = 0
    NONE = 1
    CHECKED = 2
    REPRODUCED = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Edge:
    """One step back.

    Attributes:
        child: What was made.
        parent: What it was made from; None where an import took it from outside.
        activity: The step or registration.
        activity_kind: Its class, such as ``PM.Prune``.
        step_name: What recipes call it, such as "prune/wanda"; None for a registration.
        about: The derivation, or generation, that evidence points at.
        sequence: Its place in the journal.
        origin: Whether the edge was executed here or declared.
        evidence: What was found about it.
    """

    child: NamedNode
    parent: NamedNode | None
    activity: NamedNode
    activity_kind: NamedNode
    step_name: str | None
    about: NamedNode
    sequence: int
    origin: Origin
    evidence: Evidence

    @property
    def label(self) -> str:
        """Both axes in words, such as "executed, checked"."""
        return f"{self.origin}, {assured(self.evidence)}"


def assured(evidence: Evidence) -> str:
    """The evidence in words that stand alone: "unverified" for none."""
    return "unverified" if evidence is Evidence.NONE else str(evidence)


@dataclass(frozen=True)
class Node:
    """An artifact in a lineage.

    Attributes:
        artifact: What is known of it.
        depth: Edges from the root, on the shortest path; negative towards descendants.
    """

    artifact: ArtifactSummary
    depth: int

    @property
    def iri(self) -> NamedNode:
        """The artifact's IRI."""
        return self.artifact.iri

    @property
    def name(self) -> str:
        """The artifact's name."""
        return self.artifact.name


@dataclass(frozen=True)
class Lineage:
    """A piece of the history around one artifact.

    Attributes:
        root: The artifact that was asked about.
        nodes: Artifacts: by depth, then by their place in the journal.
        edges: Steps, latest first; one whose parent is None ends at an import.
    """

    root: NamedNode
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @cached_property
    def _nodes(self) -> Mapping[NamedNode, Node]:
        return {one.iri: one for one in self.nodes}

    def node(self, iri: NamedNode) -> Node:
        """The node of an artifact.

        Raises:
            KeyError: It is not part of this lineage.
        """
        return self._nodes[iri]

    def to_parents(self, iri: NamedNode) -> tuple[Edge, ...]:
        """The edges from an artifact to its parents, or to the place of its import."""
        return tuple(edge for edge in self.edges if edge.child == iri)

    def to_children(self, iri: NamedNode) -> tuple[Edge, ...]:
        """The edges from an artifact's children to it."""
        return tuple(edge for edge in self.edges if edge.parent == iri)

    @property
    def origins(self) -> tuple[Node, ...]:
        """The artifacts at which the history ends: imports, and those known only by claim."""
        derived = {edge.child for edge in self.edges if edge.parent is not None}
        return tuple(one for one in self.nodes if one.depth >= 0 and one.iri not in derived)


@dataclass(frozen=True)
class Assurance:
    """How sure a chain is: the least of each axis over its edges.

    Attributes:
        origin: Executed only if every edge was.
        evidence: Refuted if any edge is; else the least that is known of every edge.
        edges: The edges, latest first.
    """

    origin: Origin
    evidence: Evidence
    edges: tuple[Edge, ...]

    @property
    def label(self) -> str:
        """Both axes in words, such as "executed, checked"."""
        return f"{self.origin}, {assured(self.evidence)}"

    @property
    def weakest(self) -> tuple[Edge, ...]:
        """The edges that keep the chain from being surer, on either axis."""
        return tuple(
            edge
            for edge in self.edges
            if edge.evidence == self.evidence < Evidence.REPRODUCED
            or edge.origin == self.origin < Origin.EXECUTED
        )


def ancestors(reader: Reader, artifact: NamedNode, depth: int | None = None) -> Lineage:
    """Follows an artifact back to where it comes from.

    Args:
        reader: The registry.
        artifact: Its IRI.
        depth: How many edges to follow; all by default.

    Raises:
        NotFoundError: There is no such artifact.
    """
    return _lineage(reader, artifact, _back(reader, artifact, depth))


def descendants(reader: Reader, artifact: NamedNode, depth: int | None = None) -> Lineage:
    """Follows what was made from an artifact; see `ancestors`."""
    return _lineage(reader, artifact, _forth(reader, artifact, depth))


def lineage_graph(reader: Reader, artifact: NamedNode, depth: int | None = None) -> Lineage:
    """Follows an artifact in both directions; see `ancestors`."""
    forth, back = _forth(reader, artifact, depth), _back(reader, artifact, depth)
    return _lineage(
        reader, artifact, _Walk({**forth.depths, **back.depths}, forth.edges + back.edges)
    )


def assurance(reader: Reader, artifact: NamedNode) -> Assurance:
    """How sure the whole chain from an artifact to its origins is.

    What is known only by claim has no edges: it is declared, and nothing was found about it.

    Args:
        reader: The registry.
        artifact: Its IRI.
    """
    return chain_assurance(_edges(reader, "assurance", artifact))


def chain_assurance(edges: Iterable[Edge]) -> Assurance:
    """How sure a chain of edges is: the least of each axis.

    Law: adding an edge never makes a chain surer.
    """
    chain = tuple(edges)
    return Assurance(
        origin=min((edge.origin for edge in chain), default=Origin.DECLARED),
        evidence=min((edge.evidence for edge in chain), default=Evidence.NONE),
        edges=chain,
    )


def doubts(reader: Reader, artifact: NamedNode) -> tuple[str, ...]:
    """Why an artifact should not be used unseen: what is retired or refuted in its lineage.

    Args:
        reader: The registry.
        artifact: Its IRI.

    Raises:
        NotFoundError: There is no such artifact.
    """
    return lineage_doubts(ancestors(reader, artifact))


def lineage_doubts(found: Lineage) -> tuple[str, ...]:
    """What is retired or refuted in a lineage; see `doubts`."""
    refuted = {edge.child for edge in found.edges if edge.evidence is Evidence.REFUTED}
    told = []
    for one in found.nodes:
        called = f"{one.name} {short_id(one.iri)}"
        if one.artifact.retired:
            told.append(f"{called} is retired")
        if one.iri in refuted:
            told.append(f"how {called} was made is refuted")
    return tuple(told)


@dataclass(frozen=True)
class _Walk:
    """What was reached, how far away it is, and the edges that led there."""

    depths: Mapping[NamedNode, int]
    edges: tuple[Edge, ...]


def _edges(reader: Reader, query: str, artifact: NamedNode) -> list[Edge]:
    return [edge_of(row) for row in reader.rows(query, artifact=artifact)]


def edge_of(row: Row) -> Edge:
    """The edge that a row of assurance.rq, descendant_edges.rq or edges_of.rq tells of."""
    return Edge(
        child=node(row, "child"),
        parent=optional_node(row, "parent"),
        activity=node(row, "activity"),
        activity_kind=node(row, "activityKind"),
        step_name=text(row, "stepName"),
        about=node(row, "about"),
        sequence=integer(row, "sequence") or 0,
        origin=Origin[row["origin"].value.upper()],
        evidence=Evidence[row["evidence"].value.upper()],
    )


def _back(reader: Reader, artifact: NamedNode, depth: int | None) -> _Walk:
    edges = _edges(reader, "assurance", artifact)
    steps = [(edge.child, edge.parent) for edge in edges if edge.parent is not None]
    depths = distances(artifact, steps, depth)
    kept = (e for e in edges if e.child in depths and (e.parent is None or e.parent in depths))
    return _Walk(depths, tuple(kept))


def _forth(reader: Reader, artifact: NamedNode, depth: int | None) -> _Walk:
    edges = _edges(reader, "descendant_edges", artifact)
    steps = [(edge.parent, edge.child) for edge in edges if edge.parent is not None]
    depths = distances(artifact, steps, depth)
    kept = (e for e in reversed(edges) if e.child in depths and e.parent in depths)
    return _Walk({iri: -distance for iri, distance in depths.items()}, tuple(kept))


def distances(
    root: NamedNode, steps: Iterable[tuple[NamedNode, NamedNode]], limit: int | None
) -> dict[NamedNode, int]:
    """The number of edges on the shortest path from a root.

    Args:
        root: Where to begin.
        steps: From where to where an edge leads.
        limit: How many edges to follow; None for all.
    """
    following: dict[NamedNode, list[NamedNode]] = {}
    for here, there in steps:
        following.setdefault(here, []).append(there)
    distances, waiting = {root: 0}, deque([root])
    while waiting:
        here = waiting.popleft()
        if distances[here] == limit:
            continue
        for there in following.get(here, ()):
            if there not in distances:
                distances[there] = distances[here] + 1
                waiting.append(there)
    return distances


def _lineage(reader: Reader, root: NamedNode, walk: _Walk) -> Lineage:
    found = summaries(reader, walk.depths)
    if root not in found:
        raise NotFoundError(
            f"there is no artifact {root.value} here", "`pressmark ls` lists the artifacts"
        )
    nodes = [Node(found[iri], depth) for iri, depth in walk.depths.items() if iri in found]
    nodes.sort(key=lambda one: (one.depth, one.artifact.sequence or 0, one.iri.value))
    return Lineage(root, tuple(nodes), walk.edges)
