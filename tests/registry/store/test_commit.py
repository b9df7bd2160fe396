"""Commits through the real validator."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from pyoxigraph import Literal, Quad

from pressmark.ontology.terms import PM, RDF
from pressmark.registry.errors import RecordRefusedError
from pressmark.registry.ids import new_iri
from pressmark.registry.record import Record, canonical_nquads
from pressmark.registry.references import References
from pressmark.registry.registry import Registry
from pressmark.registry.verify import verify_all

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


def test_a_record_whose_files_nobody_has_is_refused(
    strict: Registry, records: ModuleType, new_file: NewFile
) -> None:
    """Else it would be acknowledged, and found damaged for ever."""
    path = new_file()
    record = records.registration([path, new_file()], name="lost")
    sha256 = records.entry(path).sha256
    others = {digest: file for digest, file in record.files.items() if digest != sha256}
    for session in (False, True):
        with (
            strict.writing() if session else nullcontext(),
            pytest.raises(RecordRefusedError) as caught,
        ):
            strict.commit(replace(record, files=others))
    (violation,) = caught.value.violations
    assert violation.shape == "bringsItsFiles"
    assert violation.value.startswith(f"{path.name} of lost <")
    assert violation.value.endswith(f"sha256 {sha256}")
    assert strict.violations(replace(record, files=others)) == (violation,)
    assert list(strict.blobs.digests()) == []
    assert len(strict.journal) == 0
    strict.blobs.put_file(path)
    strict.commit(replace(record, files=others))
    assert verify_all(strict).ok


def test_recipes_must_be_here_and_data_sets_may(
    strict: Registry, records: ModuleType, new_file: NewFile
) -> None:
    base, pruned, text, recipe = new_iri(), new_iri(), new_file(), new_file()
    strict.commit(records.registration([new_file()], artifact=base))
    opened, finished, closed = records.pruning([new_file()], base, pruned, text, recipe)
    with pytest.raises(RecordRefusedError, match="the recipe prune, sha256"):
        strict.commit(replace(opened, files={}))
    del finished.files[records.entry(text).sha256]
    for record in (opened, finished, closed):
        strict.commit(record)
    assert verify_all(strict).ok


def test_what_is_known_by_claim_alone_need_not_be_here() -> None:
    claimed, content, file, bundle = (new_iri() for _ in range(4))
    said = [
        (claimed, RDF.type, PM.ExternalArtifact),
        (claimed, PM.hasContent, content),
        (content, PM.hasFile, file),
        (file, PM.sha256, Literal("0" * 64)),
    ]
    references = References()
    references.read(canonical_nquads(Quad(*one, bundle) for one in said))
    assert references.required() == set()
    assert references.live() == {"0" * 64}


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
