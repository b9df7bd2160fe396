"""Which bytes the history needs: read from the bundles themselves, never from the graph.

The graph is an index and may be stale or damaged; nothing is removed, left out of a backup or
called missing on its word.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import Final

from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, parse

from pressmark.ontology.terms import PM, PROV, RDF, RDFS
from pressmark.registry.blobs import BlobStore
from pressmark.registry.errors import BlobError, Violation
from pressmark.registry.journal import Entry
from pressmark.registry.record import Record, Terms

_PREDICATES: Final = (
    *(PM.hasContent, PM.hasFile, PM.sha256, PM.fileName, PM.log, PM.byproduct),
    *(PROV.invalidated, RDFS.label),
)
_TOLD: Final = frozenset({*_PREDICATES, RDF.type})
# Most lines of a bundle are about other things, and parsing is the slow part.
_RELEVANT: Final = re.compile(
    b"^<[^>]*> (?:%s|%s (?:%s)) .*\n"
    % (
        b"|".join(re.escape(str(predicate).encode()) for predicate in _PREDICATES),
        re.escape(str(RDF.type).encode()),
        b"|".join(
            re.escape(str(kind).encode())
            for kind in (PM.Recipe, PM.AuditReport, PM.ExternalArtifact)
        ),
    ),
    re.MULTILINE,
)


class References:
    """What the bundles read so far say about blobs; feed it with `add`.

    A *content* is a set of files. Its bytes may go when every artifact that has it was retired; a
    by-product, and content that no artifact has, stays.
    """

    def __init__(self) -> None:
        self.bundles: set[str] = set()
        self._files: dict[str, set[str]] = defaultdict(set)
        self._owners: dict[str, set[str]] = defaultdict(set)
        self._digests: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._labels: dict[str, str] = {}
        self._logs: set[str] = set()
        self._plans: set[str] = set()
        self._reports: set[str] = set()
        self._byproducts: set[str] = set()
        self._retired: set[str] = set()
        self._claimed: set[str] = set()
        self._uses: dict[str, list[str]] | None = None

    def add(self, entry: Entry, nquads: bytes) -> None:
        """Read one bundle.

        Args:
            entry: Its journal entry.
            nquads: Its canonical N-Quads.
        """
        self.bundles.add(entry.bundle_digest)
        self.read(nquads)

    def read(self, nquads: bytes) -> None:
        """Read what is in no journal yet, and so has no entry."""
        lines = b"".join(_RELEVANT.findall(nquads))
        self.read_parsed(parse(lines, format=RdfFormat.N_QUADS))

    def read_parsed(self, quads: Iterable[Quad | Terms]) -> None:
        """Read statements that are parsed already."""
        self._uses = None
        for subject, predicate, value, _ in quads:
            if predicate in _TOLD and isinstance(subject, NamedNode):
                if isinstance(value, NamedNode):
                    self._link(subject.value, predicate, value)
                elif isinstance(value, Literal):
                    self._value(subject.value, predicate, value.value)

    def _link(self, subject: str, predicate: NamedNode, value: NamedNode) -> None:
        if predicate == PM.hasContent:
            self._owners[value.value].add(subject)
        elif predicate == PM.hasFile:
            self._files[subject].add(value.value)
        elif predicate == PM.byproduct:
            self._byproducts.add(value.value)
        elif predicate == PROV.invalidated:
            self._retired.add(value.value)
        elif value == PM.Recipe:
            self._plans.add(subject)
        elif value == PM.AuditReport:
            self._reports.add(subject)
        elif value == PM.ExternalArtifact:
            self._claimed.add(subject)

    def _value(self, subject: str, predicate: NamedNode, value: str) -> None:
        if predicate == PM.sha256:
            self._digests[subject] = value
        elif predicate == PM.fileName:
            self._names[subject] = value
        elif predicate == PM.log:
            self._logs.add(value)
        elif predicate == RDFS.label:
            self._labels[subject] = value

    def artifacts(self) -> set[NamedNode]:
        """Every artifact that has files."""
        return {NamedNode(owner) for owners in self._owners.values() for owner in owners}

    def retire(self, artifact: NamedNode) -> None:
        """Take into account that an artifact was retired, as told by another history."""
        self._retired.add(artifact.value)

    def files_of(self, artifact: NamedNode) -> set[str]:
        """The digests of an artifact's files."""
        owned = {c for c, owners in self._owners.items() if artifact.value in owners}
        return self._digests_of(owned)

    def named(self) -> set[str]:
        """Every digest that any bundle names, and the bundles' own."""
        return self.bundles | self._logs | set(self._digests.values())

    def live(self) -> set[str]:
        """The digests whose bytes must be kept if they are here.

        A file is live if some content that has it is; two contents may share a file.
        """
        dead = {content for content in self._files if self._is_dead(content)}
        outside = {digest for _, digest in self._outside()}
        return self.bundles | self._logs | outside | self._digests_of(set(self._files) - dead)

    def collectable(self) -> set[str]:
        """The digests whose bytes may have gone: files of retired contents, and of nothing else."""
        return self._digests_of(self._files) - self.live()

    def required(self) -> set[str]:
        """The digests whose bytes must be here.

        Those of data sets may be here, and so may those of artifacts that are known by claim alone.
        """
        alive = {content for content in self._files if not self._is_dead(content, self._claimed)}
        kept = self._digests.keys() & (self._plans | self._reports)
        documents = {self._digests[document] for document in kept}
        return self.bundles | self._logs | documents | self._digests_of(alive)

    def _outside(self) -> Iterator[tuple[str, str]]:
        """What has a digest and is no file of a content: recipes, data sets, reports."""
        parts = {file for files in self._files.values() for file in files}
        return ((node, digest) for node, digest in self._digests.items() if node not in parts)

    def describe(self, digest: str) -> str:
        """Say for a person what a digest belongs to."""
        if digest in self.bundles:
            return "a bundle of the journal"
        if digest in self._logs:
            return "the log of an activity"
        if self._uses is None:
            self._uses = self._all_uses()
        return "; ".join(sorted(self._uses.get(digest, ()))) or "a file that no record names"

    def _all_uses(self) -> dict[str, list[str]]:
        uses: dict[str, list[str]] = defaultdict(list)
        for content, files in self._files.items():
            owners = self._owner_names(content)
            for file in files:
                digest = self._digests.get(file, "")
                uses[digest].append(f"{self._names.get(file, '?')} of {owners}")
        for node, digest in self._outside():
            uses[digest].append(f"the {self._kind(node)} {self._labels.get(node, node)}")
        return uses

    def _kind(self, node: str) -> str:
        if node in self._reports:
            return "report"
        return "recipe" if node in self._plans else "data set"

    def _owner_names(self, content: str) -> str:
        owners = sorted(self._owners.get(content, ()))
        named = (f"{self._labels.get(owner, 'artifact')} <{owner}>" for owner in owners)
        return ", ".join(named) or "a by-product"

    def _is_dead(self, content: str, claimed: Collection[str] = ()) -> bool:
        owners = self._owners.get(content, set()).difference(claimed, self._retired)
        return not owners and content in self._owners and content not in self._byproducts

    def _digests_of(self, contents: Iterable[str]) -> set[str]:
        files = (file for content in contents for file in self._files[content])
        return {self._digests[file] for file in files if file in self._digests}


def total_size(blobs: BlobStore, digests: Iterable[str]) -> int:
    """Add up the bytes of files, leaving out those that are missing or damaged."""
    total = 0
    for digest in digests:
        with suppress(BlobError):
            total += blobs.size(digest)
    return total


def lacking_files(
    record: Record, blobs: BlobStore, absent: Collection[str] = ()
) -> Iterator[Violation]:
    """Find the files that a record needs and nobody has: verification would miss them for ever.

    Args:
        record: The record, with the files that it brings.
        blobs: Where the files are that it does not bring.
        absent: The digests of files that need not be there.
    """
    references = References()
    references.read_parsed(record.terms)
    for digest in sorted(references.required().difference(record.files, absent)):
        if not blobs.has(digest):
            yield Violation(
                record.bundle.value,
                "",
                "bringsItsFiles",
                "It names a file that is not here: store it first, or bring it with the record.",
                f"{references.describe(digest)}, sha256 {digest}",
            )
