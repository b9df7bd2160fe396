"""Model lines: the names under which artifacts of one model follow each other."""

from dataclasses import dataclass
from typing import Final

from pyoxigraph import NamedNode

from pressmark.registry.errors import NotFoundError
from pressmark.registry.facts import ArtifactSummary, Reader, integer, node, summaries, text
from pressmark.registry.graph import Row
from pressmark.registry.search import alike

_LISTED: Final = 8


@dataclass(frozen=True)
class Line:
    """A model line.

    Attributes:
        iri: Its description.
        name: For a person.
        artifacts: How many artifacts belong to it.
    """

    iri: NamedNode
    name: str
    artifacts: int


@dataclass(frozen=True)
class LinePage:
    """A model line, and a page of its artifacts.

    Attributes:
        line: The line.
        artifacts: Some of its artifacts, newest first.
        next: The last of them, after which the next page begins; None on the last page.
    """

    line: Line
    artifacts: tuple[ArtifactSummary, ...]
    next: NamedNode | None


def lines(reader: Reader) -> list[Line]:
    """Every model line, by name."""
    return [_line(row) for row in reader.rows("model_lines")]


def line(reader: Reader, name: str, limit: int, after: NamedNode | None = None) -> LinePage:
    """The artifacts of a model line, a page at a time.

    Args:
        reader: The registry.
        name: The line's name or IRI.
        limit: How many artifacts at most.
        after: The last artifact of the page before.

    Raises:
        NotFoundError: There is no such line, or `after` does not belong to it.
    """
    iri = _meant(reader, name)
    members = [node(row, "artifact") for row in reader.rows("line_artifacts", line=iri)]
    if after is not None and after not in members:
        raise NotFoundError(
            f"the page cannot go on after {after.value}: it does not belong to the line {name!r}",
            "give `next` of the page before",
        )
    first = 0 if after is None else members.index(after) + 1
    page = tuple(summaries(reader, members[first : first + limit]).values())
    more = first + limit < len(members)
    (row,) = reader.rows("model_lines", line=iri)
    return LinePage(_line(row), page, page[-1].iri if more else None)


def _meant(reader: Reader, name: str) -> NamedNode:
    known = {one.name: one.iri for one in lines(reader)}
    if name in known:
        return known[name]
    if found := next((iri for iri in known.values() if iri.value == name), None):
        return found
    hint = alike(name, known) or f"there are: {', '.join(sorted(known)[:_LISTED]) or 'none'}"
    raise NotFoundError(f"there is no model line {name!r}", hint)


def _line(row: Row) -> Line:
    return Line(node(row, "line"), text(row, "name") or "", integer(row, "artifacts") or 0)
