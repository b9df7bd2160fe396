"""What can be told from a query's text before any engine sees it.

The text is only split into tokens (SPARQL 1.1, section 19.8), never parsed: that is the engine's
work. What must not happen does not rest on this: a worker cannot open a socket and sees a copy of
the graph that nobody writes to (`pressmark.api.sparql.sandbox`). This is so that the answer to a
query that asks for it is a clear refusal.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pressmark.api.errors import MalformedQueryError, QueryRefusedError

_TOKEN = re.compile(
    r"""(?P<skip> \s+ | \#[^\r\n]* )
      | (?P<iri> <[^<>"{}|^`\\\x00-\x20]*> )
      | (?P<string> \"{3}(?:\"{0,2}(?:[^"\\]|\\.))*\"{3} | '{3}(?:'{0,2}(?:[^'\\]|\\.))*'{3}
                  | "(?:[^"\\\r\n]|\\.)*" | '(?:[^'\\\r\n]|\\.)*' )
      | (?P<name> [?$]\w+ | @[\w-]+ | [\w.-]*:(?:[\w.:-]|%[0-9A-Fa-f]{2}|\\.)* )
      | (?P<word> [A-Za-z]\w* )
      | (?P<other> . )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")
#: Brackets within brackets; the engine's parser recurses, and its stack holds some thousands.
MAX_DEPTH: Final = 200
_UPDATES = frozenset(
    {"INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY", "WITH"}
)


class QueryForm(StrEnum):
    """The four kinds of query (SPARQL 1.1, section 16)."""

    SELECT = "SELECT"
    ASK = "ASK"
    CONSTRUCT = "CONSTRUCT"
    DESCRIBE = "DESCRIBE"

    @property
    def gives_graph(self) -> bool:
        """Whether the answer is a set of triples, not a table or a truth value."""
        return self in (QueryForm.CONSTRUCT, QueryForm.DESCRIBE)


@dataclass(frozen=True)
class QueryText:
    """A query, and what its words tell.

    Attributes:
        text: The query as it was given.
        form: Its kind.
        names_dataset: Whether it says by FROM which graphs it asks (section 13.2).
    """

    text: str
    form: QueryForm
    names_dataset: bool


def read_query(text: str) -> QueryText:
    """Tells what a query asks for, and refuses what is not answered here.

    Raises:
        QueryRefusedError: It is an update, or has a SERVICE clause.
        MalformedQueryError: It has no query form at all.
    """
    tokens = list(_tokens(_without_escapes(text)))
    _refuse_deep_nesting(tokens)
    words = [token.upper() for token in tokens if token[0].isalpha()]
    form = next((word for word in words if word not in ("BASE", "PREFIX", "VERSION")), "")
    if form in _UPDATES:
        raise QueryRefusedError(
            f"{form} changes data, and only queries are answered",
            "register artifacts and run recipes instead: what they do is recorded",
        )
    if "SERVICE" in words:
        raise QueryRefusedError(
            "SERVICE would ask another server; queries are answered from this registry alone",
            "ask the other server yourself and join the answers",
        )
    if form not in QueryForm.__members__:
        raise MalformedQueryError(
            f"a query begins with SELECT, ASK, CONSTRUCT or DESCRIBE, not with {form!r}"
            if form
            else "the query is empty",
            "`pressmark query` and GET /v1/queries list questions that are ready to ask",
        )
    return QueryText(text, QueryForm(form), "FROM" in words)


def _tokens(text: str) -> Iterator[str]:
    """The bare words and single marks outside of strings, names, IRIs and comments."""
    return (found[0] for found in _TOKEN.finditer(text) if found["word"] or found["other"])


def _refuse_deep_nesting(tokens: list[str]) -> None:
    depth = 0
    for token in tokens:
        depth += (token in "({[") - (token in ")}]")
        if depth > MAX_DEPTH:
            raise MalformedQueryError(
                f"the query is nested more than {MAX_DEPTH} brackets deep", "write it flatter"
            )


def _without_escapes(text: str) -> str:
    # Code point escapes may stand anywhere, in keywords too (section 19.2).
    return _ESCAPE.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    point = int(found[1] or found[2], 16)
    return chr(point) if point < 0x110000 else "\ufffd"
