"""The geometry of the pictures in a report: the lineage, and quality over size.

Only places are computed here; the templates draw them, and escape every text while they do.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from pyoxigraph import NamedNode

from pressmark.registry.facts import ArtifactSummary
from pressmark.registry.lineage import Edge, Evidence, Lineage, Origin
from pressmark.registry.report.layered import Point, layered
from pressmark.registry.report.model import Report

BOX_WIDTH: Final = 272.0
BOX_HEIGHT: Final = 78.0
_COLUMN: Final = BOX_WIDTH + 36.0
_ROW: Final = BOX_HEIGHT + 82.0
_MARGIN: Final = 14.0

SYMBOLS: Final = {
    Evidence.REFUTED: "✗",
    Evidence.NONE: "?",
    Evidence.CHECKED: "✓",
    Evidence.REPRODUCED: "✓✓",
}
"""What stands for evidence beside its word: nothing is told by colour alone."""


@dataclass(frozen=True)
class Box:
    """An artifact, or the place outside that one was imported from.

    Attributes:
        x: Left edge.
        y: Top edge.
        artifact: The artifact; None for a place outside.
        outside: The place, where it is one.
        is_root: Whether the report is about it.
    """

    x: float
    y: float
    artifact: ArtifactSummary | None
    outside: str
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
    """

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


@dataclass(frozen=True)
class _Sketch:
    """A lineage as a graph: keys are artifacts, or edges that end at a place outside."""

    keys: Sequence[NamedNode]
    links: Sequence[tuple[int, int]]
    edges: Sequence[Edge]


def lineage_picture(lineage: Lineage) -> Picture:
    """Places a lineage in layers: everything stands below all that it was made from."""
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
    )


def _sketch(lineage: Lineage) -> _Sketch:
    keys = [one.iri for one in lineage.nodes]
    index = {iri: place for place, iri in enumerate(keys)}
    links: list[tuple[int, int]] = []
    edges: list[Edge] = []
    for edge in reversed(lineage.edges):
        if edge.parent is None:
            keys.append(edge.about)
            start = len(keys) - 1
        else:
            start = index[edge.parent]
        links.append((start, index[edge.child]))
        edges.append(edge)
    return _Sketch(keys, links, edges)


def _boxes(sketch: _Sketch, lineage: Lineage, places: Sequence[Point]) -> Iterator[Box]:
    known = {one.iri: one.artifact for one in lineage.nodes}
    outside = {edge.about: edge.child for edge in sketch.edges if edge.parent is None}
    for key, (column, row) in zip(sketch.keys, places, strict=True):
        x, y = _MARGIN + column * _COLUMN, _MARGIN + row * _ROW
        if key in known:
            yield Box(x, y, known[key], "", key == lineage.root)
        else:
            yield Box(x, y, None, _place(known[outside[key]]), is_root=False)


def _place(artifact: ArtifactSummary) -> str:
    if artifact.imported_from is None:
        return "parents not stated"
    revision = f" @ {artifact.source_revision}" if artifact.source_revision else ""
    return artifact.imported_from + revision


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


# -------------------------------------------------------------------------------- quality over size


@dataclass(frozen=True)
class Mark:
    """A measured artifact in the plot."""

    x: float
    y: float
    name: str
    text: str
    anchor: str


@dataclass(frozen=True)
class Tick:
    """A place on an axis and its label."""

    at: float
    text: str


@dataclass(frozen=True)
class Plot:
    """Perplexity over size on one data set; smaller is better on both axes.

    Attributes:
        dataset: The data set.
        metric: What is on the vertical axis.
        marks: The artifacts, in the order of the chain.
        line: SVG path data through them.
        across: Ticks of the horizontal axis, in bytes.
        up: Ticks of the vertical axis.
    """

    dataset: str
    metric: str
    marks: tuple[Mark, ...]
    line: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


PLOT_LEFT: Final = 64.0
PLOT_RIGHT: Final = 640.0
PLOT_TOP: Final = 20.0
PLOT_BOTTOM: Final = 240.0


def quality_plots(report: Report, metric: str = "perplexity") -> tuple[Plot, ...]:
    """One plot for each data set on which at least two artifacts of the chain were measured."""
    by_data: dict[str, dict[NamedNode, tuple[ArtifactSummary, float]]] = {}
    for found in report.evaluations:
        value = found.value(metric)
        if value is not None and math.isfinite(value) and found.artifact.size:
            measured = by_data.setdefault(found.dataset, {})
            measured[found.artifact.iri] = (found.artifact, value)
    return tuple(
        _plot(dataset, metric, list(measured.values()))
        for dataset, measured in by_data.items()
        if len(measured) > 1
    )


def _plot(dataset: str, metric: str, points: Sequence[tuple[ArtifactSummary, float]]) -> Plot:
    sizes = _ticks([0.0, *(float(artifact.size or 0) for artifact, _ in points)])
    values = _ticks([value for _, value in points])
    across = _scale(sizes, PLOT_LEFT, PLOT_RIGHT)
    up = _scale(values, PLOT_BOTTOM, PLOT_TOP)
    marks = tuple(
        Mark(
            x := across(float(artifact.size or 0)),
            up(value),
            artifact.name,
            f"{artifact.name}: {value:.4g}",
            "end" if x > (PLOT_LEFT + PLOT_RIGHT) / 2 else "start",
        )
        for artifact, value in points
    )
    return Plot(
        dataset=dataset,
        metric=metric,
        marks=marks,
        line="M" + " L".join(_at((mark.x, mark.y)) for mark in marks),
        across=tuple(Tick(across(one), bytes_text(one)) for one in sizes),
        up=tuple(Tick(up(one), f"{one:.4g}") for one in values),
    )


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def _scale(ticks: Sequence[float], start: float, end: float) -> _Scale:
    return _Scale(ticks[0], ticks[-1], start, end)


def _ticks(values: Iterable[float]) -> list[float]:
    """Three to six round numbers that enclose the values."""
    known = list(values)
    low, high = min(known), max(known)
    spread = (high - low) or abs(high) or 1.0
    step = 10.0 ** math.floor(math.log10(spread / 2))
    step *= next(by for by in (1, 2, 5, 10) if spread / (step * by) <= 4)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


_UNITS: Final[Mapping[float, str]] = {1e12: "TB", 1e9: "GB", 1e6: "MB", 1e3: "kB"}


def bytes_text(count: float) -> str:
    """Bytes in the largest unit of which there is at least one, to three digits or more."""
    for factor, unit in _UNITS.items():
        if count >= factor:
            scaled = count / factor
            return f"{scaled:.3g} {unit}" if scaled < 999.5 else f"{scaled:.0f} {unit}"
    return f"{count:.0f} B"
