"""A compact SHACL engine for the hot path: exactly the constructs that ``shapes.ttl`` uses.

`pressmark.registry.shacl_compiler` reads the shapes once into the plain values that are here. Core
constraints are evaluated over dictionaries, and so are the SPARQL constraints that
`pressmark.registry.shacl_rules` compiles; the others are asked of an in-memory Oxigraph store.
pySHACL stays the reference: a property test holds the findings of both equal on random good and
mutated records.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, TypeAlias

from pyoxigraph import Literal, NamedNode, Quad, QuerySolutions, Store, Variable

from pressmark.ontology.terms import RDF, XSD
from pressmark.registry.errors import Violation
from pressmark.registry.neighbourhood import name_of
from pressmark.registry.record import Terms

Edges: TypeAlias = Mapping[object, Sequence[object]]
"""What is said of one node: its values by predicate."""

Test: TypeAlias = "Callable[[object, Graph], bool]"
"""Whether one value is as it must be."""

Binding: TypeAlias = Mapping[str, object]
"""The values of a query's variables, by their names without the sign."""

_THIS: Final = Variable("this")
_NOTHING: Final[Edges] = {}


@dataclass(frozen=True)
class Step:
    """One step of a path: a property, followed forwards or backwards."""

    predicate: NamedNode
    inverse: bool = False


@dataclass(frozen=True)
class Path:
    """Steps one after another."""

    steps: tuple[Step, ...]

    @cached_property
    def predicate(self) -> NamedNode | None:
        """The property, where the path is nothing but one."""
        first = self.steps[0]
        return None if first.inverse or len(self.steps) > 1 else first.predicate

    @cached_property
    def name(self) -> str:
        """The property's IRI, or "" where the path is more than one."""
        return self.predicate.value if self.predicate else ""


class Graph:
    """What is said of each node, forwards and backwards.

    Args:
        quads: The statements; the graphs that they stand in do not matter.
        inverted: The properties that some path or rule follows backwards.
    """

    def __init__(self, quads: Collection[Quad | Terms], inverted: Container[object]) -> None:
        self._quads = quads
        edges: defaultdict[object, defaultdict[object, list[object]]]
        edges = defaultdict(lambda: defaultdict(list))
        self._subjects: defaultdict[tuple[object, object], list[object]] = defaultdict(list)
        for subject, predicate, value, _ in quads:
            edges[subject][predicate].append(value)
            if predicate in inverted:
                self._subjects[predicate, value].append(subject)
        self._edges: Mapping[object, Edges] = edges

    @cached_property
    def store(self) -> Store:
        """The same statements in a store, for what is not compiled."""
        store = Store()
        store.extend(Quad(*terms) for terms in self._quads)
        return store

    def edges(self, node: object) -> Edges:
        """Give the values of a node by predicate."""
        return self._edges.get(node, _NOTHING)

    def subjects(self, predicate: NamedNode, value: object) -> Sequence[object]:
        """Give the nodes of which a property has a value; the property is one of `inverted`."""
        return self._subjects.get((predicate, value), ())

    def follow(self, path: Path, node: object) -> Sequence[object]:
        """Give the values that a path leads to, each once (SHACL section 2.3.1)."""
        if path.predicate:
            return self.edges(node).get(path.predicate, ())
        values: Iterable[object] = (node,)
        for step in path.steps:
            values = [end for value in values for end in self._take(step, value)]
        return list(dict.fromkeys(values))

    def _take(self, step: Step, node: object) -> Sequence[object]:
        if step.inverse:
            return self.subjects(step.predicate, node)
        return self.edges(node).get(step.predicate, ())


Solver: TypeAlias = Callable[[Binding, Graph], Sequence[Binding]]
"""Extends one binding in every way that fits."""


@dataclass(frozen=True)
class PropertyShape:
    """What the values of one path must be.

    Attributes:
        name: Local name of the shape.
        message: What to tell a person.
        path: Where the values are.
        least: ``sh:minCount``.
        most: ``sh:maxCount``, None where there is no limit.
        required: ``sh:hasValue``.
        equals: A property that has the same values.
        until: A property whose values are not less (``sh:lessThanOrEquals``): times in UTC
            or whole numbers.
        before: A property whose values are greater (``sh:lessThan``), likewise.
        tests: What each value must pass.
    """

    name: str
    message: str
    path: Path
    least: int
    most: int | None
    required: frozenset[object]
    equals: NamedNode | None
    until: NamedNode | None
    before: NamedNode | None
    tests: tuple[Test, ...]

    @cached_property
    def may_be_missing(self) -> bool:
        """Whether there is nothing to find where a node does not have the property at all."""
        return bool(self.path.predicate) and not (self.least or self.required or self.equals)

    def check(self, focus: NamedNode, graph: Graph) -> Iterator[Violation]:
        """Find what is wrong with the values of one node."""
        values = graph.follow(self.path, focus)
        if len(values) < self.least or (self.most is not None and len(values) > self.most):
            yield self._violation(focus)
        if self.required and not self.required.issubset(values):
            yield self._violation(focus)
        for value in values:
            for test in self.tests:
                if not test(value, graph):
                    yield self._violation(focus, value)
                    break
        if self.equals or self.until or self.before:
            yield from self._compare(focus, values, graph)

    def _compare(
        self, focus: NamedNode, values: Sequence[object], graph: Graph
    ) -> Iterator[Violation]:
        edges = graph.edges(focus)
        if self.equals:
            for value in set(values) ^ set(edges.get(self.equals, ())):
                yield self._violation(focus, value)
        for other, compare in ((self.until, operator.le), (self.before, operator.lt)):
            ends = edges.get(other, ())
            for value in values if ends else ():
                if not all(_is_in_order(value, compare, end) for end in ends):
                    yield self._violation(focus, value)

    def _violation(self, focus: NamedNode, value: object = "") -> Violation:
        return Violation(focus.value, self.path.name, self.name, self.message, str(value))


