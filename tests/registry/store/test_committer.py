"""A handle whose records another process commits; here, another handle that holds the lock."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pyoxigraph import Literal

from pressmark.registry.errors import RecordRefusedError, StoreError
from pressmark.registry.lifecycle import aliases, set_alias
from pressmark.registry.record import Record
from pressmark.registry.registry import Receipt, Registry

NewFile = Callable[..., Path]


class Neighbour:
    """Commits with a handle of its own, as a server does."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def commit(self, record: Record) -> Receipt:
        receipt = self.registry.commit(Record(record.bundle, record.nquads))
        self.registry.publish()
        return receipt


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Registry]:
    """A registry whose lock is held for the whole test."""
    with Registry.create(tmp_path / "registry") as registry, registry.writing():
        yield registry


@pytest.fixture
def handle(serving: Registry) -> Iterator[Registry]:
    with Registry.open(serving.root, wait=5.0, committer=Neighbour(serving)) as registry:
        yield registry


def test_it_stores_files_itself_and_sees_its_own_commits(
    handle: Registry, serving: Registry, records: ModuleType, new_file: NewFile
) -> None:
    for _ in range(5):  # snapshots are published now and then only
        path = new_file()
        record = records.registration([path])
        receipt = handle.commit(record)
        assert receipt.sequence == len(serving.journal)
        rows = handle.rows("digest_uses", sha256=Literal(records.entry(path).sha256))
        assert rows
        assert serving.blobs.read(records.entry(path).sha256) == path.read_bytes()


def test_sessions_of_it_take_no_lock(
    handle: Registry, serving: Registry, records: ModuleType, new_file: NewFile
) -> None:
    artifact = records.new_iri()
    handle.commit(records.registration([new_file()], artifact=artifact))
    with handle.writing():
        set_alias(handle, "prod", artifact, records.circumstances())
    assert aliases(handle) == aliases(serving) == {"prod": artifact}


def test_what_the_other_refuses_is_refused(
    handle: Registry, serving: Registry, records: ModuleType, new_file: NewFile
) -> None:
    known = len(serving.journal)
    unknown = records.new_iri()
    with pytest.raises(RecordRefusedError):
        handle.commit(records.registration([new_file()], parents=[unknown]))
    assert len(serving.journal) == known


def test_what_is_published_is_seen_at_once(
    serving: Registry, records: ModuleType, new_file: NewFile
) -> None:
    with Registry.open(serving.root, wait=0.0) as reader:
        for _ in range(5):
            receipt = serving.commit(records.registration([new_file()]))
            serving.publish()
            reader.await_entry(receipt.sequence)


def test_an_entry_that_never_comes_is_not_waited_for_for_ever(serving: Registry) -> None:
    with Registry.open(serving.root, wait=0.2) as reader:
        reader.await_entry(len(serving.journal))
        with pytest.raises(StoreError, match="entry 9 of the journal"):
            reader.await_entry(9)
