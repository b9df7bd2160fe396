"""Where a resource's provenance is (W3C Note "PROV-AQ: Provenance Access and Query")."""

from urllib.parse import urlencode

from fastapi import Request
from pyoxigraph import NamedNode

from pressmark.ontology.terms import PROV


def provenance_links(request: Request, iri: NamedNode | None) -> tuple[str, ...]:
    """Values of the Link header that lead to provenance (sections 3.1 and 4).

    Args:
        request: The request.
        iri: By what name the records know what is asked for; None where it is no single thing.

    Returns:
        Where queries are answered; and for a single thing its name in the records, and where what
        they say of it can be had.
    """
    service = link(f"{request.base_url}sparql", PROV.has_query_service.value)
    if iri is None:
        return (service,)
    about = f"{request.base_url}v1/resources?{urlencode({'iri': iri.value})}"
    return (
        link(about, PROV.has_provenance.value),
        link(iri.value, PROV.has_anchor.value),
        service,
    )


def lineage_link(request: Request, artifact: NamedNode) -> str:
    """The value of the Link header that leads to an artifact's whole history."""
    uuid = artifact.value.removeprefix("urn:uuid:")
    return link(f"{request.base_url}v1/artifacts/{uuid}/lineage", PROV.has_provenance.value)


def link(target: str, relation: str) -> str:
    """A value of the Link header (RFC 8288 section 3)."""
    return f'<{target}>; rel="{relation}"'
