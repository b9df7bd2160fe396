"""Is what the registry says still true? Bytes, order, shapes and evidence, checked from the ground.

`verify` asks this of one artifact and of everything that its lineage rests on; `verify_all` of the
whole registry. Nothing is believed because the graph says so: the graph only helps to find things
quickly, and is itself compared, statement by statement, with the bundles.

Five checks, each with its findings:

* ``journal``: every line has its digest and follows the one before; each bundle is proved to be in
  the Merkle tree over the lines.
* ``bundles``: each bundle's bytes have the digest that the journal names.
* ``graph``: the graph holds exactly the statements of the bundles, and nothing anywhere else that
  speaks of their nodes or falsely points at them. Later evidence about an artifact is found through
  the graph: that none was taken out of it, only the verification of the whole registry can tell.
* ``shapes``: each record conforms to the shapes that it was committed under, judged in the order of
  the journal, as on the day of its commit.
* ``files``: the stored files have the digests that the records give: of artifacts, logs, recipes,
  data sets and reports.
* ``evidence`` (of an artifact only): no check or re-run has refuted an edge of its lineage.

No model is loaded and nothing is computed again: that is what ``pressmark check`` does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, Store, parse

from pressmark.ontology import SHAPES_VERSION, shapes_versions
from pressmark.ontology.terms import PM, PROV
from pressmark.registry.access import bundle_iri
from pressmark.registry.blobs import BlobStore
from pressmark.registry.errors import (
    NotFoundError,
    PressmarkError,
    StoreDamagedError,
    StoreLockedError,
)
from pressmark.registry.graph import GraphReader
from pressmark.registry.ids import base_iri, is_ni_iri
from pressmark.registry.index import bundle_at, journal_quads
from pressmark.registry.journal import GENESIS, Entry, verify_inclusion
from pressmark.registry.neighbourhood import JOURNAL_GRAPH
from pressmark.registry.progress import MEGABYTE, SILENT, Progress, counting
from pressmark.registry.record import Record
from pressmark.registry.references import References, total_size
from pressmark.registry.registry import Registry
from pressmark.registry.validation import StoreReader, Validator
from pressmark.registry.verification import CheckResult, Finding, Verification

__all__ = ["CheckResult", "Finding", "Verification", "verify", "verify_all"]

#: Later statements about old nodes: what they say belongs to the old nodes' verification.
_LATER: Final = (PM.aboutDerivation, PM.aboutGeneration, PROV.invalidated)
_EDGES: Final = (PM.aboutDerivation, PM.aboutGeneration)
_REFRESH_SECONDS: Final = 1.0
_IN_MEMORY: Final = 2000


def verify(
    registry: Registry,
    artifact: NamedNode,
    *,
    deep: bool = False,
    engine: str | None = None,
    kept_head: str | None = None,
    progress: Progress = SILENT,
) -> Verification:
    """Verifies an artifact and the records that its lineage rests on.

    Args:
        registry: The registry.
        artifact: The artifact.
        deep: Whether to read the files of all its ancestors too, not only its own.
        engine: The SHACL engine; see `validation.Validator`.
        kept_head: A head of the journal that was kept elsewhere, such as ``pressmark head`` printed
            it once. The journal must still lead to it: so nothing before it was taken away.
        progress: Is told of the bundles and files that were looked at.

    Raises:
        NotFoundError: No record speaks of the artifact.
    """
    audit = _Audit(registry, engine, progress)
    audit.check_journal(kept_head)
    bundles = audit.closure(artifact)
    audit.check_graph(bundles)
    audit.check_shapes(
        progress.track(bundles, len(bundles), "validating records"), StoreReader(Store())
    )
    shown = bundles if deep else [one for one in bundles if not _makes_another(one, artifact)]
    audit.check_files(shown)
    audit.check_evidence(bundles)
    return audit.result(artifact)


def verify_all(
    registry: Registry,
    *,
    engine: str | None = None,
    kept_head: str | None = None,
    progress: Progress = SILENT,
) -> Verification:
    """Verifies everything, and that there is nothing else.

    Every record is validated again from an empty graph on: in memory, or in a temporary folder
    where there are many.

    Args:
        registry: The registry.
        engine: The SHACL engine; see `validation.Validator`.
        kept_head: A head of the journal that was kept elsewhere; see `verify`.
        progress: Is told of the bundles, graphs and files that were looked at.
    """
    audit = _Audit(registry, engine, progress)
    audit.check_journal(kept_head)
    entries = len(registry.journal)
    with _empty_store(entries) as replay:
        bundles = progress.track(audit.all_bundles(), entries, "validating records")
        audit.check_shapes(bundles, replay)
        audit.compare_graphs(replay)
    audit.check_files(progress.track(audit.all_bundles(), entries, "reading the history"))
    return audit.result(None)


@contextmanager
def _empty_store(entries: int) -> Iterator[StoreReader]:
    if entries < _IN_MEMORY:
        yield StoreReader(Store())
        return
    with tempfile.TemporaryDirectory(prefix="pressmark-verify-") as folder:
        yield StoreReader(Store(folder))


@dataclass(frozen=True)
class _Bundle:
    """A bundle as it is stored."""

    iri: NamedNode
    entry: Entry
    nquads: bytes
    quads: tuple[Quad, ...]

    @property
    def subjects(self) -> set[NamedNode]:
        return {quad.subject for quad in self.quads if isinstance(quad.subject, NamedNode)}

    @property
    def all_quads(self) -> Iterator[Quad]:
        yield from self.quads
        yield from journal_quads(self.iri, self.entry)

    def values(self, predicate: NamedNode) -> Iterator[tuple[NamedNode, NamedNode | Literal]]:
        for quad in self.quads:
            named = isinstance(quad.subject, NamedNode)
            if (
                named
                and quad.predicate == predicate
                and isinstance(quad.object, NamedNode | Literal)
            ):
                yield quad.subject, quad.object  # type: ignore[misc]


def _parsed(entry: Entry, nquads: bytes) -> _Bundle:
    quads = tuple(parse(nquads, format=RdfFormat.N_QUADS))
    return _Bundle(bundle_iri(nquads), entry, nquads, quads)


def _makes_another(bundle: _Bundle, artifact: NamedNode) -> bool:
    return any(subject != artifact for subject, _ in bundle.values(PM.hasContent))


@dataclass
class _Audit:
    """One verification while it is going on."""

    registry: Registry
    engine: str | None
    progress: Progress
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    examined: dict[str, int] = field(default_factory=dict)
    _unreadable: set[str] = field(default_factory=set)
    _stated: dict[object, frozenset[Quad]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.blobs: BlobStore = self.registry.blobs
        self.journal = self.registry.journal
        self._begin("journal")
        self._begin("bundles")
        self._begin("graph")
        try:
            # Not the snapshot that happens to be there: the graph itself.
            self.registry.refresh(_REFRESH_SECONDS)
        except StoreLockedError:
            pass  # somebody is writing, or nobody can: the snapshot is what users see
        except (PressmarkError, OSError) as error:
            self._add("graph", str(self.registry.root), getattr(error, "message", str(error)))
        self.graph: GraphReader = self.registry.graph()

    # ---------------------------------------------------------------------- finding bundles

    def closure(self, artifact: NamedNode) -> list[_Bundle]:
        """The bundles that the artifact rests on, in the order of the journal.

        They are found by following every minted IRI that a bundle speaks of, and from old nodes to
        the evidence about them, through the bundles' own bytes. The registered reports on the
        artifact are part of it, those on its ancestors are not.
        """
        found: dict[NamedNode, _Bundle] = {}
        waiting = [artifact, *self._reports_on(artifact)]
        seen = set(waiting)
        while waiting:
            node = waiting.pop()
            home = self._home(node)
            if home is None:
                self._lost(node, is_subject=node == artifact)
                continue
            if home.iri not in found:
                found[home.iri] = home
                reached = {*self._mentioned(home), *self._about(home)} - seen
                seen |= reached
                waiting.extend(reached)
        bundles = sorted(found.values(), key=lambda bundle: bundle.entry.sequence)
        self.examined["bundles"] += len(bundles)
        for bundle in bundles:
            self._prove(bundle.entry)
        return bundles

    def all_bundles(self) -> Iterator[_Bundle]:
        """Every bundle that can be read, in the order of the journal."""
        for entry in self._entries():
            if bundle := self._read(entry):
                yield bundle

    def _lost(self, node: NamedNode, *, is_subject: bool) -> None:
        known = any(True for _ in self.graph.match(subject=node)) or any(self.findings.values())
        if is_subject and not known:
            raise NotFoundError(f"no record speaks of {node.value}")
        self._add("bundles", node.value, "is spoken of, but no bundle that can be read has it")

    def _entries(self) -> Iterator[Entry]:
        for sequence in range(1, self.journal.refresh() + 1):
            if entry := self._entry(sequence):
                yield entry

    def _entry(self, sequence: int) -> Entry | None:
        """A journal entry; from the graph, as far as it goes, where the line is damaged."""
        try:
            return self.journal.entry(sequence)
        except NotFoundError:
            return None
        except StoreDamagedError:  # `check_journal` has named the line
            bundle = bundle_at(self.graph, sequence)
            for quad in self.graph.match(bundle, PM.bundleDigest, None, JOURNAL_GRAPH):
                if bundle is not None and isinstance(quad.object, Literal):
                    return Entry(sequence, quad.object.value, "", "")
            return None

    def _read(self, entry: Entry) -> _Bundle | None:
        digest = entry.bundle_digest
        try:
            return _parsed(entry, self.blobs.read(digest))
        except (PressmarkError, SyntaxError) as error:
            if digest not in self._unreadable:
                self._unreadable.add(digest)
                place = f"bundle of journal entry {entry.sequence}"
                self._add("bundles", place, getattr(error, "message", str(error)))
            return None

    def _home(self, node: NamedNode) -> _Bundle | None:
        """The bundle that minted a node: by the graph's word if it is true, else by searching."""
        minted = base_iri(node)
        for quad in self.graph.match(subject=minted):
            name = quad.graph_name
            bundle = self._by_name(name) if isinstance(name, NamedNode) else None
            if bundle and minted in bundle.subjects:
                return bundle
        marks = f"<{minted.value}> ".encode(), f"\n<{minted.value}> ".encode()
        for bundle in self.all_bundles():
            if bundle.nquads.startswith(marks[0]) or marks[1] in bundle.nquads:
                return bundle
        return None

    def _by_name(self, name: NamedNode) -> _Bundle | None:
        for quad in self.graph.match(name, PM.sequence, None, JOURNAL_GRAPH):
            assert isinstance(quad.object, Literal)
            entry = self._entry(int(quad.object.value))
            bundle = self._read(entry) if entry else None
            if bundle and bundle.iri == name:
                return bundle
        return None

    def _mentioned(self, bundle: _Bundle) -> Iterator[NamedNode]:
        own = {base_iri(subject) for subject in bundle.subjects}
        for quad in bundle.quads:
            if isinstance(quad.object, NamedNode) and quad.object.value.startswith("urn:uuid:"):
                node = base_iri(quad.object)
                if node not in own:
                    yield node

    def _about(self, bundle: _Bundle) -> Iterator[NamedNode]:
        for subject in bundle.subjects:
            for predicate in _LATER:
                for quad in self.graph.match(None, predicate, subject):
                    if isinstance(quad.subject, NamedNode):
                        yield base_iri(quad.subject)

    def _reports_on(self, artifact: NamedNode) -> Iterator[NamedNode]:
        for quad in self.graph.match(None, PM.reportsOn, artifact):
            if isinstance(quad.subject, NamedNode):
                yield quad.subject

    # ---------------------------------------------------------------------- the checks

    def check_journal(self, kept_head: str | None) -> None:
        """Every line has its digest and follows the one before; the kept head is among them."""
        self.examined["journal"] += self.journal.refresh()
        for damage in self.journal.damages():
            self._add("journal", str(self.journal.path), damage)
        heads = () if kept_head is None else (entry.digest for entry in self._entries())
        if kept_head is not None and kept_head not in (GENESIS, *heads):
            problem = f"no entry has the digest {kept_head}, which was its head once"
            self._add("journal", str(self.journal.path), problem)

    def _prove(self, entry: Entry) -> None:
        proof = self.journal.inclusion_proof(entry.sequence)
        if not verify_inclusion(entry, proof):
            place = f"journal entry {entry.sequence}"
            self._add("journal", place, "is not in the Merkle tree over the journal")

    def check_graph(self, bundles: Iterable[_Bundle]) -> None:
        """The graph holds exactly the statements of these bundles."""
        expected: dict[NamedNode, set[Quad]] = {}
        for bundle in bundles:
            for quad in bundle.quads:
                if isinstance(quad.graph_name, NamedNode):
                    expected.setdefault(quad.graph_name, set()).add(quad)
            self._compare(
                bundle.iri.value,
                set(journal_quads(bundle.iri, bundle.entry)),
                set(self.graph.match(subject=bundle.iri, graph=JOURNAL_GRAPH)),
            )
        for name, quads in expected.items():
            self._compare(name.value, quads, set(self.graph.quads(name)))
        for quad in self._said_elsewhere(bundles, expected):
            self._add_unstated(quad)
        self._check_strays()

    def _said_elsewhere(
        self, bundles: Iterable[_Bundle], graphs: Container[object]
    ) -> Iterator[Quad]:
        """What other graphs say of the nodes of these bundles, which only their own graphs may.

        Other bundles may point at a node that is minted, if their bytes say so.
        """
        journalled = {bundle.iri for bundle in bundles}
        for node in sorted({node for bundle in bundles for node in bundle.subjects}, key=str):
            for quad in self.graph.match(subject=node):
                compared = quad.graph_name == JOURNAL_GRAPH and node in journalled
                if not compared and quad.graph_name not in graphs:
                    yield quad
            for quad in () if is_ni_iri(node) else self.graph.match(object_=node):
                if quad.graph_name not in graphs and not self._is_stated(quad):
                    yield quad

    def _is_stated(self, quad: Quad) -> bool:
        name = quad.graph_name
        if name not in self._stated:
            bundle = self._by_name(name) if isinstance(name, NamedNode) else None
            self._stated[name] = frozenset(bundle.quads if bundle else ())
        return quad in self._stated[name]

    def _check_strays(self) -> None:
        for quad in self.graph.strays():
            self._add_unstated(quad)

    def compare_graphs(self, replay: StoreReader) -> None:
        """The graph holds exactly what the bundles and the journal give, and nothing else."""
        names = {*self.graph.graphs()}
        names.update(name for name in replay.store.named_graphs() if isinstance(name, NamedNode))
        for name in self.progress.track(sorted(names, key=str), len(names), "comparing the graph"):
            expected = set(replay.match(graph=name))
            self._compare(name.value, expected, set(self.graph.quads(name)))
        self._check_strays()

    def _compare(self, place: str, expected: set[Quad], found: set[Quad]) -> None:
        self.examined["graph"] += len(expected)
        for quad in sorted(expected - found, key=str):
            self._add("graph", place, f"lacks the triple {_triple(quad)}")
        for quad in sorted(found - expected, key=str):
            self._add_unstated(quad)

    def _add_unstated(self, quad: Quad) -> None:
        name = quad.graph_name
        place = name.value if isinstance(name, NamedNode) else "no named graph"
        self._add("graph", place, f"has the triple {_triple(quad)}, which no record states")

    def check_shapes(self, bundles: Iterable[_Bundle], replay: StoreReader) -> None:
        """Each record conforms, judged in order and from an empty graph on.

        Args:
            bundles: The bundles in the order of the journal.
            replay: An empty graph, which will hold them all.
        """
        self._begin("shapes")
        validators: dict[str, Validator] = {}
        for bundle in bundles:
            version = _shapes_version(bundle)
            if version not in shapes_versions():
                problem = f"was committed under version {version} of the shapes, unknown here"
                self._add("shapes", bundle.iri.value, problem)
                version = SHAPES_VERSION
            if version not in validators:
                validators[version] = Validator(self.engine, version)
            record = Record(bundle.iri, bundle.nquads)
            for violation in validators[version].validate(record, replay):
                self._add("shapes", bundle.iri.value, str(violation))
            replay.store.extend(bundle.all_quads)
            self.examined["shapes"] += 1

    def check_files(self, bundles: Iterable[_Bundle]) -> None:
        """Every file that these bundles need is here, and each that is here has its digest.

        The text of a data set need not be here; its record names its source.
        """
        self._begin("files")
        references = References()
        for bundle in bundles:
            references.add(bundle.entry, bundle.nquads)
        required = references.required()
        present = {digest for digest in references.live() - required if self.blobs.has(digest)}
        digests = sorted((required | present) - references.bundles)
        size = total_size(self.blobs, digests)
        with counting(self.progress, size, "hashing files", MEGABYTE) as seen:
            for digest in digests:
                self.examined["files"] += 1
                for damage in self.blobs.verify(digest, seen):
                    self._add("files", references.describe(digest), str(damage))

    def check_evidence(self, bundles: Iterable[_Bundle]) -> None:
        """No edge of the lineage was refuted."""
        self._begin("evidence")
        for bundle in bundles:
            edges = {ev: edge for about in _EDGES for ev, edge in bundle.values(about)}
            verdicts = dict(bundle.values(PM.verdict))
            for evidence, edge in edges.items():
                self.examined["evidence"] += 1
                if verdicts.get(evidence) == PM.refuted:
                    self._add("evidence", str(edge), _refutation(bundle, evidence))

    # ---------------------------------------------------------------------- the result

    def result(self, subject: NamedNode | None) -> Verification:
        """Sums up."""
        checks = tuple(
            CheckResult(name, self.examined[name], tuple(dict.fromkeys(found)))
            for name, found in self.findings.items()
        )
        root = self.journal.root().hex()
        return Verification(subject, checks, len(self.journal), self.journal.head(), root)

    def _begin(self, name: str) -> None:
        self.findings[name] = []
        self.examined[name] = 0

    def _add(self, check: str, place: str, problem: str) -> None:
        self.findings[check].append(Finding(place, problem))


def _triple(quad: Quad) -> str:
    return f"{quad.subject} {quad.predicate} {quad.object}"


def _shapes_version(bundle: _Bundle) -> str:
    versions: Mapping[NamedNode, NamedNode | Literal] = dict(bundle.values(PM.shapesVersion))
    return versions[bundle.iri].value if bundle.iri in versions else SHAPES_VERSION


def _refutation(bundle: _Bundle, evidence: NamedNode) -> str:
    said = [
        value.value
        for predicate in (PM.claim, PM.detail)
        for subject, value in bundle.values(predicate)
        if subject == evidence
    ]
    return f"was refuted by {evidence.value}: {'; '.join(said)}"
