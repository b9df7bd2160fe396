import io
import subprocess
import sys
import tarfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pressmark.registry.backup import backup, restore
from pressmark.registry.errors import (
    BlobDamagedError,
    BlobMissingError,
    InvalidInputError,
    NotFoundError,
    StoreDamagedError,
)
from pressmark.registry.fsck import fsck
from pressmark.registry.gc import gc
from pressmark.registry.layout import object_key
from pressmark.registry.registry import Registry

Workshop = Any
EVERYTHING = "SELECT ?s ?p ?o ?g WHERE { GRAPH ?g { ?s ?p ?o } }"


def statements(registry: Registry) -> set[tuple[str, ...]]:
    rows = registry.sparql(EVERYTHING)
    assert isinstance(rows, list)
    return {tuple(str(row[name]) for name in "spog") for row in rows}  # type: ignore[index]


@pytest.fixture(params=["folder", "file.tar"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / "backups" / request.param


@pytest.mark.parametrize("blobs", [None, "memory://backup-test"])
def test_a_restored_registry_is_the_same(
    new_workshop: Callable[..., Workshop], target: Path, tmp_path: Path, blobs: str | None
) -> None:
    workshop = new_workshop("first", blobs=blobs and f"{blobs}/{target.name}")
    base = workshop.base()
    pruned = workshop.prune(base)
    workshop.check(pruned)
    made = backup(workshop.registry, target)
    assert (made.entries, made.head) == (7, workshop.registry.journal.head())
    assert restore(target, tmp_path / "restored") == made
    with Registry.open(tmp_path / "restored") as restored:
        assert fsck(restored).defects == ()
        assert restored.journal.head() == workshop.registry.journal.head()
        assert statements(restored) == statements(workshop.registry)
        for digest in workshop.registry.blobs.digests():
            assert restored.blobs.read(digest) == workshop.registry.blobs.read(digest)


def test_an_empty_registry(workshop: Workshop, target: Path, tmp_path: Path) -> None:
    assert backup(workshop.registry, target).entries == 0
    restore(target, tmp_path / "restored")
    with Registry.open(tmp_path / "restored") as restored:
        assert len(restored.journal) == 0


def test_a_restored_registry_goes_on(workshop: Workshop, target: Path, tmp_path: Path) -> None:
    base = workshop.base()
    backup(workshop.registry, target)
    (tmp_path / "restored").mkdir()
    restore(target, tmp_path / "restored")
    with Registry.open(tmp_path / "restored") as restored:
        other = type(workshop)(restored, workshop.folder)
        other.prune(base)
        assert len(restored.journal) == 6
        assert fsck(restored).defects == ()


def test_repeating_a_backup_copies_what_is_new(workshop: Workshop, tmp_path: Path) -> None:
    base = workshop.base()
    first = backup(workshop.registry, tmp_path / "backup")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "backup" / "blobs").rglob("*")}
    workshop.prune(base)
    second = backup(workshop.registry, tmp_path / "backup")
    assert (first.entries, second.entries) == (3, 6)
    assert all(p.stat().st_mtime_ns == t for p, t in times.items() if p.is_file())
    assert restore(tmp_path / "backup", tmp_path / "restored") == second


