"""What a report says to Annex IV, how it is kept, and that it stays bounded."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from pressmark.ontology.terms import PM
from pressmark.registry import report as reports
from pressmark.registry.activities import (
    FinishedStep,
    Measurement,
    NewEvaluation,
    Parameter,
    Usage,
    finish_step,
)
from pressmark.registry.errors import InvalidInputError, NotFoundError
from pressmark.registry.ids import new_iri
from pressmark.registry.registry import Registry
from pressmark.registry.report import annex, steps
from pressmark.registry.report.compose import compose
from pressmark.registry.report.document import Table
from pressmark.registry.report.gather import gather
from pressmark.registry.report.picture import MOST_DRAWN, WIDEST_DRAWN, lineage_picture

PRETRAINED = "Pre-trained systems and third-party tools, and how they were used and modified"
POINTS = (
    *("1 (a)", "1 (b)", "1 (c)", "1 (d)", "1 (e)", "1 (f)", "1 (g)", "1 (h)"),
    *("2 (a)", "2 (b)", "2 (c)", "2 (d)", "2 (e)", "2 (f)", "2 (g)", "2 (h)"),
    *("3", "4", "5", "6", "7", "8", "9"),
)


def test_every_point_of_annex_iv_is_answered_or_said_to_be_missing(world: Any) -> None:
    for artifact in (world.int8, world.elsewhere, world.base):
        report = gather(world.reader, artifact, None)
        rows = list(annex.rows(report))
        assert tuple(dict.fromkeys(row.point for row in rows)) == POINTS
        assert all(row.found or row.elsewhere for row in rows)
        assert all(row.elsewhere for row in rows if not row.is_whole), "who knows the rest"
        anchors = {section.anchor for section in compose(report).sections}
        assert {row.anchor for row in rows} - {""} <= anchors


def test_what_a_compression_registry_knows_is_recorded(world: Any) -> None:
    report = gather(world.reader, world.int8, None)
    whole = {(row.point, row.is_whole) for row in annex.rows(report) if row.found}
    assert {("1 (a)", True), ("2 (a)", True), ("6", True)} <= whole
    assert {("2 (c)", False), ("2 (d)", False), ("4", False), ("2 (g)", False)} <= whole
    told = {row.subject: row.found for row in annex.rows(report)}
    costs = "7.5 s of processor time in 3 steps; peak memory of each"
    assert told["Computational resources"] == costs
    assert "example after import from /models/example at main" in str(told[PRETRAINED])
    assert told["Risk management system (Article 9)"] is None


def test_a_registration_claims_no_more_than_it_was_told(world: Any) -> None:
    report = gather(world.reader, world.elsewhere, None)
    told = {row.subject: row.found for row in annex.rows(report)}
    assert "declared, unverified" in str(told[PRETRAINED])


def test_names_come_from_outside_the_history(world: Any) -> None:
    known = {"agent-1": "Ada <b>Lovelace</b>"}
    report = gather(world.reader, world.int8, None, known.get)
    assert report.people == known
    html = reports.format_named("html").write(report, world.reader).decode()
    assert "Ada &lt;b&gt;Lovelace&lt;/b&gt; (agent-1)" in html
    assert b"Lovelace" not in reports.format_named("jsonld").write(report, world.reader)
    assert gather(world.reader, world.int8, None).people == {}


def test_what_happened_since_is_told_in_the_journals_order(world: Any) -> None:
    report = gather(world.reader, world.int8, None)
    assert [(one.sequence, one.kind, one.what) for one in report.changes] == [
        (6, "Evaluate", "text"), (10, "Check", "holds"), (11, "Reproduce", "holds"),
        (13, "Promotion", "prod"), (15, "Tagging", "edge"), (27, "Reporting", "text/html"),
    ]  # fmt: skip


def test_a_parameter_of_an_evaluation_is_told_once(
    new_history: Callable[..., Any], reading: Any
) -> None:
    history = new_history(9)
    run = history.run()
    base = history.imported(run)
    fields = history.occurrence()
    at = str(fields["started_at"])
    result = NewEvaluation(
        iri=history.iri(), evaluates=base, dataset=history.dataset, generated_at=fields["ended_at"],
        measurements=(Measurement("perplexity", 2.0), Measurement("tokens", 8.0)),
    )  # fmt: skip
    data = Usage(history.dataset.iri, PM.evaluationRole, at, history.dataset)
    step = FinishedStep(
        **fields, run=run, name="evaluate/perplexity", version="1", outcome=PM.succeeded,
        kind=PM.Evaluate, usages=(Usage(base, PM.baseRole, at), data), evaluation=result,
        parameters=(Parameter("window", 512),),
    )  # fmt: skip
    history.keep(finish_step(step, bundle=history.iri()))
    report = gather(reading(history), base, None)
    (how,) = report.settings
    assert [(one.name, one.value) for one in how.parameters] == [("window", 512)]


# ------------------------------------------------------------------------------------- bounded


@pytest.fixture(scope="module")
def long_history(new_history: Callable[..., Any], reading: Any) -> tuple[Any, Any]:
    """A chain of 200 artifacts, the last made from it and from 30 others at once."""
    history = new_history(10)
    run = history.run()
    last = history.imported(run)
    for _ in range(199):
        last = history.step(run, "prune/wanda", last)
    others = [history.imported(run) for _ in range(30)]
    merged = history.step(run, "convert/gguf", last, *others)
    return reading(history), merged


def test_a_long_lineage_stays_readable(long_history: tuple[Any, Any]) -> None:
    reader, artifact = long_history
    report = gather(reader, artifact, None)
    assert len(report.steps) == 231
    picture = lineage_picture(report.lineage)
    drawn = [box for box in picture.boxes if box.artifact]
    assert 10 < len(drawn) <= MOST_DRAWN
    assert len(drawn) + picture.left_out == 231
    assert any(box.is_root for box in drawn)
    assert picture.width < (WIDEST_DRAWN + 2) * 308
    ends = {arrow.edge.child for arrow in picture.arrows}
    assert ends == {box.artifact.iri for box in drawn if box.artifact}, "nothing stands alone"
    earlier = {box.place for box in picture.boxes if box.place[0] == "earlier"}
    assert ("earlier", "example after import and 26 more") in earlier
    document = compose(report)
    section = next(one for one in document.sections if one.anchor == "steps")
    assert len(section.parts) == steps.MOST_DETAILED
    (overview,) = (one for one in section.blocks if isinstance(one, Table))
    assert len(overview.rows) == 231
    html = reports.format_named("html").write(report, reader)
    assert len(html) < 1_000_000
    text = html.decode()
    assert f"{picture.left_out} artifacts further away are not drawn" in text
    anchors = set(re.findall(r'href="#([^"]+)"', text))
    assert anchors <= set(re.findall(r'id="([^"]+)"', text))


# ---------------------------------------------------------------------------------------- kept


def test_a_kept_report_is_found_verified_and_named(world_registry: Registry, world: Any) -> None:
    wanted = reports.format_named("markdown")
    by = world.history.circumstances
    kept = reports.register_report(world_registry, world.int8, wanted, by, verified=False)
    assert reports.kept_report(world_registry, kept.iri) == kept
    assert reports.kept_reports(world_registry, world.int8)[-1] == kept
    assert (kept.integrity, kept.media_type, kept.agent) == (
        "inconclusive", "text/markdown", "agent-1",
    )  # fmt: skip
    body = world_registry.blobs.read(kept.sha256)
    assert body.startswith(b"# Audit report: example after quantize/rtn")
    assert kept.journal_head.encode() in body
    with pytest.raises(InvalidInputError, match="retired"):
        reports.register_report(world_registry, world.int4, wanted, by)
    with pytest.raises(NotFoundError):
        reports.kept_report(world_registry, new_iri())
