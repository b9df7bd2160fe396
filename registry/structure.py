"""What shapes cannot see: graphs, bytes and literal forms.

SHACL looks at one merged graph. That a record states facts only about what it mints (*closed
subjects*), that its bytes are canonical, and that a shared description has the name that its
statements hash to, are questions about named graphs and bytes, and are answered here.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, TypeAlias

from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from pressmark.ontology import shapes_versions
from pressmark.ontology.terms import PM, PPLAN, PROV, RDF, XSD
from pressmark.registry.descriptions import description_digest
from pressmark.registry.errors import Violation
from pressmark.registry.ids import base_iri, is_ni_iri, ni_iri
from pressmark.registry.neighbourhood import GraphReader, Statement, name_of
from pressmark.registry.record import DATATYPES, Record, Terms
from pressmark.registry.shacl_compiler import (
    linking_properties,
    targeted_classes,
    time_properties,
)

Graphs: TypeAlias = Mapping[NamedNode, list[Statement]]

_HAS_PART: Final = frozenset(
    {
        PM.hadParameter,
        PM.hadMeasurement,
        PM.hasAttribute,
        PM.hasFile,
        PROV.qualifiedUsage,
        PROV.qualifiedAssociation,
        PROV.qualifiedGeneration,
        PROV.qualifiedDerivation,
    }
)
"""From a thing to a part of it; the part's IRI is that of the thing and a fragment."""

_PARTS: Final = frozenset(
    {
        PM.ParameterSetting,
        PM.Measurement,
        PM.Attribute,
        PM.File,
        PROV.Usage,
        PROV.Association,
        PROV.Generation,
        PROV.Derivation,
    }
)
"""The kinds of parts: each belongs to exactly one thing."""

_LOCAL: Final = _HAS_PART | {
    PM.records,
    PPLAN.isStepOfPlan,
    PROV.wasGeneratedBy,
    PROV.activity,
    PROV.hadActivity,
    PROV.hadUsage,
    PROV.hadGeneration,
}
"""Properties that point within one graph: no record adds a part or an output to an old activity."""

_FORMS: Final[Mapping[NamedNode, re.Pattern[str]]] = {
    XSD.string: re.compile(r"[\s\S]*"),
    XSD.boolean: re.compile(r"true|false"),
    XSD.integer: re.compile(r"-?[0-9]{1,18}"),
    XSD.double: re.compile(r"-?(INF|[0-9]+(\.[0-9]+)?([Ee][+-]?[0-9]+)?)"),
    XSD.dateTime: re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z"),
    XSD.anyURI: re.compile(r"\S+"),
}
"""The forms of each datatype that are kept: no NaN, no other zone than UTC, no 19-digit integer."""


def check_structure(
    bundle: NamedNode, graphs: Graphs, graph: GraphReader, version: str
) -> Iterator[Violation]:
    """Check the graphs of one record against everything that shapes cannot see.

    Args:
        bundle: The record's bundle.
        graphs: The statements by named graph; descriptions that were checked may be left out.
        graph: The store without the record.
        version: The version of the shapes to judge by.
    """
    for name, content in graphs.items():
        yield from check_statements(content, version)
        if name != bundle:
            yield from check_description(name, content, version)
    yield from check_bundle(bundle, graphs.get(bundle, []), version)
    yield from _check_subjects_are_new(bundle, graphs.get(bundle, []), graph)


def check_bytes(record: Record) -> Iterator[Violation]:
    """Check that a record's bytes are the canonical form of its statements, all in named graphs."""
    if not record.is_canonical:
        yield _violation(
            record.bundle,
            "isCanonical",
            "The record's bytes are not canonical: make them with canonical_nquads.",
        )
    yield from check_graph_names(record.terms)


def check_graph_names(quads: Iterable[Quad | Terms]) -> Iterator[Violation]:
    """Check that every statement is in a graph that is named by an IRI."""
    for subject, _, _, name in quads:
        if not isinstance(name, NamedNode):
            yield _violation(subject, "inANamedGraph", "A statement is in no named graph.")


def by_graph(quads: Iterable[Quad | Terms]) -> dict[NamedNode, list[Statement]]:
    """Sort statements by their named graph; those in none are left out."""
    graphs: defaultdict[NamedNode, list[Statement]] = defaultdict(list)
    for subject, predicate, value, name in quads:
        if isinstance(name, NamedNode):
            graphs[name].append((subject, predicate, value))
    return dict(graphs)


def check_statements(statements: Iterable[Statement], version: str) -> Iterator[Violation]:
    """Check each statement alone: no blank nodes, plain literals, nodes and times in their places.

    pySHACL 0.40 raises where an Oxigraph store holds a literal in place of an instance of a class,
    and compares what is no time in its own ways, so that both are found here.
    """
    links, times = linking_properties(version), time_properties(version)
    for statement in statements:
        subject, predicate, value = statement
        if isinstance(subject, BlankNode) or isinstance(value, BlankNode):
            yield _violation(
                subject,
                "noBlankNodes",
                "Name every node with an IRI: blank nodes are refused.",
            )
        if isinstance(value, Literal):
            yield from _check_literal(statement, value)
            if predicate == RDF.type or predicate in links:
                message = "Its value is a node, named by an IRI, and not a literal."
                yield _wrong_value(statement, "linksToANode", message)
        if predicate in times and not (
            isinstance(value, Literal) and value.datatype == XSD.dateTime
        ):
            yield _wrong_value(statement, "tellsATime", "Its value is an xsd:dateTime in UTC.")


