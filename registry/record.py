"""A record: the canonical bytes of one bundle, and the files that it brings.

The record is bytes, the graph is only an index over it. The canonical form is: one pass through an
Oxigraph store (which rewrites some literals on storing), then the N-Quads lines sorted as bytes.
There are no blank nodes, so that nothing needs to be relabelled.

Laws, held by property tests: ``canonical_nquads`` is idempotent over parsing, and does not depend
on the order or the repetition of quads.
"""

import hashlib
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final, TypeAlias

from pyoxigraph import (
    BlankNode,
    DefaultGraph,
    Literal,
    NamedNode,
    Quad,
    RdfFormat,
    Store,
    Triple,
    parse,
    serialize,
)

from pressmark.ontology.terms import XSD
from pressmark.registry.errors import InvalidInputError
from pressmark.registry.ids import is_ni_iri, new_iri, sha256_file

Value: TypeAlias = NamedNode | Literal | str | bool | int | float
"""What a statement may say: a term, or a Python value that becomes a literal."""

Terms: TypeAlias = tuple[
    NamedNode | BlankNode | Triple,
    NamedNode,
    NamedNode | BlankNode | Literal | Triple,
    NamedNode | BlankNode | DefaultGraph,
]
"""Subject, predicate, object and graph of a statement."""

_ANY: Final = NamedNode("urn:any")

DATATYPES: Final = frozenset(
    {XSD.string, XSD.boolean, XSD.integer, XSD.double, XSD.dateTime, XSD.anyURI}
)
"""The datatypes whose forms are stable once Oxigraph has stored them."""

FORMATS: Final[Mapping[str, RdfFormat]] = {
    ".nq": RdfFormat.N_QUADS,
    ".trig": RdfFormat.TRIG,
    ".jsonld": RdfFormat.JSON_LD,
}
"""The formats in which a record that was made elsewhere can be read, by file suffix."""


@dataclass(frozen=True)
class Record:
    """One bundle with the shared descriptions that it needs, ready to be committed anywhere.

    Attributes:
        bundle: IRI of the bundle and of its named graph.
        nquads: Canonical N-Quads of the bundle's graph and of its shared descriptions.
        files: The files that the record brings, by the SHA-256 of their bytes.
    """

    bundle: NamedNode
    nquads: bytes
    files: Mapping[str, Path] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical N-Quads: the digest by which the journal knows the bundle."""
        return hashlib.sha256(self.nquads).hexdigest()

    @cached_property
    def statements(self) -> tuple[Quad, ...]:
        """The statements in the order of the bytes; they are parsed once.

        Raises:
            SyntaxError: The bytes are no N-Quads.
        """
        return tuple(parse(self.nquads, format=RdfFormat.N_QUADS))

    @cached_property
    def terms(self) -> tuple[Terms, ...]:
        """The parts of the statements, taken out once: each look at a quad makes new objects."""
        return tuple(
            (subject, name, value, graph) for subject, name, value, graph in self.statements
        )

    @cached_property
    def is_canonical(self) -> bool:
        """Whether the bytes are what `canonical_nquads` gives for the statements."""
        return is_canonical(self.nquads, self.statements)

    @cached_property
    def subjects(self) -> frozenset[object]:
        """What the statements are about."""
        return frozenset(subject for subject, _, _, _ in self.terms)

    @cached_property
    def predicates(self) -> frozenset[NamedNode]:
        """The properties that the statements use."""
        return frozenset(predicate for _, predicate, _, _ in self.terms)

    @cached_property
    def descriptions(self) -> frozenset[NamedNode]:
        """The names of the shared descriptions that come with it."""
        names = {graph for _, _, _, graph in self.terms}
        return frozenset(name for name in names if isinstance(name, NamedNode) and is_ni_iri(name))

    def quads(self) -> Iterator[Quad]:
        """Give the statements."""
        return iter(self.statements)


def canonical_nquads(quads: Iterable[Quad]) -> bytes:
    """Bring quads into the one form whose bytes are hashed and kept.

    Args:
        quads: Statements without blank nodes, in any order, repetition allowed.

    Returns:
        Sorted N-Quads lines in UTF-8, each ending in a newline.
    """
    store = Store()
    store.extend(quads)
    text = store.dump(format=RdfFormat.N_QUADS) or b""
    return b"".join(sorted(text.splitlines(keepends=True)))


def is_canonical(nquads: bytes, quads: Sequence[Quad]) -> bool:
    """Tell whether bytes are what `canonical_nquads` gives for them, without sorting them again.

    Args:
        nquads: The bytes.
        quads: What they say, in their order.
    """
    lines = nquads.splitlines()
    return (
        serialize(quads, format=RdfFormat.N_QUADS) == nquads
        and all(map(operator.lt, lines, lines[1:]))
        and all(isinstance(v, NamedNode) or _is_kept(v) for v in {q.object for q in quads})
    )


@lru_cache(1 << 14)
def _is_kept(value: BlankNode | Literal | Triple) -> bool:
    """Tell whether a store gives a value back as it was written."""
    store = Store()
    store.add(Quad(_ANY, _ANY, value))
    return all(quad.object == value for quad in store)


def literal(value: str | bool | int | float) -> Literal:
    """Turn a Python value into a literal of the datatype that it has in records."""
    return Literal(value)


def moment(text: str) -> Literal:
    """Turn a time, as `ids.utc_now` writes it, into an ``xsd:dateTime`` literal."""
    return Literal(text, datatype=XSD.dateTime)


@dataclass(frozen=True)
class Description:
    """A shared description: a node that is named by the digest of what is said about it.

    Adding it to a store twice changes nothing, because its IRI is the name of its graph.

    Attributes:
        iri: ``ni:///sha-256;`` and the digest; see `description_digest`.
        quads: The statements, all in the graph ``iri``.
    """

    iri: NamedNode
    quads: tuple[Quad, ...]


class RecordBuilder:
    """Collects the statements of one bundle.

    Args:
        bundle: IRI of the bundle; minted where it is not given.
    """

    def __init__(self, bundle: NamedNode | None = None) -> None:
        self.bundle = bundle or new_iri()
        self._quads: list[Quad] = []
        self._files: dict[str, Path] = {}

    def add(self, subject: NamedNode, predicate: NamedNode, value: Value) -> None:
        """Say one thing in the bundle's graph."""
        term = value if isinstance(value, NamedNode | Literal) else literal(value)
        self._quads.append(Quad(subject, predicate, term, self.bundle))

    def describe(self, description: Description) -> NamedNode:
        """Bring a shared description along, and give its IRI."""
        self._quads.extend(description.quads)
        return description.iri

    def attach(self, path: Path, sha256: str | None = None) -> str:
        """Bring a file along, and give its SHA-256.

        Args:
            path: The file; it must still be there when the record is committed.
            sha256: Its digest where it is known already; else the file is read.
        """
        digest = sha256 or sha256_file(path)
        self._files[digest] = path
        return digest

    def build(self) -> Record:
        """Make the record."""
        return Record(self.bundle, canonical_nquads(self._quads), dict(self._files))


