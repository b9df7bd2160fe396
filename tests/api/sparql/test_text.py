"""What the words of a query tell."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pressmark.api.errors import MalformedQueryError, QueryRefusedError
from pressmark.api.sparql.text import MAX_DEPTH, QueryForm, read_query

HARMLESS = [
    'SELECT * { ?s ?p "SERVICE <http://h/> {}" }',
    "SELECT * { ?s ?p 'LOAD SERVICE' } # SERVICE <http://h/> {}",
    'SELECT * { ?s ?p """a "quoted" SERVICE\nline""" }',
    "PREFIX service: <http://h/service#> SELECT ?service { ?service service:service ?x }",
    "SELECT * { ?s <http://h/SERVICE> ?o }",
    "SELECT * { ?s ?p 'x'@service }",
]
REFUSED = [
    "SELECT * { SERVICE <http://h/> { ?s ?p ?o } }",
    "SELECT * { service silent ?h { ?s ?p ?o } }",
    "SELECT * { \\u0053ERVICE <http://h/> { ?s ?p ?o } }",
    "SELECT * {FILTER(?a<3)SERVICE<http://h/>{?s?p?o}}",
    "SELECT * { ?s ?p 'it\\'s' SERVICE <http://h/> {} }",
    "INSERT DATA { <a:a> <a:b> <a:c> }",
    "PREFIX a: <a:> DELETE WHERE { ?s ?p ?o }",
    "load <file:///etc/passwd>",
    "CLEAR ALL",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_words_in_strings_names_and_comments_are_not_keywords(text: str) -> None:
    assert read_query(text).form is QueryForm.SELECT


@pytest.mark.parametrize("text", REFUSED)
def test_what_writes_or_asks_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(QueryRefusedError):
        read_query(text)


@pytest.mark.parametrize("text", ["", "   # nothing", "HELLO", "PREFIX a: <a:>"])
def test_what_has_no_query_form_is_malformed(text: str) -> None:
    with pytest.raises(MalformedQueryError):
        read_query(text)


@pytest.mark.parametrize("form", list(QueryForm))
def test_the_form_comes_after_the_prologue(form: QueryForm) -> None:
    text = f"BASE <http://select/> # ASK\nPREFIX ask: <http://ask/> {form.lower()} WHERE {{}}"
    assert read_query(text).form is form


def test_brackets_nest_so_deep_and_no_deeper() -> None:
    def nested(depth: int) -> str:
        return "SELECT * { FILTER" + "(" * depth + "1" + ")" * depth + " } # ((((("

    read_query(nested(MAX_DEPTH - 1))
    with pytest.raises(MalformedQueryError, match="nested"):
        read_query(nested(MAX_DEPTH))


def test_from_is_seen() -> None:
    assert read_query("SELECT * FROM <http://g/> {}").names_dataset
    assert not read_query('SELECT * { ?from ?p "FROM" }').names_dataset


@given(st.text(alphabet="aA\"'\\<>#{}? \n", max_size=40))
def test_a_service_clause_is_seen_behind_any_string(inside: str) -> None:
    quoted = inside.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    with pytest.raises(QueryRefusedError):
        read_query(f'SELECT * {{ ?s ?p "{quoted}" . SERVICE <http://h/> {{}} }}')


@given(st.text())
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    with suppress(MalformedQueryError, QueryRefusedError):
        read_query(text)
