"""How a report words numbers, times, classes, and what nobody recorded."""

import re
from collections.abc import Iterable
from typing import Final

from pyoxigraph import NamedNode

from pressmark.registry.lineage import Evidence
from pressmark.registry.occurrences import Scalar
from pressmark.registry.report.document import Cell, Line, Span, Tone
from pressmark.registry.report.model import Quantity

NOT_RECORDED: Final = "not recorded here"

SYMBOLS: Final = {
    Evidence.REFUTED: "✗",
    Evidence.NONE: "?",
    Evidence.CHECKED: "✓",
    Evidence.REPRODUCED: "✓✓",
}
"""What stands for evidence beside its word: nothing is told by colour alone."""

TONES: Final = {
    Evidence.REFUTED: Tone.BAD,
    Evidence.NONE: Tone.FAIR,
    Evidence.CHECKED: Tone.GOOD,
    Evidence.REPRODUCED: Tone.GOOD,
}

_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
_KINDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SECOND: Final = 19
_UNITS: Final = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def visible(text: str) -> str:
    """Shows characters that would otherwise act instead of being seen."""
    return _HIDDEN.sub("\ufffd", text)


def line(*pieces: Span | str) -> Line:
    """Pieces of text that follow one another; those that are empty are left out."""
    spans = (Span(one) if isinstance(one, str) else one for one in pieces)
    return tuple(span for span in spans if span.text)


def cell(*pieces: Span | Line | str | None) -> Cell:
    """A cell with a line for each piece; without any it says that nothing is recorded."""
    lines = (one if isinstance(one, tuple) else line(one) for one in pieces if one is not None)
    return tuple(one for one in lines if one) or ((Span(NOT_RECORDED, Tone.MISSING),),)


def code(value: object) -> Span | None:
    """An identifier or digest; None stays None."""
    if isinstance(value, NamedNode):
        value = value.value
    return None if value is None else Span(str(value), Tone.CODE)


def sha256(digest: str | None) -> Span | None:
    """A digest with the name of its algorithm."""
    return code(f"sha256:{digest}") if digest else None


def missing(text: str = NOT_RECORDED) -> Span:
    """What nobody recorded."""
    return Span(text, Tone.MISSING)


def bytes_text(count: float) -> str:
    """Bytes in the largest unit of which there is at least one, to three digits or more."""
    for factor, unit in _UNITS:
        if count >= factor:
            scaled = count / factor
            return f"{scaled:.3g} {unit}" if scaled < 999.5 else f"{scaled:.0f} {unit}"
    return f"{count:.0f} B"


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


def number(value: float | int | None) -> str | None:
    """A count with thousands apart; None stays None."""
    return None if value is None else f"{value:,}"


def value(recorded: Scalar) -> str:
    """A recorded value as recipes write it."""
    return str(recorded).lower() if isinstance(recorded, bool) else str(recorded)


def quantity(measured: Quantity) -> str:
    """A number with its unit."""
    if measured.unit == "By":
        return size(int(measured.value))
    text = f"{measured.value:,.0f}" if abs(measured.value) >= 1e6 else f"{measured.value:.6g}"
    if measured.unit == "s":
        text = f"{measured.value:,.0f}" if measured.value >= 100 else f"{measured.value:.3g}"
    unit = "" if measured.unit == "1" else measured.unit
    return text + unit[1:] if unit.startswith("1/") else f"{text} {unit}".strip()


def kind(name: str) -> str:
    """A class name as words: "PrunedModel" becomes "pruned model"."""
    return " ".join(
        word if word.isupper() else word.lower() for word in _KINDS.sub(" ", name).split()
    )


def cut(text: str, length: int) -> str:
    """A text that is cut in the middle if it is too long, for the narrow boxes of a picture."""
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[: length - 1 - half]}…{text[len(text) - half :]}"


def listed(names: Iterable[str], none: str = "none") -> str:
    """Names one after the other, or the word for none."""
    return ", ".join(names) or none


def counted(count: int, noun: str) -> str:
    """A number of things: "1 file", "2 files"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