def record_from_rdf(
    data: bytes, rdf_format: RdfFormat, files: Mapping[str, Path] | None = None
) -> Record:
    """Read a record that was made elsewhere.

    Nothing is ever fetched: a JSON-LD document must carry its context inside.

    Args:
        data: A document with named graphs, in one of `FORMATS`.
        rdf_format: Its format.
        files: The files that it brings, by SHA-256.

    Raises:
        InvalidInputError: The document is malformed, names a remote JSON-LD context, has blank
            nodes, or does not hold exactly one bundle.
    """
    quads = _parse_foreign(data, rdf_format)
    named = rdf_format == RdfFormat.N_QUADS and b"_:" not in data
    if not named and (blank := next((quad for quad in quads if _has_blank_node(quad)), None)):
        raise InvalidInputError(
            f"the document has a blank node: {blank.subject} {blank.predicate} {blank.object}",
            "name every node with an IRI, such as <urn:uuid:...#usage-0>: "
            "the digest of a record is taken over its lines",
        )
    bundle = _only_bundle(quads)
    if rdf_format == RdfFormat.N_QUADS:
        record = Record(bundle, data, dict(files or {}))
        vars(record)["statements"] = tuple(quads)  # else they would be parsed again
        if record.is_canonical:
            return record
    return Record(bundle, canonical_nquads(quads), dict(files or {}))


def _parse_foreign(data: bytes, rdf_format: RdfFormat) -> list[Quad]:
    try:
        return list(parse(data, format=rdf_format))
    except (SyntaxError, ValueError, OSError) as error:
        hint = ""
        if "context" in str(error).lower() and rdf_format == RdfFormat.JSON_LD:
            hint = "remote contexts are never fetched: write the context into the document"
        raise InvalidInputError(
            f"the document is not valid {rdf_format.name}: {error}", hint
        ) from (error)


def _has_blank_node(quad: Quad) -> bool:
    return any(isinstance(term, BlankNode) for term in quad)


def _only_bundle(quads: Iterable[Quad]) -> NamedNode:
    graphs = {quad.graph_name for quad in quads}
    minted = {
        name
        for name in graphs
        if isinstance(name, NamedNode) and name.value.startswith("urn:uuid:")
    }
    if len(minted) != 1:
        raise InvalidInputError(
            f"the document has {len(minted)} graphs named <urn:uuid:...>, but a record has one",
            "write one document for each bundle",
        )
    return minted.pop()
