"""A document is the stored bytes, and each format says the same as they do."""

import hashlib
import json
from typing import Any

import pytest
from pyoxigraph import Literal, NamedNode, RdfFormat, parse

from pressmark.ontology.terms import PM, PREFIXES, PROV, RDF, RDFS
from pressmark.registry.documents import (
    Document,
    document_about,
    document_of,
    find_record,
    union,
)
from pressmark.registry.errors import NotFoundError
from pressmark.registry.ids import base_iri
from pressmark.registry.known import known, record_view
from pressmark.registry.lines import line, lines
from pressmark.registry.record import canonical_nquads
from pressmark.registry.registry import Registry

KINDS = {PROV.Activity: "Activity", PROV.Agent: "Agent", PROV.Entity: "Entity"}


@pytest.fixture(params=["int8", "int4", "elsewhere", "run"])
def document(request: Any, world: Any, world_registry: Registry) -> Document:
    return document_about(world_registry, [getattr(world, request.param)])


def test_the_document_of_a_record_is_what_was_committed(
    world: Any, world_registry: Registry
) -> None:
    for number, record in enumerate(world.history.records, start=1):
        entry = find_record(world_registry, str(number))
        assert document_of(world_registry, entry).nquads == record.nquads
        assert hashlib.sha256(record.nquads).hexdigest() == entry.bundle_digest
        for name in (record.digest, f"sha256:{record.digest}", record.bundle.value):
            assert find_record(world_registry, name) == entry


@pytest.mark.parametrize("name", ["0", "28", "f" * 64, "urn:uuid:" + "0" * 8, "a b", "", "٣"])
def test_a_record_that_is_not_there(world_registry: Registry, name: str) -> None:
    with pytest.raises(NotFoundError, match="no record"):
        find_record(world_registry, name)


def test_a_document_holds_the_records_and_is_canonical(
    world: Any, world_registry: Registry, document: Document
) -> None:
    assert document.nquads == canonical_nquads(document.quads)
    assert union([document.nquads, document.nquads]) == document
    int8 = document_about(world_registry, [world.int8])
    expected = [world.history.records[n - 1].nquads for n in (4, 6, 10, 11, 13, 15, 27)]
    assert int8 == union(expected)


def test_a_shared_description_is_the_graph_of_its_name(
    world_registry: Registry, world: Any
) -> None:
    engine = world.history.circumstances.engine
    for iri in (engine.iri, NamedNode(engine.iri.value + "#part")):
        assert document_about(world_registry, [iri]).nquads == canonical_nquads(engine.quads)
    with pytest.raises(NotFoundError, match="no record speaks"):
        document_about(world_registry, [PM.PrunedModel])
    with pytest.raises(NotFoundError, match="no record speaks"):
        document_about(world_registry, [])


def test_trig_and_json_ld_say_the_same(document: Document) -> None:
    for data, rdf_format in (
        (document.trig(), RdfFormat.TRIG),
        (document.json_ld(), RdfFormat.JSON_LD),
    ):
        assert canonical_nquads(parse(data, format=rdf_format)) == document.nquads


def test_turtle_says_the_same_without_the_graphs(document: Document) -> None:
    found = {quad.triple for quad in parse(document.turtle(), format=RdfFormat.TURTLE)}
    assert found == {quad.triple for quad in document.quads}


def test_json_ld_carries_the_words_that_it_uses_and_no_more(document: Document) -> None:
    written = json.loads(document.json_ld())
    graph = json.dumps(written["@graph"])
    assert "https://" not in graph
    words = written["@context"].keys() - {"@version", "id", "type"} - PREFIXES.keys()
    assert [word for word in words if f'"{word}"' not in graph] == []


def test_prov_json_says_the_same_to_another_reader(document: Document) -> None:
    """Each statement of the records is told again by what the library prov reads, and none else."""
    model = pytest.importorskip("prov.model", reason="the library prov is not installed")
    read = model.ProvDocument.deserialize(content=document.prov_json().decode(), format="json")
    graphs = [("", read), *((b.identifier.uri, b) for b in read.bundles)]
    assert {name for name, _ in graphs if name} == {
        quad.subject.value for quad in document.quads if quad.object == PROV.Bundle
    }
    told = {triple for _, records in graphs for triple in statements(records.get_records())}
    assert told == {
        (quad.subject.value, quad.predicate.value, quad.object.value)
        for quad in document.quads
        if quad.object not in (PROV.Usage, PROV.Generation, PROV.Association, PROV.Derivation)
    }


#: A relation of PROV-DM: its short form, what it says of its node, and the qualified property.
RELATIONS = {
    "Usage": (PROV.used, PROV.qualifiedUsage, {"entity": PROV.entity, "time": PROV.atTime}),
    "Generation": (
        PROV.wasGeneratedBy,
        PROV.qualifiedGeneration,
        {"activity": PROV.activity, "time": PROV.atTime},
    ),
    "Association": (
        PROV.wasAssociatedWith,
        PROV.qualifiedAssociation,
        {"agent": PROV.agent, "plan": PROV.hadPlan},
    ),
    "Derivation": (
        PROV.wasDerivedFrom,
        PROV.qualifiedDerivation,
        {
            "usedEntity": PROV.entity,
            "activity": PROV.hadActivity,
            "generation": PROV.hadGeneration,
            "usage": PROV.hadUsage,
        },
    ),
    "Attribution": (PROV.wasAttributedTo, None, {}),
    "Specialization": (PROV.specializationOf, None, {}),
    "Invalidation": (PROV.invalidated, None, {}),
}
ATTRIBUTES = {
    "prov#type": RDF.type.value,
    "prov#label": RDFS.label.value,
    "prov#role": PROV.hadRole.value,
    "prov#startTime": PROV.startedAtTime.value,
    "prov#endTime": PROV.endedAtTime.value,
}


