"""Reports: what they must say, that they load nothing, and that no text can act in them."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pressmark.registry import report as reports
from pressmark.registry.lineage import ancestors
from pressmark.registry.report import picture as pictures
from pressmark.registry.report import plots
from pressmark.registry.report.compose import compose
from pressmark.registry.report.gather import gather
from pressmark.registry.report.html import to_html as written_html
from pressmark.registry.report.markdown import to_markdown as written_markdown
from pressmark.registry.report.model import Report
from pressmark.registry.report.wording import bytes_text


def to_html(report: Report) -> str:
    return written_html(compose(report))


def to_markdown(report: Report) -> str:
    return written_markdown(compose(report))


VOID = {"meta", "br", "rect", "path", "line", "circle"}
Hostile = Callable[[str], tuple[Report, Any]]
HOSTILE = (
    "</style></title><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "a|b\n| c | d\n# heading `code` [x](javascript:alert(1)) <b>",
    "invoice\u202egnp.exe\u2066\u200b\x07",
    "'; DROP GRAPH <urn:pressmark:journal> #",
)


class Page(HTMLParser):
    """Reads a page strictly: every tag is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.inside.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.inside[tag][-1] += data

    def attributes(self) -> Iterator[tuple[str, str, str | None]]:
        for tag, attributes in self.tags:
            for name, value in attributes.items():
                yield tag, name, value


@pytest.fixture(scope="module")
def report(world: Any) -> Report:
    return gather(world.reader, world.int8, None)


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return Page(to_html(report))


def test_a_report_holds_every_step_and_what_is_known_of_it(world: Any, report: Report) -> None:
    assert [step.name for step in report.steps] == ["import", "prune/wanda", "quantize/rtn"]
    last = report.steps[-1]
    assert world.name(last.made.iri) == "int8"
    parameters = [(one.name, one.value) for one in last.parameters]
    assert parameters == [("layers", '["a","b"]'), ("sparsity", 0.5)]
    assert [(m.name, m.value) for m in last.measurements] == [
        ("sparsity", 0.5), ("elapsed time", 1.5), ("processor time", 2.5), ("peak memory", 1 << 30),
    ]  # fmt: skip
    assert [(p.kind, p.verdict, p.claims) for p in last.proofs] == [
        ("Check", "holds", ("every zero of the parent is zero",)),
        ("Reproduce", "holds", ("every zero of the parent is zero",)),
    ]
    assert [(p.role, p.name) for p in last.parties] == [
        ("engine", "pressmark 0.1.0"), ("operator", "agent-1"),
    ]  # fmt: skip
    assert (last.recipe, last.seed, last.sequence) == ("example, step 3", 0, 4)
    assert [(world.name(e.artifact.iri), e.value("perplexity")) for e in report.evaluations] == [
        ("base", 12.5), ("int8", 12.5),
    ]  # fmt: skip
    assert [(x.what, x.license) for x in report.licences] == [
        ("example after import", "Apache-2.0"), ("example after prune/wanda", "Apache-2.0"),
        ("example after quantize/rtn", "Apache-2.0"), ("text", "CC0-1.0"),
    ]  # fmt: skip
    facts = {fact.name: fact.values for fact in report.machines[0].facts}
    assert facts["Libraries"] == ("safetensors 0.8.0", "torch 2.13.0")


def test_the_page_is_well_formed_and_can_be_read_aloud(page: Page) -> None:
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert tables == sum(tag == "caption" for tag, _ in page.tags) > 10
    assert all(attributes.get("scope") for tag, attributes in page.tags if tag == "th")
    for tag, attributes in page.tags:
        if tag == "svg":
            assert attributes["role"] == "img"
            labels = str(attributes["aria-labelledby"]).split()
            assert set(labels) <= {str(a.get("id")) for _, a in page.tags}
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    anchors = [str(a["href"]).removeprefix("#") for t, a in page.tags if t == "a"]
    assert anchors
    assert set(anchors) <= set(ids)


