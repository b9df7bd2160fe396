"""One flipped byte or statement anywhere is found, and named."""

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from pyoxigraph import DefaultGraph, Literal, NamedNode, Quad, Store

from pressmark.ontology.terms import PM, PROV, RDFS
from pressmark.registry.errors import NotFoundError, StoreDamagedError
from pressmark.registry.ids import new_iri
from pressmark.registry.index import bundle_at
from pressmark.registry.layout import object_key
from pressmark.registry.registry import Registry
from pressmark.registry.verify import Verification, verify, verify_all

NewFile = Callable[..., Path]

JOURNAL = NamedNode("urn:pressmark:journal")
TENSORS = {"model.a.weight": 1_200_000, "model.b.weight": 1_500_000, "model.norm.weight": 64}


class History(NamedTuple):
    registry: Registry
    base: NamedNode
    pruned: NamedNode
    other: NamedNode
    calibrated: NamedNode
    weights: str
    text: str


def safetensors(seed: int) -> bytes:
    header, offset = {}, 0
    for name, size in TENSORS.items():
        header[name] = {"dtype": "U8", "shape": [size], "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes((n * seed) % 251 for n in range(offset))


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory, records: ModuleType) -> History:
    folder = tmp_path_factory.mktemp("verify")
    weights, config, noise = (folder / n for n in ("model.safetensors", "config.json", "noise"))
    weights.write_bytes(safetensors(7))
    config.write_text("{}")
    noise.write_bytes(b"noise" * 100)
    registry = Registry.create(folder / "registry")
    base, pruned, other = new_iri(), new_iri(), new_iri()
    registry.commit(records.registration([config, noise], artifact=base, name="base"))
    registry.commit(records.registration([weights, config], [base], pruned, name="pruned"))
    registry.commit(records.check(pruned, holds=True))
    registry.commit(records.registration([noise], artifact=other, name="other"))
    text, recipe, calibrated = folder / "text", folder / "recipe.yaml", new_iri()
    text.write_text("it was calibrated on this " * 20)
    recipe.write_text("name: prune")
    for record in records.pruning([config], other, calibrated, text, recipe):
        registry.commit(record)
    registry.close()
    digests = (records.entry(path).sha256 for path in (weights, text))
    return History(registry, base, pruned, other, calibrated, *digests)


@pytest.fixture
def history(pristine: History) -> Iterator[History]:
    """The history; every byte that a test changes is put back."""
    yield pristine
    pristine.registry.close()


class Flipped:
    """One changed byte, for the length of a with block."""

    def __init__(self, path: Path, place: int) -> None:
        self.path, self.place = path, place

    def __enter__(self) -> None:
        self.original = self.path.read_bytes()
        changed = bytearray(self.original)
        changed[self.place] ^= 1
        self.path.write_bytes(changed)

    def __exit__(self, *_: object) -> None:
        self.path.write_bytes(self.original)


def problems(verification: Verification) -> dict[str, list[str]]:
    return {c.name: [str(f) for f in c.findings] for c in verification.checks if not c.ok}


def blob_files(registry: Registry) -> list[Path]:
    return sorted(
        path
        for folder in ("objects", "layouts")
        for path in (registry.root / "blobs" / folder).rglob("*")
        if path.is_file()
    )


def test_an_untouched_history_is_sound(history: History) -> None:
    for artifact in (history.base, history.pruned, history.other, history.calibrated):
        for deep in (False, True):
            found = verify(history.registry, artifact, deep=deep)
            assert found.ok, problems(found)
            assert found.subject == artifact
            assert found.head == history.registry.journal.head()
    everything = verify_all(history.registry)
    assert everything.ok, problems(everything)
    assert everything.entries == 7
    counts = {check.name: check.examined for check in everything.checks}
    assert counts["journal"] == 7
    assert counts["shapes"] == 7
    assert counts["files"] == 5


