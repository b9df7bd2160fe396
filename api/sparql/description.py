"""What the endpoint says of itself (W3C "SPARQL 1.1 Service Description", section 2)."""

from importlib import resources

from pyoxigraph import NamedNode, RdfFormat, parse, serialize


def service_description(endpoint: NamedNode, format_name: str) -> bytes:
    """Gives the description of an endpoint.

    Args:
        endpoint: Its address.
        format_name: Name of pyoxigraph's format.
    """
    source = resources.files(__package__).joinpath("description.ttl").read_bytes()
    quads = parse(source, format=RdfFormat.TURTLE, base_iri=endpoint.value)
    triples = (quad.triple for quad in quads)
    return serialize(triples, format=getattr(RdfFormat, format_name)) or b""
