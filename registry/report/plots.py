"""The geometry of the plots along a chain: how large each artifact is, and how good.

Only places are computed here; a template draws them, and escapes every text while it does. Each
artifact has a row, the oldest at the top, so that a plot is as narrow as a phone.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pyoxigraph import NamedNode

from pressmark.registry.facts import ArtifactSummary
from pressmark.registry.report.model import Report
from pressmark.registry.report.wording import bytes_text

WIDTH: Final = 420.0
LEFT: Final = 12.0
RIGHT: Final = WIDTH - 34.0
ROW: Final = 40.0
_TOP: Final = 26.0

PLOTTED: Final = ("perplexity", "kl_divergence", "top1_agreement", "tokens_per_second")
"""What artifacts are compared by, in the order in which it is shown."""
_MOST_PLOTS: Final = 4
_MOST_ROWS: Final = 30


@dataclass(frozen=True)
class Mark:
    """An artifact's row in a plot.

    Attributes:
        x: Where its value lies.
        y: The middle of its row.
        name: Its name.
        text: Its value.
    """

    x: float
    y: float
    name: str
    text: str


@dataclass(frozen=True)
class Tick:
    """A place on an axis and its label."""

    at: float
    text: str


@dataclass(frozen=True)
class Plot:
    """A measure of the artifacts along the chain.

    Attributes:
        title: What is shown.
        marks: The artifacts, in the order of the chain.
        ticks: Ticks of the horizontal axis.
        is_amount: Whether the axis begins at zero, so that bars may be drawn.
        height: Of the drawing, in pixels.
        width: Of the drawing, in pixels.
        left: Where the axis begins.
        right: Where it ends.
    """

    title: str
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    is_amount: bool
    height: float
    width: float = WIDTH
    left: float = LEFT
    right: float = RIGHT

    @property
    def line(self) -> str:
        """SVG path data from mark to mark."""
        return "M" + " L".join(f"{mark.x:.1f},{mark.y + 6:.1f}" for mark in self.marks)


def along_chain(report: Report) -> tuple[Plot, ...]:
    """The plots of a report: size, then each telling metric on each data set."""
    return (*_size(report), *quality_plots(report))


def quality_plots(report: Report) -> tuple[Plot, ...]:
    """Each telling metric on each data set on which it was measured of two artifacts or more."""
    return tuple(_quality(report))[:_MOST_PLOTS]


def _size(report: Report) -> Iterator[Plot]:
    chain = sorted((n.artifact for n in report.lineage.nodes), key=lambda one: one.sequence or 0)
    sized = [(one, float(one.size)) for one in chain if one.size is not None]
    if sized:
        yield _plot("Size of all files", sized, bytes_text, is_amount=True)


def _quality(report: Report) -> Iterator[Plot]:
    datasets = dict.fromkeys(one.dataset for one in report.evaluations)
    for dataset in datasets:
        for metric in telling(report.metrics):
            if len(points := _points(report, dataset, metric)) > 1:
                values = [(artifact, value) for artifact, value in points.values()]
                yield _plot(f"{metric} on {dataset}", values, _digits, is_amount=False)


def telling(metrics: Sequence[str]) -> Sequence[str]:
    """Those of some metrics that artifacts are compared by; the first few if none is known."""
    return [one for one in PLOTTED if one in metrics] or metrics[:_MOST_PLOTS]


def _points(
    report: Report, dataset: str, metric: str
) -> Mapping[NamedNode, tuple[ArtifactSummary, float]]:
    """The last finite value of each artifact."""
    found = {}
    for one in report.evaluations:
        value = one.value(metric)
        if one.dataset == dataset and value is not None and math.isfinite(value):
            found[one.artifact.iri] = (one.artifact, value)
    return found


def _digits(value: float) -> str:
    return f"{value:.4g}"


def _plot(
    title: str,
    points: Sequence[tuple[ArtifactSummary, float]],
    worded: Callable[[float], str],
    *,
    is_amount: bool,
) -> Plot:
    shown = points[-_MOST_ROWS:]
    values = [value for _, value in shown]
    ticks = scale([0.0, *values] if is_amount else values)
    first, last = ticks[0], ticks[-1]

    def across(value: float) -> float:
        return LEFT + (value - first) / (last - first) * (RIGHT - LEFT)

    marks = tuple(
        Mark(across(value), _TOP + place * ROW, artifact.name, worded(value))
        for place, (artifact, value) in enumerate(shown)
    )
    axis = tuple(Tick(across(one), worded(one)) for one in ticks)
    return Plot(title, marks, axis, is_amount, _TOP + len(marks) * ROW + 14)


def scale(values: Iterable[float]) -> list[float]:
    """Three to six round numbers that enclose the values."""
    known = list(values)
    low, high = min(known), max(known)
    spread = (high - low) or abs(high) or 1.0
    step = 10.0 ** math.floor(math.log10(spread / 2))
    step *= next(by for by in (1, 2, 5, 10) if spread / (step * by) <= 4)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]
