"""The pictures of a report as SVG."""

from collections.abc import Iterator
from typing import Final

from pressmark.registry.report import plots
from pressmark.registry.report.document import Figure, Line, Span, Tone
from pressmark.registry.report.model import Report
from pressmark.registry.report.picture import BOX_HEIGHT, BOX_WIDTH, Picture, lineage_picture
from pressmark.registry.report.templating import render
from pressmark.registry.report.wording import line

_LEGEND: Final[tuple[Line, ...]] = (
    line(Span("executed", Tone.STRONG), " (solid): this registry's engine ran the step"),
    line(Span("declared", Tone.STRONG), " (dashed): stated by whoever registered it"),
    line(Span("✓ checked", Tone.GOOD), ": the claims were checked against the bytes"),
    line(Span("✓✓ reproduced", Tone.GOOD), ": a re-run gave the same bytes"),
    line(Span("? unverified", Tone.FAIR), ": nobody has checked"),
    line(Span("✗ refuted", Tone.BAD), ": a check or a re-run contradicts the record"),
)


def lineage_figure(report: Report) -> Figure:
    """Where the artifact comes from, as a graph."""
    picture = lineage_picture(report.lineage)
    svg = render(
        "lineage.svg.j2",
        report=report,
        picture=picture,
        box_width=BOX_WIDTH,
        box_height=BOX_HEIGHT,
    )
    text = f"The lineage of {report.artifact.name}; the table that follows says the same."
    return Figure(svg, picture.width, text, _caption(picture), _LEGEND)


def _caption(picture: Picture) -> str:
    shown = "Oldest at the top; the framed box is the subject of this report."
    if picture.left_out:
        shown += f" {picture.left_out:,} artifacts further away are not drawn."
    return f"{shown} The same, as a table, follows."


def plot_figures(report: Report) -> Iterator[Figure]:
    """Size and quality along the chain."""
    for number, plot in enumerate(plots.along_chain(report), start=1):
        svg = render("plot.svg.j2", plot=plot, number=number)
        values = "; ".join(f"{mark.name} {mark.text}" for mark in plot.marks)
        yield Figure(svg, plot.width, f"{plot.title}: {values}", plot.title)
