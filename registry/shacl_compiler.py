"""Reads ``shapes.ttl`` into the values that `pressmark.registry.shacl` evaluates.

Only the constructs that the shapes use are known; any other is refused here, so that no constraint
is ever passed over in silence.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Final

from pyoxigraph import Literal, NamedNode, RdfFormat, Store

from pressmark.ontology import shapes
from pressmark.ontology.terms import PREFIXES, RDF, SH, XSD
from pressmark.registry.neighbourhood import name_of
from pressmark.registry.shacl import (
    CompiledShapes,
    Graph,
    NodeShape,
    Path,
    PropertyShape,
    Rule,
    Solver,
    Step,
    Test,
)
from pressmark.registry.shacl_rules import UnknownConstructError, compile_select

_NAME: Final = re.compile(rf"\b({'|'.join(PREFIXES)}):([A-Za-z0-9]+)")


@cache
def compiled_shapes(version: str) -> CompiledShapes:
    """Compile one version of the shapes.

    Raises:
        KeyError: This release does not carry that version.
        ValueError: The shapes use a construct that this engine does not know.
    """
    return _Compiler(shapes(version)).compile()


def targeted_classes(version: str) -> Collection[object]:
    """List the classes whose instances a closed shape is for."""
    return compiled_shapes(version).kinds


def linking_properties(version: str) -> Collection[object]:
    """List the properties whose values cannot be literals."""
    return compiled_shapes(version).links


def time_properties(version: str) -> Collection[object]:
    """List the properties whose values are times."""
    return compiled_shapes(version).times


class _Compiler:
    """Reads shapes from Turtle."""

    def __init__(self, turtle: str) -> None:
        self._store = Store()
        self._store.load(turtle, format=RdfFormat.TURTLE)
        self._backwards: set[object] = set()

    def compile(self) -> CompiledShapes:
        by_target: defaultdict[object, list[NodeShape]] = defaultdict(list)
        for quad in self._store.quads_for_pattern(None, RDF.type, SH.NodeShape):
            shape = self._node_shape(quad.subject)
            for target in shape.targets:
                by_target[target].append(shape)
        inverse = self._store.quads_for_pattern(None, SH.inversePath, None)
        return CompiledShapes(
            {target: tuple(found) for target, found in by_target.items()},
            frozenset({quad.object for quad in inverse} | self._backwards),
            frozenset(self._paths_with(SH.class_)),
            frozenset(self._paths_with(SH.datatype, XSD.dateTime)),
        )

    def _paths_with(
        self, constraint: NamedNode, value: NamedNode | None = None
    ) -> Iterator[NamedNode]:
        for quad in self._store.quads_for_pattern(None, constraint, value):
            yield from self._nodes(quad.subject, SH.path)

    def _values(self, subject: object, predicate: NamedNode) -> list[object]:
        found = self._store.quads_for_pattern(subject, predicate, None)  # type: ignore[arg-type]
        return [quad.object for quad in found]

    def _one(self, subject: object, predicate: NamedNode) -> object:
        (value,) = self._values(subject, predicate)
        return value

    def _text(self, subject: object, predicate: NamedNode) -> str:
        value = self._one(subject, predicate)
        assert isinstance(value, Literal)
        return value.value

    def _number(self, subject: object, predicate: NamedNode) -> int | None:
        return int(self._text(subject, predicate)) if self._values(subject, predicate) else None

    def _nodes(self, subject: object, predicate: NamedNode) -> tuple[NamedNode, ...]:
        values = self._values(subject, predicate)
        return tuple(value for value in values if isinstance(value, NamedNode))

    def _refuse_unknown(self, node: object, known: Collection[NamedNode]) -> None:
        for quad in self._store.quads_for_pattern(node, None, None):  # type: ignore[arg-type]
            if quad.predicate not in known:
                raise ValueError(f"{node} uses {quad.predicate}, which this engine does not know")

    def _node_shape(self, node: object) -> NodeShape:
        self._refuse_unknown(node, _NODE_TERMS)
        properties = self._values(node, SH.property)
        return NodeShape(
            name=_local_name(node),
            message=self._text(node, SH.message) if self._values(node, SH.message) else "",
            targets=self._nodes(node, SH.targetClass),
            closed=bool(self._values(node, SH.closed)),
            properties=tuple(self._property_shape(shape) for shape in properties),
            rules=tuple(self._rule(rule) for rule in self._values(node, SH.sparql)),
        )

    def _property_shape(self, node: object) -> PropertyShape:
        self._refuse_unknown(node, _PROPERTY_TERMS)
        return PropertyShape(
            name=_local_name(node),
            message=self._text(node, SH.message),
            path=self._path(self._one(node, SH.path)),
            least=self._number(node, SH.minCount) or 0,
            most=self._number(node, SH.maxCount),
            required=frozenset(self._values(node, SH.hasValue)),
            equals=next(iter(self._nodes(node, SH.equals)), None),
            until=next(iter(self._nodes(node, SH.lessThanOrEquals)), None),
            before=next(iter(self._nodes(node, SH.lessThan)), None),
            tests=tuple(self._tests(node)),
        )

    def _path(self, node: object) -> Path:
        is_list = not isinstance(node, NamedNode) and self._values(node, RDF.first)
        return Path(tuple(self._step(step) for step in (self._list(node) if is_list else [node])))

    def _step(self, node: object) -> Step:
        if isinstance(node, NamedNode):
            return Step(node)
        (predicate,) = self._nodes(node, SH.inversePath)
        return Step(predicate, inverse=True)

    def _tests(self, node: object) -> Iterator[Test]:
        for make, predicate in _TESTS:
            for value in self._values(node, predicate):
                yield make(frozenset(self._list(value)) if predicate == SH.in_ else value)

    def _list(self, head: object) -> list[object]:
        items = []
        while head != RDF.nil:
            items.append(self._one(head, RDF.first))
            head = self._one(head, RDF.rest)
        return items

    def _rule(self, node: object) -> Rule:
        self._refuse_unknown(node, _RULE_TERMS)
        select = " ".join(self._text(node, SH.select).split())
        used = {prefix for prefix, _ in _NAME.findall(select)}
        prefixes = "".join(f"PREFIX {name}: <{PREFIXES[name]}> " for name in sorted(used))
        return Rule(
            _local_name(node), self._text(node, SH.message), prefixes + select, self._solver(select)
        )

    def _solver(self, select: str) -> Solver | None:
        try:
            solver, backwards = compile_select(select)
        except UnknownConstructError:
            return None
        self._backwards |= backwards
        return solver


def _local_name(node: object) -> str:
    return name_of(node).rpartition("#")[2]


def _has_datatype(datatype: object) -> Test:
    return lambda value, _: isinstance(value, Literal) and value.datatype == datatype


def _is_a(kind: object) -> Test:
    return lambda value, graph: kind in graph.edges(value).get(RDF.type, ())


def _is_one_of(values: object) -> Test:
    assert isinstance(values, frozenset)
    return lambda value, _: value in values


def _is_kind_of_node(kind: object) -> Test:
    wanted = {SH.IRI: NamedNode, SH.Literal: Literal}[kind]  # type: ignore[index]
    return lambda value, _: isinstance(value, wanted)


def _matches(pattern: object) -> Test:
    assert isinstance(pattern, Literal)
    compiled = re.compile(pattern.value)
    return lambda value, _: compiled.search(_text_of(value)) is not None


def _is_at_least(bound: object) -> Test:
    assert isinstance(bound, Literal)
    least = float(bound.value)

    def test(value: object, _: Graph) -> bool:
        try:
            return float(_text_of(value)) >= least
        except ValueError:
            return False

    return test


def _is_as_long_as(bound: object) -> Test:
    assert isinstance(bound, Literal)
    least = int(bound.value)
    return lambda value, _: len(_text_of(value)) >= least


def _text_of(value: object) -> str:
    return value.value if isinstance(value, Literal | NamedNode) else str(value)


_TESTS: Final[tuple[tuple[Callable[[object], Test], NamedNode], ...]] = (
    (_has_datatype, SH.datatype),
    (_is_a, SH.class_),
    (_is_one_of, SH.in_),
    (_is_kind_of_node, SH.nodeKind),
    (_matches, SH.pattern),
    (_is_at_least, SH.minInclusive),
    (_is_as_long_as, SH.minLength),
)
_NODE_TERMS: Final = frozenset(
    {RDF.type, SH.targetClass, SH.closed, SH.message, SH.property, SH.sparql}
)
_PROPERTY_TERMS: Final = frozenset(
    {RDF.type, SH.path, SH.message, SH.minCount, SH.maxCount, SH.hasValue}
    | {SH.equals, SH.lessThanOrEquals, SH.lessThan}
    | {predicate for _, predicate in _TESTS}
)
_RULE_TERMS: Final = frozenset({RDF.type, SH.prefixes, SH.message, SH.select})
