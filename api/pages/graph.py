"""The lineage of one artifact as a drawing with links: oldest at the left, the newest at the right.

A lineage may have thousands of artifacts. The nearest are drawn; where others follow, a box says
how many, and leads to a larger drawing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from pyoxigraph import NamedNode

from pressmark.registry.facts import ArtifactSummary
from pressmark.registry.lineage import Edge, Lineage, Node
from pressmark.registry.report.layered import Point, layered

BOX_WIDTH: Final = 232.0
BOX_HEIGHT: Final = 46.0
SIZES: Final = (40, 150, 500, 2000)
"""How many artifacts are drawn at first, and each time that more are asked for."""

_COLUMN: Final = BOX_WIDTH + 92.0
_ROW: Final = BOX_HEIGHT + 22.0
_MARGIN: Final = 44.0


@dataclass(frozen=True)
class Box:
    """A drawn artifact, or the others that follow on one.

    Attributes:
        x: Left edge.
        y: Top edge.
        artifact: The artifact; None where it stands for others.
        step: What made it.
        hidden: How many neighbours it stands for.
        is_root: Whether the drawing is about it.
    """

    x: float
    y: float
    artifact: ArtifactSummary | None
    step: str
    hidden: int
    is_root: bool


@dataclass(frozen=True)
class Line:
    """An edge, drawn from what was used to what was made.

    Attributes:
        path: SVG path data.
        tip: SVG path data of its arrow head.
        seal: Where its symbol stands.
        edge: The edge; None where it leads to what is not drawn.
        start: Number of the box that it begins at; None where that is outside.
        end: Number of the box that it ends at.
    """

    path: str
    tip: str
    seal: Point
    edge: Edge | None
    start: int | None
    end: int


@dataclass(frozen=True)
class Drawing:
    """A lineage as boxes and lines.

    Attributes:
        width: In pixels.
        height: In pixels.
        boxes: The boxes; lines refer to them by their numbers.
        lines: The lines.
        shown: How many artifacts are drawn.
        total: How many there are.
        more: How many to ask for to see more; None if everything is drawn, or nothing more can be.
    """

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    shown: int
    total: int
    more: int | None


def drawing(lineage: Lineage, limit: int = SIZES[0]) -> Drawing:
    """Draws the nearest artifacts of a lineage.

    Args:
        lineage: The lineage.
        limit: How many artifacts are drawn at most.
    """
    nodes = nearest(lineage, limit)
    numbers = {one.iri: number for number, one in enumerate(nodes)}
    edges = [e for e in lineage.edges if e.parent in numbers and e.child in numbers]
    links = [(numbers[e.parent], numbers[e.child]) for e in edges if e.parent is not None]
    folds = list(_folds(lineage, numbers))
    first = len(nodes)
    for place, fold in enumerate(folds, start=first):
        links.append((fold.at, place) if fold.after else (place, fold.at))
    laid = layered(first + len(folds), links)
    places = [_at(point) for point in laid.places]
    return Drawing(
        *_extent([*places, *(_at(point) for bends in laid.bends for point in bends)]),
        boxes=tuple(_boxes(lineage, nodes, folds, places)),
        lines=(
            *_lines([*edges, *[None] * len(folds)], links, places, laid.bends),
            *_stubs(lineage, numbers, places),
        ),
        shown=len(nodes),
        total=len(lineage.nodes),
        more=next((size for size in SIZES if size > limit), None) if folds else None,
    )


def nearest(lineage: Lineage, limit: int) -> list[Node]:
    """The artifacts that are drawn: the nearest, and among those equally near the ones in use.

    Law: whatever is drawn is connected with the artifact that the lineage is about.
    """

    def key(one: Node) -> tuple[int, bool, int]:
        return abs(one.depth), not one.artifact.aliases, -(one.artifact.sequence or 0)

    return sorted(lineage.nodes, key=key)[:limit]


@dataclass(frozen=True)
class _Fold:
    at: int
    after: bool
    count: int


def _folds(lineage: Lineage, numbers: Mapping[NamedNode, int]) -> Iterator[_Fold]:
    """Where neighbours are not drawn: at which box, on which side, and how many they are."""
    found: dict[tuple[int, bool], set[NamedNode]] = {}
    for edge in lineage.edges:
        if edge.parent is None:
            continue
        if edge.parent in numbers and edge.child not in numbers:
            found.setdefault((numbers[edge.parent], True), set()).add(edge.child)
        if edge.child in numbers and edge.parent not in numbers:
            found.setdefault((numbers[edge.child], False), set()).add(edge.parent)
    for (at, after), hidden in found.items():
        yield _Fold(at, after, len(hidden))


def _boxes(
    lineage: Lineage, nodes: Sequence[Node], folds: Sequence[_Fold], places: Sequence[Point]
) -> Iterator[Box]:
    steps = {edge.child: edge.step_name or "registered" for edge in lineage.edges}
    for one, (x, y) in zip(nodes, places, strict=False):
        step = steps.get(one.iri, "not made here")
        yield Box(x, y, one.artifact, step, 0, one.iri == lineage.root)
    for fold, (x, y) in zip(folds, places[len(nodes) :], strict=True):
        step = "made from it" if fold.after else "that it was made from"
        yield Box(x, y, None, step, fold.count, is_root=False)


def _lines(
    edges: Sequence[Edge | None],
    links: Sequence[tuple[int, int]],
    places: Sequence[Point],
    bends: Sequence[Sequence[Point]],
) -> Iterator[Line]:
    """An only parent is joined by an elbow, which its children share; several parents by curves."""
    parents = Counter(end for _, end in links)
    for edge, (start, end), middle in zip(edges, links, bends, strict=True):
        points = [_right(places[start]), *map(_through, middle), _left(places[end])]
        if parents[end] == 1 and not middle:
            path, seal = _elbow(points[0], points[-1]), (points[-1][0] - 26, points[-1][1])
        else:
            path, seal = _curve(points), _middle(points)
        yield Line(path, _tip(points[-1]), seal, edge, start, end)


def _stubs(
    lineage: Lineage, numbers: Mapping[NamedNode, int], places: Sequence[Point]
) -> Iterator[Line]:
    """A short line into each artifact that was imported or registered without parents."""
    for edge in lineage.edges:
        if edge.parent is None and edge.child in numbers:
            x, y = _left(places[numbers[edge.child]])
            path = f"M{x - 40:.1f},{y:.1f} H{x:.1f}"
            yield Line(path, _tip((x, y)), (x - 26, y), edge, None, numbers[edge.child])


def _extent(points: Iterable[Point]) -> tuple[float, float]:
    known = list(points)
    right, bottom = max(x for x, _ in known), max(y for _, y in known)
    return right + BOX_WIDTH + _MARGIN, bottom + BOX_HEIGHT + _MARGIN


def _at(place: Point) -> Point:
    """Layers go from left to right."""
    within, layer = place
    return _MARGIN + layer * _COLUMN, _MARGIN + within * _ROW


def _left(corner: Point) -> Point:
    return corner[0], corner[1] + BOX_HEIGHT / 2


def _right(corner: Point) -> Point:
    return corner[0] + BOX_WIDTH, corner[1] + BOX_HEIGHT / 2


def _through(place: Point) -> Point:
    x, y = _at(place)
    return x + BOX_WIDTH / 2, y + BOX_HEIGHT / 2


def _elbow(start: Point, end: Point) -> str:
    """Across, along a line that all children share, and across again, with rounded corners."""
    (x0, y0), (x1, y1) = start, end
    turn, corner = x0 + 26, min(10.0, abs(y1 - y0) / 2)
    down = corner if y1 > y0 else -corner
    return (
        f"M{_text(start)} H{turn - corner:.1f} Q{_text((turn, y0))} {_text((turn, y0 + down))} "
        f"V{y1 - down:.1f} Q{_text((turn, y1))} {_text((turn + corner, y1))} H{x1:.1f}"
    )


def _tip(point: Point) -> str:
    x, y = point
    return f"M{x - 9:.1f},{y - 5:.1f} L{_text(point)} L{x - 9:.1f},{y + 5:.1f} z"


def _curve(points: Sequence[Point]) -> str:
    path = f"M{_text(points[0])}"
    for (x0, y0), (x1, y1) in pairwise(points):
        half = (x0 + x1) / 2
        path += f" C{_text((half, y0))} {_text((half, y1))} {_text((x1, y1))}"
    return path


def _middle(points: Sequence[Point]) -> Point:
    (x0, y0), (x1, y1) = points[-2:]
    return (x0 + x1) / 2, (y0 + y1) / 2


def _text(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"
