"""The reference engine: pySHACL, with its shapes parsed once.

What is done here for speed changes no verdict, and a test compares the findings with those of a
plain `pyshacl.validate`: the shapes graph answers repeated questions from memory, terms are turned
from one library's into the other's once, shapes and their constraints are read once per thread,
each shape is given its focus nodes instead of searching the data for them, and what is no
constraint is taken away once the shapes are read.
"""

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

import pyshacl.graph_abstraction as between
import pyshacl.shape
import rdflib
from pyoxigraph import NamedNode, Quad, Store
from pyshacl.constraints import ALL_CONSTRAINT_PARAMETERS, CONSTRAINT_PARAMETERS_MAP
from pyshacl.helper.sparql_query_helper import SPARQLQueryHelper
from pyshacl.shapes_graph import ShapesGraph
from pyshacl.validator import Validator
from rdflib.collection import Collection

from pressmark.ontology import shapes
from pressmark.ontology.terms import RDF, SH
from pressmark.registry.errors import Violation

_LOCAL: Final = threading.local()
_SHACL: Final = rdflib.Namespace(SH.NAMESPACE)
_TERMS: Final = 1 << 14

# Terms are immutable, and the same few hundred are asked for again and again.
between.to_ox = lru_cache(_TERMS)(between.to_ox)
between.to_rdf = lru_cache(_TERMS)(between.to_rdf)


def _quad_to_rdflib(quad: Quad) -> tuple[Any, ...]:
    """Turn a statement; no one asks in which graph it stands."""
    subject, predicate, value, _ = quad
    return between.to_rdf(subject), between.to_rdf(predicate), between.to_rdf(value), None


between.convert_quad_to_rdflib = _quad_to_rdflib


class _FrozenGraph(rdflib.Graph):
    """A graph that remembers its answers once it is frozen: shapes do not change."""

    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[Any, tuple[Any, ...]] | None = None

        self.constraints: dict[Any, Any] = {}

    def freeze(self) -> None:
        self._answers = {}

    def triples(self, triple: Any) -> Iterator[Any]:  # type: ignore[override]
        if self._answers is None:
            return super().triples(triple)
        if triple not in self._answers:
            self._answers[triple] = tuple(super().triples(triple))
        return iter(self._answers[triple])


class _Remembering:
    """Stands for a kind of constraint, and reads it from each of our shapes once."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def __call__(self, shape: Any) -> Any:
        graph = shape.sg.graph
        if not isinstance(graph, _FrozenGraph):
            return self._kind(shape)
        key = (self._kind, shape)
        if key not in graph.constraints:
            graph.constraints[key] = self._kind(shape)
        return graph.constraints[key]


class _Members(list[Any]):
    """A list that is not searched from its start: pySHACL asks it of every triple of a shape."""

    def __init__(self, items: Iterable[Any]) -> None:
        super().__init__(items)
        self._set = frozenset(self)

    def __contains__(self, item: object) -> bool:
        return item in self._set


_KINDS: Final = {kind: _Remembering(kind) for kind in CONSTRAINT_PARAMETERS_MAP.values()}
# pySHACL keeps these here between calls, and makes every constraint anew each time.
pyshacl.shape.CONSTRAINT_PARAMS = (
    _Members(ALL_CONSTRAINT_PARAMETERS),
    {parameter: _KINDS[kind] for parameter, kind in CONSTRAINT_PARAMETERS_MAP.items()},
)


class _Searched:
    """Stands for a pattern that is searched for in the same few queries again and again."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.search = lru_cache(_TERMS)(pattern.search)


for _name, _pattern in list(vars(SPARQLQueryHelper).items()):
    if _name.startswith("has_") and isinstance(_pattern, re.Pattern):
        setattr(SPARQLQueryHelper, _name, _Searched(_pattern))
# Each shape writes its name into a message that nobody reads, for every node.
pyshacl.shape.Shape.__str__ = lru_cache(_TERMS)(pyshacl.shape.Shape.__str__)


