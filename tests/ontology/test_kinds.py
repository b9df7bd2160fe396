"""The lists of artifact classes in the shapes follow the vocabulary."""

from pyoxigraph import NamedNode, RdfFormat, Store

from pressmark.ontology import shapes, vocabulary
from pressmark.ontology.terms import PM, RDF, RDFS, SH


def parsed(text: str) -> Store:
    store = Store()
    store.load(text.encode(), format=RdfFormat.TURTLE)
    return store


def lists_in(store: Store) -> list[set[object]]:
    """The members of each RDF list."""
    rest = NamedNode(RDF.NAMESPACE + "rest")
    first = NamedNode(RDF.NAMESPACE + "first")
    members: list[set[object]] = []
    inner = {quad.object for quad in store.quads_for_pattern(None, rest, None)}
    for quad in store.quads_for_pattern(None, first, None):
        if quad.subject in inner:
            continue
        node, found = quad.subject, set()
        while cells := list(store.quads_for_pattern(node, first, None)):
            found.add(cells[0].object)
            node = next(store.quads_for_pattern(node, rest, None)).object
        members.append(found)
    return members


def test_where_one_kind_of_model_may_stand_each_may() -> None:
    models = {
        quad.subject
        for quad in parsed(vocabulary()).quads_for_pattern(None, RDFS.subClassOf, PM.ModelArtifact)
    } - {PM.ExternalArtifact}
    assert PM.FineTunedModel in models
    naming = [found for found in lists_in(parsed(shapes())) if PM.ConvertedModel in found]
    assert len(naming) >= 5
    for found in naming:
        assert models <= found, models - found


def test_the_shape_of_artifacts_targets_each_kind_of_model() -> None:
    store = parsed(shapes())
    shape = next(store.quads_for_pattern(None, SH.targetClass, PM.ConvertedModel)).subject
    targets = {quad.object for quad in store.quads_for_pattern(shape, SH.targetClass, None)}
    kinds = parsed(vocabulary()).quads_for_pattern(None, RDFS.subClassOf, PM.ModelArtifact)
    assert {quad.subject for quad in kinds} - {PM.ExternalArtifact} <= targets