def test_the_page_loads_and_runs_nothing(page: Page) -> None:
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    for _, name, value in page.attributes():
        assert not name.startswith("on")
        if name in {"src", "href", "action", "data", "poster", "xlink:href"}:
            assert str(value).startswith("#")
    assert "@import" not in page.inside["style"][0]
    assert "url(" not in page.inside["style"][0]
    policy = [a["content"] for _, a in page.tags if a.get("http-equiv")]
    assert policy[0] is not None
    assert policy[0].startswith("default-src 'none'")


def test_nothing_is_told_by_colour_alone(page: Page) -> None:
    text = " ".join(page.inside["svg"][0].split())
    for words in ("✓ executed, checked", "✓✓ executed, reproduced", "quantize/rtn", "outside"):
        assert words in text


def test_the_queries_of_the_report_give_its_rows(world: Any, report: Report) -> None:
    by_name = {query.name: query for query in report.queries}
    rows = world.reader.ask(by_name["ancestors"].sparql)
    assert [world.name(row["child"]) for row in rows] == ["int8", "pruned", "base"]
    assert all(world.reader.ask(query.sparql) is not None for query in report.queries)
    assert len(world.reader.ask(by_name["recipe"].sparql)) == 6


def test_what_nobody_recorded_is_said_to_be_missing(world: Any) -> None:
    report = gather(world.reader, world.elsewhere, None)
    page = Page(to_html(report))
    body = " ".join(page.inside["body"][0].split())
    assert "declared, unverified" in body
    assert "known only by claim" in body
    assert "not verified for this report" in body
    assert body.count("not recorded here") > 8
    claimed = next(n for n in report.lineage.nodes if n.artifact.status == "external")
    alone = gather(world.reader, claimed.iri, None)
    assert "Its bytes were never here" in to_html(alone)
    assert "Known only by claim" in to_markdown(alone)


def test_retirement_and_refutation_stand_at_the_top(world: Any) -> None:
    page = Page(to_html(gather(world.reader, world.int4, None)))
    top = page.inside["header"][0]
    assert "retired" in top
    assert "✗ executed, refuted" in top
    assert "wrong scales" in page.inside["main"][0]


def test_what_was_inconclusive_refutes_nothing(world: Any) -> None:
    report = gather(world.reader, world.elsewhere, None)
    for text in (to_html(report), to_markdown(report)):
        assert text.count("? inconclusive") == 2
        assert text.count("✗ refuted") <= 1, "the legend of the page"


def test_markdown_tables_have_as_many_cells_as_their_heads(report: Report) -> None:
    lines = to_markdown(report).splitlines()
    columns = 0
    for line in lines:
        cells = len(re.findall(r"(?<!\\)\|", line)) - 1 if line.startswith("|") else 0
        if cells and not columns:
            columns = cells
        assert cells in (0, columns), line
        columns = cells
    assert lines[0] == "# Audit report: example after quantize/rtn"
    assert sum(line.startswith("## ") for line in lines) == 11


# ------------------------------------------------------------------------------- hostile texts


def test_that_nobody_checked_a_step_is_said(hostile_report: Hostile) -> None:
    html = to_html(hostile_report("harmless")[0])
    assert "Nobody has checked or repeated this step" in html


@pytest.mark.parametrize("evil", HOSTILE)
def test_no_text_can_act_in_a_report(evil: str, hostile_report: Hostile, page: Page) -> None:
    report, _ = hostile_report(evil)
    html = to_html(report)
    shown = Page(html)
    assert {tag for tag, _ in shown.tags} <= {tag for tag, _ in page.tags}
    known = {name for _, name, _ in page.attributes()}
    assert {name for _, name, _ in shown.attributes()} <= known
    assert "49" not in shown.inside["h1"][0]
    seen = re.sub("[\u202e\u2066\u200b\x07]", "\ufffd", evil)
    assert " ".join(shown.inside["h1"][0].split()) == " ".join(seen.split())
    for text in (html, to_markdown(report)):
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x07]", text)


