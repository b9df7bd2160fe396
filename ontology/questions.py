"""The packaged queries as questions with parameters.

Each ``queries/*.rq`` begins with comments that say what it answers and what it wants to know::

    # QUESTION: Which artifacts was this one made from, back to the base model?
    # GROUP: lineage
    # PARAMETER artifact: IRI of the artifact.

and names every parameter once in its pattern as ``VALUES ?artifact { UNDEF }``. That is valid
SPARQL, in which UNDEF fits anything; `bind` writes terms in its place. The engine's own
substitutions are not used: its optimiser does not know of them, so that a path from one artifact
is evaluated from all of them, and a SPARQL server has none. The bound text is the whole truth of
what was asked: reports print it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

from pyoxigraph import Literal, NamedNode

from pressmark import ontology

Term: TypeAlias = NamedNode | Literal
Value: TypeAlias = Term | Sequence[Term]

INTERNAL: Final = "internal"
"""The group of what commands and reports ask, and nobody else."""

GROUPS: Final = ("lineage", "artifacts", "quality", "evidence", "operations", INTERNAL)
"""What questions are about, in the order in which they are listed."""

_COMMENT = re.compile(r"^# (QUESTION|GROUP|PARAMETER (?P<name>\w+)|NOTE): (?P<text>.+)$")
_CONTINUED = re.compile(r"^#   (?P<text>\S.*)$")
_SLOT = re.compile(r"VALUES \?(?P<name>\w+) \{ UNDEF \}")
_COLUMNS = re.compile(r"^SELECT (?:DISTINCT )?(?P<columns>.+?)\s*WHERE\b", re.S | re.M)


@dataclass(frozen=True)
class Question:
    """A packaged query.

    Attributes:
        name: The file's name without ``.rq``.
        question: What it answers, in words.
        parameters: Each parameter's name and meaning.
        text: The SPARQL text, comments included.
        group: What it is about: one of `GROUPS`; "internal" where the query names none.
    """

    name: str
    question: str
    parameters: tuple[tuple[str, str], ...]
    text: str
    group: str = INTERNAL

    def bind(self, **values: Value) -> str:
        """Gives the query with terms in place of parameters; see `bind`."""
        return bind(self.text, **values)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the answer's columns, in order."""
        found = _COLUMNS.search(self.text)
        return tuple(re.findall(r"\?(\w+)", _without_expressions(found))) if found else ()


def _without_expressions(found: re.Match[str]) -> str:
    # "(COUNT(?x) AS ?n)" is the column n.
    return re.sub(r"\(.*?\bAS (\?\w+)\s*\)", r"\1", found["columns"], flags=re.S)


def bind(text: str, **values: Value) -> str:
    """Writes terms in place of a query's parameters.

    Args:
        text: A query with ``VALUES ?name { UNDEF }`` for each parameter.
        values: A term for each parameter, or several terms of which any will do. A parameter that
            is not given stays UNDEF: anything fits.

    Raises:
        KeyError: The query has no such parameter.
    """
    for name, value in values.items():
        slot = f"VALUES ?{name} {{ UNDEF }}"
        if slot not in text:
            raise KeyError(
                f"the query has no parameter {name!r} (it has: {_slots(text)}); a parameter is "
                f"written `{slot}` at the beginning of the pattern"
            )
        terms = [value] if isinstance(value, NamedNode | Literal) else value
        text = text.replace(slot, f"VALUES ?{name} {{ {' '.join(map(str, terms))} }}")
    return text


def _slots(text: str) -> str:
    return ", ".join(sorted(set(_SLOT.findall(text)))) or "none"


@cache
def question(name: str) -> Question:
    """Reads a packaged query with its question and parameters.

    Raises:
        KeyError: There is no such query.
    """
    text = ontology.query(name)
    entries = list(_comments(text))
    words = " ".join(said for kind, _, said in entries if kind == "QUESTION")
    parameters = tuple((name, said) for kind, name, said in entries if kind == "PARAMETER")
    group = next((said for kind, _, said in entries if kind == "GROUP"), INTERNAL)
    return Question(name, words, parameters, text, group)


def questions() -> tuple[Question, ...]:
    """Reads all packaged queries that answer a question, sorted by name."""
    found = (question(name) for name in ontology.query_names())
    return tuple(entry for entry in found if entry.question)


def _comments(text: str) -> list[tuple[str, str, str]]:
    """Lists the head's comments: kind, parameter name, text with its continuation lines."""
    entries: list[tuple[str, str, str]] = []
    for line in text.splitlines():
        if found := _COMMENT.match(line):
            entries.append((found[1].split()[0], found["name"] or "", found["text"]))
        elif (more := _CONTINUED.match(line)) and entries:
            kind, name, said = entries[-1]
            entries[-1] = (kind, name, f"{said} {more['text']}")
        else:
            break
    return entries
