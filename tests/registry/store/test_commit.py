"""Commits through the real validator."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from pyoxigraph import Quad

from pressmark.ontology.terms import PM, RDF
from pressmark.registry.errors import RecordRefusedError
from pressmark.registry.ids import new_iri
from pressmark.registry.record import Record, canonical_nquads
from pressmark.registry.registry import Registry

NewFile = Callable[..., Path]


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Registry]:
    with Registry.create(tmp_path / "registry") as registry:
        yield registry


def test_a_history_is_accepted(strict: Registry, records: ModuleType, new_file: NewFile) -> None:
    base, pruned = new_iri(), new_iri()
    strict.commit(records.registration([new_file()], artifact=base))
    with strict.writing():
        strict.commit(records.registration([new_file()], [base], artifact=pruned))
        strict.commit(records.check(pruned, holds=True))
    assert len(strict.journal) == 3


def test_a_record_without_types_is_refused_and_nothing_stored(
    strict: Registry, records: ModuleType, new_file: NewFile
) -> None:
    record = records.registration([new_file()])
    quads = [quad for quad in record.quads() if quad.predicate != RDF.type]
    with pytest.raises(RecordRefusedError) as caught:
        strict.commit(Record(record.bundle, canonical_nquads(quads), record.files))
    assert caught.value.violations
    assert list(strict.blobs.digests()) == []
    assert len(strict.journal) == 0


def test_a_bundle_cannot_speak_of_what_another_one_minted(
    strict: Registry, records: ModuleType, new_file: NewFile
) -> None:
    base = new_iri()
    strict.commit(records.registration([new_file()], artifact=base))
    record = records.registration([new_file()])
    quads = [*record.quads(), Quad(base, RDF.type, PM.BaseModel, record.bundle)]
    with pytest.raises(RecordRefusedError, match=base.value):
        strict.commit(replace(record, nquads=canonical_nquads(quads)))


def test_another_record_under_the_same_bundle_is_refused(
    strict: Registry, records: ModuleType, new_file: NewFile
) -> None:
    record = records.registration([new_file()])
    strict.commit(record)
    other = records.registration([new_file()])
    quads = [
        Quad(q.subject, q.predicate, q.object, record.bundle) if q.graph_name == other.bundle else q
        for q in other.quads()
    ]
    with pytest.raises(RecordRefusedError, match=record.bundle.value):
        strict.commit(Record(record.bundle, canonical_nquads(quads), other.files))
