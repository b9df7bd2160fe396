"""What the records say of a resource, as RDF: stored bytes, not what the index makes of them.

A document is the union of whole bundles, and so canonical as they are: its lines are theirs, sorted
and without repetition. The document of one record is its bundle byte for byte, with its digest.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, Triple, parse, serialize

from pressmark.ontology.terms import PM, PREFIXES
from pressmark.registry.errors import NotFoundError
from pressmark.registry.facts import integer, node
from pressmark.registry.ids import base_iri, is_ni_iri
from pressmark.registry.journal import Entry
from pressmark.registry.json_ld import json_ld
from pressmark.registry.prov_json import prov_json
from pressmark.registry.record import canonical_nquads
from pressmark.registry.registry import Registry

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Document:
    """Statements in named graphs: bundles, and the shared descriptions that they name.

    Attributes:
        nquads: Their canonical N-Quads; see `pressmark.registry.record`.
    """

    nquads: bytes

    @cached_property
    def quads(self) -> tuple[Quad, ...]:
        """The statements, in the order of the lines."""
        return tuple(parse(self.nquads, format=RdfFormat.N_QUADS))

    def turtle(self) -> bytes:
        """All statements in one graph; which record says what is lost (W3C RDF 1.1 Turtle)."""
        triples = dict.fromkeys(quad.triple for quad in self.quads)
        return _written(triples, RdfFormat.TURTLE)

    def trig(self) -> bytes:
        """Each bundle and description as a named graph (W3C RDF 1.1 TriG)."""
        return _written(sorted(self.quads, key=_graph), RdfFormat.TRIG)

    def json_ld(self) -> bytes:
        """Each bundle and description as a named graph; see `pressmark.registry.json_ld`."""
        return json_ld(self.quads)

    def prov_json(self) -> bytes:
        """Each record as a PROV bundle; see `pressmark.registry.prov_json`."""
        return prov_json(self.quads)


def document_about(registry: Registry, resources: Iterable[NamedNode]) -> Document:
    """What the records say of resources, from their making to their retirement.

    Args:
        registry: The registry.
        resources: Artifacts, runs, activities, records or parts of them, as records mint them; or
            contents, environments, engines, agents and other shared descriptions.

    Raises:
        NotFoundError: No record speaks of any of them.
        BlobMissingError: A bundle is missing.
        BlobDamagedError: A bundle is damaged.
    """
    wanted = list(dict.fromkeys(resources))
    entries = records_about(registry, wanted)
    parts = [registry.read_bundle(entry) for entry in entries]
    parts += (_description(registry, each) for each in map(base_iri, wanted))
    if not any(parts):
        raise NotFoundError(
            f"no record speaks of {', '.join(iri.value for iri in wanted[:3]) or 'this'}",
            "give the IRI of something that was recorded; what has just begun may be recorded soon",
        )
    return union(parts)


def document_of(registry: Registry, entry: Entry) -> Document:
    """One record: the bytes of its bundle as they were committed."""
    return Document(registry.read_bundle(entry))


def records_about(registry: Registry, resources: Iterable[NamedNode]) -> list[Entry]:
    """The journal entries of the records that speak of resources, oldest first.

    Args:
        registry: The registry.
        resources: What records minted; shared descriptions belong to no record.
    """
    wanted = list(resources)
    if not wanted:
        return []
    rows = registry.rows("records_about", resource=wanted)
    sequences = dict.fromkeys(integer(row, "sequence") or 0 for row in rows)
    return [registry.journal.entry(sequence) for sequence in sequences]


def find_record(registry: Registry, name: str) -> Entry:
    """Finds a record by its place in the journal, its bundle's IRI or UUID, or its digest.

    Raises:
        NotFoundError: There is none.
    """
    sequence = _sequence(registry, name.strip().lower())
    if sequence is None or not 1 <= sequence <= registry.journal.refresh():
        raise NotFoundError(
            f"there is no record {name!r}",
            "a record is named by its place in the journal, its UUID or its SHA-256",
        )
    return registry.journal.entry(sequence)


def union(parts: Iterable[bytes]) -> Document:
    """Joins canonical N-Quads.

    Law: the result is canonical, and joining it with one of its parts changes nothing.
    """
    lines = {line for part in parts for line in part.splitlines(keepends=True)}
    return Document(b"".join(sorted(lines)))


def _graph(quad: Quad) -> str:
    return str(quad.graph_name)


def _description(registry: Registry, iri: NamedNode) -> bytes:
    """A shared description is the graph of its own name; what a record minted has no such graph."""
    if not is_ni_iri(iri):
        return b""
    rows = registry.rows("match", graph=iri)
    return canonical_nquads(
        Quad(node(row, "subject"), node(row, "predicate"), row["object"], iri) for row in rows
    )


def _sequence(registry: Registry, name: str) -> int | None:
    """The place in the journal that a name means, which may lie outside of the journal."""
    digits = name.removeprefix("sha256:")
    uuid = name.removeprefix("urn:uuid:")
    if name.isascii() and name.isdecimal():
        return int(name)
    if _SHA256.fullmatch(digits):
        found = registry.rows("match", predicate=PM.bundleDigest, object=Literal(digits))
        return next((_place(registry, node(row, "subject")) for row in found), None)
    return _place(registry, NamedNode(f"urn:uuid:{uuid}")) if _UUID.fullmatch(uuid) else None


def _place(registry: Registry, bundle: NamedNode) -> int | None:
    rows = registry.rows("match", subject=bundle, predicate=PM.sequence)
    return next((integer(row, "object") for row in rows), None)


def _written(statements: Iterable[Quad] | Iterable[Triple], rdf_format: RdfFormat) -> bytes:
    return serialize(statements, format=rdf_format, prefixes=dict(PREFIXES)) or b""
