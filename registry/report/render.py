"""Writes a report as a page or as Markdown.

Every text in a report may come from a stranger: names, licences, error messages. The page's
templates escape all of it (jinja2's autoescape), the Markdown environment escapes with `_plain`,
and both make control characters visible, so that no text can hide or turn round another.
"""

import re
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pyoxigraph import NamedNode

from pressmark.registry.facts import short_id
from pressmark.registry.report.model import Quantity, Report
from pressmark.registry.report.picture import (
    BOX_HEIGHT,
    BOX_WIDTH,
    bytes_text,
    lineage_picture,
    quality_plots,
)

NOT_RECORDED: Final = "not recorded here"

GAPS: Final = (
    ("Training data, training means and energy of the base model", "its publisher's model card"),
    ("Energy used by the steps", "not measured; elapsed and processor time are"),
    ("Intended purpose, users and limits of use", "the deployer's documentation"),
    ("Human oversight, risk management and monitoring after deployment", "the deployer's system"),
    ("Evaluation of bias, safety and robustness", "only the evaluations shown above were made"),
    ("Names and addresses of people", "agents are opaque identifiers; profiles are kept apart"),
)
"""What auditors ask for (EU AI Act, Annexes IV and XI) and this record does not hold."""

CONTENTS: Final = (
    ("identity", "Identity"),
    ("lineage", "Where it comes from"),
    ("steps", "Every step"),
    ("quality", "Quality along the chain"),
    ("licences", "Licences along the chain"),
    ("environments", "Environments"),
    ("integrity", "Integrity"),
    ("dependents", "What depends on it"),
    ("gaps", "What this record does not hold"),
    ("queries", "Ask again"),
)
"""The page's sections: anchor and title."""

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|#~&!])")
_SECOND: Final = 19
_KINDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def to_html(report: Report) -> str:
    """Writes a report as one HTML page with everything inside it."""
    return _environment().get_template("report.html.j2").render(_context(report))


def to_markdown(report: Report) -> str:
    """Writes a report as Markdown, the lineage as a table."""
    text = _markdown().get_template("report.md.j2").render(_context(report))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _context(report: Report) -> dict[str, Any]:
    return {
        "report": report,
        "picture": lineage_picture(report.lineage),
        "plots": quality_plots(report),
        "box_width": BOX_WIDTH,
        "box_height": BOX_HEIGHT,
        "machine_numbers": {one.iri: n for n, one in enumerate(report.machines, start=1)},
        "contents": CONTENTS,
        "gaps": GAPS,
        "missing": NOT_RECORDED,
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pressmark.registry.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible,
    )
    environment.filters.update(
        size=size,
        bytes=bytes_text,
        moment=moment,
        quantity=quantity,
        kind=kind,
        short=short_id,
        cut=cut,
        known=known,
    )
    return environment


@cache
def _markdown() -> Environment:
    environment = _environment().overlay(autoescape=False, finalize=_plain)
    environment.filters["verbatim"] = lambda text: Markup(visible(text))
    return environment


def visible(value: object) -> object:
    """Shows characters that would otherwise act instead of being seen."""
    if isinstance(value, NamedNode):
        value = value.value
    if isinstance(value, str) and _HIDDEN.search(value):
        shown = _HIDDEN.sub("\ufffd", value)
        return Markup(shown) if isinstance(value, Markup) else shown
    return value


def _plain(value: object) -> object:
    """Escapes what Markdown, or HTML within it, would act on."""
    if isinstance(value, Markup):
        return value
    text = str(visible(value))
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split())) if text.strip() else text


def known(value: object) -> object:
    """A value, or the words for one that nobody recorded."""
    return NOT_RECORDED if value is None or value == "" else value


def size(count: int | None) -> str:
    """Bytes for people and exactly."""
    if count is None:
        return NOT_RECORDED
    return f"{bytes_text(count)} ({count:,} bytes)" if count >= 1000 else f"{count} bytes"


def moment(time: str | None) -> str:
    """A time to the second, in UTC."""
    if time is None:
        return NOT_RECORDED
    return time[:_SECOND].rstrip("Z").replace("T", " ") + " UTC"


def quantity(measured: Quantity) -> str:
    """A number with its unit."""
    if measured.unit == "By":
        return size(int(measured.value))
    number = f"{measured.value:,.0f}" if abs(measured.value) >= 1e6 else f"{measured.value:.6g}"
    if measured.unit == "s":
        number = f"{measured.value:,.0f}" if measured.value >= 100 else f"{measured.value:.3g}"
    unit = "" if measured.unit == "1" else measured.unit
    return number + unit[1:] if unit.startswith("1/") else f"{number} {unit}".strip()


def kind(name: str) -> str:
    """A class name as words: "PrunedModel" becomes "pruned model"."""
    return " ".join(
        word if word.isupper() else word.lower() for word in _KINDS.sub(" ", name).split()
    )


def cut(text: str, length: int) -> str:
    """A text that is cut in the middle if it is too long, for the narrow boxes of the picture."""
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[: length - 1 - half]}…{text[len(text) - half :]}"
