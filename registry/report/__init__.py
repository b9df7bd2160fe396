"""Audit reports: everything that is known of one artifact, on one page that needs nothing else.

`build` gathers the facts, `to_html` and `to_markdown` write them down. The page fetches nothing,
runs no script, prints, and says of each section which SPARQL query gives the same rows again.
"""

from pressmark.registry.report.gather import build
from pressmark.registry.report.model import Report
from pressmark.registry.report.render import to_html, to_markdown

__all__ = ["Report", "build", "to_html", "to_markdown"]