class ReferenceShapes:
    """All shapes of one version, as pySHACL reads them. Not safe to share between threads."""

    def __init__(self, version: str) -> None:
        graph = _FrozenGraph()
        graph.parse(data=shapes(version), format="turtle")
        _hoist(graph)
        _join_lines(graph)
        self._shapes = ShapesGraph(graph)
        self._by_target: defaultdict[str, list[Any]] = defaultdict(list)
        for shape in self._shapes.shapes:
            for target in graph.objects(shape.node, _SHACL.targetClass):
                self._by_target[str(target)].append(shape)
        self._messages = {
            str(shape): str(message) for shape, message in graph.subject_objects(_SHACL.message)
        }
        for said in (_SHACL.targetClass, _SHACL.message, rdflib.RDF.type):
            graph.remove((None, said, None))
        graph.freeze()

    def check(self, store: Store, focus: Iterable[NamedNode]) -> Iterator[Violation]:
        """Validate.

        Args:
            store: The data.
            focus: The nodes to judge.
        """
        data = between.DataGraph.from_oxigraph_store(store)
        data.default_union = True
        executor = Validator(data, shacl_graph=rdflib.Graph()).make_executor()
        for shape, nodes in self._plan(store, focus).items():
            _, results = shape.validate(executor, data, focus=nodes)
            for _, _, triples in results:
                yield self._violation(triples)

    def _plan(self, store: Store, focus: Iterable[NamedNode]) -> dict[Any, list[rdflib.URIRef]]:
        plan: defaultdict[Any, dict[rdflib.URIRef, None]] = defaultdict(dict)
        for node in focus:
            for quad in store.quads_for_pattern(node, RDF.type, None):
                for shape in self._by_target.get(quad.object.value, ()):  # type: ignore[union-attr]
                    plan[shape][rdflib.URIRef(node.value)] = None
        return {shape: list(nodes) for shape, nodes in plan.items()}

    def _violation(self, triples: Iterable[Any]) -> Violation:
        said = {str(p): (o[1] if isinstance(o, tuple) else o) for _, p, o in triples}
        shape = said.get(SH.sourceConstraint.value, said[SH.sourceShape.value])
        focus, value = said[SH.focusNode.value], said.get(SH.value.value)
        return Violation(
            str(focus),
            str(said.get(SH.resultPath.value, "")),
            str(shape).rpartition("#")[2],
            self._messages.get(str(shape), ""),
            "" if value is None else value.n3(),
        )


def _hoist(graph: rdflib.Graph) -> None:
    """Give property shapes the targets of the node shapes that use them.

    pySHACL then judges all nodes of a kind at once and not one by one. What is judged stays the
    same: a closed shape is told to allow the properties that it had.
    """
    for node in set(graph.subjects(_SHACL.property)):
        used = list(graph.objects(node, _SHACL.property))
        targets = list(graph.objects(node, _SHACL.targetClass))
        if graph.value(node, _SHACL.closed):
            paths = {path for shape in used for path in graph.objects(shape, _SHACL.path)}
            allowed: list[rdflib.term.Node] = [p for p in paths if isinstance(p, rdflib.URIRef)]
            graph.add(
                (node, _SHACL.ignoredProperties, Collection(graph, rdflib.BNode(), allowed).uri)
            )
        for shape in used:
            graph.remove((node, _SHACL.property, shape))
            for target in targets:
                graph.add((shape, _SHACL.targetClass, target))


def _join_lines(graph: rdflib.Graph) -> None:
    """Write each query in one line: pySHACL searches it from the start of every line."""
    for rule, select in list(graph.subject_objects(_SHACL.select)):
        graph.set((rule, _SHACL.select, rdflib.Literal(" ".join(str(select).split()))))


def reference_shapes(version: str) -> ReferenceShapes:
    """Read one version of the shapes, once for each thread.

    Raises:
        KeyError: This release does not carry that version.
    """
    cache: dict[str, ReferenceShapes] = _LOCAL.__dict__
    if version not in cache:
        cache[version] = ReferenceShapes(version)
    return cache[version]
