"""Statements as JSON-LD 1.1 in the words of the packaged context (W3C Recommendation, 2020).

The document carries the part of the context that it uses, since nobody here ever fetches one: it
can be sent back as it is. One object stands for each named graph, one in it for each subject.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from pyoxigraph import Literal, NamedNode, Quad

from pressmark import ontology
from pressmark.ontology.terms import PREFIXES, RDF

_KEYWORDS: Final = ("@version", "id", "type")


def json_ld(quads: Iterable[Quad]) -> bytes:
    """Writes statements without blank nodes, in named graphs.

    Law: reading the document gives the same statements.

    Args:
        quads: The statements.

    Returns:
        A document in UTF-8.
    """
    terms = _Terms()
    graphs = [
        {"id": name, "@graph": list(_nodes(terms, said))}
        for name, said in _grouped((quad.graph_name, quad) for quad in quads)
    ]
    body = {"@context": terms.context(), "@graph": graphs}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class _Terms:
    """The words of the packaged context, and which of them were used."""

    def __init__(self) -> None:
        self._used = set(_KEYWORDS)

    def word(self, iri: str) -> str:
        """The word for an IRI; the IRI itself where there is none."""
        found = _words().get(iri, iri)
        self._used |= {found, found.partition(":")[0]}  # its prefix, which defines it as well
        return found

    def value(self, word: str, term: object) -> Any:
        """A value under a word, whose definition may say what kind of value it is."""
        kind = _kind(word)
        if isinstance(term, NamedNode):
            name = self._compact(term.value)
            return name if kind == "@id" else {"id": name}
        assert isinstance(term, Literal), f"{term} has no name"
        if kind == term.datatype.value:
            return term.value
        return {"@value": term.value, "@type": term.datatype.value}

    def _compact(self, iri: str) -> str:
        """An IRI of a vocabulary with its prefix; any other as it is."""
        for prefix, space in PREFIXES.items():
            if iri.startswith(space):
                self._used.add(prefix)
                return f"{prefix}:{iri.removeprefix(space)}"
        return iri

    def context(self) -> dict[str, Any]:
        """The definitions of the words that were used."""
        return {word: said for word, said in _context().items() if word in self._used}


def _nodes(terms: _Terms, quads: Iterable[Quad]) -> Iterator[dict[str, Any]]:
    for subject, said in _grouped((quad.subject, quad) for quad in quads):
        described: dict[str, Any] = {"id": subject}
        for quad in said:
            if quad.predicate == RDF.type:
                described.setdefault("type", []).append(terms.word(_iri(quad.object)))
            else:
                word = terms.word(quad.predicate.value)
                described.setdefault(word, []).append(terms.value(word, quad.object))
        yield {key: _alone(value) for key, value in described.items()}


def _grouped(pairs: Iterable[tuple[object, Quad]]) -> Iterator[tuple[str, list[Quad]]]:
    groups: dict[str, list[Quad]] = {}
    for key, quad in pairs:
        groups.setdefault(_iri(key), []).append(quad)
    yield from groups.items()


def _iri(term: object) -> str:
    assert isinstance(term, NamedNode), f"{term} has no IRI"
    return term.value


def _alone(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


@cache
def _context() -> Mapping[str, Any]:
    return json.loads(ontology.context())["@context"]  # type: ignore[no-any-return]


@cache
def _words() -> Mapping[str, str]:
    definitions = ((word, said) for word, said in _context().items() if isinstance(said, dict))
    return {said["@id"]: word for word, said in definitions}


def _kind(word: str) -> str | None:
    said = _context().get(word)
    return said.get("@type") if isinstance(said, dict) else None
