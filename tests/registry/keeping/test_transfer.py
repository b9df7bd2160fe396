import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pressmark.ontology.terms import PM
from pressmark.registry import blobs
from pressmark.registry.errors import (
    BlobDamagedError,
    BlobMissingError,
    FileRefusedError,
    InvalidInputError,
    NotFoundError,
    RecordRefusedError,
    Violation,
)
from pressmark.registry.folders import list_files, safe_name
from pressmark.registry.fsck import fsck
from pressmark.registry.gc import gc
from pressmark.registry.ids import new_iri
from pressmark.registry.layout import object_key
from pressmark.registry.record import Record
from pressmark.registry.registry import Registry
from pressmark.registry.transfer import export_artifact, history, pull, push

Workshop = Any


def bundle_digests(workshop: Workshop) -> list[str]:
    return [entry.bundle_digest for entry in workshop.registry.journal.entries()]


def test_an_artifact_travels_with_its_whole_history(
    workshop: Workshop, new_workshop: Callable[..., Workshop]
) -> None:
    base = workshop.base()
    unrelated = workshop.base(workshop.model(embedding=b"other"))
    pruned = workshop.prune(base)
    sibling = workshop.prune(base)
    workshop.check(pruned)
    workshop.check(sibling)
    workshop.promote(pruned)
    other = new_workshop("other")
    sent = push(workshop.registry, other.registry, pruned)
    # two runs of three bundles, and one check; siblings and aliases stay behind
    assert (sent.sent, sent.known, sent.withheld) == (7, 0, ())
    journal = bundle_digests(workshop)
    assert bundle_digests(other) == journal[0:3] + journal[6:9] + journal[12:13]
    assert other.digests(pruned) == workshop.digests(pruned)
    assert other.digests(unrelated) == {}
    assert fsck(other.registry).defects == ()


def test_a_second_push_sends_only_what_is_new(
    workshop: Workshop, new_workshop: Callable[..., Workshop]
) -> None:
    base = workshop.base()
    pruned = workshop.prune(base)
    other = new_workshop("other")
    push(workshop.registry, other.registry, base)
    workshop.check(pruned)
    second = pull(other.registry, workshop.registry, pruned)
    assert (second.sent, second.known) == (4, 3)
    assert second.blobs == 3  # weights, recipe, log; config.json was there
    again = push(workshop.registry, other.registry, pruned)
    assert (again.sent, again.known, again.blobs) == (0, 7, 0)


def test_only_new_chunks_travel(workshop: Workshop, new_workshop: Callable[..., Workshop]) -> None:
    base = workshop.base()
    pruned = workshop.prune(base)
    other = new_workshop("other")
    push(workshop.registry, other.registry, base)
    before = sum(other.registry.blobs.size(d) for d in other.registry.blobs.digests())
    push(workshop.registry, other.registry, pruned)
    keys = other.registry.blobs.storage.keys("objects")
    after = sum(other.registry.blobs.storage.size(key) or 0 for key in keys)
    assert after - before < 130_000  # the changed tensor has 100,000 of 500,000 bytes


@pytest.mark.parametrize("survivors", range(5))
def test_an_interrupted_push_can_be_repeated(
    workshop: Workshop,
    new_workshop: Callable[..., Workshop],
    monkeypatch: pytest.MonkeyPatch,
    survivors: int,
) -> None:
    pruned = workshop.prune(workshop.base())
    other = new_workshop("other")
    receive, done = blobs.BlobStore.receive, []

    def breaks(store: blobs.BlobStore, source: blobs.BlobStore, digest: str, seen: Any) -> bool:
        if len(done) == survivors:
            raise ConnectionError("the line is dead")
        done.append(digest)
        return receive(store, source, digest, seen)

    monkeypatch.setattr(blobs.BlobStore, "receive", breaks)
    with pytest.raises(ConnectionError):
        push(workshop.registry, other.registry, pruned)
    assert bundle_digests(other) == []
    monkeypatch.undo()
    assert push(workshop.registry, other.registry, pruned).sent == 6
    assert fsck(other.registry).defects == ()


def test_retired_bytes_that_were_collected_are_withheld(
    workshop: Workshop, new_workshop: Callable[..., Workshop]
) -> None:
    base = workshop.base()
    pruned = workshop.prune(base)
    weights = workshop.digests(base)["model.safetensors"]
    workshop.retire(base)
    gc(workshop.registry, grace=0)
    other = new_workshop("other")
    assert push(workshop.registry, other.registry, pruned).withheld == (weights,)
    assert other.registry.blobs.has(workshop.digests(pruned)["model.safetensors"])
    assert fsck(other.registry).defects == ()


def test_what_an_evaluation_compares_with_comes_along(
    workshop: Workshop, new_workshop: Callable[..., Workshop]
) -> None:
    base = workshop.base()
    stranger = workshop.base(workshop.model(embedding=b"another line"))
    unrelated = workshop.base(workshop.model(embedding=b"not needed"))
    weights = workshop.digests(stranger)["model.safetensors"]
    workshop.evaluate(base, compared=stranger)
    workshop.evaluate(unrelated, compared=base)
    workshop.retire(stranger)
    gc(workshop.registry, grace=0)
    other = new_workshop("other")
    sent = push(workshop.registry, other.registry, base)
    assert (sent.sent, sent.withheld) == (10, (weights,))
    journal = bundle_digests(workshop)
    assert bundle_digests(other) == journal[0:6] + journal[9:12] + journal[15:16]
    assert fsck(other.registry).defects == ()


