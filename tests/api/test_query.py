"""`pressmark query`: what is listed, how answers look, and in which formats they come."""

import csv
import io
import json
import socket
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from pyoxigraph import RdfFormat, parse

from pressmark.api.cli import exit_codes
from pressmark.api.iris import short_iri
from pressmark.ontology import questions
from pressmark.ontology.terms import PM


@pytest.fixture
def registry(chain: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The chain, which is only read."""
    monkeypatch.setenv("PRESSMARK_REGISTRY", str(chain))
    return chain


def test_questions_are_listed_in_groups_without_the_internal_ones(cli, registry) -> None:
    shown, everything = cli("query", "--json").json, cli("query", "--all", "--json").json
    assert {one["group"] for one in shown} == set(questions.GROUPS) - {questions.INTERNAL}
    assert len(everything) == len(questions.questions()) > len(shown)
    (ancestors,) = [one for one in shown if one["name"] == "ancestors"]
    assert ancestors["parameters"] == {"artifact": "IRI of the artifact."}
    text = cli("query").out
    order = [text.index(f"{group}:") for group in questions.GROUPS[:-1]]
    assert order == sorted(order)
    assert f"{len(everything) - len(shown)} that only commands ask" in text
    assert "results_by_cache_key" not in text
    assert "results_by_cache_key" in cli("query", "--all").out


def test_every_question_is_in_a_group() -> None:
    assert {one.group for one in questions.questions()} == set(questions.GROUPS)


@pytest.mark.parametrize(
    ("iri", "short"),
    [
        ("urn:uuid:01a21317-f315-7692-a2ab-66775f3a613d", "5f3a613d"),
        ("urn:uuid:01a21317-f315-7692-a2ab-66775f3a613d#usage-0", "5f3a613d#usage-0"),
        (f"{PM.NAMESPACE}Prune", "pm:Prune"),
        ("http://www.w3.org/ns/prov#used", "prov:used"),
        ("ni:///sha-256;1a02LRlMtD9wnMyMCISbVsb6oFlayHc0fTkny7pmt64", "ni:///sha-256;1a02LRlM…"),
        ("https://example.org/x", "https://example.org/x"),
    ],
)
def test_iris_are_shortened_to_what_tells_them_apart(iri: str, short: str) -> None:
    assert short_iri(iri) == short


def test_a_shortened_iri_names_the_artifact(cli, registry) -> None:
    first = cli("query", "ancestors", "artifact=int8").out.splitlines()[1].split()
    full = cli("query", "ancestors", "artifact=int8", "--full").out.splitlines()[1].split()
    assert len(first[1]) == 8
    assert full[1] == f"{cli('show', first[1], '--json').json['summary']['iri']}"
    assert "pm:Quantize" in first
    assert PM.Quantize.value in full


@pytest.mark.parametrize("thing", ["tiny", "pressmark", "base"])
def test_impact_is_asked_of_a_recipe_an_engine_or_an_artifact_by_name(cli, registry, thing) -> None:
    rows = cli("query", "impact", f"thing={thing}", "--json").json
    imported = ["base"] if thing == "pressmark" else []
    assert [row["name"] for row in rows] == [*imported, "pruned", "int8"]
    assert "used as base: pruned" in cli("show", "int8").out


def test_a_run_is_named_by_its_digits(cli, registry) -> None:
    run = cli("ls", "--runs", "--json").json[0]["run"]
    (row,) = cli("query", "run_status", f"run={run[-8:]}", "--json").json
    assert row["run"] == run


def test_what_is_neither_artifact_nor_description_is_not_found(cli, registry) -> None:
    ran = cli("query", "impact", "thing=tinny")
    assert ran.code == exit_codes.NOT_FOUND
    assert "did you mean 'tiny'?" in ran.err


def test_numbers_and_truth_values_are_such_in_json(cli, registry) -> None:
    values = '1 1.5 2.5e0 true "1" 1e999 pm:x'
    text = f"PREFIX pm: <{PM.NAMESPACE}> SELECT ?v {{ VALUES ?v {{ {values} }} }}"
    rows = [row["v"] for row in cli("query", text, "--json").json]
    assert rows == [1, 1.5, 2.5, True, "1", "INF", f"{PM.NAMESPACE}x"]
    assert [type(v) for v in rows[:4]] == [int, float, float, bool]


def test_answers_come_in_the_formats_of_the_w3c(cli, registry) -> None:
    def ask(form: str) -> str:
        return str(cli("query", "ancestors", "artifact=int8", "--format", form).out)

    rows = cli("query", "ancestors", "artifact=int8", "--json").json
    children = [row["child"] for row in rows]
    document = json.loads(ask("json"))
    assert [row["child"]["value"] for row in document["results"]["bindings"]] == children
    assert document["results"]["bindings"][0]["sequence"]["datatype"].endswith("#integer")
    table = list(csv.DictReader(io.StringIO(ask("csv"))))
    assert [row["child"] for row in table] == children
    assert ask("tsv").splitlines()[0].split("\t") == ["?" + c for c in document["head"]["vars"]]
    root = ET.fromstring(ask("xml"))
    assert root.tag == "{http://www.w3.org/2005/sparql-results#}sparql"
    construct = "CONSTRUCT { ?s a ?o } { ?s a ?o }"
    for form, reader in (("ttl", RdfFormat.TURTLE), ("nt", RdfFormat.N_TRIPLES)):
        text = cli("query", construct, "--format", form).out
        assert len(list(parse(text, format=reader))) > 20
    assert json.loads(cli("query", "ASK {}", "--format", "json").out)["boolean"] is True


@pytest.mark.parametrize(
    ("query", "form"), [("ASK {}", "ttl"), ("CONSTRUCT { ?s ?p ?o } { ?s ?p ?o }", "csv")]
)
def test_a_format_that_cannot_hold_the_answer_is_refused(cli, registry, query, form) -> None:
    ran = cli("query", query, "--format", form)
    assert ran.code == exit_codes.REFUSED
    assert "cannot hold the answer" in ran.err


@pytest.mark.parametrize("keyword", ["SERVICE", "service silent", "SERV\\u0049CE"])
@pytest.mark.parametrize("options", [[], ["--format", "json"]])
def test_no_query_asks_another_server(cli, registry, tmp_path, keyword, options) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/sparql"
        text = f"SELECT * {{ {keyword} <{url}> {{ ?s ?p ?o }} }}"
        (tmp_path / "q.rq").write_text(text)
        for query in (text, tmp_path / "q.rq"):
            ran = cli("query", query, *options)
            assert ran.code == exit_codes.REFUSED
            assert "SERVICE would ask another server" in ran.err
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("name", ["ancestor", "nothing-like-it", "none.rq"])
def test_what_is_no_question_is_refused_with_what_to_do(cli, registry, name) -> None:
    ran = cli("query", name)
    assert ran.code == (exit_codes.REFUSED if name == "none.rq" else exit_codes.NOT_FOUND)
    assert "try:" in ran.err
    assert ("did you mean 'ancestors'" in ran.err) == (name == "ancestor")
