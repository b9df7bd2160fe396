"""The formats in which a report can be written."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pressmark.registry.errors import InvalidInputError
from pressmark.registry.facts import Reader
from pressmark.registry.report.compose import compose
from pressmark.registry.report.html import to_html
from pressmark.registry.report.jsonld import MEDIA_TYPE, to_jsonld
from pressmark.registry.report.markdown import to_markdown
from pressmark.registry.report.model import Report
from pressmark.registry.report.pdf import to_pdf


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        name: What it is asked for by, such as "html".
        media_type: Its media type, without parameters.
        suffix: What its files' names end in, with the dot.
        write: Writes a report in it, given the registry that it is of. Law: equal reports of the
            same state give equal bytes.
    """

    name: str
    media_type: str
    suffix: str
    write: Callable[[Report, Reader], bytes]


def _html(report: Report, _: Reader) -> bytes:
    return to_html(compose(report)).encode()


def _markdown(report: Report, _: Reader) -> bytes:
    return to_markdown(compose(report)).encode()


def _pdf(report: Report, _: Reader) -> bytes:
    return to_pdf(compose(report))


def _jsonld(report: Report, reader: Reader) -> bytes:
    return to_jsonld(report, reader).encode()


_ALL: Final = (
    Format("html", "text/html", ".html", _html),
    Format("markdown", "text/markdown", ".md", _markdown),
    Format("pdf", "application/pdf", ".pdf", _pdf),
    Format("jsonld", MEDIA_TYPE, ".jsonld", _jsonld),
)

FORMATS: Final[Mapping[str, Format]] = MappingProxyType({one.name: one for one in _ALL})
"""Every format by its name, the preferred one first."""


def format_named(name: str) -> Format:
    """A format by its name.

    Raises:
        InvalidInputError: There is none of that name.
    """
    if name not in FORMATS:
        raise InvalidInputError(f"a report cannot be written as {name!r}", _one_of(FORMATS))
    return FORMATS[name]


def format_of_file(name: str) -> Format:
    """The format that a file's name asks for by its ending.

    Raises:
        InvalidInputError: No format has that ending.
    """
    for one in _ALL:
        if name.endswith(one.suffix):
            return one
    message = f"{name} has an ending that no format of a report has"
    raise InvalidInputError(message, _one_of(one.suffix for one in _ALL))


def _one_of(names: Iterable[str]) -> str:
    return f"choose one of {', '.join(names)}"
