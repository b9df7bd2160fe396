import random
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyoxigraph import Literal, NamedNode, Quad, Store

from pressmark.ontology.terms import PM
from pressmark.registry.fsck import Report, fsck
from pressmark.registry.gc import gc
from pressmark.registry.layout import layout_key, object_key
from pressmark.registry.registry import Registry

Workshop = Any


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def path_of(workshop: Workshop, digest: str) -> Path:
    path: Path = workshop.registry.blobs.storage.path(object_key(digest))
    return path


def only(report: Report, area: str) -> list[str]:
    return [defect.problem for defect in report.defects if defect.area == area]


def graph_of(workshop: Workshop) -> Store:
    workshop.registry.close()
    return Store((workshop.registry.root / "graph").resolve())


@pytest.mark.parametrize("blobs", [None, "memory://fsck-test"])
def test_a_sound_registry_has_no_defects(
    new_workshop: Callable[..., Workshop], blobs: str | None
) -> None:
    workshop = new_workshop("sound", blobs=blobs)
    base = workshop.base()
    workshop.check(workshop.prune(base))
    report = fsck(workshop.registry)
    assert report.defects == ()
    assert report.sound
    assert report.bundles == 7
    assert report.bytes > 600_000


def test_an_empty_registry_has_no_defects(workshop: Workshop) -> None:
    assert fsck(workshop.registry).defects == ()


def test_a_flipped_byte_is_named_down_to_artifact_file_and_tensor(workshop: Workshop) -> None:
    base = workshop.base()
    pruned = workshop.prune(base)
    weights = workshop.digests(base)["model.safetensors"]
    chunk = workshop.registry.blobs.layout(weights).chunks[1]
    flip(path_of(workshop, chunk.digest), 1234)
    (defect,) = fsck(workshop.registry).defects
    assert (defect.area, defect.subject) == ("blobs", chunk.digest)
    for name in ("model.safetensors", "embedding", base.value, pruned.value):
        assert name in defect.problem
    assert "restore" in defect.hint


def test_every_flipped_blob_is_found(workshop: Workshop) -> None:
    workshop.base()
    storage = workshop.registry.blobs.storage
    noise = random.Random(5)
    for key in [*storage.keys("objects"), *storage.keys("layouts")]:
        path = storage.path(key)
        offset = noise.randrange(path.stat().st_size)
        flip(path, offset)
        report = fsck(workshop.registry)
        assert report.defects, key
        flip(path, offset)
    assert fsck(workshop.registry).defects == ()


def test_missing_bytes_are_named(workshop: Workshop) -> None:
    base = workshop.base()
    digests = workshop.digests(base)
    path_of(workshop, digests["config.json"]).unlink()
    chunk = workshop.registry.blobs.layout(digests["model.safetensors"]).chunks[2]
    path_of(workshop, chunk.digest).unlink()
    problems = only(fsck(workshop.registry), "blobs")
    assert len(problems) == 2
    assert any("config.json" in problem for problem in problems)
    assert any("head" in problem and "missing" in problem for problem in problems)


def test_a_flipped_byte_of_the_journal_is_named(workshop: Workshop) -> None:
    workshop.base()
    workshop.registry.close()
    path = workshop.registry.root / "journal"
    flip(path, 208 + 50)
    (problem, *_) = only(fsck(workshop.registry), "journal")
    assert "line 2" in problem


def test_a_foreign_quad_and_a_lacking_one_are_named_and_repaired(workshop: Workshop) -> None:
    base = workshop.base()
    store = graph_of(workshop)
    bundle = next(quad.graph_name for quad in store.quads_for_pattern(base, None, None, None))
    gone = next(iter(store.quads_for_pattern(base, PM.hasContent, None, None)))
    store.remove(gone)
    store.add(Quad(base, PM.parameterCount, Literal(7), bundle))
    alone = NamedNode("urn:uuid:01890000-0000-7000-8000-000000000000")
    store.add(Quad(alone, PM.alias, Literal("prod"), alone))
    store.add(Quad(alone, PM.sequence, Literal(99), NamedNode("urn:pressmark:journal")))
    store.add(Quad(alone, PM.sequence, Literal(99)))
    store.flush()
    del store
    with Registry.open(workshop.registry.root) as registry:
        report = fsck(registry, repair=True)
        problems = only(report, "graph")
        assert len(problems) == 5
        assert any("about no bundle" in p for p in problems)
        assert any("in no named graph" in p for p in problems)
        assert any("lacks the statement" in p and "hasContent" in p for p in problems)
        assert any("no bundle makes" in p and "parameterCount" in p for p in problems)
        assert any("belongs to no bundle" in p for p in problems)
        assert report.sound
        assert fsck(registry).defects == ()