def test_equal_backups_are_equal_files(workshop: Workshop, tmp_path: Path) -> None:
    workshop.base()
    backup(workshop.registry, tmp_path / "one.tar")
    backup(workshop.registry, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with pytest.raises(InvalidInputError, match="exists already"):
        backup(workshop.registry, tmp_path / "two.tar")


def test_collected_bytes_are_not_missed(workshop: Workshop, target: Path, tmp_path: Path) -> None:
    workshop.retire(workshop.base())
    gc(workshop.registry, grace=0)
    backup(workshop.registry, target)
    restore(target, tmp_path / "restored")
    with Registry.open(tmp_path / "restored") as restored:
        assert fsck(restored).defects == ()


def test_an_unsound_registry_is_not_backed_up(workshop: Workshop, target: Path) -> None:
    base = workshop.base()
    config = workshop.digests(base)["config.json"]
    path = workshop.registry.blobs.storage.path(object_key(config))
    path.write_bytes(b"[]")
    with pytest.raises(BlobDamagedError, match=config):
        backup(workshop.registry, target)
    path.unlink()
    with pytest.raises(BlobMissingError, match=r"config\.json of model"):
        backup(workshop.registry, target)
    with pytest.raises(NotFoundError):
        restore(target, target.parent / "restored")
    assert not (target.parent / "restored").exists()


def test_other_folders_are_not_overwritten(
    workshop: Workshop, new_workshop: Callable[..., Workshop], tmp_path: Path
) -> None:
    workshop.base()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(InvalidInputError, match="neither empty nor a backup"):
        backup(workshop.registry, tmp_path / "mine")
    with pytest.raises(InvalidInputError, match="not empty"):
        restore(tmp_path / "mine", tmp_path / "mine")
    backup(workshop.registry, tmp_path / "backup")
    other = new_workshop("other")
    other.base()
    with pytest.raises(InvalidInputError, match="another registry"):
        backup(other.registry, tmp_path / "backup")
    with pytest.raises(InvalidInputError, match="not empty"):
        restore(tmp_path / "backup", other.registry.root)


def test_every_kind_of_damage_to_a_backup_is_found(workshop: Workshop, tmp_path: Path) -> None:
    workshop.base()
    folder = tmp_path / "backup"
    backup(workshop.registry, folder)
    named = [folder / name for name in ("journal", "registry.json", "backup.json")]
    objects = sorted((p for p in folder.glob("blobs/objects/*/*")), key=lambda p: p.stat().st_size)
    layouts = list(folder.glob("blobs/layouts/*/*"))
    for path in [*named, objects[0], objects[-1], *layouts]:
        data = path.read_bytes()
        for spoilt in (data[: len(data) // 2], b"#" + data[1:]):
            path.write_bytes(spoilt)
            with pytest.raises((StoreDamagedError, InvalidInputError)):
                restore(folder, tmp_path / "restored")
            assert not (tmp_path / "restored").exists()
        path.write_bytes(data)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["backup", "made", "registry"]
    restore(folder, tmp_path / "restored")


def test_a_missing_blob_of_a_backup_is_named(workshop: Workshop, tmp_path: Path) -> None:
    base = workshop.base()
    folder = tmp_path / "backup"
    backup(workshop.registry, folder)
    config = workshop.digests(base)["config.json"]
    (folder / "blobs" / object_key(config)).unlink()
    with pytest.raises(StoreDamagedError, match=r"config\.json of model"):
        restore(folder, tmp_path / "restored")


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "blobs/objects/aa/../../../evil", "evil"])
def test_a_tar_file_cannot_write_elsewhere(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "hostile.tar", "w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(InvalidInputError, match="no part of a backup"):
        restore(tmp_path / "hostile.tar", tmp_path / "deep" / "restored")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["hostile.tar"]


def test_links_in_a_tar_file_are_ignored(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "hostile.tar", "w") as archive:
        member = tarfile.TarInfo("journal")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(NotFoundError):
        restore(tmp_path / "hostile.tar", tmp_path / "restored")


def test_a_truncated_tar_file_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    workshop.base()
    path = tmp_path / "backup.tar"
    backup(workshop.registry, path)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises((StoreDamagedError, NotFoundError)):
        restore(path, tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


COMMITTER = """
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from conftest import Workshop
    from pressmark.registry.registry import Registry
    with Registry.open(sys.argv[1], wait=60) as registry:
        workshop = Workshop(registry, Path(sys.argv[2]))
        artifact = workshop.base()
        for _ in range(8):
            artifact = workshop.prune(artifact)
"""


def test_a_backup_taken_while_commits_go_on_is_whole(workshop: Workshop, tmp_path: Path) -> None:
    made = tmp_path / "made by the other"
    made.mkdir()
    arguments = [str(workshop.registry.root), str(made), str(Path(__file__).parent)]
    command = [sys.executable, "-c", textwrap.dedent(COMMITTER), *arguments]
    taken = []
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            taken.append(backup(workshop.registry, tmp_path / f"backup-{len(taken)}"))
    assert process.returncode == 0
    assert len({one.entries for one in taken}) >= 3
    for number, one in enumerate(taken):
        if number in (0, len(taken) // 2, len(taken) - 1):
            assert restore(tmp_path / f"backup-{number}", tmp_path / f"restored-{number}") == one
