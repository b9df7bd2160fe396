"""Compiles the SPARQL of a rule into steps over a `Graph`.

An Oxigraph store reads and plans a query anew for each node that it is asked about, which took
longer than all core constraints of a record together. Known here are joins, zero-or-more paths,
OPTIONAL, grouped COUNT and SUM, and filters of comparisons and EXISTS; a query with anything else
is left to the store. Meanings are those of SPARQL 1.1: an error in a filter is no solution, and
"or" and "and" go on where one side fails (section 17.2).
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from pyoxigraph import Literal, NamedNode

from pressmark.ontology.terms import PREFIXES, RDF, XSD
from pressmark.registry.shacl import Binding, Graph, Solver

Value: TypeAlias = Callable[[Binding, Graph], object]
"""A part of a filter; raises TypeError where SPARQL has an error."""

_TOKEN: Final = re.compile(r"\s*([?$]\w+|\w+:\w+|\w+|&&|\|\||!=|[{}().;,=!>*])")
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], object]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
}
_KINDS: Final[Mapping[NamedNode, tuple[str, Callable[[str], object]]]] = {
    XSD.integer: ("number", int),
    XSD.double: ("number", float),
    XSD.dateTime: ("time", datetime.fromisoformat),
    XSD.string: ("text", str),
    XSD.boolean: ("truth", "true".__eq__),
}


class UnknownConstructError(ValueError):
    """A query has something that is left to the store."""


def compile_select(select: str) -> tuple[Solver, frozenset[NamedNode]]:
    """Compile ``SELECT $this ?value WHERE { … }``.

    Returns:
        What gives all solutions for a binding of "this", and the properties that it follows
        backwards.

    Raises:
        UnknownConstructError: The query has a construct that is not known here.
    """
    parser = _Parser(select)
    for token in ("SELECT", "$this", "?value", "WHERE"):
        parser.expect(token)
    solver = parser.group({"this"})
    parser.expect("")
    return solver, frozenset(parser.backwards)


class _Parser:
    """Reads a query by recursive descent.

    What every solution binds is known at each place, so that a step knows which way to go.
    """

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._place = 0
        self._doubtful: set[str] = set()
        self.backwards: set[NamedNode] = set()

    def expect(self, token: str) -> None:
        """Read one token."""
        if not self._take(token):
            raise UnknownConstructError(f"{self._next!r} where {token!r} was expected")

    @property
    def _next(self) -> str:
        return self._tokens[self._place]

    def _take(self, *tokens: str) -> bool:
        if self._tokens[self._place : self._place + len(tokens)] != list(tokens):
            return False
        self._place += len(tokens)
        return True

    def _read(self) -> str:
        self._place += 1
        return self._tokens[self._place - 1]

    def group(self, bound: set[str]) -> Solver:
        """Read a group; what it surely binds is added to `bound`."""
        self.expect("{")
        steps: list[Solver] = []
        conditions: list[Value] = []
        while not self._take("}"):
            if self._take("FILTER"):
                conditions.append(self._condition(bound))
            elif conditions:
                raise UnknownConstructError("a filter is not at the end of its group")
            elif self._take("OPTIONAL"):
                inside = set(bound)
                steps.append(_optional(self.group(inside)))
                self._doubtful |= inside - bound
            elif self._take("{", "SELECT"):
                steps.append(self._counts(bound))
            else:
                steps += self._triples(bound)
        return _group(steps, conditions)

    # -- patterns --------------------------------------------------------------------------------

    def _triples(self, bound: set[str]) -> Iterator[Solver]:
        subject = self._term()
        while True:
            predicate = RDF.type if self._take("a") else self._iri()
            star = self._take("*")
            yield self._step(subject, predicate, star, self._term(), bound)
            if not self._take(";"):
                self._take(".")
                return

    def _term(self) -> str | NamedNode:
        return self._read()[1:] if self._next[:1] in ("?", "$") else self._iri()

    def _variable(self) -> str:
        if self._next[:1] not in ("?", "$"):
            raise UnknownConstructError(f"{self._next!r} is no variable")
        return self._read()[1:]

    def _iri(self) -> NamedNode:
        prefix, colon, name = self._read().partition(":")
        if not colon or prefix not in PREFIXES:
            raise UnknownConstructError(f"{prefix!r} is no prefixed name")
        return NamedNode(PREFIXES[prefix] + name)

    def _step(
        self,
        subject: str | NamedNode,
        predicate: NamedNode,
        star: bool,
        value: str | NamedNode,
        bound: set[str],
    ) -> Solver:
        from_subject = not isinstance(subject, str) or subject in bound
        from_value = not isinstance(value, str) or value in bound
        for term in {subject, value} - bound:
            if isinstance(term, str):
                self._refuse_doubtful(term)
                bound.add(term)
        if from_subject and from_value:
            test = _leads_to if star else _has
            return test(_reader(subject), predicate, _reader(value))
        if star or not (from_subject or from_value):
            raise UnknownConstructError("a pattern starts nowhere")
        if from_subject:
            return _forwards(_reader(subject), predicate, str(value))
        self.backwards.add(predicate)
        return _backwards(str(subject), predicate, _reader(value))

    def _refuse_doubtful(self, name: str) -> None:
        if name in self._doubtful:
            raise UnknownConstructError(f"?{name} may have a value already")

    def _counts(self, bound: set[str]) -> Solver:
        """Read what follows ``{ SELECT``: counts and sums over all solutions for this node."""
        self.expect("$this")
        made: dict[str, _Aggregate] = {}
        while self._take("("):
            add = _AGGREGATES.get(kind := self._read())
            self.expect("(")
            distinct = self._take("DISTINCT")
            over = self._variable()
            self.expect(")")
            self.expect("AS")
            if add is None or (distinct and kind != "COUNT"):
                raise UnknownConstructError(f"{kind} is not known")
            made[self._variable()] = (_count_distinct if distinct else add, over)
            self.expect(")")
        self.expect("WHERE")
        inner = self.group({"this"})
        for token in ("GROUP", "BY", "$this", "}"):
            self.expect(token)
        bound.update(made)
        return _aggregated(inner, made)

    # -- filters ---------------------------------------------------------------------------------

    def _condition(self, bound: set[str]) -> Value:
        if self._next in ("NOT", "EXISTS"):
            return self._exists(bound)
        self.expect("(")
        return self._closed(bound)

    def _closed(self, bound: set[str]) -> Value:
        value = self._either(bound)
        self.expect(")")
        return value

    def _either(self, bound: set[str]) -> Value:
        parts = [self._both(bound)]
        while self._take("||"):
            parts.append(self._both(bound))
        return _until(True, parts) if len(parts) > 1 else parts[0]

    def _both(self, bound: set[str]) -> Value:
        parts = [self._comparison(bound)]
        while self._take("&&"):
            parts.append(self._comparison(bound))
        return _until(False, parts) if len(parts) > 1 else parts[0]

    def _comparison(self, bound: set[str]) -> Value:
        left = self._unary(bound)
        if self._take("IN", "("):
            return _is_in(left, frozenset(self._members()))
        if self._next in _COMPARISONS:
            return _compared(_COMPARISONS[self._read()], left, self._unary(bound))
        return left

    def _members(self) -> Iterator[NamedNode]:
        yield self._iri()
        while self._take(","):
            yield self._iri()
        self.expect(")")

    def _unary(self, bound: set[str]) -> Value:
        if self._take("!"):
            inner = self._unary(bound)
            return lambda binding, graph: not inner(binding, graph)
        if self._take("("):
            return self._closed(bound)
        if self._take("BOUND", "("):
            name = self._variable()
            self.expect(")")
            return lambda binding, _: name in binding
        if self._next in ("NOT", "EXISTS"):
            return self._exists(bound)
        term = self._term()
        if isinstance(term, str) and term not in bound:
            raise UnknownConstructError(f"?{term} may have no value")
        return lambda binding, _: binding.get(term) if isinstance(term, str) else term

    def _exists(self, bound: set[str]) -> Value:
        negated = self._take("NOT")
        self.expect("EXISTS")
        inner = self.group(set(bound))
        return lambda binding, graph: bool(inner(binding, graph)) != negated


def _tokens(text: str) -> list[str]:
    tokens, place, end = [], 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise UnknownConstructError(f"{text[place : place + 20]!r} is not known")
        tokens.append(match[1])
        place = match.end()
    return [*tokens, ""]


# -- patterns ------------------------------------------------------------------------------------


def _group(steps: Sequence[Solver], conditions: Sequence[Value]) -> Solver:
    def solve(binding: Binding, graph: Graph) -> Sequence[Binding]:
        found: Sequence[Binding] = (binding,)
        for step in steps:
            found = [longer for one in found for longer in step(one, graph)]
        return [one for one in found if all(_holds(test, one, graph) for test in conditions)]

    return solve


def _holds(test: Value, binding: Binding, graph: Graph) -> bool:
    try:
        return bool(test(binding, graph))
    except TypeError:
        return False


def _optional(inner: Solver) -> Solver:
    return lambda binding, graph: inner(binding, graph) or (binding,)


def _reader(term: str | NamedNode) -> Callable[[Binding], object]:
    return operator.itemgetter(term) if isinstance(term, str) else lambda _: term


def _has(
    subject: Callable[[Binding], object], predicate: NamedNode, value: Callable[[Binding], object]
) -> Solver:
    def solve(binding: Binding, graph: Graph) -> Sequence[Binding]:
        values = graph.edges(subject(binding)).get(predicate, ())
        return (binding,) if value(binding) in values else ()

    return solve


def _leads_to(
    subject: Callable[[Binding], object], predicate: NamedNode, value: Callable[[Binding], object]
) -> Solver:
    def solve(binding: Binding, graph: Graph) -> Sequence[Binding]:
        reached = dict.fromkeys([subject(binding)])
        left = list(reached)
        while left:
            ends = set(graph.edges(left.pop()).get(predicate, ())) - reached.keys()
            reached |= dict.fromkeys(ends)
            left += ends
        return (binding,) if value(binding) in reached else ()

    return solve


def _forwards(subject: Callable[[Binding], object], predicate: NamedNode, name: str) -> Solver:
    return lambda binding, graph: [
        {**binding, name: value} for value in graph.edges(subject(binding)).get(predicate, ())
    ]


def _backwards(name: str, predicate: NamedNode, value: Callable[[Binding], object]) -> Solver:
    return lambda binding, graph: [
        {**binding, name: subject} for subject in graph.subjects(predicate, value(binding))
    ]


# -- counts --------------------------------------------------------------------------------------


def _count(values: Sequence[object]) -> int:
    return len(values)


def _count_distinct(values: Sequence[object]) -> int:
    return len(set(values))


def _sum(values: Iterable[object]) -> int | float | None:
    numbers = [_comparable(value) for value in values]
    return sum(n for _, n in numbers) if all(kind == "number" for kind, _ in numbers) else None


_AGGREGATES: Final[dict[str, Callable[[Sequence[object]], object]]] = {
    "COUNT": _count,
    "SUM": _sum,
}
_Aggregate: TypeAlias = tuple[Callable[[Sequence[object]], object], str]


def _aggregated(inner: Solver, made: Mapping[str, _Aggregate]) -> Solver:
    def solve(binding: Binding, graph: Graph) -> Sequence[Binding]:
        found = inner(binding, graph)
        if not found:
            return ()
        values = {name: add([one[over] for one in found]) for name, (add, over) in made.items()}
        return ({**binding, **values},)

    return solve


# -- filters -------------------------------------------------------------------------------------


def _until(decisive: bool, parts: Sequence[Value]) -> Value:
    """Join parts by "or" (decided by a true one) or by "and" (decided by a false one)."""

    def value(binding: Binding, graph: Graph) -> bool:
        failure: TypeError | None = None
        for part in parts:
            try:
                if bool(part(binding, graph)) is decisive:
                    return decisive
            except TypeError as error:
                failure = error
        if failure is not None:
            raise failure
        return not decisive

    return value


def _is_in(left: Value, members: frozenset[NamedNode]) -> Value:
    return lambda binding, graph: left(binding, graph) in members


def _compared(compare: Callable[[Any, Any], object], left: Value, right: Value) -> Value:
    def value(binding: Binding, graph: Graph) -> object:
        one, other = _comparable(left(binding, graph)), _comparable(right(binding, graph))
        if one[0] == other[0] != "term":
            return compare(one[1], other[1])
        if compare is operator.gt:
            raise TypeError("values that are in no order")
        return compare(one, other)

    return value


def _comparable(term: object) -> tuple[str, Any]:
    """Give the kind of a term, and what terms of that kind are compared by."""
    if isinstance(term, Literal):
        kind, read = _KINDS.get(term.datatype, ("text", str))
        try:
            return kind, read(term.value)
        except ValueError as error:
            raise TypeError(str(error)) from None
    if isinstance(term, bool):
        return "truth", term
    if isinstance(term, int | float):
        return "number", term
    if term is None:
        raise TypeError("no value")
    return "term", term
