"""A record written in JSON-LD with the packaged context reads back to the same bytes."""

import json

from pyoxigraph import NamedNode, Quad, RdfFormat, serialize

from pressmark import ontology
from pressmark.registry.record import Record, canonical_nquads, record_from_rdf


def as_json_ld(record: Record) -> bytes:
    """Write JSON-LD by hand: one object per subject, terms as the context names them."""
    context = json.loads(ontology.context())["@context"]
    names = {entry["@id"]: name for name, entry in context.items() if isinstance(entry, dict)}
    kinds = {name: entry.get("@type") for name, entry in context.items() if isinstance(entry, dict)}
    graphs: dict[str, dict[str, dict[str, list[object]]]] = {}
    for quad in record.quads():
        node = graphs.setdefault(quad.graph_name.value, {}).setdefault(quad.subject.value, {})
        name = names[quad.predicate.value]
        if name == "rdf:type":
            node.setdefault("type", []).append(names.get(quad.object.value, quad.object.value))
        elif isinstance(quad.object, NamedNode):
            assert kinds[name] in (None, "@id")
            value = quad.object.value if kinds[name] else {"id": quad.object.value}
            node.setdefault(name, []).append(value)
        elif kinds[name] == quad.object.datatype.value:
            node.setdefault(name, []).append(quad.object.value)
        else:
            typed = {"@value": quad.object.value, "@type": quad.object.datatype.value}
            node.setdefault(name, []).append(typed)
    body = [
        {"id": graph, "@graph": [{"id": subject, **said} for subject, said in nodes.items()]}
        for graph, nodes in graphs.items()
    ]
    return json.dumps({"@context": context, "@graph": body}).encode()


def test_a_record_survives_json_ld(a_record) -> None:
    again = record_from_rdf(as_json_ld(a_record), RdfFormat.JSON_LD)
    assert again.nquads == a_record.nquads
    assert again.bundle == a_record.bundle


def test_a_record_survives_trig(a_record) -> None:
    trig = serialize(a_record.quads(), format=RdfFormat.TRIG)
    assert trig is not None
    assert record_from_rdf(trig, RdfFormat.TRIG) == a_record


def test_canonical_form_ignores_the_statement_order(a_record) -> None:
    quads: list[Quad] = list(a_record.quads())
    assert canonical_nquads(reversed(quads)) == a_record.nquads