@dataclass(frozen=True)
class Rule:
    """A SPARQL constraint on a node.

    Attributes:
        name: Local name of the constraint.
        message: What to tell a person.
        query: A SELECT of ``?value`` for a given ``$this``.
        solver: The same, compiled; None where it has to be asked of a store.
    """

    name: str
    message: str
    query: str
    solver: Solver | None

    def check(self, focus: NamedNode, graph: Graph) -> Iterator[Violation]:
        """Find how one node breaks the rule."""
        for value in self._values(focus, graph):
            yield Violation(focus.value, "", self.name, self.message, str(value))

    def _values(self, focus: NamedNode, graph: Graph) -> Iterable[object]:
        if self.solver is not None:
            return [solution["value"] for solution in self.solver({"this": focus}, graph)]
        found = graph.store.query(
            self.query, use_default_graph_as_union=True, substitutions={_THIS: focus}
        )
        assert isinstance(found, QuerySolutions)
        return [solution["value"] for solution in found]


@dataclass(frozen=True)
class NodeShape:
    """What one kind of node must be: its properties, its rules, whether it may have others."""

    name: str
    message: str
    targets: tuple[NamedNode, ...]
    closed: bool
    properties: tuple[PropertyShape, ...]
    rules: tuple[Rule, ...]

    def check(self, focus: NamedNode, graph: Graph) -> Iterator[Violation]:
        """Find what is wrong with one node."""
        edges = graph.edges(focus)
        for shape in self.properties:
            if not shape.may_be_missing or shape.path.predicate in edges:
                yield from shape.check(focus, graph)
        for rule in self.rules:
            yield from rule.check(focus, graph)
        if self.closed:
            for path, values in edges.items():
                if path not in self._known:
                    for value in values:
                        yield Violation(
                            focus.value, name_of(path), self.name, self.message, str(value)
                        )

    @cached_property
    def _known(self) -> frozenset[object]:
        return frozenset(shape.path.predicate for shape in self.properties)


@dataclass(frozen=True)
class CompiledShapes:
    """All shapes of one version.

    Attributes:
        by_target: The node shapes, by the class whose instances they are for.
        inverted: The properties that some path or rule follows backwards.
        links: The properties whose values must be instances of a class, and so cannot be literals.
        times: The properties whose values must be times.
    """

    by_target: Mapping[object, tuple[NodeShape, ...]]
    inverted: frozenset[object]
    links: frozenset[NamedNode]
    times: frozenset[NamedNode]

    @cached_property
    def kinds(self) -> frozenset[object]:
        """The classes that a closed shape is for: all that may be said of their instances."""
        closed = (kind for kind, found in self.by_target.items() if any(s.closed for s in found))
        return frozenset(closed)

    def check(
        self, quads: Collection[Quad | Terms], focus: Iterable[NamedNode]
    ) -> Iterator[Violation]:
        """Validate.

        Args:
            quads: The data.
            focus: The nodes to judge.
        """
        graph = Graph(quads, self.inverted)
        for node in focus:
            for shape in self._shapes_of(graph.edges(node).get(RDF.type, ())):
                yield from shape.check(node, graph)

    def _shapes_of(self, kinds: Iterable[object]) -> Iterable[NodeShape]:
        found = (shape for kind in kinds for shape in self.by_target.get(kind, ()))
        return {shape.name: shape for shape in found}.values()


def _is_in_order(value: object, compare: Callable[[Any, Any], bool], end: object) -> bool:
    """Compare two times, or two whole numbers; what is neither is in no order."""
    try:
        return compare(_place_of(value), _place_of(end))
    except (ValueError, TypeError):
        return False


def _place_of(value: object) -> datetime | int:
    if isinstance(value, Literal) and value.datatype == XSD.dateTime:
        return datetime.fromisoformat(value.value)
    if isinstance(value, Literal) and value.datatype == XSD.integer:
        return int(value.value)
    raise TypeError(f"{value} is neither a time nor a whole number")
