"""``/artifacts/ID``: everything that is known of one artifact."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pyoxigraph import NamedNode

from pressmark.api.pages.access import Seen, Visitor, visitor
from pressmark.api.pages.graph import BOX_HEIGHT, BOX_WIDTH, SIZES, drawing
from pressmark.api.pages.rendering import HEADERS, text, uuid
from pressmark.api.service.dependencies import Artifact, Store
from pressmark.api.service.profiles import Profiles
from pressmark.api.telling import chosen
from pressmark.registry.facts import ArtifactSummary, Reader, optional_node
from pressmark.registry.kept_reports import kept_reports
from pressmark.registry.lineage import Lineage, doubts, lineage_graph
from pressmark.registry.registry import Registry
from pressmark.registry.report import FORMATS, Report, build, nobody
from pressmark.registry.report.model import Evaluation, MachineFact, Quantity
from pressmark.registry.report.plots import quality_plots

routes = APIRouter(prefix="/artifacts", dependencies=[Depends(visitor)])
_DEPENDENTS: Final = 100


@dataclass(frozen=True)
class ChainLink:
    """An artifact on the way, and how its size compares.

    Attributes:
        artifact: The artifact.
        step: What made it.
        share: Its bytes in percent of the largest on the way.
    """

    artifact: ArtifactSummary
    step: str
    share: float


@routes.get("/{artifact}")
def show(
    request: Request,
    registry: Store,
    artifact: Artifact,
    seen: Seen,
    nodes: Annotated[int, Query(ge=1, le=SIZES[-1])] = SIZES[0],
) -> Response:
    """The page of an artifact; under any other of its names it leads there."""
    if request.path_params["artifact"] != uuid(artifact):
        return RedirectResponse(f"/artifacts/{uuid(artifact)}", 303)
    return HTMLResponse(written(request, registry, artifact, seen, nodes), headers=HEADERS)


def written(
    request: Request, registry: Registry, artifact: NamedNode, seen: Visitor, nodes: int = SIZES[0]
) -> str:
    """The page of an artifact as HTML.

    Args:
        request: What was asked.
        registry: The registry.
        artifact: Its IRI.
        seen: Who looks at it.
        nodes: How many artifacts of its lineage are drawn at most.
    """
    profiles: Profiles = request.app.state.profiles
    names = profiles.name_of if seen.principal.agent else nobody
    report = build(registry, artifact, verified=False, names=names)
    around = lineage_graph(registry, artifact)
    return text(
        request,
        "artifact",
        report=report,
        formats=[name for name in FORMATS if name != "html"],
        one=report.artifact,
        doubts=doubts(registry, artifact),
        lineage=around,
        drawing=drawing(around, nodes),
        box=(BOX_WIDTH, BOX_HEIGHT),
        chain=chain(report.lineage),
        own=next((step for step in report.steps if step.made.iri == artifact), None),
        metrics=telling_metrics(report.evaluations),
        plots=quality_plots(report),
        kept=kept_reports(registry, artifact),
        dependents=report.dependents[:_DEPENDENTS],
        machine=_machine(report, artifact),
        run=_run(registry, report.artifact),
        telling=telling,
    )


def chain(lineage: Lineage) -> list[ChainLink]:
    """The artifacts that an artifact was made from, and itself, oldest first."""
    steps = {edge.child: edge.step_name or "registered" for edge in lineage.edges}
    ordered = sorted((one.artifact for one in lineage.nodes), key=lambda one: one.sequence or 0)
    largest = max((one.size or 0 for one in ordered), default=0) or 1
    return [
        ChainLink(one, steps.get(one.iri, "known only by claim"), 100 * (one.size or 0) / largest)
        for one in ordered
    ]


def telling(measurements: Sequence[Quantity]) -> tuple[list[Quantity], list[Quantity]]:
    """The numbers that people compare by, and the others."""
    shown, _ = chosen(measurements, lambda one: one.name, everything=False)
    return shown, [one for one in measurements if one not in shown]


def telling_metrics(evaluations: Sequence[Evaluation]) -> list[str]:
    """The names of what evaluations measured that people compare by."""
    names = dict.fromkeys(one.name for found in evaluations for one in found.measurements)
    return chosen(names, lambda name: name, everything=False)[0]


def _run(reader: Reader, artifact: ArtifactSummary) -> NamedNode | None:
    """The run whose step made an artifact."""
    if artifact.activity is None:
        return None
    rows = reader.rows("activities", activity=artifact.activity)
    return optional_node(rows[0], "run") if rows else None


def _machine(report: Report, artifact: NamedNode) -> tuple[MachineFact, ...]:
    """The machine that an artifact was made on."""
    wanted = {step.environment for step in report.steps if step.made.iri == artifact}
    return next((machine.facts for machine in report.machines if machine.iri in wanted), ())