def test_only_what_the_lineage_rests_on_is_examined(history: History) -> None:
    counts = {c.name: c.examined for c in verify(history.registry, history.pruned).checks}
    assert counts["bundles"] == 3, "its own, its parent's and the check's"
    assert counts["files"] == 2
    deep = {c.name: c.examined for c in verify(history.registry, history.pruned, deep=True).checks}
    assert deep["files"] == 3
    base = {c.name: c.examined for c in verify(history.registry, history.base).checks}
    assert base["bundles"] == 1


def test_an_unknown_artifact_is_not_verified(history: History) -> None:
    with pytest.raises(NotFoundError, match="no record speaks of"):
        verify(history.registry, new_iri())


def test_one_byte_of_any_blob(history: History) -> None:
    """Of every stored file, chunk and layout; also through the artifact that needs it."""
    paths = blob_files(history.registry)
    assert len(paths) > 8
    for number, path in enumerate(paths):
        size = path.stat().st_size
        with Flipped(path, (0, size // 2, size - 1)[number % 3]):
            assert problems(verify_all(history.registry)), path
            pruned = problems(verify(history.registry, history.pruned, deep=True))
            other = problems(verify(history.registry, history.other))
            calibrated = problems(verify(history.registry, history.calibrated))
            assert {"files", "bundles"} & {*pruned, *other, *calibrated}, path
    assert verify_all(history.registry).ok


def test_a_data_set_need_not_be_here_but_must_be_whole(history: History) -> None:
    registry = history.registry
    path = registry.root / "blobs" / object_key(history.text)
    with Flipped(path, 3):
        for verification in (verify_all(registry), verify(registry, history.calibrated)):
            (finding,) = verification.findings
            assert finding.place == "the data set text"
    data = path.read_bytes()
    path.unlink()
    assert verify_all(registry).ok
    path.write_bytes(data)


def test_the_tensor_is_named(history: History) -> None:
    layout = history.registry.blobs.layout(history.weights)
    assert layout is not None
    named = set()
    for chunk in layout.chunks:
        path = history.registry.root / "blobs" / object_key(chunk.digest)
        with Flipped(path, chunk.length - 1):
            found = verify(history.registry, history.pruned)
            (finding,) = found.findings
            assert finding.place.startswith("model.safetensors of pruned")
            named |= {name for name in TENSORS if name in finding.problem}
    assert named == set(TENSORS)


def test_a_missing_blob_is_named(history: History) -> None:
    registry = history.registry
    for digest, check in (
        (history.weights, "files"),
        (registry.journal.entry(1).bundle_digest, "bundles"),
    ):
        paths = [path for path in blob_files(registry) if path.parent.name + path.name == digest]
        (path,) = paths
        data = path.read_bytes()
        path.unlink()
        found = problems(verify(registry, history.pruned, deep=True))
        assert any(digest in text for text in found[check]), found
        path.write_bytes(data)


def test_one_byte_of_the_journal(history: History) -> None:
    path = history.registry.root / "journal"
    size = path.stat().st_size
    width = size // 7
    for place in range(0, size, 29):
        with Flipped(path, place):
            found = tolerant(lambda: verify(Registry.open(history.registry.root), history.pruned))
        assert f"line {place // width + 1} of the journal" in found
    assert verify(history.registry, history.pruned).ok


def tolerant(run: Callable[[], Verification]) -> str:
    """All findings as text. If the end of the journal is damaged, opening says so already."""
    try:
        return "\n".join(str(finding) for finding in run().findings)
    except StoreDamagedError as error:
        return str(error)


class Changed:
    """Statements added to or removed from the graph itself, for the length of a with block."""

    def __init__(self, registry: Registry, *quads: Quad, add: bool) -> None:
        self.path, self.quads, self.add = registry.root / "graph", quads, add

    def change(self, add: bool) -> None:
        store = Store(self.path.resolve())
        for quad in self.quads:
            (store.add if add else store.remove)(quad)
        del store

    def __enter__(self) -> None:
        self.change(self.add)

    def __exit__(self, *_: object) -> None:
        self.change(not self.add)


def graph_quads(registry: Registry) -> list[Quad]:
    store = Store((registry.root / "graph").resolve())
    return sorted(store, key=str)


def triple(quad: Quad) -> str:
    return f"{quad.subject} {quad.predicate} {quad.object}"


def test_any_statement_that_is_missing_from_the_graph(history: History) -> None:
    """Every second one at once, then each statement of the journal's graph alone."""
    quads = graph_quads(history.registry)
    journal = [quad for quad in quads if quad.graph_name == JOURNAL]
    others = [quad for quad in quads if quad.graph_name != JOURNAL]
    assert len(journal) == 14
    for half in (others[::2], others[1::2]):
        with Changed(history.registry, *half, add=False):
            found = problems(verify_all(history.registry))
            assert set(found) == {"graph"}
            assert len(found["graph"]) == len(half)
            assert all(triple(quad) in "\n".join(found["graph"]) for quad in half)
    for quad in journal:
        with Changed(history.registry, quad, add=False):
            found = problems(verify_all(history.registry))
            assert triple(quad) in "\n".join(found["graph"])
    assert verify_all(history.registry).ok


def test_a_statement_missing_from_the_lineage_is_found_from_the_artifact(history: History) -> None:
    bundle = bundle_at(history.registry.graph(), 2)
    quads = graph_quads(history.registry)
    journal = [quad for quad in quads if quad.graph_name == JOURNAL and quad.subject == bundle]
    for quad in [*journal, *[quad for quad in quads if quad.graph_name == bundle][::4]]:
        with Changed(history.registry, quad, add=False):
            found = problems(verify(history.registry, history.pruned))
            assert any(triple(quad) in text for text in found["graph"]), quad


@pytest.mark.parametrize("lie", ["a false label", "a false parent", "a false alias"])
@pytest.mark.parametrize(
    "place",
    ["bundle", "another's bundle", "description", "journal", "unknown graph", "default graph"],
)
def test_an_added_statement_is_named(history: History, place: str, lie: str) -> None:
    """By the verification of everything, and by that of the artifact which it concerns."""
    bundle, another = (bundle_at(history.registry.graph(), sequence) for sequence in (2, 4))
    description = next(
        quad.graph_name
        for quad in graph_quads(history.registry)
        if str(quad.graph_name).startswith("<ni:")
    )
    graph = {
        "bundle": bundle,
        "another's bundle": another,
        "description": description,
        "journal": JOURNAL,
        "unknown graph": new_iri(),
        "default graph": DefaultGraph(),
    }[place]
    extra = {
        "a false label": (history.pruned, RDFS.label, Literal("a lie")),
        "a false parent": (history.pruned, PROV.wasDerivedFrom, history.other),
        "a false alias": (new_iri(), PM.assigns, history.pruned),
    }[lie]
    quad = Quad(*extra, graph)  # type: ignore[arg-type]
    with Changed(history.registry, quad, add=True):
        for verification in (
            verify_all(history.registry),
            verify(history.registry, history.pruned),
        ):
            found = problems(verification)
            assert "graph" in found
            assert any(triple(quad) in text for text in found["graph"])
        assert set(problems(verify_all(history.registry))) == {"graph"}
    assert verify_all(history.registry).ok


@pytest.mark.parametrize("about", ["a description", "a place in the journal"])
def test_an_added_statement_about_what_a_bundle_needs(history: History, about: str) -> None:
    bundle = bundle_at(history.registry.graph(), 2)
    assert bundle is not None
    description = next(
        quad.subject
        for quad in graph_quads(history.registry)
        if quad.graph_name == quad.subject and quad.object == PM.Environment
    )
    quad = {
        "a description": Quad(description, PM.threadCount, Literal(99), new_iri()),  # type: ignore[arg-type]
        "a place in the journal": Quad(bundle, PM.sequence, Literal(1), JOURNAL),
    }[about]
    with Changed(history.registry, quad, add=True):
        for verification in (
            verify_all(history.registry),
            verify(history.registry, history.pruned),
        ):
            assert any(triple(quad) in text for text in problems(verification)["graph"])


def test_a_changed_statement_is_named_twice(history: History) -> None:
    """What was said, and what is said now."""
    label = next(
        quad
        for quad in graph_quads(history.registry)
        if quad.subject == history.pruned and quad.predicate == RDFS.label
    )
    lie = Quad(label.subject, label.predicate, Literal("a lie"), label.graph_name)
    with Changed(history.registry, label, add=False), Changed(history.registry, lie, add=True):
        texts = problems(verify(history.registry, history.pruned))["graph"]
    assert [triple(label) in text for text in texts] == [True, False]
    assert triple(lie) in texts[1]


def test_evidence_against_an_edge_is_a_finding(tmp_path: Path, records: ModuleType) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    registry = Registry.create(tmp_path / "registry")
    base, pruned, child = new_iri(), new_iri(), new_iri()
    registry.commit(records.registration([path], artifact=base))
    registry.commit(records.registration([path], [base], pruned))
    registry.commit(records.registration([path], [pruned], child))
    assert verify(registry, child).ok
    registry.commit(records.check(pruned, holds=True))
    registry.commit(records.check(pruned, holds=False))
    for artifact in (pruned, child):
        found = problems(verify(registry, artifact))
        assert set(found) == {"evidence"}
        assert "every zero of the parent is zero" in found["evidence"][0]
    assert verify(registry, base).ok
    assert verify_all(registry).ok, "a refuted edge is the truth, and no damage"


def test_a_record_that_should_have_been_refused_is_found(
    tmp_path: Path, records: ModuleType
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    careless = Registry.create(tmp_path / "registry", validator=records.AcceptAll())
    artifact = new_iri()
    careless.commit(records.registration([path], [new_iri()], artifact))
    found = problems(verify(Registry.open(careless.root), artifact))
    assert found["shapes"]
    assert problems(verify_all(careless))["shapes"]


def test_a_server_in_writing_does_not_hinder_verification(history: History) -> None:
    reader = Registry.open(history.registry.root, wait=0.1)
    with history.registry.writing():
        history.registry.refresh()  # a test before may have changed the graph for a moment
        assert verify(reader, history.pruned).ok


def test_a_head_that_was_kept_elsewhere_must_still_be_there(
    tmp_path: Path, records: ModuleType, new_file: NewFile
) -> None:
    registry = Registry.create(tmp_path / "registry")
    artifact = new_iri()
    registry.commit(records.registration([new_file()], artifact=artifact))
    first = registry.journal.head()
    last = registry.commit(records.registration([new_file()])).head
    for head in (first, last, "0" * 64, None):
        assert verify(registry, artifact, kept_head=head).ok
        assert verify_all(registry, kept_head=head).ok
    cut_last_commit(registry)
    cut = Registry.open(registry.root)
    assert verify_all(cut).ok, "a history that ends earlier is sound in itself"
    assert verify_all(cut, kept_head=first).ok
    assert (
        f"no entry has the digest {last}" in problems(verify_all(cut, kept_head=last))["journal"][0]
    )
    assert not verify(cut, artifact, kept_head=last).ok


def cut_last_commit(registry: Registry) -> None:
    """Takes the last commit out of the journal, and the graph with it."""
    registry.close()
    journal = registry.root / "journal"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    Registry.open(registry.root).reindex()


def test_a_snapshot_that_was_tampered_with_is_not_believed(
    registry: Registry, reopened: Callable[[], Registry], records: ModuleType, new_file: NewFile
) -> None:
    artifact = new_iri()
    registry.commit(records.registration([new_file()], artifact=artifact))
    registry.close()
    lie = Quad(artifact, RDFS.label, Literal("a lie"), new_iri())
    store = Store((registry.root / "snapshots" / "current").resolve())
    store.add(lie)
    del store
    assert lie in set(reopened().graph().match(artifact))
    verify(reopened(), artifact)
    assert lie not in set(reopened().graph().match(artifact))
