"""The formats of answers, and which one a client wants.

SPARQL 1.1 Protocol section 2.1.6, RFC 9110 section 12.5.1.
"""

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from pressmark.api.errors import NotAcceptableError

#: Media type -> name of pyoxigraph's format, the preferred one first.
RESULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "application/sparql-results+json": "JSON",
        "application/sparql-results+xml": "XML",
        "text/csv": "CSV",
        "text/tab-separated-values": "TSV",
    }
)
GRAPHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "text/turtle": "TURTLE",
        "application/n-triples": "N_TRIPLES",
        "application/rdf+xml": "RDF_XML",
        "application/ld+json": "JSON_LD",
        "text/n3": "N3",
    }
)
#: What clients also call these formats.
ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "application/json": "application/sparql-results+json",
        "application/xml": "application/sparql-results+xml",
        "text/xml": "application/sparql-results+xml",
        "application/x-turtle": "text/turtle",
        "text/plain": "application/n-triples",
    }
)


def negotiate(accept: str, offered: Collection[str]) -> str:
    """Chooses the media type that a client wants most.

    Args:
        accept: The value of its Accept header; "" accepts anything.
        offered: The media types on offer, the preferred one first.

    Returns:
        One of the offered media types.

    Raises:
        NotAcceptableError: None is acceptable.
    """
    ranges = list(_ranges(accept or "*/*"))
    best = max(offered, key=lambda kind: _quality(kind, ranges))
    if _quality(best, ranges) <= 0:
        raise NotAcceptableError(
            f"nothing that the Accept header names can be given: {accept}",
            f"accept one of {', '.join(offered)}",
        )
    return best


def _quality(kind: str, ranges: list[tuple[str, float]]) -> float:
    """The weight of the most specific range that fits (RFC 9110 section 12.5.1)."""
    names = [kind, *(alias for alias, meant in ALIASES.items() if meant == kind)]
    exact = [weight for name, weight in ranges if name in names]
    if exact:
        return max(exact)
    for wanted in (f"{kind.partition('/')[0]}/*", "*/*"):
        if found := [weight for name, weight in ranges if name == wanted]:
            return max(found)
    return 0.0


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        weights = [p[2:] for p in parameters if p.lower().startswith("q=")]
        yield name.lower(), _weight(weights[0]) if weights else 1.0


def _weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0
