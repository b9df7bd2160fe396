"""What is known of anything that has an IRI, and of the records themselves, as values."""

from dataclasses import dataclass
from typing import Final

from pyoxigraph import NamedNode

from pressmark.ontology.terms import PM, PROV, RDF
from pressmark.registry.documents import document_of, records_about
from pressmark.registry.errors import NotFoundError
from pressmark.registry.facts import node, scalar
from pressmark.registry.graph import Row
from pressmark.registry.journal import Entry
from pressmark.registry.occurrences import Scalar
from pressmark.registry.registry import Registry

_GENERAL: Final = frozenset({PM.Step, PROV.Activity, PROV.Entity})


@dataclass(frozen=True)
class Statement:
    """One thing that is said of something.

    Attributes:
        property: IRI of the property.
        value: An IRI, or the value of a literal.
        is_iri: Whether the value is an IRI.
    """

    property: NamedNode
    value: Scalar
    is_iri: bool


@dataclass(frozen=True)
class Known:
    """What the records say of something.

    Attributes:
        iri: What.
        kinds: Its classes.
        statements: What is said of it besides.
        records: Places in the journal of the records that tell of it, oldest first; none for a
            shared description, which belongs to no record.
    """

    iri: NamedNode
    kinds: tuple[NamedNode, ...]
    statements: tuple[Statement, ...]
    records: tuple[int, ...]


@dataclass(frozen=True)
class RecordView:
    """A record: one bundle, and its place in the journal.

    Attributes:
        sequence: Its place, from 1.
        digest: SHA-256 of its canonical N-Quads.
        previous: Digest of the journal entry before.
        head: Digest of its own journal entry, which vouches for it and for all before.
        bundle: IRI of the bundle.
        records: What it records: an activity, or the closing of a run.
        kind: The class of that.
        statements: How many statements it holds, those of shared descriptions included.
    """

    sequence: int
    digest: str
    previous: str
    head: str
    bundle: NamedNode
    records: NamedNode
    kind: NamedNode
    statements: int


def known(registry: Registry, iri: NamedNode) -> Known:
    """What the records say of anything that they mint or describe.

    Raises:
        NotFoundError: They say nothing of it.
    """
    said = registry.rows("description_facts", description=iri)
    if not said:
        raise NotFoundError(
            f"no record says anything of {iri.value}",
            "give the whole IRI of an artifact, a run, an activity or a description",
        )
    return Known(
        iri,
        tuple(node(row, "value") for row in said if row["property"] == RDF.type),
        tuple(_statement(row) for row in said if row["property"] != RDF.type),
        tuple(entry.sequence for entry in records_about(registry, [iri])),
    )


def _statement(row: Row) -> Statement:
    value = row["value"]
    return Statement(node(row, "property"), scalar(value), isinstance(value, NamedNode))


def record_view(registry: Registry, entry: Entry) -> RecordView:
    """What a record is about.

    Raises:
        BlobMissingError: Its bundle is missing.
        BlobDamagedError: Its bundle is damaged.
    """
    quads = document_of(registry, entry).quads
    bundle, subject = next((q.subject, q.object) for q in quads if q.predicate == PM.records)
    assert isinstance(bundle, NamedNode)
    assert isinstance(subject, NamedNode)
    kinds = [q.object for q in quads if q.subject == subject and q.predicate == RDF.type]
    kind = next(k for k in kinds if isinstance(k, NamedNode) and k not in _GENERAL)
    return RecordView(
        entry.sequence,
        entry.bundle_digest,
        entry.previous,
        entry.digest,
        bundle,
        subject,
        kind,
        len(quads),
    )
