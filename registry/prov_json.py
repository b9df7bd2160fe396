"""Statements as PROV-JSON (W3C Member Submission "The PROV-JSON Serialization", 24 April 2013).

A record becomes a bundle; shared descriptions, which belong to no record, stand in the document
itself. Qualified forms become relations with their identifiers; a short form that a qualified one
repeats is left out. What PROV has no class for, such as a parameter or a measurement, is an entity.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pyoxigraph import Literal, NamedNode, Quad

from pressmark.ontology.terms import PREFIXES, PROV, RDF, RDFS, XSD

_Said: TypeAlias = dict[NamedNode, list[NamedNode | Literal]]
_Subjects: TypeAlias = dict[NamedNode, _Said]
_Container: TypeAlias = dict[str, dict[str, Any]]

_NAMESPACES: Final[Mapping[str, str]] = {
    **PREFIXES,
    "uuid": "urn:uuid:",
    "ni": "ni:///sha-256;",
}
#: Defined by the submission itself (section 2.1), so that a document need not.
_PREDEFINED: Final = frozenset({"prov", "xsd"})
_ELEMENTS: Final[tuple[tuple[NamedNode, str], ...]] = (
    (PROV.Activity, "activity"),
    (PROV.Agent, "agent"),
    (PROV.Entity, "entity"),
)
_TIMES: Final[Mapping[NamedNode, str]] = {
    PROV.startedAtTime: "prov:startTime",
    PROV.endedAtTime: "prov:endTime",
}


@dataclass(frozen=True)
class _Qualified:
    """How a qualified property becomes a relation (PROV-O table 3).

    Attributes:
        relation: The relation's name.
        owner: The attribute for whose it is.
        attributes: The attributes for what its node says.
        short: The property that says the same without a node.
        target: What of its node the short form points at.
    """

    relation: str
    owner: str
    attributes: Mapping[NamedNode, str]
    short: NamedNode
    target: NamedNode


_QUALIFIED: Final[Mapping[NamedNode, _Qualified]] = {
    PROV.qualifiedUsage: _Qualified(
        "used",
        "prov:activity",
        {PROV.entity: "prov:entity", PROV.atTime: "prov:time"},
        PROV.used,
        PROV.entity,
    ),
    PROV.qualifiedGeneration: _Qualified(
        "wasGeneratedBy",
        "prov:entity",
        {PROV.activity: "prov:activity", PROV.atTime: "prov:time"},
        PROV.wasGeneratedBy,
        PROV.activity,
    ),
    PROV.qualifiedAssociation: _Qualified(
        "wasAssociatedWith",
        "prov:activity",
        {PROV.agent: "prov:agent", PROV.hadPlan: "prov:plan"},
        PROV.wasAssociatedWith,
        PROV.agent,
    ),
    PROV.qualifiedDerivation: _Qualified(
        "wasDerivedFrom",
        "prov:generatedEntity",
        {
            PROV.entity: "prov:usedEntity",
            PROV.hadActivity: "prov:activity",
            PROV.hadGeneration: "prov:generation",
            PROV.hadUsage: "prov:usage",
        },
        PROV.wasDerivedFrom,
        PROV.entity,
    ),
}
#: Short form -> relation, attribute of its subject, attribute of its object.
_SHORT: Final[Mapping[NamedNode, tuple[str, str, str]]] = {
    PROV.used: ("used", "prov:activity", "prov:entity"),
    PROV.wasGeneratedBy: ("wasGeneratedBy", "prov:entity", "prov:activity"),
    PROV.wasAssociatedWith: ("wasAssociatedWith", "prov:activity", "prov:agent"),
    PROV.wasDerivedFrom: ("wasDerivedFrom", "prov:generatedEntity", "prov:usedEntity"),
    PROV.wasAttributedTo: ("wasAttributedTo", "prov:entity", "prov:agent"),
    PROV.specializationOf: ("specializationOf", "prov:specificEntity", "prov:generalEntity"),
    PROV.wasInformedBy: ("wasInformedBy", "prov:informed", "prov:informant"),
    PROV.invalidated: ("wasInvalidatedBy", "prov:activity", "prov:entity"),
}


def prov_json(quads: Iterable[Quad]) -> bytes:
    """Writes bundles without blank nodes, and the shared descriptions beside them.

    Args:
        quads: The statements, in named graphs.

    Returns:
        A document in UTF-8.
    """
    names, graphs = _Names(), _graphs(quads)
    document: dict[str, Any] = {}
    bundles: dict[str, _Container] = {}
    for graph, subjects in graphs.items():
        if PROV.Bundle in subjects.get(graph, {}).get(RDF.type, ()):
            _Writer(names, document).write({graph: subjects.pop(graph)})
            bundles[names.name(graph)] = _Writer(names, {}).write(subjects)
        else:
            _Writer(names, document).write(subjects)
    document = {"prefix": names.prefixes(), **document}
    if bundles:
        document["bundle"] = bundles
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


class _Names:
    """Qualified names: a prefix and what comes after its namespace (PROV-DM section 5.7.1)."""

    def __init__(self) -> None:
        self._used: dict[str, str] = {}

    def name(self, iri: NamedNode) -> str:
        prefix, space = self._namespace(iri.value)
        self._used[prefix] = space
        return f"{prefix}:{iri.value[len(space) :]}"

    def prefixes(self) -> dict[str, str]:
        return {p: space for p, space in self._used.items() if p not in _PREDEFINED}

    def _namespace(self, iri: str) -> tuple[str, str]:
        for prefix, space in (*_NAMESPACES.items(), *self._used.items()):
            if iri.startswith(space):
                return prefix, space
        end = max(iri.rfind(mark) for mark in "#/:") + 1
        return f"ns{len(self._used)}", iri[:end]


class _Writer:
    """Fills one container: a document or a bundle.

    Args:
        names: The document's prefixes.
        container: Where elements and relations go.
    """

    def __init__(self, names: _Names, container: _Container) -> None:
        self._names = names
        self._container = container
        self._unnamed = 0

    def write(self, subjects: _Subjects) -> _Container:
        """Adds all that is said of some subjects."""
        relations = _relations(subjects)
        for subject, said in subjects.items():
            if subject not in relations:
                self._element(subject, said)
        for one in relations.items():
            self._qualified(subjects, *one)
        for subject, said in subjects.items():
            self._short(subject, said, subjects)
        return self._container

    def _element(self, subject: NamedNode, said: _Said) -> None:
        types = said.get(RDF.type, [])
        section, known = next(((s, t) for t, s in _ELEMENTS if t in types), ("entity", None))
        attributes: dict[str, Any] = {}
        for predicate, values in said.items():
            if predicate in _QUALIFIED or predicate in _SHORT or predicate == PROV.generatedAtTime:
                continue  # a relation's, or told by the generation
            if predicate in _TIMES:
                attributes[_TIMES[predicate]] = values[0].value
            elif kept := [self._value(v) for v in values if v != known or predicate != RDF.type]:
                attributes[self._attribute(predicate)] = kept[0] if len(kept) == 1 else kept
        self._put(section, self._names.name(subject), attributes)

    def _qualified(self, subjects: _Subjects, node: NamedNode, owner: "_Owner") -> None:
        subject, predicate = owner
        kind = _QUALIFIED[predicate]
        attributes: dict[str, Any] = {kind.owner: self._names.name(subject)}
        for said, values in subjects[node].items():
            if said in kind.attributes:
                attributes[kind.attributes[said]] = self._plain(values[0])
            elif said == PROV.hadRole:
                attributes["prov:role"] = self._value(values[0])
        self._put(kind.relation, self._names.name(node), attributes)

    def _short(self, subject: NamedNode, said: _Said, subjects: _Subjects) -> None:
        for predicate, (relation, own, other) in _SHORT.items():
            told = _told(said, predicate, subjects)
            for value in said.get(predicate, ()):
                if value not in told:
                    self._unnamed += 1
                    ends = {own: self._names.name(subject), other: self._plain(value)}
                    self._put(relation, f"_:r{self._unnamed}", ends)

    def _put(self, section: str, name: str, attributes: dict[str, Any]) -> None:
        self._container.setdefault(section, {})[name] = attributes

    def _attribute(self, predicate: NamedNode) -> str:
        special = {RDF.type: "prov:type", RDFS.label: "prov:label"}
        return special.get(predicate) or self._names.name(predicate)

    def _plain(self, term: NamedNode | Literal) -> str:
        return self._names.name(term) if isinstance(term, NamedNode) else term.value

    def _value(self, term: NamedNode | Literal) -> Any:
        """Section 2.2: a string as it is, anything else with its type."""
        if isinstance(term, NamedNode):
            return {"$": self._names.name(term), "type": "prov:QUALIFIED_NAME"}
        if term.datatype == XSD.string:
            return term.value
        return {"$": term.value, "type": self._names.name(term.datatype)}


_Owner: TypeAlias = tuple[NamedNode, NamedNode]


def _graphs(quads: Iterable[Quad]) -> dict[NamedNode, _Subjects]:
    found: dict[NamedNode, _Subjects] = {}
    for quad in quads:
        graph, subject, value = quad.graph_name, quad.subject, quad.object
        assert isinstance(graph, NamedNode), f"{quad} is in no named graph"
        assert isinstance(subject, NamedNode), f"{quad} is about a blank node"
        assert isinstance(value, NamedNode | Literal), f"{quad} has a blank node"
        said = found.setdefault(graph, {}).setdefault(subject, {})
        said.setdefault(quad.predicate, []).append(value)
    return found


def _relations(subjects: _Subjects) -> dict[NamedNode, _Owner]:
    """The qualified nodes among subjects: whose they are, and by which property."""
    return {
        node: (subject, predicate)
        for subject, said in subjects.items()
        for predicate in _QUALIFIED.keys() & said.keys()
        for node in said[predicate]
        if isinstance(node, NamedNode) and node in subjects
    }


def _told(said: _Said, short: NamedNode, subjects: _Subjects) -> set[NamedNode | Literal]:
    """What the qualified forms of a property point at already."""
    for predicate, kind in _QUALIFIED.items():
        if kind.short == short:
            owned = (n for n in said.get(predicate, ()) if isinstance(n, NamedNode))
            return {value for n in owned for value in subjects.get(n, {}).get(kind.target, ())}
    return set()
