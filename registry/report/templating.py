"""The jinja2 environment of reports: every text is escaped, and none can hide or turn another."""

from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pyoxigraph import NamedNode

from pressmark.registry.facts import short_id
from pressmark.registry.report.wording import bytes_text, cut, kind, moment, visible

_FILTERS: Final = {
    "bytes": bytes_text,
    "cut": cut,
    "kind": kind,
    "moment": moment,
    "short": short_id,
}


def render(template: str, **values: object) -> str:
    """Fills in a template of this package."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pressmark.registry.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
    )
    environment.filters.update(_FILTERS)
    environment.globals["as_markup"] = Markup
    return environment


def shown(value: object) -> object:
    """A value as a template writes it: IRIs bare, what would act unseen made visible."""
    if isinstance(value, NamedNode):
        value = value.value
    if isinstance(value, str):
        text = visible(value)
        return Markup(text) if isinstance(value, Markup) else text
    return value
