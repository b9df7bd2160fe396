"""Writes a report as JSON-LD 1.1: the records that it rests on, as they are, and what it found.

Each record and each shared description is a named graph, statement for statement as it was kept, in
the forms of literals that were kept. The default graph holds what no record states: of the report,
of each record's place in the journal, and how sure each edge is. The context stands in the file:
nothing is fetched to read it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, TypeAlias

from pyoxigraph import Literal, NamedNode

from pressmark import ontology
from pressmark.ontology.terms import DCTERMS, PM, PROV, RDF, RDFS, XSD
from pressmark.registry.facts import Reader, node
from pressmark.registry.ids import base_iri, is_ni_iri
from pressmark.registry.report.model import Report

MEDIA_TYPE: Final = "application/ld+json"

Term: TypeAlias = NamedNode | Literal
Statement: TypeAlias = tuple[str, NamedNode, Term]
"""Subject (an IRI or a blank node's label), predicate, object."""

_REPORT: Final = "_:report"
_VERDICTS: Final = {True: PM.holds, False: PM.refuted, None: PM.inconclusive}


def to_jsonld(report: Report, reader: Reader) -> str:
    """Writes a report, with the statements of its records.

    Args:
        report: The report.
        reader: The registry, which is asked for the statements.
    """
    records = _records(report, reader)
    graphs = _statements(reader, records)
    shared = {base_iri(o) for g in graphs.values() for _, _, o in g if isinstance(o, NamedNode)}
    graphs |= _statements(reader, filter(is_ni_iri, shared))
    told = [*_report(report), *_edges(report), *_places(records)]
    named = [
        {"id": name.value, "@graph": list(_nodes(graphs[name]))}
        for name in sorted(graphs, key=lambda one: one.value)
    ]
    context = json.loads(ontology.context())["@context"]
    document = {"@context": context, "@graph": [*_nodes(told), *named]}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


# ------------------------------------------------------------------------------- what is written


def _records(report: Report, reader: Reader) -> Mapping[NamedNode, tuple[int, str]]:
    """The records that a report rests on, with their places in the journal and their digests."""
    activities = set(report.activities)
    rows = reader.rows("activities", activity=sorted(activities, key=str)) if activities else []
    runs = {node(row, "run") for row in rows if "run" in row} - activities
    rows += reader.rows("activities", activity=sorted(runs, key=str)) if runs else []
    return {
        node(row, "bundle"): (int(row["sequence"].value), row["bundleDigest"].value) for row in rows
    }


def _statements(reader: Reader, graphs: Iterable[NamedNode]) -> dict[NamedNode, list[Statement]]:
    asked = sorted(graphs, key=str)
    found: dict[NamedNode, list[Statement]] = {}
    for row in reader.rows("graph_statements", graph=asked) if asked else ():
        subject, value = node(row, "subject"), row["object"]
        assert isinstance(value, NamedNode | Literal)
        statement = (subject.value, node(row, "predicate"), value)
        found.setdefault(node(row, "graph"), []).append(statement)
    return found


def _report(report: Report) -> Iterator[Statement]:
    verified = report.verification
    yield _REPORT, RDF.type, PM.AuditReport
    yield _REPORT, RDF.type, PROV.Entity
    yield _REPORT, RDFS.label, Literal(f"{report.artifact.name}.report.jsonld")
    yield _REPORT, PM.reportsOn, report.artifact.iri
    yield _REPORT, DCTERMS.format, Literal(MEDIA_TYPE)
    yield _REPORT, PROV.generatedAtTime, Literal(report.made_at, datatype=XSD.dateTime)
    yield _REPORT, PM.journalHead, Literal(report.head)
    yield _REPORT, PM.integrity, _VERDICTS[None if verified is None else verified.ok]
    for finding in verified.findings if verified else ():
        yield _REPORT, PM.finding, Literal(str(finding))


def _edges(report: Report) -> Iterator[Statement]:
    for edge in report.lineage.edges:
        yield edge.about.value, PM.edgeOrigin, Literal(str(edge.origin))
        yield edge.about.value, PM.edgeEvidence, Literal(str(edge.evidence))


def _places(records: Mapping[NamedNode, tuple[int, str]]) -> Iterator[Statement]:
    for bundle, (sequence, digest) in records.items():
        yield bundle.value, PM.sequence, Literal(sequence)
        yield bundle.value, PM.bundleDigest, Literal(digest)


# ------------------------------------------------------------------------------- how it is written


def _nodes(statements: Iterable[Statement]) -> Iterator[dict[str, Any]]:
    """Node objects (JSON-LD 1.1 section 9.2), sorted, so that equal graphs give equal text."""
    nodes: dict[str, dict[str, list[Any]]] = {}
    for subject, predicate, value in sorted(statements, key=_order):
        key, written = _entry(predicate, value)
        nodes.setdefault(subject, {}).setdefault(key, []).append(written)
    for subject, entries in nodes.items():
        yield {"id": subject} | {
            key: values[0] if len(values) == 1 else values for key, values in entries.items()
        }


def _order(statement: Statement) -> tuple[str, str, str]:
    subject, predicate, value = statement
    return subject, predicate.value, str(value)


def _entry(predicate: NamedNode, value: Term) -> tuple[str, Any]:
    """A key of the context and a value that it reads as this term."""
    if predicate == RDF.type:
        return "type", value.value
    key, coerced = _terms().get(predicate.value, (predicate.value, None))
    if isinstance(value, NamedNode):
        return key, value.value if coerced == "@id" else {"@id": value.value}
    datatype = value.datatype.value
    if datatype == (coerced or XSD.string.value):
        return key, value.value
    return key, {"@value": value.value, "@type": datatype}


@cache
def _terms() -> dict[str, tuple[str, str | None]]:
    """The context's key and coercion of each IRI."""
    context = json.loads(ontology.context())["@context"]
    entries = ((key, entry) for key, entry in context.items() if isinstance(entry, dict))
    return {entry["@id"]: (key, entry.get("@type")) for key, entry in entries}
