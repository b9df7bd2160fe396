import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, Store, parse

from pressmark.ontology.terms import PM
from pressmark.registry.errors import (
    BlobDamagedError,
    InvalidInputError,
    NotFoundError,
    RecordRefusedError,
    StoreDamagedError,
    StoreVersionError,
    Violation,
)
from pressmark.registry.graph import GraphReader
from pressmark.registry.ids import new_iri
from pressmark.registry.index import bundle_at
from pressmark.registry.record import Record
from pressmark.registry.registry import Registry

NewFile = Callable[..., Path]
Reopen = Callable[[], Registry]
JOURNAL = NamedNode("urn:pressmark:journal")


def all_quads(graph: GraphReader) -> set[Quad]:
    return {quad for name in graph.graphs() for quad in graph.quads(name)}


def expected_quads(registry: Registry) -> set[Quad]:
    """What the graph must hold, from the journal file and the blobs alone."""
    quads: set[Quad] = set()
    for number, line in enumerate((registry.root / "journal").read_text().splitlines(), start=1):
        digest = line.split()[1]
        found = list(parse(registry.blobs.read(digest), format=RdfFormat.N_QUADS))
        bundle = next(q.graph_name for q in found if str(q.graph_name).startswith("<urn:uuid:"))
        assert isinstance(bundle, NamedNode)
        quads.update(found)
        quads.add(Quad(bundle, PM.sequence, Literal(number), JOURNAL))
        quads.add(Quad(bundle, PM.bundleDigest, Literal(digest), JOURNAL))
    return quads


def test_a_new_registry_is_empty_and_readable(registry: Registry, reopened: Reopen) -> None:
    assert reopened().rows("graphs") == []
    assert len(reopened().journal) == 0
    config = json.loads((registry.root / "registry.json").read_text())
    assert config["format"] == 1


def test_a_node_is_known_once_something_is_said_of_it(
    registry: Registry, reopened: Reopen, records: ModuleType, new_file: NewFile
) -> None:
    base, other = new_iri(), new_iri()
    assert not registry.knows(base)
    registry.commit(records.registration([new_file()], artifact=base))
    with registry.writing():
        registry.commit(records.registration([new_file()], [base], artifact=other))
        assert registry.knows(other)
    assert reopened().knows(base)
    assert not reopened().knows(new_iri())


def test_a_commit_is_journalled_stored_and_seen(
    registry: Registry, reopened: Reopen, records: ModuleType, new_file: NewFile
) -> None:
    path = new_file()
    record = records.registration([path])
    receipt = registry.commit(record)
    assert (receipt.sequence, receipt.digest) == (1, record.digest)
    assert receipt.head == registry.journal.head()
    for handle in (registry, reopened()):
        assert handle.blobs.read(record.digest) == record.nquads
        assert handle.blobs.read(records.entry(path).sha256) == path.read_bytes()
        assert all_quads(handle.graph()) == expected_quads(registry)
        assert bundle_at(handle.graph(), 1) == record.bundle
        assert handle.read_bundle(handle.journal.entry(1)) == record.nquads


def test_committing_again_changes_nothing(
    registry: Registry, reopened: Reopen, records: ModuleType, new_file: NewFile
) -> None:
    first, second = records.registration([new_file()]), records.registration([new_file()])
    receipt = registry.commit(first)
    registry.commit(second)
    journal = (registry.root / "journal").read_bytes()
    assert registry.commit(first) == receipt
    assert reopened().commit(first) == receipt
    assert (registry.root / "journal").read_bytes() == journal


def test_shared_descriptions_are_kept_once(
    registry: Registry, records: ModuleType, new_file: NewFile
) -> None:
    path = new_file()
    registry.commit(records.registration([path]))
    before = len(registry.rows("graphs"))
    registry.commit(records.registration([path]))
    assert len(registry.rows("graphs")) == before + 1
    answer = registry.sparql(f"SELECT ?e WHERE {{ ?e a <{PM.Engine.value}> }}")
    assert isinstance(answer, list)
    assert len(answer) == 1


class RefuseAll:
    def validate(self, record: Record, graph: GraphReader) -> tuple[Violation, ...]:
        return (Violation(record.bundle.value, "", "AnyShape", "is refused in this test"),)