def test_repair_makes_room_for_sound_bytes(workshop: Workshop) -> None:
    files = workshop.model()
    base = workshop.base(files)
    weights = workshop.digests(base)["model.safetensors"]
    blobs = workshop.registry.blobs
    chunk = blobs.layout(weights).chunks[1].digest
    damaged = path_of(workshop, chunk)
    flip(damaged, 99)
    spoilt = damaged.read_bytes()
    (blobs.storage.root / "tmp" / "left.partial").write_bytes(b"x")
    report = fsck(workshop.registry, repair=True)
    assert not report.sound
    assert {d.subject: d.repaired for d in report.defects} == {
        chunk: False,
        "tmp/left.partial": True,
    }
    aside = list((blobs.storage.root / "damaged").iterdir())
    assert [path.read_bytes() for path in aside] == [spoilt]
    workshop.base(files)  # the same bytes come again
    assert fsck(workshop.registry).defects == ()


def test_a_damaged_layout_is_set_aside_and_comes_again(workshop: Workshop) -> None:
    files = workshop.model()
    weights = workshop.digests(workshop.base(files))["model.safetensors"]
    path = workshop.registry.blobs.storage.path(layout_key(weights))
    path.write_bytes(path.read_bytes().replace(b'"chunks"', b'"chunky"'))
    report = fsck(workshop.registry, repair=True)
    assert any("model.safetensors" in defect.problem for defect in report.defects)
    workshop.base(files)
    assert fsck(workshop.registry).defects == ()


def test_a_graph_that_cannot_be_opened_is_named_and_rebuilt(workshop: Workshop) -> None:
    workshop.base()
    workshop.registry.close()
    root = workshop.registry.root
    shutil.rmtree(root / "snapshots")
    for path in (root / "graph").resolve().glob("MANIFEST*"):
        path.write_bytes(b"nonsense")
    with Registry.open(root) as registry:
        report = fsck(registry, repair=True)
        assert ["cannot be opened" in problem for problem in only(report, "graph")] == [True]
        assert report.sound
        assert fsck(registry).defects == ()


def test_commits_that_go_on_are_no_defects(workshop: Workshop, tmp_path: Path) -> None:
    made = tmp_path / "made by the other"
    made.mkdir()
    script = """
        import sys, time
        from pathlib import Path
        sys.path.insert(0, sys.argv[3])
        from conftest import Workshop
        from pressmark.registry.registry import Registry
        with Registry.open(sys.argv[1], wait=60) as registry:
            workshop = Workshop(registry, Path(sys.argv[2]))
            artifact = workshop.base()
            for _ in range(8):
                artifact = workshop.prune(artifact)
                time.sleep(0.3)  # longer than one look takes
    """
    arguments = [str(workshop.registry.root), str(made), str(Path(__file__).parent)]
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    reports = []
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            with Registry.open(workshop.registry.root) as registry:
                reports.append(fsck(registry))
    assert process.returncode == 0
    assert [report.defects for report in reports] == [()] * len(reports)
    assert len({report.bundles for report in reports}) >= 3


def test_a_graph_without_its_place_in_the_journal_is_named(workshop: Workshop) -> None:
    workshop.base()
    store = graph_of(workshop)
    journal = NamedNode("urn:pressmark:journal")
    for quad in list(store.quads_for_pattern(None, None, None, journal)):
        store.remove(quad)
    store.flush()
    del store
    shutil.rmtree(workshop.registry.root / "snapshots")
    with Registry.open(workshop.registry.root) as registry:
        report = fsck(registry, repair=True)
        assert [defect.hint for defect in report.defects] == ["pressmark reindex"]
        assert report.sound
        assert fsck(registry).defects == ()


def test_a_graph_that_lags_behind_catches_up(workshop: Workshop) -> None:
    workshop.base()
    workshop.registry.close()
    shutil.rmtree((workshop.registry.root / "graph").resolve())
    shutil.rmtree(workshop.registry.root / "snapshots")
    with Registry.open(workshop.registry.root) as registry:
        assert fsck(registry).defects == ()


def test_foreign_files_are_named_and_left_alone(workshop: Workshop) -> None:
    workshop.base()
    root = workshop.registry.blobs.storage.root
    shadow = "0" * 63  # would be the blob 0…0 in another folder
    strays = ["objects/a/notes.txt", "objects/notes/todo", f"layouts/ff/{shadow[1:]}"]
    for name in strays:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"mine")
    (root / "objects" / "README").write_bytes(b"mine")
    report = fsck(workshop.registry, repair=True)
    assert sorted(defect.subject for defect in report.defects) == sorted(strays)
    assert gc(workshop.registry, grace=0).freed == ()
    assert all((root / name).exists() for name in strays)


READ_ONLY = """
    import sys
    from pressmark.registry.backup import backup
    from pressmark.registry.fsck import fsck
    from pressmark.registry.gc import gc
    from pressmark.registry.registry import Registry
    with Registry.open(sys.argv[1]) as registry:
        assert fsck(registry).defects == (), fsck(registry).defects
        assert backup(registry, sys.argv[2]).entries == 3
        assert gc(registry, dry_run=True).freed == ()
    print("read")
"""


def test_a_registry_on_a_read_only_medium(workshop: Workshop, tmp_path: Path) -> None:
    workshop.base()
    workshop.registry.close()
    mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$0" -c "$3" "$1" "$2"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount]
    arguments = [sys.executable, str(workshop.registry.root), str(tmp_path / "backup")]
    command += [*arguments, textwrap.dedent(READ_ONLY)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("nothing can be mounted here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "read"