@pytest.mark.parametrize("evil", HOSTILE)
def test_no_text_can_act_in_markdown(evil: str, hostile_report: Hostile, report: Report) -> None:
    text = to_markdown(hostile_report(evil)[0])
    outside = re.sub(r"```sparql.*?```|`[^`\n]*`", "", text, flags=re.S)
    assert not re.search(r"(?<!\\)<", outside)
    assert not re.search(r"(?<!\\)\[[^\]]*(?<!\\)\]\(", outside)
    sections = {line for line in text.splitlines() if line.startswith("## ")}
    expected = {s for s in to_markdown(report).splitlines() if s.startswith("## ")}
    assert sections == expected


# ------------------------------------------------------------------------- integrity and pictures


def test_a_report_verifies_and_tells_damage(
    tmp_path: Path, new_history: Callable[..., Any], registered: Any, believing: Any
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}" * 1000)
    history, registry = new_history(7), believing(tmp_path / "registry")
    artifact = registered(history, folder)
    digest = registry.blobs.put_file(folder / "config.json")
    for record in history.records:
        registry.commit(record)
    report = reports.build(registry, artifact)
    assert report.verification is not None
    top = " ".join(Page(to_html(report)).inside["header"][0].split())
    assert ("✓ verified" in top) == report.verification.ok
    assert report.verification.head in to_html(report)
    registry.blobs.delete(digest)
    damaged = reports.build(registry, artifact)
    html = to_html(damaged)
    assert "✗" in Page(html).inside["header"][0]
    assert digest in html
    assert digest in to_markdown(damaged)


def test_everything_stands_below_what_it_was_made_from(world: Any) -> None:
    drawn = pictures.lineage_picture(ancestors(world.reader, world.elsewhere))
    place = {box.artifact.iri if box.artifact else None: box for box in drawn.boxes}
    for arrow in drawn.arrows:
        assert place[arrow.edge.parent].y + pictures.BOX_HEIGHT < place[arrow.edge.child].y
    for one in drawn.boxes:
        assert 0 <= one.x <= drawn.width - pictures.BOX_WIDTH
        assert 0 <= one.y <= drawn.height - pictures.BOX_HEIGHT
        for other in drawn.boxes:
            apart = abs(one.x - other.x) >= pictures.BOX_WIDTH or one.y != other.y
            assert apart or one is other
    assert [box.is_root for box in drawn.boxes].count(True) == 1


@settings(max_examples=50)
@given(st.lists(st.floats(1e-6, 1e12), min_size=1, max_size=6))
def test_an_axis_encloses_what_it_shows(values: list[float]) -> None:
    ticks = plots.scale(values)
    slack = 1e-9 * max(values)
    assert ticks[0] <= min(values) + slack
    assert ticks[-1] >= max(values) - slack
    assert 2 <= len(ticks) <= 7
    assert ticks == sorted(set(ticks))


def test_size_and_quality_are_plotted_along_the_chain(report: Report) -> None:
    size, perplexity, *others = plots.along_chain(report)
    assert (size.title, size.is_amount) == ("Size of all files", True)
    assert [(mark.name, mark.text) for mark in size.marks] == [
        ("example after import", "201 B"), ("example after prune/wanda", "201 B"),
        ("example after quantize/rtn", "201 B"),
    ]  # fmt: skip
    assert perplexity.title == "perplexity on text"
    assert [(mark.name, mark.text) for mark in perplexity.marks] == [
        ("example after import", "12.5"), ("example after quantize/rtn", "12.5"),
    ]  # fmt: skip
    assert others == []
    for plot in (size, perplexity):
        assert all(plots.LEFT <= mark.x <= plots.RIGHT for mark in plot.marks)
        assert all(0 < mark.y < plot.height for mark in plot.marks)
    alone = dataclasses.replace(report, evaluations=report.evaluations[:1])
    assert [plot.title for plot in plots.along_chain(alone)] == ["Size of all files"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (268_098_176, "268 MB"), (999_600_000, "1000 MB")],
)
def test_sizes_are_told_in_round_numbers(count: int, text: str) -> None:
    assert bytes_text(count) == text
