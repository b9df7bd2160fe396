"""What must be known of the store to judge one record.

A record is judged together with the out-edges of what it points at (types, times, outcomes) and a
few inverse look-ups, without which a backdated retirement or a second closing would go unseen. The
result is the same as if the whole store had been validated with the record in it: that law,
"incremental = full", is held by a property test.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from pyoxigraph import Literal, NamedNode, Quad, Store

from pressmark.ontology.terms import PM, PROV

JOURNAL_GRAPH: Final = NamedNode("urn:pressmark:journal")
"""The graph of what is derived from the journal; it belongs to no record."""

Statement: TypeAlias = tuple[object, object, object]
"""Subject, predicate and object."""

_MINTED: Final = ("urn:uuid:", "ni:///sha-256;")
_INVERSE: Final[Mapping[object, tuple[NamedNode, ...]]] = {
    PROV.entity: (PROV.invalidated,),
    PROV.invalidated: (PROV.invalidated, PROV.entity),
    PM.isStepOf: (PM.closes,),
    PM.closes: (PM.closes, PM.isStepOf),
}
"""For a new statement with the key: which old statements about the same object are needed."""


_MOST_REMEMBERED: Final = 1000


class GraphReader(Protocol):
    """What a validation asks of a graph."""

    def match(
        self,
        subject: NamedNode | None = None,
        predicate: NamedNode | None = None,
        object_: NamedNode | Literal | None = None,
        graph: NamedNode | None = None,
    ) -> Iterator[Quad]:
        """Find quads by what is given of them."""


@dataclass(frozen=True)
class StoreReader:
    """Reads an Oxigraph store."""

    store: Store

    def match(
        self,
        subject: NamedNode | None = None,
        predicate: NamedNode | None = None,
        object_: NamedNode | Literal | None = None,
        graph: NamedNode | None = None,
    ) -> Iterator[Quad]:
        """Find quads by what is given of them."""
        return self.store.quads_for_pattern(subject, predicate, object_, graph)


class ClosedSubjects:
    """Reads a graph to which records are only added, and remembers what was said of a node.

    A record speaks only of what it mints, so that of a node of which something is said, nothing
    more is ever said. The same run, parent and recipe are asked about again and again.

    Args:
        graph: The graph. It has bundles whole or not at all, and loses none.
    """

    def __init__(self, graph: GraphReader) -> None:
        self.graph = graph
        self._said: dict[NamedNode, list[Quad]] = {}

    def match(
        self,
        subject: NamedNode | None = None,
        predicate: NamedNode | None = None,
        object_: NamedNode | Literal | None = None,
        graph: NamedNode | None = None,
    ) -> Iterator[Quad]:
        """Find quads by what is given of them."""
        if subject is None or (predicate, object_, graph) != (None, None, None):
            return self.graph.match(subject, predicate, object_, graph)
        if subject not in self._said:
            found = list(self.graph.match(subject))
            if not found:
                return iter(())
            if len(self._said) >= _MOST_REMEMBERED:
                self._said.clear()
            self._said[subject] = found
        return iter(self._said[subject])


def neighbours(statements: Iterable[Statement], graph: GraphReader) -> list[Quad]:
    """Collect what the store knows that can matter for these new statements.

    Args:
        statements: The record's statements.
        graph: The store without them.
    """
    stated: set[object] = set()
    values: set[object] = set()
    inverse: set[tuple[NamedNode, NamedNode]] = set()
    for subject, predicate, value in statements:
        stated.add(subject)
        if isinstance(value, NamedNode):
            values.add(value)
            inverse.update((asked, value) for asked in _INVERSE.get(predicate, ()))
    for asked, value in inverse:
        values.update(old.subject for old in graph.match(predicate=asked, object_=value))
    return [quad for node in _minted(values - stated) for quad in out_edges(node, graph)]


def out_edges(node: NamedNode, graph: GraphReader) -> Iterator[Quad]:
    """Give what is said of a node, but for what the journal adds."""
    for quad in graph.match(subject=node):
        if quad.graph_name != JOURNAL_GRAPH:
            yield quad


def name_of(term: object) -> str:
    """Give an IRI as plain text, and any other term as N-Triples text."""
    return term.value if isinstance(term, NamedNode) else str(term)


def _minted(terms: Iterable[object]) -> Iterator[NamedNode]:
    for term in terms:
        if isinstance(term, NamedNode) and term.value.startswith(_MINTED):
            yield term