def _check_literal(statement: Statement, literal: Literal) -> Iterator[Violation]:
    datatype = literal.datatype
    if literal.language or datatype not in DATATYPES:
        message = "Only xsd:string, boolean, integer, double, dateTime and anyURI are kept."
    elif not _is_well_formed(literal.value, datatype):
        message = "Not a value that can be kept: no NaN, times in UTC ending in Z, plain numbers."
    else:
        return
    yield _wrong_value(statement, "plainLiterals", message)


def _is_well_formed(text: str, datatype: NamedNode) -> bool:
    if not _FORMS[datatype].fullmatch(text):
        return False
    if datatype != XSD.dateTime:
        return True
    try:
        return datetime.fromisoformat(text) is not None
    except ValueError:
        return False


def check_bundle(
    bundle: NamedNode, statements: list[Statement], version: str
) -> Iterator[Violation]:
    """Check the graph of a bundle: it names itself, mints its subjects, keeps its parts inside."""
    stated = {subject for subject, _, _ in statements}
    if (bundle, RDF.type, PM.Record) not in statements:
        yield _violation(
            bundle, "namesItself", "The bundle's graph does not say that the bundle is a pm:Record."
        )
    for node in stated:
        if isinstance(node, NamedNode) and not node.value.startswith("urn:uuid:"):
            yield _violation(
                node,
                "mintsItsSubjects",
                "A record speaks only of nodes that it mints: <urn:uuid:...>.",
            )
    yield from _check_graph(statements, stated, version)
    for _, predicate, value in statements:
        if predicate == PM.shapesVersion and isinstance(value, Literal):
            yield from _check_version(bundle, value.value)


def _check_graph(
    statements: list[Statement], stated: Collection[object], version: str
) -> Iterator[Violation]:
    yield from _check_local(statements, stated)
    yield from _check_parts(statements, stated)
    kinds = targeted_classes(version)
    typed = {s for s, predicate, value in statements if predicate == RDF.type and value in kinds}
    for node in set(stated) - typed:
        yield _violation(
            node,
            "hasAKnownKind",
            "It has no type that the shapes know: give it one, such as pm:Prune, spelt right, "
            "and write all superclasses out.",
        )


def _check_parts(statements: list[Statement], stated: Collection[object]) -> Iterator[Violation]:
    owned = set()
    for statement in statements:
        subject, predicate, value = statement
        if predicate in _HAS_PART:
            owned.add(value)
            if not name_of(value).startswith(name_of(subject) + "#"):
                message = "A part is named after its owner, <owner#part>: none is shared (C22)."
                yield _wrong_value(statement, "namesItsParts", message)
    names = {name_of(node) for node in stated}
    for name in names:
        if name.partition("#")[0] not in names:
            yield Violation(
                name,
                "",
                "staysWithItsOwner",
                "Only the graph that speaks of an owner names its parts.",
            )
    for subject, predicate, value in statements:
        if predicate == RDF.type and value in _PARTS and subject not in owned:
            yield _violation(
                subject,
                "belongsToAnOwner",
                "It belongs to nothing: point at it from its activity, entity or content.",
            )


def _check_local(
    statements: Iterable[Statement], stated: Collection[object]
) -> Iterator[Violation]:
    for statement in statements:
        if statement[1] in _LOCAL and statement[2] not in stated:
            message = "It must point at something that the same graph describes."
            yield _wrong_value(statement, "pointsInside", message)


def _check_version(bundle: NamedNode, version: str) -> Iterator[Violation]:
    if version not in shapes_versions():
        known = ", ".join(shapes_versions())
        yield _violation(
            bundle,
            "knownShapesVersion",
            f"The record was made for shapes {version}; this release validates {known}: "
            "install the release that made it, or a newer one.",
        )


def check_description(
    name: NamedNode, statements: list[Statement], version: str
) -> Iterator[Violation]:
    """Check the graph of a shared description: its name is the digest of what it says."""
    if not is_ni_iri(name):
        yield _violation(
            name, "oneBundle", "A record has its bundle's graph and shared descriptions, no other."
        )
        return
    stated = {subject for subject, _, _ in statements}
    for node in stated:
        if not isinstance(node, NamedNode) or base_iri(node) != name:
            yield _violation(
                node, "describesItself", f"The description {name} speaks of something else."
            )
    digest = description_digest(statements, name)
    if ni_iri(digest) != name:
        yield _violation(
            name,
            "namedByItsDigest",
            f"The statements of the description hash to {ni_iri(digest)}: they were changed.",
        )
    yield from _check_graph(statements, stated, version)


def _check_subjects_are_new(
    bundle: NamedNode, statements: Iterable[Statement], graph: GraphReader
) -> Iterator[Violation]:
    # Parts need no look-up: they stand in the graph of their owner, which has one.
    subjects = {subject for subject, _, _ in statements if isinstance(subject, NamedNode)}
    for owner in {base_iri(subject) for subject in subjects}:
        if any(graph.match(subject=owner)):
            if any(graph.match(graph=bundle)):
                yield _violation(bundle, "isNew", "The bundle is in the store already.")
                return
            yield _violation(
                owner,
                "closedSubjects",
                "Another record speaks of it: mint a new node that points at it.",
            )


def _violation(focus: object, shape: str, message: str) -> Violation:
    return Violation(name_of(focus), "", shape, message)


def _wrong_value(statement: Statement, shape: str, message: str) -> Violation:
    subject, predicate, value = statement
    return Violation(name_of(subject), name_of(predicate), shape, message, str(value))
