"""The vocabulary is complete, and what is generated from it is up to date."""

import re
from importlib.resources import files

import pytest
from pyoxigraph import Literal, NamedNode, QueryBoolean, RdfFormat, Store

from pressmark import ontology
from pressmark.ontology import generate
from pressmark.ontology.terms import PM, PREFIXES

OWL = "http://www.w3.org/2002/07/owl#"
RDFS = PREFIXES["rdfs"]


@pytest.fixture(scope="module")
def vocabulary() -> Store:
    return generate.load()


def subjects(store: Store) -> set[NamedNode]:
    return {quad.subject for quad in store if isinstance(quad.subject, NamedNode)}


def values(store: Store, subject: NamedNode, iri: str) -> list[object]:
    return [quad.object for quad in store.quads_for_pattern(subject, NamedNode(iri), None)]


def test_every_term_has_one_label_and_one_definition(vocabulary) -> None:
    for term in subjects(vocabulary) - {NamedNode("https://w3id.org/pressmark/ns")}:
        labels = values(vocabulary, term, RDFS + "label")
        assert len(labels) == 1, term
        assert generate.definition(vocabulary, term.value).endswith("."), term


def test_own_classes_and_properties_are_aligned(vocabulary) -> None:
    """Each class of ours has a superclass, and a chain of them leads out of our namespace."""
    for quad in vocabulary.quads_for_pattern(None, None, NamedNode(OWL + "Class")):
        if quad.subject.value.startswith(PM.NAMESPACE):
            ask = (
                f"ASK {{ <{quad.subject.value}> <{RDFS}subClassOf>+ ?super "
                f"FILTER(!STRSTARTS(STR(?super), '{PM.NAMESPACE}')) }}"
            )
            answer = vocabulary.query(ask)
            assert isinstance(answer, QueryBoolean)
            assert bool(answer), quad.subject


@pytest.mark.parametrize(
    ("term", "parent"),
    [
        ("pm:Record", "prov:Bundle"),
        ("pm:ModelArtifact", "prov:Entity"),
        ("pm:PrunedModel", "pm:ModelArtifact"),
        ("pm:Step", "prov:Activity"),
        ("pm:Engine", "prov:SoftwareAgent"),
        ("pm:Recipe", "pplan:Plan"),
        ("pm:RecipeStep", "pplan:Step"),
        ("pm:DataSet", "dcat:Dataset"),
        ("pm:ParameterSetting", "mls:HyperParameterSetting"),
        ("pm:EvaluationResult", "mls:ModelEvaluation"),
    ],
)
def test_alignment_with_other_vocabularies(vocabulary, term: str, parent: str) -> None:
    def expand(name: str) -> NamedNode:
        prefix, local = name.split(":")
        return NamedNode(PREFIXES[prefix] + local)

    assert expand(parent) in values(vocabulary, expand(term), RDFS + "subClassOf")


def test_terms_and_context_are_generated_from_the_vocabulary(vocabulary) -> None:
    package = files("pressmark.ontology")
    assert package.joinpath("terms.py").read_text() == generate.terms_module(vocabulary)
    assert ontology.context() == generate.json_ld_context(vocabulary)


def test_a_misspelt_term_fails() -> None:
    with pytest.raises(AttributeError):
        _ = PM.PrunnedModel  # type: ignore[attr-defined]


def test_the_shapes_use_only_known_terms(vocabulary) -> None:
    known = {term.value for term in subjects(vocabulary)}
    text = re.sub(r"@prefix.*|#[^#\n]*$", "", ontology.shapes(), flags=re.MULTILINE)
    used = set(re.findall(r"(?<![\w<])(pm|prov|pplan|mls|dcat|dcterms):([A-Za-z0-9]+)", text))
    unknown = {f"{p}:{name}" for p, name in used if PREFIXES[p] + name not in known}
    assert unknown == set()


def test_versions_agree(vocabulary) -> None:
    head = NamedNode("https://w3id.org/pressmark/ns")
    assert values(vocabulary, head, OWL + "versionInfo") == [Literal(ontology.ONTOLOGY_VERSION)]
    for version in ontology.shapes_versions():
        shapes = Store()
        shapes.load(ontology.shapes(version), format=RdfFormat.TURTLE)
        (found,) = values(
            shapes, NamedNode("https://w3id.org/pressmark/shapes"), OWL + "versionInfo"
        )
        assert found == Literal(version)


def test_every_query_is_read_by_name() -> None:
    for name in ontology.query_names():
        assert ontology.query(name).strip()
    with pytest.raises(KeyError, match="no query named 'nothing'"):
        ontology.query("nothing")
