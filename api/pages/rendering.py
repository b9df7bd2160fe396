"""Writes pages: templates that escape everything, and headers that let nothing else in."""

import re
from functools import cache
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from pyoxigraph import NamedNode

from pressmark.api.iris import short_iri
from pressmark.api.pages import assets
from pressmark.api.pages.access import FIELD
from pressmark.registry.facts import short_id
from pressmark.registry.lineage import Assurance, Edge, Evidence
from pressmark.registry.report.templating import shown
from pressmark.registry.report.wording import (
    SYMBOLS,
    bytes_text,
    cut,
    kind,
    moment,
    quantity,
    size,
)

#: Scripts, styles and pictures come from here alone, and nothing is written within the page.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "private, no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Accept, Cookie, Authorization",
}
"""What every page is sent with."""
_TONES: Final = {Evidence.REFUTED: "bad", Evidence.NONE: "fair"}
_STATUSES: Final = {"succeeded": "good", "reused": "good", "failed": "bad", "aborted": "bad"}
_UUID: Final = re.compile(r"urn:uuid:")


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page as an answer.

    Args:
        request: What was asked.
        template: Name of the template, without ``.html.j2``.
        status: The HTTP status.
        values: What the template speaks of.
    """
    return HTMLResponse(text(request, template, **values), status, HEADERS)


def text(request: Request, template: str, **values: Any) -> str:
    """A page as HTML, to be sent with `HEADERS`; see `page`."""
    known = _environment().get_template(f"{template}.html.j2")
    return known.render(
        path=request.url.path,
        visitor=getattr(request.state, "visitor", None),
        secret_field=FIELD,
        **values,
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("pressmark.api.pages"),
                PrefixLoader({"report": PackageLoader("pressmark.registry.report")}),
            ]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
    )
    environment.globals.update(asset=assets.address)
    environment.filters.update(
        bytes=bytes_text,
        cut=cut,
        is_iri=lambda term: isinstance(term, NamedNode),
        kind=kind,
        moment=moment,
        number=number,
        quantity=quantity,
        run_tone=run_tone,
        short=short_id,
        short_iri=short_iri,
        size=size,
        symbol=symbol,
        tone=tone,
        uuid=uuid,
    )
    return environment


def tone(sure: Edge | Assurance) -> str:
    """The colour of how sure something is: "good", "fair" or "bad"; always beside a word."""
    return _TONES.get(sure.evidence, "good")


def symbol(sure: Edge | Assurance) -> str:
    """The symbol of how sure something is; always beside a word."""
    return SYMBOLS[sure.evidence]


def run_tone(status: str) -> str:
    """The colour of how a run or a step ended; always beside a word."""
    return _STATUSES.get(status, "fair")


def uuid(iri: NamedNode | str) -> str:
    """An IRI of something minted here as addresses write it."""
    return _UUID.sub("", iri.value if isinstance(iri, NamedNode) else iri)


def number(value: float | None) -> str:
    """A number as people read it."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.6g}"
