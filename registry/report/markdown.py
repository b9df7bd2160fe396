"""Writes a document as Markdown (CommonMark with the tables of GitHub).

Every text is escaped: it forms no markup, no HTML, and no line of its own.
"""

import re
from collections.abc import Iterator
from typing import Final

from pressmark.registry.report.document import (
    Block,
    Cell,
    Column,
    Document,
    Figure,
    Line,
    Listing,
    Paragraph,
    Section,
    Span,
    Table,
    Tone,
)
from pressmark.registry.report.wording import visible

_MARKUP: Final = re.compile(r"([\\`*_\[\]<>|#~&!])")
_BACKTICKS: Final = re.compile("`+")


def to_markdown(document: Document) -> str:
    """Writes a document; pictures are told in words, since a table says the same."""
    parts = [f"# {_escaped(document.title)}", _line(document.line), _cards(document)]
    for section in document.sections:
        parts += _section(section, 2)
    parts.append(_escaped(document.colophon))
    return "\n\n".join(parts) + "\n"


def _cards(document: Document) -> str:
    return "\n".join(
        f"- {_escaped(card.name)}: **{_escaped(card.value)}**" for card in document.cards
    )


def _section(section: Section, level: int) -> Iterator[str]:
    yield f"{'#' * level} {_escaped(section.title)}"
    yield from map(_block, section.blocks)
    for part in section.parts:
        yield from _section(part, level + 1)


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return _line(block.line)
    if isinstance(block, Table):
        return f"{_escaped(block.caption)}:\n\n" + "\n".join(_table(block))
    if isinstance(block, Figure):
        return f"*{_escaped(block.text)}*"
    return _listing(block)


def _listing(listing: Listing) -> str:
    longest = max((len(found) for found in _BACKTICKS.findall(listing.text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{listing.language}\n{visible(listing.text)}\n{fence}"


def _table(table: Table) -> Iterator[str]:
    columns = table.columns or (Column(""), Column(""))
    yield _row(_escaped(one.title) for one in columns)
    yield _row("---:" if one.is_number else "---" for one in columns)
    yield from (_row(map(_cell, row)) for row in table.rows)


def _row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    return "; ".join(map(_line, cell))


def _line(line: Line) -> str:
    return "".join(map(_span, line))


def _span(span: Span) -> str:
    text = _escaped(span.text)
    if span.tone is Tone.CODE and "`" not in span.text and "|" not in span.text:
        return f"`{' '.join(visible(span.text).split())}`"
    return f"**{text.strip()}**" if span.tone is Tone.STRONG and text.strip() else text


def _escaped(text: str) -> str:
    begin, end = text[:1].isspace(), text[-1:].isspace()
    words = " ".join(visible(text).split())
    shown = _MARKUP.sub(r"\\\1", words)
    return f"{' ' if begin else ''}{shown}{' ' if end and words else ''}"
