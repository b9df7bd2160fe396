"""Writes a document as PDF: tagged, and of the kind that archives keep (PDF/A-2a, ISO 19005-2).

Typst sets it, from a template of this package, with the fonts that are built into it and without a
network. The document is handed over as data, of which nothing is ever read as markup. Law: equal
documents give equal bytes; the time in the file is the report's own.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

from pressmark.registry.errors import MissingPackageError
from pressmark.registry.report.document import (
    Block,
    Cell,
    Document,
    Figure,
    Line,
    Listing,
    Paragraph,
    Section,
    Table,
)
from pressmark.registry.report.glyphs import shown
from pressmark.registry.report.wording import visible

STANDARD: Final = "a-2a"

_COLOUR: Final = re.compile(r"--([a-z]+): (#[0-9a-f]+)")
_USE: Final = re.compile(r"var\(--([a-z]+)\)")
_SVG_HEIGHT: Final = re.compile(r'height="(\d+)"')
_FONTS: Final = "text { font-family: 'Libertinus Serif', 'DejaVu Sans Mono'; }"
_NARROWEST, _WIDEST = 6, 60
_LONGEST: Final = 4000
"""So many characters of one text are set: a stranger's text must not keep the typesetter busy."""


def to_pdf(document: Document) -> bytes:
    """Writes a document as PDF.

    Raises:
        MissingPackageError: The package typst is not installed.
    """
    try:
        import typst
    except ImportError as error:
        raise MissingPackageError(
            "a PDF needs the package typst, which is not installed",
            "pip install 'pressmark[api]', or choose another format",
        ) from error
    try:
        made = typst.Compiler(ignore_system_fonts=True).compile(
            input=_packaged("report.typ").encode(),
            format="pdf",
            sys_inputs={"document": json.dumps(_document(document), sort_keys=True)},
            pdf_standards=[STANDARD],
            timestamp=datetime.fromisoformat(document.made_at).replace(microsecond=0),
        )
    except BaseException as error:
        # A panic of the library is no Exception: it would end more than the one request.
        if type(error).__name__ != "PanicException":
            raise
        raise RuntimeError(f"the typesetter ended at {document.title!r}: {error}") from error
    assert isinstance(made, bytes)
    return made


# --------------------------------------------------------------------------- the document as data


def _document(document: Document) -> dict[str, Any]:
    return {
        "title": _text(document.title),
        "subject": _text(document.subject),
        "running": _text(document.title),
        "line": _line(document.line),
        "cards": [
            {"name": _text(one.name), "value": _text(one.value), "tone": one.tone}
            for one in document.cards
        ],
        "sections": [_section(one) for one in document.sections],
        "colophon": _text(document.colophon),
        "anchors": sorted(set(_anchors(document.sections))),
        "colours": _colours(),
    }


def _anchors(sections: tuple[Section, ...]) -> Iterator[str]:
    for one in sections:
        yield one.anchor
        yield from (block.anchor for block in one.blocks if isinstance(block, Table))
        yield from _anchors(one.parts)


def _section(section: Section) -> dict[str, Any]:
    return {
        "anchor": section.anchor,
        "title": _text(section.title),
        "blocks": [_block(one) for one in section.blocks],
        "parts": [_section(one) for one in section.parts],
    }


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Paragraph):
        return {"kind": "paragraph", "line": _line(block.line)}
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Figure):
        return _figure(block)
    return _listing(block)


def _table(table: Table) -> dict[str, Any]:
    columns = [{"title": _text(c.title), "is_number": c.is_number} for c in table.columns]
    return {
        "kind": "table",
        "caption": _text(table.caption),
        "anchor": table.anchor,
        "columns": columns,
        "widths": list(_widths(table)),
        "rows": [[_cell(cell) for cell in row] for row in table.rows],
    }


def _widths(table: Table) -> Iterator[int]:
    """What each column needs beside the others: the characters of its longest line, in bounds."""
    for place, column in enumerate(table.columns):
        lines = (line for row in table.rows for line in row[place])
        longest = max((sum(len(span.text) for span in line) for line in lines), default=0)
        yield min(max(longest, len(column.title), _NARROWEST), _WIDEST)


def _figure(figure: Figure) -> dict[str, Any]:
    height = _SVG_HEIGHT.search(figure.svg)
    return {
        "kind": "figure",
        "svg": shown(_styled(figure.svg)),
        "width": figure.width,
        "height": float(height[1]) if height else figure.width,
        "text": _text(figure.text),
        "caption": _text(figure.caption),
        "legend": [_line(one) for one in figure.legend],
    }


def _styled(svg: str) -> str:
    """A picture that brings its colours with it."""
    colours = _colours()
    css = _USE.sub(lambda found: colours[found[1]], _packaged("drawing.css"))
    return svg.replace(">", f"><style>{css}{_FONTS}</style>", 1)


def _listing(listing: Listing) -> dict[str, Any]:
    return {"kind": "listing", "text": shown(visible(listing.text))}


def _cell(cell: Cell) -> list[list[dict[str, str]]]:
    return [_line(one) for one in cell]


def _line(line: Line) -> list[dict[str, str]]:
    return [{"text": _text(one.text), "tone": one.tone, "anchor": one.anchor} for one in line]


def _text(text: str) -> str:
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}… ({len(text):,} characters; the other formats have them all)"
    return shown(visible(text))


@cache
def _colours() -> dict[str, str]:
    return dict(_COLOUR.findall(_packaged("print-colours.css")))


@cache
def _packaged(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