def test_nothing_of_a_refused_record_is_stored(
    registry: Registry, reopened: Reopen, records: ModuleType, new_file: NewFile
) -> None:
    refusing = Registry.open(registry.root, validator=RefuseAll())
    record = records.registration([new_file()])
    with pytest.raises(RecordRefusedError, match="is refused in this test") as caught:
        refusing.commit(record)
    assert caught.value.violations[0].shape == "AnyShape"
    with refusing.writing(), pytest.raises(RecordRefusedError):
        refusing.commit(record)
    assert list(registry.blobs.digests()) == []
    assert len(reopened().journal) == 0
    assert reopened().rows("graphs") == []


def test_a_file_that_changed_after_it_was_recorded_is_refused(
    registry: Registry, records: ModuleType, new_file: NewFile
) -> None:
    path = new_file()
    record = records.registration([path])
    path.write_bytes(b"something else")
    with pytest.raises(BlobDamagedError, match=path.name):
        registry.commit(record)
    assert len(registry.journal) == 0


def test_a_session_sees_its_own_commits_and_others_after_it(
    registry: Registry, reopened: Reopen, records: ModuleType, new_file: NewFile
) -> None:
    reader = reopened()
    with registry.writing():
        for _ in range(3):
            registry.commit(records.registration([new_file()]))
            assert all_quads(registry.graph()) == expected_quads(registry)
    assert all_quads(reader.graph()) == expected_quads(registry)


def test_sessions_nest(registry: Registry, records: ModuleType, new_file: NewFile) -> None:
    with registry.writing():
        with registry.writing():
            registry.commit(records.registration([new_file()]))
        registry.commit(records.registration([new_file()]))
    assert all_quads(registry.graph()) == expected_quads(registry)


