"""Reports as PDF and JSON-LD, and what holds of every format."""

import json
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rdflib
from pyoxigraph import Literal, NamedNode, Quad

from pressmark.ontology.terms import PM, PROV
from pressmark.registry import report as reports
from pressmark.registry.errors import InvalidInputError, MissingPackageError
from pressmark.registry.registry import Registry
from pressmark.registry.report import glyphs, pdf
from pressmark.registry.report.gather import gather
from pressmark.registry.report.model import Report

# rdflib's own parser and queries use what rdflib deprecates.
pytestmark = pytest.mark.filterwarnings(
    "ignore:(Dataset|ConjunctiveGraph).*deprecated:DeprecationWarning"
)

AT = "2026-02-03T04:05:06.700000Z"


def written(name: str, report: Report, reader: Any) -> bytes:
    return reports.format_named(name).write(report, reader)


def pdf_text(made: bytes) -> str:
    tool = shutil.which("pdftotext")
    if tool is None:
        pytest.skip("pdftotext is not installed")
    done = subprocess.run([tool, "-raw", "-", "-"], input=made, capture_output=True, check=True)
    return done.stdout.decode()


@pytest.fixture(scope="module")
def report(world: Any) -> Report:
    return gather(world.reader, world.int8, None)


@pytest.mark.parametrize("name", reports.FORMATS)
def test_the_same_state_at_the_same_time_gives_the_same_bytes(
    name: str, world_registry: Registry, world: Any
) -> None:
    made = [reports.build(world_registry, world.int8, at=AT) for _ in range(2)]
    one, two = (written(name, each, world_registry) for each in made)
    assert one == two
    script = (
        "import hashlib, sys; from pathlib import Path; from pyoxigraph import NamedNode;"
        "from pressmark.registry import report; from pressmark.registry.registry import Registry;"
        "registry = Registry.open(Path(sys.argv[1]));"
        "built = report.build(registry, NamedNode(sys.argv[2]), at=sys.argv[3]);"
        "sys.stdout.buffer.write(report.format_named(sys.argv[4]).write(built, registry))"
    )
    arguments = [str(world_registry.root), world.int8.value, AT, name]
    elsewhere = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
    )
    assert elsewhere.stdout == one


def test_formats_are_named_by_name_and_by_file() -> None:
    assert [reports.format_of_file(f"a.b{one.suffix}") for one in reports.FORMATS.values()] == [
        *reports.FORMATS.values()
    ]
    with pytest.raises(InvalidInputError, match="docx"):
        reports.format_named("docx")
    with pytest.raises(InvalidInputError, match="no format"):
        reports.format_of_file("report.txt")


# ---------------------------------------------------------------------------------------- PDF


def test_the_pdf_is_one_that_archives_keep_and_screen_readers_read(
    report: Report, world: Any
) -> None:
    made = written("pdf", report, world.reader)
    assert made.startswith(b"%PDF-1.7")
    assert b"<pdfaid:part>2</pdfaid:part>" in made
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in made
    assert b"/MarkInfo" in made
    text = " ".join(pdf_text(made).split())
    for words in (
        "Audit report: example after quantize/rtn", "executed, reproduced", "not recorded here",
        "pressmark query ancestors", "every zero of the parent is zero",
    ):  # fmt: skip
        assert words in text


RIGHT_TO_LEFT = " ".join(map(chr, range(0x62F, 0x66F)))
EVIL = (
    '#panic("evaluated") #read("/etc/passwd") #eval("1+1")',
    '") + panic("evaluated") + ("',
    "$ x $ _a_ *b* `c` = d\n- e\n/ f: g @h <i> \\ // j /* k",
    "漢字 \U0001f642 e\u0301 \u0301\u0301 \u05d0\u05d1 soft\u00adhyphen \u200b \x07",
    "</text><script>alert(1)</script>",
    RIGHT_TO_LEFT,
    "x" * 100_000,
)


@pytest.mark.parametrize("evil", EVIL)
def test_no_text_is_read_as_markup_of_the_typesetter(
    evil: str, report: Report, world: Any, hostile_report: Callable[[str], tuple[Report, Any]]
) -> None:
    hostile, reader = hostile_report(evil)
    made = written("pdf", hostile, reader)
    assert made.startswith(b"%PDF-1.7")
    first = evil.split(maxsplit=1)[0][:20]
    if first.isascii():
        assert first in "".join(pdf_text(made).split())


def test_what_the_fonts_cannot_show_is_written_as_code_points(
    hostile_report: Callable[[str], tuple[Report, Any]],
) -> None:
    text = pdf_text(written("pdf", *hostile_report("漢 e\u0301 a\u00adb")))
    assert "[U+6F22] é a[U+00AD]b" in " ".join(text.split())


