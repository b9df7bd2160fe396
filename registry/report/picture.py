"""The geometry of the picture of a lineage.

Only places are computed here; a template draws them, and escapes every text while it does.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from pyoxigraph import NamedNode

from pressmark.registry.facts import ArtifactSummary
from pressmark.registry.lineage import Edge, Lineage, Origin
from pressmark.registry.report.layered import Point, layered
from pressmark.registry.report.wording import SYMBOLS

BOX_WIDTH: Final = 272.0
BOX_HEIGHT: Final = 78.0
_COLUMN: Final = BOX_WIDTH + 36.0
_ROW: Final = BOX_HEIGHT + 66.0
_MARGIN: Final = 14.0

MOST_DRAWN: Final = 24
"""So many artifacts are drawn, the nearest to the one that the report is about."""
DEEPEST_DRAWN: Final = 7
"""So many edges away from it at most: what is drawn fits on a page."""
WIDEST_DRAWN: Final = 4
"""So many artifacts that are equally far away."""


@dataclass(frozen=True)
class Box:
    """An artifact, or the place outside that one was imported from.

    Attributes:
        x: Left edge.
        y: Top edge.
        artifact: The artifact; None for a place outside, or what is not drawn.
        place: What stands in it instead: "outside" and where, or "earlier" and what.
        is_root: Whether the report is about it.
    """

    x: float
    y: float
    artifact: ArtifactSummary | None
    place: tuple[str, str]
    is_root: bool


@dataclass(frozen=True)
class Arrow:
    """An edge, drawn from what was used to what was made.

    Attributes:
        path: SVG path data.
        label: Where its label is centred.
        edge: The edge.
        step: What was done.
    """

    path: str
    label: Point
    edge: Edge
    step: str

    @property
    def symbol(self) -> str:
        """The symbol of its evidence."""
        return SYMBOLS[self.edge.evidence]

    @property
    def is_declared(self) -> bool:
        """Whether nobody here saw it happen."""
        return self.edge.origin is Origin.DECLARED


@dataclass(frozen=True)
class Picture:
    """A lineage, oldest at the top.

    Attributes:
        width: Of the drawing, in pixels.
        height: Of the drawing, in pixels.
        boxes: Artifacts and places outside.
        arrows: Edges.
        left_out: How many artifacts are not drawn.
    """

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    left_out: int


@dataclass(frozen=True)
class _Sketch:
    """A lineage as a graph: keys are artifacts, or edges that begin where nothing is drawn."""

    keys: Sequence[NamedNode]
    links: Sequence[tuple[int, int]]
    edges: Sequence[Edge]

    @property
    def drawn(self) -> int:
        """How many artifacts are drawn."""
        return len(set(self.keys) - {edge.about for edge in self.edges})


def lineage_picture(lineage: Lineage) -> Picture:
    """Places a lineage in layers: everything stands below all that it was made from.

    Of a large lineage what is nearest to its root is drawn.
    """
    sketch = _sketch(lineage)
    drawn = layered(len(sketch.keys), sketch.links)
    places = drawn.places
    everywhere = [*places, *(point for points in drawn.bends for point in points)]
    return Picture(
        width=max(x for x, _ in everywhere) * _COLUMN + BOX_WIDTH + 2 * _MARGIN,
        height=max(y for _, y in places) * _ROW + BOX_HEIGHT + 2 * _MARGIN,
        boxes=tuple(_boxes(sketch, lineage, places)),
        arrows=tuple(
            _arrow(edge, places[start], places[end], bends)
            for edge, (start, end), bends in zip(
                sketch.edges, sketch.links, drawn.bends, strict=True
            )
        ),
        left_out=len(lineage.nodes) - sketch.drawn,
    )


def _sketch(lineage: Lineage) -> _Sketch:
    keys = _near(lineage)
    index = {iri: place for place, iri in enumerate(keys)}
    links: list[tuple[int, int]] = []
    edges: list[Edge] = []
    for edge in (*_within(lineage, index), *_leading_away(lineage, index)):
        if edge.parent is None or edge.parent not in index:
            keys.append(edge.about)
            start = len(keys) - 1
        else:
            start = index[edge.parent]
        links.append((start, index[edge.child]))
        edges.append(edge)
    return _Sketch(keys, links, edges)


def _near(lineage: Lineage) -> list[NamedNode]:
    """What is drawn: a few parents of the subject, a few of theirs, and so on."""
    kept = [lineage.root]
    layer = {lineage.root}
    for _ in range(DEEPEST_DRAWN):
        parents = (edge.parent for edge in lineage.edges if edge.child in layer)
        new = dict.fromkeys(one for one in parents if one is not None and one not in kept)
        chosen = list(new)[: min(WIDEST_DRAWN, MOST_DRAWN - len(kept))]
        kept += chosen
        layer = set(chosen)
    return kept


def _within(lineage: Lineage, drawn: Container[NamedNode]) -> Iterator[Edge]:
    """The edges between what is drawn, and from the places of imports; oldest first."""
    for edge in reversed(lineage.edges):
        if edge.child in drawn and (edge.parent is None or edge.parent in drawn):
            yield edge


def _leading_away(lineage: Lineage, drawn: Container[NamedNode]) -> Iterator[Edge]:
    """For each artifact the weakest of its edges to what is not drawn: one stands for them all."""
    weakest: dict[NamedNode, Edge] = {}
    for edge in _hidden(lineage, drawn):
        known = weakest.setdefault(edge.child, edge)
        if edge.evidence < known.evidence:
            weakest[edge.child] = edge
    yield from weakest.values()


def _hidden(lineage: Lineage, drawn: Container[NamedNode]) -> Iterator[Edge]:
    for edge in lineage.edges:
        if edge.child in drawn and edge.parent is not None and edge.parent not in drawn:
            yield edge


def _boxes(sketch: _Sketch, lineage: Lineage, places: Sequence[Point]) -> Iterator[Box]:
    known = {one.iri: one.artifact for one in lineage.nodes}
    edges = {edge.about: edge for edge in sketch.edges}
    drawn = set(sketch.keys)
    for key, (column, row) in zip(sketch.keys, places, strict=True):
        x, y = _MARGIN + column * _COLUMN, _MARGIN + row * _ROW
        if key in known:
            yield Box(x, y, known[key], ("", ""), key == lineage.root)
        else:
            yield Box(x, y, None, _place(edges[key], lineage, drawn), is_root=False)


def _place(edge: Edge, lineage: Lineage, drawn: Container[NamedNode]) -> tuple[str, str]:
    if edge.parent is not None:
        others = sum(one.child == edge.child for one in _hidden(lineage, drawn)) - 1
        more = f" and {others:,} more" if others else ""
        return "earlier", f"{lineage.node(edge.parent).name}{more}"
    artifact = lineage.node(edge.child).artifact
    if artifact.imported_from is None:
        return "outside", "parents not stated"
    revision = f" @ {artifact.source_revision}" if artifact.source_revision else ""
    return "outside", artifact.imported_from + revision


def _arrow(edge: Edge, start: Point, end: Point, bends: Sequence[Point]) -> Arrow:
    """A curve from the bottom of one box to the top of another, through the bends."""
    points = [_bottom(start), *map(_middle, bends), _top(end)]
    path = f"M{_at(points[0])}"
    for (x0, y0), (x1, y1) in pairwise(points):
        half = (y0 + y1) / 2
        path += f" C{_at((x0, half))} {_at((x1, half))} {_at((x1, y1))}"
    (x0, y0), (x1, y1) = points[-2:]
    label = (x0 + 0.26 * (x1 - x0), y0 + 0.37 * (y1 - y0))  # on the curve, a third of the way
    step = edge.step_name or "registered"
    return Arrow(path, label, edge, step)


def _bottom(place: Point) -> Point:
    return _MARGIN + place[0] * _COLUMN + BOX_WIDTH / 2, _MARGIN + place[1] * _ROW + BOX_HEIGHT


def _top(place: Point) -> Point:
    return _MARGIN + place[0] * _COLUMN + BOX_WIDTH / 2, _MARGIN + place[1] * _ROW - 7


def _middle(place: Point) -> Point:
    return (
        _MARGIN + place[0] * _COLUMN + BOX_WIDTH / 2,
        _MARGIN + place[1] * _ROW + BOX_HEIGHT / 2,
    )


def _at(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"