def test_lost_and_damaged_bytes_do_not_travel(
    workshop: Workshop, new_workshop: Callable[..., Workshop]
) -> None:
    base = workshop.base()
    other = new_workshop("other")
    config = workshop.digests(base)["config.json"]
    path = workshop.registry.blobs.storage.path(object_key(config))
    path.write_bytes(b"[]")
    with pytest.raises(BlobDamagedError, match=config):
        push(workshop.registry, other.registry, base)
    path.unlink()
    with pytest.raises(BlobMissingError, match=r"config\.json of model"):
        push(workshop.registry, other.registry, base)
    assert bundle_digests(other) == []


def test_pulling_heals_what_was_lost(
    workshop: Workshop, new_workshop: Callable[..., Workshop]
) -> None:
    base = workshop.base()
    pruned = workshop.prune(base)
    other = new_workshop("other")
    push(workshop.registry, other.registry, pruned)
    for digest in other.digests(base).values():
        other.registry.blobs.delete(digest)
    assert len(fsck(other.registry).defects) == 2
    healed = pull(other.registry, workshop.registry, pruned)
    assert (healed.sent, healed.blobs) == (0, 2)
    assert fsck(other.registry).defects == ()


def test_what_the_receiver_collected_comes_back_only_when_asked_for(
    workshop: Workshop, new_workshop: Callable[..., Workshop], tmp_path: Path
) -> None:
    base = workshop.base()
    pruned = workshop.prune(base)
    other = new_workshop("other")
    push(workshop.registry, other.registry, base)
    other.retire(base)
    gc(other.registry, grace=0)
    weights = workshop.digests(base)["model.safetensors"]
    push(workshop.registry, other.registry, pruned)
    assert not other.registry.blobs.has(weights)
    with pytest.raises(BlobMissingError, match="retired, and its bytes were collected"):
        export_artifact(other.registry, base, tmp_path / "out")
    pull(other.registry, workshop.registry, base)
    assert len(export_artifact(other.registry, base, tmp_path / "out")) == 2


def test_unknown_artifact(workshop: Workshop, new_workshop: Callable[..., Workshop]) -> None:
    with pytest.raises(NotFoundError):
        push(workshop.registry, new_workshop("other").registry, new_iri())


def test_history_is_closed_and_in_order(workshop: Workshop) -> None:
    first = workshop.base()
    second = workshop.prune(first)
    third = workshop.prune(second)
    workshop.retire(first)
    assert [entry.sequence for entry in history(workshop.registry, third)] == list(range(1, 11))
    assert [entry.sequence for entry in history(workshop.registry, first)] == [1, 2, 3, 10]


def test_export_writes_the_files(workshop: Workshop, tmp_path: Path) -> None:
    files = workshop.model() | {"sub/folder/notes.txt": b"notes"}
    artifact = workshop.base(files)
    written = export_artifact(workshop.registry, artifact, tmp_path / "out")
    assert written == sorted(tmp_path / "out" / name for name in files)
    for name, data in files.items():
        assert (tmp_path / "out" / name).read_bytes() == data
    with pytest.raises(InvalidInputError, match="not empty"):
        export_artifact(workshop.registry, artifact, tmp_path / "out")
    with pytest.raises(NotFoundError):
        export_artifact(workshop.registry, new_iri(), tmp_path / "else")


def test_export_of_damaged_bytes_leaves_nothing(workshop: Workshop, tmp_path: Path) -> None:
    artifact = workshop.base()
    embedding = hashlib.sha256(workshop.model()["model.safetensors"][-500_000:-100_000]).hexdigest()
    path = workshop.registry.blobs.storage.path(object_key(embedding))
    path.write_bytes(path.read_bytes()[::-1])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BlobDamagedError, match="embedding"):
        export_artifact(workshop.registry, artifact, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before


HOSTILE_NAMES = ["../x", "/etc/passwd", "a/../../x", "", ".", "a//b", "./a", "a\\..\\b", "C:x"]
HOSTILE_NAMES += ["a\0b", "a/", "..", "a\nb"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_recorded_name_cannot_lead_out(name: str) -> None:
    with pytest.raises(InvalidInputError, match="does not stay inside"):
        safe_name(name)


@pytest.mark.parametrize("name", ["C:x", "a\\..\\b", "a\nb", "sub/a:b"])
def test_what_could_not_be_written_again_is_not_taken_in(name: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / name).write_text("text")
    with pytest.raises(FileRefusedError, match="has a name with a backslash, a colon or"):
        list_files(tmp_path)


@pytest.mark.parametrize("name", ["a", "a.b", "a/b/c", "...", "..a", "-rf", "ü 1.txt"])
def test_plain_names_are_kept(name: str) -> None:
    assert str(safe_name(name)) == name


def test_what_the_receiver_refuses_does_not_enter(
    workshop: Workshop, new_workshop: Callable[..., Workshop]
) -> None:
    """A sender with lax rules cannot smuggle a record in."""

    class AcceptAll:
        def validate(self, record: object, graph: object) -> tuple[Violation, ...]:
            return ()

    artifact, (opened, finished, closed) = workshop.records(
        PM.Import, PM.BaseModel, workshop.model(), None
    )
    lines = [line for line in finished.nquads.splitlines(True) if b"ns#hasContent>" not in line]
    without_content = Record(finished.bundle, b"".join(lines), finished.files)
    with Registry.open(workshop.registry.root, validator=AcceptAll()) as lax:
        for record in (opened, without_content, closed):
            lax.commit(record)
        other = new_workshop("other")
        with pytest.raises(RecordRefusedError):
            push(lax, other.registry, artifact)
    assert bundle_digests(other) == [opened.digest]
    assert other.digests(artifact) == {}