def statements(records: Any) -> set[tuple[str, str, str]]:
    """What PROV-O would say of what a foreign library has read."""
    return {triple for record in records for triple in said(record)}


def said(record: Any) -> set[tuple[str, str, str]]:
    kind = record.get_type().localpart
    triples = {
        (record.identifier.uri, named(name.uri), text(value))
        for name, value in record.extra_attributes
        if record.identifier
    }
    if kind not in RELATIONS:
        times = {
            (record.identifier.uri, named(n.uri), text(v)) for n, v in record.formal_attributes if v
        }
        general = {(record.identifier.uri, RDF.type.value, PROV.NAMESPACE + kind)}
        return triples | times | (general if is_general(record, kind) else set())
    short, qualified, meanings = RELATIONS[kind]
    formal = {n.localpart: text(v) for n, v in record.formal_attributes if v is not None}
    ends = [text(v) for _, v in record.formal_attributes[:2]]
    subject, value = reversed(ends) if kind == "Invalidation" else ends
    triples.add((subject, short.value, value))
    if record.identifier and qualified:
        node = record.identifier.uri
        triples.add((subject, qualified.value, node))
        triples |= {(node, p.value, formal[n]) for n, p in meanings.items() if n in formal}
        if kind == "Generation":
            triples.add((subject, PROV.generatedAtTime.value, formal["time"]))
    return triples


def is_general(record: Any, kind: str) -> bool:
    """Whether PROV-O has a class for it: parameters, measurements and attributes have none."""
    own = {text(t) for t in record.get_attribute("prov:type")}
    return kind != "Entity" or not own & {
        PM.ParameterSetting.value,
        PM.Measurement.value,
        PM.Attribute.value,
    }


def named(uri: str) -> str:
    return ATTRIBUTES.get(uri.rpartition("/")[2], uri)


def text(value: Any) -> str:
    if hasattr(value, "uri"):
        return str(value.uri)
    if hasattr(value, "isoformat"):
        return oxigraph_time(value)
    value = getattr(value, "value", value)
    if isinstance(value, bool | float):
        return Literal(value).value
    return str(value)


def oxigraph_time(value: Any) -> str:
    whole, _, fraction = value.replace(tzinfo=None).isoformat().partition(".")
    return whole + (f".{fraction.rstrip('0')}" if fraction else "") + "Z"


def test_what_is_known_of_anything(world: Any, world_registry: Registry) -> None:
    found = known(world_registry, world.int8)
    assert set(found.kinds) == {PROV.Entity, PM.ModelArtifact, PM.QuantizedModel}
    assert found.records == (4, 6, 10, 11, 13, 15, 27)
    by_property = {one.property: one for one in found.statements}
    assert by_property[PROV.wasDerivedFrom].value == world.pruned.value
    assert by_property[PROV.wasDerivedFrom].is_iri
    assert by_property[PM.parameterCount].value == 1000
    environment = known(world_registry, world.history.circumstances.environment.iri)
    assert environment.records == ()
    with pytest.raises(NotFoundError, match="says anything"):
        known(world_registry, PM.PrunedModel)


def test_a_record_says_what_it_is_about(world: Any, world_registry: Registry) -> None:
    views = [
        record_view(world_registry, find_record(world_registry, str(n)))
        for n in range(1, len(world.history.records) + 1)
    ]
    assert [one.kind for one in views[:4]] == [PM.Run, PM.Import, PM.Prune, PM.Quantize]
    assert views[6].kind == PM.RunClosing
    assert views[0].records == world.run
    assert [one.previous for one in views[1:]] == [one.head for one in views[:-1]]
    assert views[3].statements == len(world.history.records[3].statements)


def test_a_line_gives_each_of_its_artifacts_once(world: Any, world_registry: Registry) -> None:
    (only,) = lines(world_registry)
    assert (only.name, only.artifacts) == ("example", 4)
    for name in ("example", only.iri.value):
        pages, after = [], None
        while True:
            page = line(world_registry, name, 3, after)
            pages.append([one.iri for one in page.artifacts])
            after = page.next
            if after is None:
                break
        assert pages == [[world.int4, world.int8, world.pruned], [world.base]]
    with pytest.raises(NotFoundError, match="did you mean 'example'"):
        line(world_registry, "exampel", 3)
    with pytest.raises(NotFoundError, match="cannot go on"):
        line(world_registry, "example", 3, world.elsewhere)


def test_parts_belong_to_the_record_of_their_whole(world: Any, world_registry: Registry) -> None:
    part = next(
        quad.subject
        for quad in world.history.records[3].quads()
        if quad.predicate == PM.parameterName and quad.object == Literal("sparsity")
    )
    assert base_iri(part) != part
    assert known(world_registry, part).records == (4,)
