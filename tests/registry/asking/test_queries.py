"""Every packaged query against the world of the conftest, with the rows that it must give.

The expected rows were written down from the picture in `World`, in its names: "int8" is an
artifact, "making int8" the step that made it, "record 4" the fourth bundle in the journal.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from pyoxigraph import Literal, NamedNode, Quad, Store

from pressmark import ontology
from pressmark.ontology.questions import bind, question, questions
from pressmark.ontology.terms import PM
from pressmark.registry import descriptions
from pressmark.registry.activities import FinishedStep, NewArtifact, Usage, finish_step

ZEROS, ONES, TWOS, FOURS = "0" * 40, "1" * 64, "2" * 64, "4" * 64
NONE = None
CLAIM = "every zero of the parent is zero"

CASES: list[tuple[str, dict[str, Any], str, list[tuple[Any, ...]]]] = [
    ("activities", {"activity": "failed"}, "sequence kind stepName outcome run error position", [
        (20, "Prune", "prune/wanda", "failed", "open_run",
         "model.safetensors: the tensor lm_head.weight is missing", NONE),
    ]),
    ("activities", {"activity": ["making int8", "making elsewhere"]},
     "activity kind run recipeName position seed wallSeconds peakMemoryBytes log bundle", [
        ("making int8", "Quantize", "run", "example", 2, 0, 1.5, 1 << 30, "3" * 64, "record 4"),
        ("making elsewhere", "Registration", NONE, NONE, NONE, NONE, NONE, NONE, NONE,
         "record 24"),
    ]),
    ("agents", {"activity": "making base"}, "role agent agentId name version sourceCommit", [
        ("engineRole", "engine", NONE, "pressmark", "0.1.0", ZEROS),
        ("operatorRole", "agent", "agent-1", NONE, NONE, NONE),
    ]),
    ("alias_history", {"alias": Literal("prod")}, "sequence artifact name agentId", [
        (13, "int8", "example after quantize/rtn", "agent-1"),
        (12, "base", "example after import", "agent-1"),
    ]),
    ("aliases", {}, "alias artifact sequence", [("prod", "int8", 13), ("staging", "pruned", 14)]),
    ("aliases", {"artifact": ["base", "pruned"]}, "alias artifact", [("staging", "pruned")]),
    ("aliases", {"alias": Literal("none")}, "alias", []),
    ("ancestor_pairs", {"artifact": "int8"}, "child parent sequence", [
        ("pruned", "base", 2), ("int8", "pruned", 3),
    ]),
    ("ancestor_pairs", {"artifact": "elsewhere"}, "child sequence", [
        ("elsewhere", NONE), ("pruned", 2), ("elsewhere", 3),
    ]),
    ("ancestors", {"artifact": "int8"}, "sequence child activity activityKind stepName parent", [
        (4, "int8", "making int8", "Quantize", "quantize/rtn", "pruned"),
        (3, "pruned", "making pruned", "Prune", "prune/wanda", "base"),
        (2, "base", "making base", "Import", "import", NONE),
    ]),
    ("ancestors", {"artifact": "elsewhere"}, "child activityKind stepName parentName", [
        ("elsewhere", "Registration", NONE, "example after prune/wanda"),
        ("elsewhere", "Registration", NONE, "vendor/original"),
        ("pruned", "Prune", "prune/wanda", "example after import"),
        ("base", "Import", "import", NONE),
    ]),
    ("artifact_attributes", {"artifact": "int8"}, "artifact name value", [
        ("int8", "pattern", "2:4"),
    ]),
    ("artifact_facts", {"artifact": ["int4", "base"]},
     "artifact kind name sequence license size parameterCount nonzeroParameterCount importedFrom"
     " line retirement", [
        ("base", "BaseModel", "example after import", 2, "Apache-2.0", 201, 1000, 500,
         "/models/example", "example", NONE),
        ("int4", "QuantizedModel", "example after quantize/rtn", 19, "Apache-2.0", 201, 1000, 500,
         NONE, "example", "retiring int4"),
    ]),
    ("artifact_facts", {"artifact": "pruned"}, "content activity", [
        ("content of pruned", "making pruned"),
    ]),
    ("artifact_facts", {"artifact": ["run", "engine", "evaluation of int8"]}, "artifact", []),
    ("artifact_files", {"artifact": "int8"}, "fileName size", [
        ("config.json", 100), ("model.safetensors", 101),
    ]),
    ("artifact_names", {}, "name", [
        ("example after import",), ("example after prune/wanda",),
        ("example after quantize/rtn",), ("made elsewhere",), ("prod",), ("staging",),
        ("vendor/original",),
    ]),
    ("artifacts_by_identifier", {"fragment": Literal("000000000d")}, "artifact", []),
    ("artifacts_by_identifier", {"fragment": Literal("00030000000d")}, "artifact", [("int8",)]),
    ("artifacts_by_license", {"license": Literal("NOASSERTION")}, "sequence artifact", [
        (24, "elsewhere"),
    ]),
    ("artifacts_by_license", {"license": Literal("MIT")}, "artifact", []),
    ("artifacts_by_parameter", {"name": Literal("sparsity"), "value": Literal(0.5)},
     "sequence artifact", [(19, "int4"), (4, "int8"), (3, "pruned"), (2, "base")]),
    ("artifacts_named", {"name": Literal("example after quantize/rtn")}, "artifact", [
        ("int4",), ("int8",),
    ]),
    ("artifacts_page", {"sequence": [Literal(n) for n in (1, 3, 4, 24, 99)]},
     "sequence artifact kind", [
        (24, "elsewhere", "QuantizedModel"), (4, "int8", "QuantizedModel"),
        (3, "pruned", "PrunedModel"),
    ]),
    ("artifacts_with_content", {"content": "content of int4"}, "artifact name", [
        ("int4", "example after quantize/rtn"),
    ]),
    ("artifacts_with_file", {"sha256": Literal("30000000e0001".rjust(64, "0"))},
     "sequence artifact fileName", [(4, "int8", "model.safetensors")]),
    ("artifacts_with_file", {"sha256": Literal("f" * 64)}, "artifact", []),
    ("assurance", {"artifact": "int8"}, "child about parent origin evidence", [
        ("int8", "int8#derivation-0", "pruned", "executed", "reproduced"),
        ("pruned", "pruned#derivation-0", "base", "executed", "checked"),
        ("base", "base#generation", NONE, "executed", "checked"),
    ]),
    ("assurance", {"artifact": "int4"}, "child origin evidence", [
        ("int4", "executed", "refuted"), ("pruned", "executed", "checked"),
        ("base", "executed", "checked"),
    ]),
    ("assurance", {"artifact": "elsewhere"}, "child parentName origin evidence", [
        ("elsewhere", "example after prune/wanda", "declared", "none"),
        ("elsewhere", "vendor/original", "declared", "none"),
        ("pruned", "example after import", "executed", "checked"),
        ("base", NONE, "executed", "checked"),
    ]),
    ("changes", {"artifact": "int8"}, "sequence activityKind what agentId", [
        (6, "Evaluate", "text", "agent-1"), (10, "Check", "holds", "agent-1"),
        (11, "Reproduce", "holds", "agent-1"), (13, "Promotion", "prod", "agent-1"),
        (15, "Tagging", "edge", "agent-1"), (27, "Reporting", "text/html", "agent-1"),
    ]),
    ("changes", {"artifact": "int4"}, "sequence activityKind what", [
        (21, "Check", "holds"), (22, "Check", "refuted"), (23, "Retirement", "wrong scales"),
    ]),
    ("changes", {"artifact": "pruned"}, "sequence activityKind what", [
        (9, "Check", "holds"), (14, "Promotion", "staging"), (16, "Tagging", "edge"),
        (17, "Tagging", "edge removed"),
    ]),
    ("derivation_edges", {"artifact": "pruned"}, "derivation parent activity", [
        ("pruned#derivation-0", "base", "making pruned"),
    ]),
    ("descendant_edges", {"artifact": "pruned"}, "child parent origin evidence", [
        ("int8", "pruned", "executed", "reproduced"), ("int4", "pruned", "executed", "refuted"),
        ("elsewhere", "pruned", "declared", "none"),
    ]),
    ("descendants", {"artifact": "base"}, "descendant kind", [
        ("pruned", "PrunedModel"), ("int8", "QuantizedModel"), ("int4", "QuantizedModel"),
        ("elsewhere", "QuantizedModel"),
    ]),
    ("description_facts", {"description": "engine"}, "property value", [
        ("type", "Agent"), ("type", "SoftwareAgent"), ("type", "Engine"), ("label", "pressmark"),
        ("distributionDigest", "0" * 64), ("sourceCommit", ZEROS), ("version", "0.1.0"),
    ]),
    ("digest_uses", {"sha256": Literal(TWOS)}, "thing kind name", [
        ("dataset", "data set", "text"),
    ]),
    ("digest_uses", {"sha256": Literal(ONES)}, "thing kind name", [
        ("recipe", "recipe", "example"),
    ]),
    ("descriptions", {"kind": [PM.DataSet, PM.Recipe]}, "thing kind name sha256", [
        ("dataset", "DataSet", "text", "2" * 64), ("recipe", "Recipe", "example", "1" * 64),
    ]),
    ("descriptions", {}, "kind name", [
        ("Person", "agent-1"), ("DataSet", "text"), ("Engine", "pressmark"),
        ("Environment", NONE), ("Recipe", "example"),
    ]),
    ("evaluation_identity", {"evaluation": "evaluation of int8"},
     "artifact comparedWith metric value unit", [
        ("int8", "base", "perplexity", 12.5, "1"), ("int8", "base", "speed", 100, "1/s"),
    ]),
    ("evaluations", {"artifact": ["int8", "base"]},
     "sequence artifact result datasetName comparedWith metric value", [
        (5, "base", "evaluation of base", "text", NONE, "perplexity", 12.5),
        (5, "base", "evaluation of base", "text", NONE, "speed", 100),
        (6, "int8", "evaluation of int8", "text", "base", "perplexity", 12.5),
        (6, "int8", "evaluation of int8", "text", "base", "speed", 100),
    ]),
    ("events", {}, "sequence type artifact run alias tag report", [
        (1, "run.started", NONE, "run", NONE, NONE, NONE),
        (2, "artifact.registered", "base", "run", NONE, NONE, NONE),
        (3, "artifact.registered", "pruned", "run", NONE, NONE, NONE),
        (4, "artifact.registered", "int8", "run", NONE, NONE, NONE),
        (5, NONE, NONE, "run", NONE, NONE, NONE),
        (6, NONE, NONE, "run", NONE, NONE, NONE),
        (7, "run.finished", NONE, "run", NONE, NONE, NONE),
        (8, "check.held", "base", NONE, NONE, NONE, NONE),
        (9, "check.held", "pruned", NONE, NONE, NONE, NONE),
        (10, "check.held", "int8", NONE, NONE, NONE, NONE),
        (11, "check.held", "int8", NONE, NONE, NONE, NONE),
        (12, "alias.moved", "base", NONE, "prod", NONE, NONE),
        (13, "alias.moved", "int8", NONE, "prod", NONE, NONE),
        (14, "alias.moved", "pruned", NONE, "staging", NONE, NONE),
        (15, "artifact.tagged", "int8", NONE, NONE, "edge", NONE),
        (16, "artifact.tagged", "pruned", NONE, NONE, "edge", NONE),
        (17, "artifact.untagged", "pruned", NONE, NONE, "edge", NONE),
        (18, "run.started", NONE, "open_run", NONE, NONE, NONE),
        (19, "artifact.registered", "int4", "open_run", NONE, NONE, NONE),
        (20, NONE, NONE, "open_run", NONE, NONE, NONE),
        (21, "check.held", "int4", NONE, NONE, NONE, NONE),
        (22, "check.refuted", "int4", NONE, NONE, NONE, NONE),
        (23, "artifact.retired", "int4", NONE, NONE, NONE, NONE),
        (24, "artifact.registered", "elsewhere", NONE, NONE, NONE, NONE),
        (25, "check.inconclusive", "elsewhere", NONE, NONE, NONE, NONE),
        (26, "check.inconclusive", "elsewhere", NONE, NONE, NONE, NONE),
        (27, "report.registered", "int8", NONE, NONE, NONE, "report on int8"),
    ]),
    ("events", {"sequence": [Literal(7), Literal(12)]}, "sequence type record", [
        (7, "run.finished", "record 7"),
        (12, "alias.moved", "record 12"),
    ]),
    ("evidence", {"artifact": "int4"}, "sequence about activityKind verdict claim detail", [
        (21, "int4#derivation-0", "Check", "holds", CLAIM, "1000 of 1000 zeros"),
        (22, "int4#derivation-0", "Check", "refuted", CLAIM, "1000 of 1000 zeros"),
    ]),
    ("descendant_pairs", {"artifact": "base"}, "child parent sequence", [
        ("pruned", "base", 3), ("int8", "pruned", 4), ("int4", "pruned", 19),
        ("elsewhere", "pruned", 24),
    ]),
    ("edges_of", {"child": ["int8", "int4", "base"]}, "sequence child parent origin evidence", [
        (19, "int4", "pruned", "executed", "refuted"),
        (4, "int8", "pruned", "executed", "reproduced"),
        (2, "base", NONE, "executed", "checked"),
    ]),
    ("edges_of", {"child": "elsewhere"}, "child about stepName origin evidence", [
        ("elsewhere", "elsewhere#derivation-0", NONE, "declared", "none"),
        ("elsewhere", "elsewhere#derivation-1", NONE, "declared", "none"),
    ]),
    ("evidence", {"artifact": "elsewhere"}, "sequence about activityKind verdict", [
        (25, "elsewhere#derivation-0", "Check", "inconclusive"),
        (26, "elsewhere#derivation-1", "Reproduce", "inconclusive"),
    ]),
    ("failed_steps", {}, "sequence step stepName outcome run", [
        (20, "failed", "prune/wanda", "failed", "open_run"),
    ]),
    ("failed_steps", {"run": "run"}, "step", []),
    ("graph_statements", {"graph": "record 5"}, "predicate", []),
    ("graphs", {}, "graph", []),
    ("impact", {"thing": "base"}, "artifact status aliases", [
        ("pruned", "live", "staging"), ("int8", "live", "prod"), ("int4", "retired", NONE),
        ("elsewhere", "live", NONE),
    ]),
    ("impact", {"thing": "recipe"}, "artifact", [
        ("base",), ("pruned",), ("int8",), ("int4",), ("elsewhere",),
    ]),
    ("impact", {"thing": "int8"}, "artifact", []),
    ("impact", {"thing": "dataset"}, "artifact", []),
    ("known_digests", {"prefix": Literal("22")}, "sha256", [(TWOS,)]),
    ("line_artifacts", {}, "sequence artifact", [
        (19, "int4"), (4, "int8"), (3, "pruned"), (2, "base"),
    ]),
    ("made_by_engine", {"version": Literal("0.1.0")}, "sequence artifact stepName commit", [
        (2, "base", "import", ZEROS), (3, "pruned", "prune/wanda", ZEROS),
        (4, "int8", "quantize/rtn", ZEROS), (19, "int4", "quantize/rtn", ZEROS),
    ]),
    ("made_by_engine", {"version": Literal("0.2.0")}, "artifact", []),
    ("match", {"subject": "int8", "predicate": NamedNode("http://www.w3.org/2000/01/rdf-schema#label")},
     "object graph", [("example after quantize/rtn", "record 4")]),
    ("model_lines", {}, "name artifacts", [("example", 4)]),
    ("quality", {"artifact": "int8"}, "made measured size comparedWith metric value", [
        (2, "base", 201, NONE, "perplexity", 12.5), (2, "base", 201, NONE, "speed", 100),
        (3, "pruned", 201, NONE, NONE, NONE),
        (4, "int8", 201, "base", "perplexity", 12.5), (4, "int8", 201, "base", "speed", 100),
    ]),
    ("recipe", {"artifact": "pruned"},
     "made stepName stepVersion recipeName position seed parameter value", [
        ("base", "import", "1", "example", 0, 0, "layers", '["a","b"]'),
        ("base", "import", "1", "example", 0, 0, "sparsity", 0.5),
        ("pruned", "prune/wanda", "1", "example", 1, 0, "layers", '["a","b"]'),
        ("pruned", "prune/wanda", "1", "example", 1, 0, "sparsity", 0.5),
    ]),
    ("recorded_evidence", {"result": "base"}, "edge evidence verdict", [
        ("base#generation", "evidence 8", "holds"),
    ]),
    ("records_about", {"resource": "int8"}, "sequence bundle", [
        (4, "record 4"), (6, "record 6"), (10, "record 10"), (11, "record 11"), (13, "record 13"),
        (15, "record 15"), (27, "record 27"),
    ]),
    ("records_about", {"resource": ["int4", "run"]}, "sequence", [
        (1,), (2,), (3,), (4,), (5,), (6,), (7,), (19,), (21,), (22,), (23,),
    ]),
    ("records_about", {"resource": "engine"}, "sequence", []),
    ("reports", {"artifact": "int8"}, "sequence report name format head integrity agentId", [
        (27, "report on int8", "audit report of example", "text/html", "5" * 64, "holds",
         "agent-1"),
    ]),
    ("reports", {"report": "report on int8"}, "artifact", [("int8",)]),
    ("reports", {"artifact": "base"}, "report", []),
    ("results_by_cache_key", {"cacheKey": Literal(FOURS)}, "result step run", [
        ("int8", "making int8", "run"), ("pruned", "making pruned", "run"),
        ("base", "making base", "run"),
    ]),
    ("retirements", {}, "sequence artifact reason agentId", [
        (23, "int4", "wrong scales", "agent-1"),
    ]),
    ("run_facts", {"run": ["run", "open_run"]}, "run seed recipeName continues agentId outcome", [
        ("run", 0, "example", NONE, "agent-1", "succeeded"),
        ("open_run", 0, "example", NONE, "agent-1", NONE),
    ]),
    ("run_identity", {"run": "run"}, "seed recipe recipeSha256 recipeName outcome", [
        (0, "recipe", ONES, "example", "succeeded"),
    ]),
    ("run_status", {}, "sequence run status recipeName continues stepOutcome steps", [
        (1, "run", "succeeded", "example", NONE, "succeeded", 5),
        (18, "open_run", "open", "example", NONE, "failed", 1),
        (18, "open_run", "open", "example", NONE, "succeeded", 1),
    ]),
    ("run_steps", {"run": "run"}, "run stepName outcome wallSeconds result name", [
        ("run", "import", "succeeded", 1.5, "base", "example after import"),
        ("run", "prune/wanda", "succeeded", 1.5, "pruned", "example after prune/wanda"),
        ("run", "quantize/rtn", "succeeded", 1.5, "int8", "example after quantize/rtn"),
        ("run", "evaluate/perplexity", "succeeded", NONE, "evaluation of base", NONE),
        ("run", "evaluate/perplexity", "succeeded", NONE, "evaluation of int8", NONE),
    ]),
    ("run_steps", {"run": "open_run"}, "sequence stepName outcome error result", [
        (19, "quantize/rtn", "succeeded", NONE, "int4"),
        (20, "prune/wanda", "failed",
         "model.safetensors: the tensor lm_head.weight is missing", NONE),
    ]),
    ("runs", {}, "run", [("run",), ("open_run",)]),
    ("runs_by_agent", {"agentId": Literal("agent-1")}, "sequence run status", [
        (1, "run", "succeeded"), (18, "open_run", "open"),
    ]),
    ("step_conditions", {"step": "making int8"}, "stepName run runSeed threads engine", [
        ("quantize/rtn", "run", 0, 2, "engine"),
    ]),
    ("step_history", {"stepName": Literal("quantize/rtn")}, "step wallSeconds inputBytes", [
        ("making int4", 1.5, 201), ("making int8", 1.5, 201),
    ]),
    ("statements_about", {"thing": "agent"}, "thing predicate object", [
        ("agent", "type", "Agent"), ("agent", "type", "Person"), ("agent", "agentId", "agent-1"),
    ]),
    ("statements_pointing_at", {"thing": "retiring int4"}, "subject predicate graph", [
        ("record 23", "records", "record 23"),
    ]),
    ("step_measurements", {"step": "making int8"}, "metric value unit", [("sparsity", 0.5, "1")]),
    ("step_parameters", {"step": "making int8"}, "name value", [
        ("layers", '["a","b"]'), ("sparsity", 0.5),
    ]),
    ("strays", {}, "subject", []),
    ("tags", {}, "artifact tag sequence", [("int8", "edge", 15)]),
    ("tags", {"artifact": "pruned"}, "tag", []),
    ("unverified_edges", {}, "sequence child about origin evidence", [
        (19, "int4", "int4#derivation-0", "executed", "refuted"),
        (24, "elsewhere", "elsewhere#derivation-0", "declared", "none"),
        (24, "elsewhere", "elsewhere#derivation-1", "declared", "none"),
    ]),
    ("usages", {"activity": "evaluating base"}, "role entity name size license source", [
        ("baseRole", "base", "example after import", NONE, "Apache-2.0", NONE),
        ("evaluationRole", "dataset", "text", 1000, "CC0-1.0", "made for tests"),
    ]),
    ("usages", {"activity": "evaluating int8"}, "role entity sha256", [
        ("baseRole", "int8", NONE), ("evaluationRole", "dataset", TWOS),
        ("parentRole", "base", NONE),
    ]),
    ("used_dataset", {"dataset": "dataset"}, "sequence role activityKind stepName made", [
        (5, "evaluationRole", "Evaluate", "evaluate/perplexity", "evaluation of base"),
        (6, "evaluationRole", "Evaluate", "evaluate/perplexity", "evaluation of int8"),
    ]),
]  # fmt: skip

UNORDERED = {"graph_statements", "graphs", "match", "statements_pointing_at", "strays"}
"""They answer for the store itself, by the million; sorting would cost more than asking."""


@pytest.mark.parametrize(
    ("name", "given", "columns", "expected"),
    CASES,
    ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)],
)
def test_a_query_gives_the_expected_rows(
    world: Any, name: str, given: dict[str, Any], columns: str, expected: list[tuple[Any, ...]]
) -> None:
    parameters = {key: world.terms(value) for key, value in given.items()}
    rows = world.reader.rows(name, **parameters)
    if name == "graphs":
        assert len({row["graph"] for row in rows}) == len(rows) > len(world.reader.journal)
        return
    if name == "graph_statements":
        kept = {*world.reader.store.quads_for_pattern(None, None, None, parameters["graph"])}
        columns = ("subject", "predicate", "object", "graph")
        found = [Quad(*(row[column] for column in columns)) for row in rows]
        assert set(found) == kept
        assert len(found) == len(kept) > 20
        return
    assert set(columns.split()) <= set(question(name).columns)
    found = [tuple(world.value(row.get(column)) for column in columns.split()) for row in rows]
    assert found == expected


def test_a_statement_in_no_graph_is_a_stray(world: Any, reading: Any) -> None:
    reader = reading(world.history)
    stray = Quad(world.int8, PM.alias, Literal("a lie"))
    reader.store.add(stray)
    (row,) = reader.rows("strays")
    assert (row["subject"], row["predicate"], row["object"]) == (*stray.triple,)


def test_every_query_has_an_expected_result() -> None:
    assert {case[0] for case in CASES} == set(ontology.query_names())


@pytest.mark.parametrize("name", ontology.query_names())
def test_every_query_says_what_it_answers_and_what_it_wants(name: str) -> None:
    asked = question(name)
    assert re.search(r"[?]( |$)", asked.question), "a question ends in a question mark"
    declared = [parameter for parameter, meaning in asked.parameters if meaning]
    assert sorted(declared) == sorted(set(re.findall(r"VALUES \?(\w+) \{ UNDEF \}", asked.text)))
    assert len(declared) == len(set(declared))
    assert asked.columns
    assert "ORDER BY" in asked.text or name in UNORDERED
    Store().query(asked.text)  # is valid as it stands


def test_all_queries_are_questions() -> None:
    assert [one.name for one in questions()] == list(ontology.query_names())


def test_terms_are_written_in_place_of_parameters() -> None:
    text = "SELECT ?x WHERE { VALUES ?x { UNDEF } ?x ?p ?o }"
    assert bind(text) == text
    assert "VALUES ?x { <urn:a> }" in bind(text, x=NamedNode("urn:a"))
    assert "VALUES ?x { <urn:a> <urn:b> }" in bind(text, x=[NamedNode("urn:a"), NamedNode("urn:b")])
    with pytest.raises(KeyError, match=r"no parameter 'y' \(it has: x\)"):
        bind(text, y=Literal("1"))


@pytest.mark.parametrize("evil", ['"', "\\", '" } DROP ALL #', "\n", "'''", "\u2028", "UNDEF }"])
def test_no_literal_breaks_out_of_its_place(evil: str) -> None:
    text = bind("SELECT ?x WHERE { VALUES ?x { UNDEF } }", x=Literal(evil))
    (row,) = Store().query(text)  # type: ignore[misc]
    assert row["x"] == Literal(evil)


def test_answers_do_not_depend_on_the_order_of_storing(world: Any, reading: Any) -> None:
    class Reversed:
        records = world.history.records

    reader = reading(Reversed)
    shuffled = Store()
    for quad in sorted(reader.store, key=str):
        shuffled.add(quad)
    reader.store = shuffled
    for name in set(ontology.query_names()) - UNORDERED:
        assert reader.rows(name) == world.reader.rows(name), name


def test_calibration_data_reaches_all_that_was_made_with_it(
    new_history: Callable[..., Any], reading: Any
) -> None:
    history = new_history(7)
    run = history.run()
    base = history.imported(run)
    middle = history.time()
    data = descriptions.dataset("calibration", "9" * 64, 10, "CC0-1.0", "made for tests")
    fields = history.occurrence(started_at=middle)
    pruned = NewArtifact(
        iri=history.iri(), kind=PM.PrunedModel, name="pruned", files=history.files("a"),
        generated_at=str(fields["ended_at"]), parents=(base,),
    )  # fmt: skip
    step = FinishedStep(
        **fields, kind=PM.Prune, run=run, name="prune/wanda", version="1", outcome=PM.succeeded,
        artifact=pruned, usages=(
            Usage(base, PM.baseRole, middle), Usage(data.iri, PM.calibrationRole, middle, data),
        ),
    )  # fmt: skip
    history.keep(finish_step(step, bundle=history.iri()))
    child = history.step(run, "quantize/rtn", pruned.iri)
    history.retire(pruned.iri)
    reader = reading(history)
    rows = reader.rows("impact", thing=data.iri)
    assert [(row["artifact"], row["status"].value) for row in rows] == [
        (pruned.iri, "retired"), (child, "live"),
    ]  # fmt: skip
    (used,) = reader.rows("used_dataset", dataset=data.iri)
    assert (used["role"], used["made"]) == (PM.calibrationRole, pruned.iri)


def test_a_run_that_is_continued_was_interrupted(
    new_history: Callable[..., Any], reading: Any
) -> None:
    history = new_history(8)
    first = history.run()
    second = history.run(continues=first)
    history.close(second, PM.failed)
    reader = reading(history)
    rows = reader.rows("run_status")
    assert [(row["run"], row["status"].value) for row in rows] == [
        (first, "interrupted"), (second, "failed"),
    ]  # fmt: skip
    assert [row.get("continues") for row in rows] == [None, first]
    told = [(row["type"].value, row["run"]) for row in reader.rows("events")]
    assert told == [("run.started", first), ("run.started", second), ("run.failed", second)]
