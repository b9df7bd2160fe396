"""Writes a document as one HTML page with everything inside it.

The page fetches nothing and runs no script. Its template escapes every text (jinja2's autoescape).
"""

from pressmark.registry.report.document import Document
from pressmark.registry.report.templating import render


def to_html(document: Document) -> str:
    """Writes a document as a page."""
    return render("page.html.j2", document=document)