def test_threads_share_a_handle(registry: Registry, records: ModuleType, new_file: NewFile) -> None:
    made = [records.registration([new_file()]) for _ in range(24)]
    errors: list[Exception] = []

    def commit(part: list[Record]) -> None:
        try:
            for record in part:
                registry.commit(record)
                rows = registry.rows("graphs")
                assert {"graph": record.bundle} in rows
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=commit, args=(made[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(e.bundle_digest for e in registry.journal.entries()) == sorted(
        record.digest for record in made
    )
    assert all_quads(registry.graph()) == expected_quads(registry)


def test_reindex_gives_the_same_quads(
    registry: Registry, reopened: Reopen, records: ModuleType, new_file: NewFile
) -> None:
    for _ in range(5):
        registry.commit(records.registration([new_file()]))
    before = all_quads(registry.graph())
    assert reopened().reindex() == 5
    assert all_quads(reopened().graph()) == before == all_quads(registry.graph())
    with registry.writing():
        assert registry.reindex() == 5
        registry.commit(records.registration([new_file()]))
    assert all_quads(reopened().graph()) == expected_quads(registry)
    assert len([p for p in registry.root.iterdir() if p.name.startswith("graph")]) == 2


def test_reindex_keeps_the_old_graph_when_a_bundle_is_missing(
    registry: Registry, reopened: Reopen, records: ModuleType, new_file: NewFile
) -> None:
    record = records.registration([new_file()])
    registry.commit(record)
    before = all_quads(registry.graph())
    registry.blobs.delete(record.digest)
    with pytest.raises(Exception, match="bundle of journal entry 1 cannot be read"):
        registry.reindex()
    assert all_quads(reopened().graph()) == before


def test_a_graph_that_was_lost_is_made_again(
    registry: Registry, reopened: Reopen, records: ModuleType, new_file: NewFile
) -> None:
    for _ in range(3):
        registry.commit(records.registration([new_file()]))
    before = all_quads(registry.graph())
    registry.close()
    (registry.root / "graph").unlink()
    (registry.root / "snapshots" / "current").unlink()
    assert all_quads(reopened().graph()) == before


def test_many_missing_entries_are_added_in_bulk(
    registry: Registry,
    reopened: Reopen,
    records: ModuleType,
    new_file: NewFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(4):
        registry.commit(records.registration([new_file()]))
    registry.close()
    (registry.root / "graph").unlink()
    (registry.root / "snapshots" / "current").unlink()
    monkeypatch.setattr("pressmark.registry.access._BULK_ENTRIES", 2)
    assert all_quads(reopened().graph()) == expected_quads(registry)


def test_a_graph_ahead_of_the_journal_is_damage(
    registry: Registry, reopened: Reopen, records: ModuleType, new_file: NewFile
) -> None:
    for _ in range(3):
        registry.commit(records.registration([new_file()]))
    journal = registry.root / "journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:2]))
    with pytest.raises(StoreDamagedError, match="has entry 3 of the journal"):
        reopened().commit(records.registration([new_file()]))


def test_what_an_oxigraph_store_does_not_hold_in_its_own_words(
    registry: Registry, records: ModuleType, new_file: NewFile
) -> None:
    """The store's dump, sorted, is the sum of the bundles: nothing is added or rewritten."""
    for _ in range(3):
        registry.commit(records.registration([new_file()]))
    registry.close()
    store = Store(registry.root / "graph")
    lines = set((store.dump(format=RdfFormat.N_QUADS) or b"").splitlines())
    del store
    bundles = [registry.read_bundle(entry) for entry in registry.journal.entries()]
    assert {line for nquads in bundles for line in nquads.splitlines()} == {
        line for line in lines if b"<urn:pressmark:journal>" not in line
    }


def test_a_registry_is_not_made_twice(registry: Registry) -> None:
    with pytest.raises(InvalidInputError, match="already"):
        Registry.create(registry.root)


def test_a_folder_without_registry_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="pressmark init"):
        Registry.open(tmp_path)


def test_file_urls_are_paths_and_others_are_refused(registry: Registry) -> None:
    assert Registry.open(f"file://{registry.root}").root == registry.root
    with pytest.raises(InvalidInputError, match="--blobs URL"):
        Registry.open("s3://bucket/registry")


@pytest.mark.parametrize(
    ("change", "message", "command"),
    [
        ({"format": 2}, "has format 2", "pip install --upgrade pressmark"),
        ({"format": 0, "pressmark": "0.0.9"}, "has format 0", "pressmark==0.0.9"),
        ({"shapes": "99.0.0"}, "version 99.0.0 of the shapes", "pip install --upgrade"),
    ],
)
def test_other_versions_are_refused_with_a_command(
    registry: Registry, change: dict[str, object], message: str, command: str
) -> None:
    path = registry.root / "registry.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(StoreVersionError, match=message) as caught:
        Registry.open(registry.root)
    assert command in caught.value.hint


@pytest.mark.parametrize("key", ["ontology", "shapes", "blobs", "graph", "pressmark"])
def test_a_wrong_key_of_the_configuration_is_named(registry: Registry, key: str) -> None:
    path, wrong = registry.root / "registry.json", f"{key[:-1]}_"
    path.write_text(path.read_text().replace(f'"{key}":', f'"{wrong}":'))
    with pytest.raises(StoreDamagedError) as caught:
        Registry.open(registry.root)
    assert f"the key '{wrong}' is unknown; the key '{key}' is missing" in caught.value.message


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1, "colour": "red"}'])
def test_a_malformed_configuration_is_damage(registry: Registry, text: str) -> None:
    (registry.root / "registry.json").write_text(text)
    with pytest.raises(StoreDamagedError, match=r"registry\.json"):
        Registry.open(registry.root)


def test_blobs_may_be_elsewhere(tmp_path: Path, records: ModuleType, new_file: NewFile) -> None:
    made = Registry.create(
        tmp_path / "r", blobs="memory://elsewhere", validator=records.AcceptAll()
    )
    made.commit(records.registration([new_file()]))
    again = Registry.open(tmp_path / "r")
    assert all_quads(again.graph()) == expected_quads(again)
    assert not (tmp_path / "r" / "blobs").exists()


def test_queries_that_cannot_be_answered_say_so(registry: Registry) -> None:
    with pytest.raises(InvalidInputError, match="SPARQL"):
        registry.sparql("SELECT nonsense")
    with pytest.raises(InvalidInputError, match="SPARQL"):
        registry.sparql("INSERT DATA { <urn:a> <urn:b> <urn:c> }")
    with pytest.raises(InvalidInputError, match="colour"):
        registry.rows("graphs", colour=Literal("red"))
    with pytest.raises(KeyError, match="no query named 'nonsense'"):
        registry.rows("nonsense")
    assert registry.sparql("ASK { ?s ?p ?o }") is False
    assert registry.sparql("CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o }") == []
