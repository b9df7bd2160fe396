"""A lineage of any size, a page at a time.

The walk follows every edge; filters choose what is listed of what it reached. So a filter never
hides what lies behind an artifact that it leaves out.

The order is outward from the root: by the number of edges on the shortest path, then by place in
the journal, then by IRI. Records are only added and speak only of what they mint, so an artifact
keeps its place in this order for ever: it is the key of the pages, and whoever was there when the
first page was asked for is listed exactly once.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Final

from pyoxigraph import NamedNode

from pressmark.registry.errors import NotFoundError
from pressmark.registry.facts import (
    ArtifactSummary,
    Reader,
    integer,
    local_name,
    node,
    summaries,
)
from pressmark.registry.lineage import Edge, Evidence, Node, Origin, distances, edge_of

_WINDOW: Final = 200


class Direction(StrEnum):
    """Which way to follow the history."""

    ANCESTORS = "ancestors"
    DESCENDANTS = "descendants"
    BOTH = "both"


@dataclass(frozen=True)
class LineageFilter:
    """What the artifacts that are listed must have; everything that is given must fit.

    Attributes:
        kind: Their class.
        step: The step that made them, such as "prune/wanda", or its class, such as "Prune".
        since: Made at this time or later.
        until: Made before this time.
        origin: One of the edges to their parents has this origin.
        evidence: One of the edges to their parents has this evidence.
    """

    kind: NamedNode | None = None
    step: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    origin: Origin | None = None
    evidence: Evidence | None = None

    def fits(self, artifact: ArtifactSummary, edges: Iterable[Edge]) -> bool:
        """Whether an artifact is to be listed.

        Args:
            artifact: What is known of it.
            edges: How it was made.
        """
        if self.kind is not None and artifact.kind != self.kind:
            return False
        if self.step is None and self.origin is None and self.evidence is None:
            return self._in_time(artifact)
        return self._in_time(artifact) and any(self.fits_edge(one) for one in edges)

    def fits_edge(self, found: Edge) -> bool:
        """Whether an edge is to be listed with the artifact that it made."""
        return (
            self.step in (None, found.step_name, local_name(found.activity_kind))
            and self.origin in (None, found.origin)
            and self.evidence in (None, found.evidence)
        )

    def _in_time(self, artifact: ArtifactSummary) -> bool:
        if self.since is None and self.until is None:
            return True
        if artifact.generated_at is None:
            return False
        made = datetime.fromisoformat(artifact.generated_at)
        after = self.since is None or made >= self.since
        return after and (self.until is None or made < self.until)


@dataclass(frozen=True)
class LineagePage:
    """A page of the history around one artifact.

    Attributes:
        root: The artifact that was asked about.
        nodes: Artifacts, outward from the root.
        edges: The edges from the artifacts of this page to those of their parents that the walk
            reached: each edge is on one page, that of its child. One whose parent is None ends at
            an import.
        next: The last artifact of the page, after which the next one begins; None on the last.
    """

    root: NamedNode
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    next: NamedNode | None


def lineage_page(
    reader: Reader,
    root: NamedNode,
    direction: Direction = Direction.ANCESTORS,
    *,
    depth: int | None = None,
    only: LineageFilter | None = None,
    limit: int = 100,
    after: NamedNode | None = None,
) -> LineagePage:
    """Lists a lineage, a page at a time.

    Args:
        reader: The registry.
        root: The artifact to begin at.
        direction: Which way to go.
        depth: How many edges to follow; all by default.
        only: What is listed of what was reached; all by default.
        limit: How many artifacts at most.
        after: The last artifact of the page before.

    Raises:
        NotFoundError: There is no such artifact, or `after` is not in its lineage.
    """
    if not summaries(reader, [root]):
        raise NotFoundError(
            f"there is no artifact {root.value} here", "`pressmark ls` lists the artifacts"
        )
    reached = _walk(reader, root, direction, depth)
    remaining = _remaining(reached, after)
    window = max(_WINDOW, limit + 1) if only else limit + 1
    found = list(islice(_listed(reader, remaining, only or LineageFilter(), window), limit + 1))
    page = found[:limit]
    return LineagePage(
        root,
        tuple(Node(artifact, reached[artifact.iri].depth) for artifact, _ in page),
        tuple(one for _, edges in page for one in edges if _is_walked(one, reached, direction)),
        page[-1][0].iri if len(found) > limit else None,
    )


@dataclass(frozen=True)
class _Place:
    """Where a walk found an artifact.

    Attributes:
        depth: Edges from the root; negative towards descendants.
        sequence: Its place in the journal; 0 if it is known only by claim.
    """

    depth: int
    sequence: int


def _walk(
    reader: Reader, root: NamedNode, direction: Direction, limit: int | None
) -> dict[NamedNode, _Place]:
    """What can be reached, in the order of the pages."""
    reached = {root: _Place(0, 0)}
    if direction is not Direction.DESCENDANTS:
        reached |= _way(reader, root, "child", "parent", limit)
    if direction is not Direction.ANCESTORS:
        forth = _way(reader, root, "parent", "child", limit)
        reached |= {iri: _Place(-one.depth, one.sequence) for iri, one in forth.items()}
    order = sorted(reached.items(), key=lambda one: _key(*one))
    return dict(order)


def _way(
    reader: Reader, root: NamedNode, here: str, there: str, limit: int | None
) -> dict[NamedNode, _Place]:
    query = "ancestor_pairs" if there == "parent" else "descendant_pairs"
    rows = reader.rows(query, artifact=root)
    places = {node(row, there): integer(row, "sequence") or 0 for row in rows}
    steps = ((node(row, here), node(row, there)) for row in rows)
    away = distances(root, steps, limit)
    return {iri: _Place(far, places.get(iri, 0)) for iri, far in away.items()}


def _key(iri: NamedNode, place: _Place) -> tuple[int, int, str]:
    return abs(place.depth), place.sequence, iri.value


def _remaining(reached: Mapping[NamedNode, _Place], after: NamedNode | None) -> list[NamedNode]:
    order = list(reached)
    if after is None:
        return order
    if after not in reached:
        raise NotFoundError(
            f"the page cannot go on after {after.value}: it is not in this lineage",
            "give `next` of the page before",
        )
    return order[order.index(after) + 1 :]


def _listed(
    reader: Reader, order: list[NamedNode], only: LineageFilter, size: int
) -> Iterator[tuple[ArtifactSummary, list[Edge]]]:
    for first in range(0, len(order), size):
        window = order[first : first + size]
        made: dict[NamedNode, list[Edge]] = {}
        for row in reader.rows("edges_of", child=window):
            made.setdefault(node(row, "child"), []).append(edge_of(row))
        for iri, artifact in summaries(reader, window).items():
            if only.fits(artifact, made.get(iri, ())):
                yield artifact, [one for one in made.get(iri, ()) if only.fits_edge(one)]


def _is_walked(found: Edge, reached: Mapping[NamedNode, _Place], direction: Direction) -> bool:
    if found.parent is None:
        return direction is not Direction.DESCENDANTS and reached[found.child].depth >= 0
    return found.parent in reached