def test_a_panic_of_the_typesetter_ends_one_report_and_no_more(
    hostile_report: Callable[[str], tuple[Report, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "shown", str)
    with pytest.raises(RuntimeError, match="the typesetter ended"):
        written("pdf", *hostile_report(RIGHT_TO_LEFT))


def test_every_character_that_is_said_to_be_shown_can_be_set() -> None:
    typst = pytest.importorskip("typst")
    shown = [chr(code) for code in range(0x20, 0x10000) if glyphs.is_shown(chr(code))]
    assert len(shown) > 2000
    source = (
        '#set text(font: ("Libertinus Serif", "DejaVu Sans Mono"))\n'
        "#sys.inputs.all\n#raw(sys.inputs.all)\n"
    )
    compiler = typst.Compiler(ignore_system_fonts=True)
    inputs = {"all": " ".join(shown)}
    assert compiler.compile(
        source.encode(), format="pdf", sys_inputs=inputs, pdf_standards=["a-2a"]
    )


def test_a_missing_typesetter_names_the_extra(
    report: Report, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(MissingPackageError, match=r"typst[\s\S]*pressmark\[api\]"):
        written("pdf", report, world.reader)


# ------------------------------------------------------------------------------------ JSON-LD


def read_by_rdflib(text: bytes) -> rdflib.Dataset:
    """JSON-LD as another library reads it."""
    dataset = rdflib.Dataset()
    dataset.parse(data=text, format="json-ld")
    return dataset


@pytest.fixture(scope="module")
def linked(report: Report, world: Any) -> rdflib.Dataset:
    return read_by_rdflib(written("jsonld", report, world.reader))


def as_text(term: Any) -> str:
    """A term in one form, whichever library read it."""
    if isinstance(term, NamedNode | rdflib.URIRef):
        return str(getattr(term, "value", term))
    if isinstance(term, rdflib.Literal):
        datatype = term.datatype or rdflib.XSD.string
        value = str(term.toPython() if datatype == rdflib.XSD.double else term)
        return f'"{value.replace("+00:00", "Z")}"^^{datatype}'  # rdflib writes Z as +00:00
    plain = float(term.value) if term.datatype.value.endswith("#double") else term.value
    return f'"{plain}"^^{term.datatype.value}'


def test_the_json_ld_holds_each_record_as_it_was_kept(linked: rdflib.Dataset, world: Any) -> None:
    kept: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for quad in world.reader.store:
        kept[quad.graph_name.value].add(tuple(map(as_text, quad.triple)))
    plain = linked.default_graph.identifier
    named = [graph for graph in linked.graphs() if graph.identifier != plain]
    assert len(named) > 10
    for graph in named:
        found = {tuple(map(as_text, triple)) for triple in graph}
        assert found == kept[str(graph.identifier)]
    told = {str(graph.identifier) for graph in named}
    # The run, the chain, its evaluations and checks, and what was decided about int8.
    for place in (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 13, 15, 27):
        assert world.reader.journal[place - 1].value in told
    assert world.reader.journal[18].value not in told, "int4 is another branch"


def test_the_json_ld_says_what_no_record_states(linked: rdflib.Dataset, world: Any) -> None:
    rows = linked.query(
        f"""SELECT ?artifact ?integrity ?edge ?origin ?evidence WHERE {{
        ?report a <{PM.AuditReport.value}> ; <{PM.reportsOn.value}> ?artifact .
        ?report <{PM.integrity.value}> ?integrity ; <{PROV.generatedAtTime.value}> ?at .
        ?edge <{PM.edgeOrigin.value}> ?origin ; <{PM.edgeEvidence.value}> ?evidence }}"""
    )
    found = {(world.name(NamedNode(str(r[2]))), str(r[3]), str(r[4])) for r in rows}
    assert found == {
        ("int8#derivation-0", "executed", "reproduced"),
        ("pruned#derivation-0", "executed", "checked"),
        ("base#generation", "executed", "checked"),
    }
    assert {str(row[0]) for row in rows} == {world.int8.value}
    assert {str(row[1]) for row in rows} == {PM.inconclusive.value}


def test_reading_the_json_ld_fetches_nothing(report: Report, world: Any) -> None:
    context = json.loads(written("jsonld", report, world.reader))["@context"]
    assert isinstance(context, dict)
    assert not any(isinstance(value, dict) and "@import" in value for value in context.values())


def test_the_json_ld_of_a_damaged_artifact_tells_the_damage(
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
    registry.blobs.delete(digest)
    text = written("jsonld", reports.build(registry, artifact), registry)
    dataset = read_by_rdflib(text)
    (integrity,) = dataset.objects(None, rdflib.URIRef(PM.integrity.value))
    assert str(integrity) == PM.refuted.value
    assert any(digest in str(one) for one in dataset.objects(None, rdflib.URIRef(PM.finding.value)))


def test_any_literal_survives_json_ld(new_history: Callable[..., Any], reading: Any) -> None:
    history = new_history(8)
    run = history.run()
    artifact = history.imported(run)
    reader = reading(history)
    graph = reader.journal[1]
    odd = (Literal("a\nb\u202e\"'"), Literal(True), Literal(-1.5e-7), Literal(2**53 + 1))
    for value in odd:
        reader.store.add(Quad(artifact, PM.attributeValue, value, graph))
    dataset = read_by_rdflib(written("jsonld", gather(reader, artifact, None), reader))
    subject, predicate = rdflib.URIRef(artifact.value), rdflib.URIRef(PM.attributeValue.value)
    found = {as_text(one) for _, _, one, _ in dataset.quads((subject, predicate, None, None))}
    assert {as_text(one).lower() for one in odd} == {one.lower() for one in found}
