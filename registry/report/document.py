"""A report as text: sections of paragraphs, tables and figures, in no format yet.

What a report says is composed once (`compose`); HTML, Markdown and PDF write the same document
down. All of it is plain text, which may come from a stranger: whoever writes a format escapes it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Tone(StrEnum):
    """How a piece of text is meant. No tone says anything that the text does not."""

    PLAIN = "plain"
    STRONG = "strong"
    QUIET = "quiet"
    CODE = "code"
    MISSING = "missing"
    GOOD = "good"
    FAIR = "fair"
    BAD = "bad"


@dataclass(frozen=True)
class Span:
    """A piece of text.

    Attributes:
        text: The text.
        tone: How it is meant.
        anchor: The place of the document that it leads to; "" for none.
    """

    text: str
    tone: Tone = Tone.PLAIN
    anchor: str = ""


Line: TypeAlias = tuple[Span, ...]
"""Pieces of text that follow one another."""

Cell: TypeAlias = tuple[Line, ...]
"""The lines of a table's cell."""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    line: Line


@dataclass(frozen=True)
class Column:
    """A column of a table: its title, and whether it holds numbers."""

    title: str
    is_number: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: What it shows.
        columns: Its columns; none where each row is a name and a value.
        rows: Its rows, the first cell of each being its head.
        anchor: The place that leads here; "" for none.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    anchor: str = ""


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes:
        svg: The SVG element, in which every text is escaped. Colours are those of its classes.
        width: Its natural width in pixels.
        text: What is to be seen in it, for those who do not see it.
        caption: What stands below it.
        legend: What its signs mean.
    """

    svg: str
    width: float
    text: str
    caption: str
    legend: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Listing:
    """Lines in a language, as they are."""

    language: str
    text: str


Block: TypeAlias = Paragraph | Table | Figure | Listing


@dataclass(frozen=True)
class Section:
    """A part of a document.

    Attributes:
        anchor: Its place.
        title: Its title.
        blocks: What it says.
        parts: Its sections in turn, one level deep.
    """

    anchor: str
    title: str
    blocks: tuple[Block, ...]
    parts: tuple["Section", ...] = ()


@dataclass(frozen=True)
class Card:
    """One of the few facts that stand at the top."""

    name: str
    value: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes:
        title: Its title.
        subject: What it is about.
        made_at: When it was made, `xsd:dateTime` in UTC.
        line: What stands below its title.
        cards: The facts that stand at the top.
        sections: Its sections.
        colophon: What stands at its end.
    """

    title: str
    subject: str
    made_at: str
    line: Line
    cards: tuple[Card, ...]
    sections: tuple[Section, ...]
    colophon: str
