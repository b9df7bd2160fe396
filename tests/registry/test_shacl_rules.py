"""Compiled rules answer what an Oxigraph store answers, on random graphs of their own terms."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad, Store, Variable

from pressmark.ontology import shapes
from pressmark.ontology.terms import PREFIXES, RDF, XSD
from pressmark.registry.shacl import Graph
from pressmark.registry.shacl_rules import UnknownConstructError, compile_select

HEADS = "".join(f"PREFIX {prefix}: <{iri}> " for prefix, iri in PREFIXES.items())
SELECT = "SELECT $this ?value WHERE "
RULES = re.findall(r'sh:select """(.*?)"""', shapes(), re.DOTALL)
ASKED_OF_A_STORE = 2
"""So many rules have a variable for a property, and are not compiled."""

QUERIES = [
    "{ $this pm:tag ?value ; pm:seed ?x . FILTER(?value = $this || ?value > ?x) }",
    "{ $this pm:tag ?value ; pm:seed ?seed . FILTER(?value = ?seed) }",
    "{ $this pm:tag ?value ; pm:seed ?seed . FILTER(?value != ?seed && ?seed > ?value) }",
    "{ $this pm:tag ?value . FILTER(!(?value = $this)) }",
    "{ $this pm:tag ?value . FILTER(?value IN (pm:Run, pm:Step)) }",
    "{ $this pm:tag ?value OPTIONAL { ?value pm:seed ?x } FILTER(!BOUND(?x)) }",
    "{ $this pm:tag ?value . FILTER EXISTS { ?value pm:tag ?x . FILTER(?x = ?value) } }",
    "{ $this pm:tag ?value . FILTER(NOT EXISTS { ?x pm:tag $this } || ?value = pm:Run) }",
    "{ $this pm:tag ?value . $this pm:tag* ?value . ?value pm:tag* $this }",
    "{ ?value pm:tag $this }",
    "{ $this pm:tag ?value ; pm:seed ?x . FILTER(?value != ?x) }",
    "{ { SELECT $this (COUNT(?x) AS ?n) (COUNT(DISTINCT ?y) AS ?m) (SUM(?y) AS ?s) WHERE "
    "{ $this pm:tag ?x ; pm:seed ?y } GROUP BY $this } $this pm:seed ?value . "
    "FILTER(?n = ?value || ?m = ?value || ?s != ?value) }",
]
NODES = [NamedNode(f"urn:x:{name}") for name in "ab"]
LITERALS = [
    Literal(0),
    Literal(1),
    Literal("01", datatype=XSD.integer),
    Literal(2),
    Literal(1.0),
    Literal(2.5),
    Literal("1"),
    Literal("x"),
    Literal("2026-01-01T00:00:00Z", datatype=XSD.dateTime),
    Literal("2026-01-01T00:00:00.5Z", datatype=XSD.dateTime),
]


def compilable(select: str) -> bool:
    try:
        compile_select(select)
    except UnknownConstructError:
        return False
    return True


COMPILED = [rule for rule in RULES if compilable(rule)] + [SELECT + query for query in QUERIES]


def test_the_rules_of_a_step_are_all_compiled() -> None:
    assert len(COMPILED) == len(RULES) - ASKED_OF_A_STORE + len(QUERIES)


@pytest.mark.parametrize("select", COMPILED)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_compiled_rule_answers_what_a_store_answers(select: str, data: st.DataObject) -> None:
    quads = data.draw(st.lists(statements(select), max_size=12))
    # A set of statements, in which terms have the forms that a store keeps.
    store = Store()
    store.extend(quads)
    solver, backwards = compile_select(select)
    graph = Graph(list(store), backwards)
    for node in NODES:
        found = store.query(HEADS + select, substitutions={Variable("this"): node})
        assert {one["value"] for one in solver({"this": node}, graph)} == {
            one["value"] for one in found
        }


def statements(select: str) -> st.SearchStrategy[Quad]:
    """Statements of the terms that a query names: properties in lower case, classes in upper."""
    names = re.findall(r"\b(\w+):(\w+)", select)
    terms = {NamedNode(PREFIXES[prefix] + name) for prefix, name in names}
    properties = {t for t in terms if re.search(r"[#/][a-z]\w*$", t.value)} | {RDF.type}
    nodes = st.sampled_from(NODES)
    values = nodes | st.sampled_from(sorted(terms, key=str)) | st.sampled_from(LITERALS)
    return st.builds(Quad, nodes, st.sampled_from(sorted(properties, key=str)), values)


@pytest.mark.parametrize(
    "query",
    [
        "{ $this ?p ?value }",
        "{ ?x pm:tag ?value }",
        "{ $this pm:tag ?value . FILTER(?value = pm:Run) ?value pm:tag ?y }",
        "{ $this pm:tag ?value OPTIONAL { ?value pm:seed ?x } ?value pm:tag ?x }",
        "{ $this pm:tag ?value . FILTER(STRSTARTS(STR(?value), 'x')) }",
        "{ $this pm:tag ?value . FILTER(?x = ?value) }",
        "{ { $this pm:tag ?value } UNION { $this pm:seed ?value } }",
        "{ $this pm:tag+ ?value }",
        "{ $this pm:tag ?value . FILTER(?value = 1) }",
        "{ $this other:tag ?value }",
        "{ $this pm:tag ?value } ORDER BY ?value",
        "{ $this pm:tag ?value",
        "{ { SELECT $this (MAX(?x) AS ?n) WHERE { $this pm:tag ?x } GROUP BY $this } }",
    ],
)
def test_what_is_not_known_is_left_to_the_store(query: str) -> None:
    with pytest.raises(UnknownConstructError):
        compile_select(SELECT + query)
