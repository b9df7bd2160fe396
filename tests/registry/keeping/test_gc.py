import hashlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pressmark.registry.errors import BlobDamagedError, BlobMissingError, StoreLockedError
from pressmark.registry.fsck import fsck
from pressmark.registry.gc import gc
from pressmark.registry.layout import layout_key, object_key
from pressmark.registry.registry import Registry
from pressmark.registry.report import format_named, register_report

Workshop = Any


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def path_of(workshop: Workshop, digest: str) -> Path:
    path: Path = workshop.registry.blobs.storage.path(object_key(digest))
    return path


def test_nothing_that_an_artifact_needs_is_freed(workshop: Workshop) -> None:
    pruned = workshop.prune(workshop.base())
    workshop.check(pruned)
    swept = gc(workshop.registry, grace=0)
    assert swept.freed == ()
    assert fsck(workshop.registry).defects == ()


def test_a_kept_report_stays_when_its_artifact_went(workshop: Workshop) -> None:
    pruned = workshop.prune(workshop.base())
    registry, by = workshop.registry, workshop.occurrence().circumstances
    kept = register_report(registry, pruned, format_named("html"), by)
    workshop.retire(pruned)
    assert gc(registry, grace=0).freed
    assert registry.blobs.has(kept.sha256)
    assert fsck(registry).defects == ()
    registry.blobs.delete(kept.sha256)
    (defect,) = fsck(registry).defects
    assert "the report model.report.html" in str(defect)


def test_retiring_frees_only_what_nothing_else_needs(workshop: Workshop) -> None:
    base = workshop.base()
    head = b"h" * 100_000
    pruned = workshop.prune(base, workshop.model(head=head))
    weights = workshop.digests(pruned)["model.safetensors"]
    workshop.retire(pruned)
    swept = gc(workshop.registry)
    # The header is the same as the base's, the embedding too; so is config.json.
    assert {one.blob for one in swept.freed} == {weights, sha256(head)}
    layout_bytes = swept.bytes - len(head)
    assert 0 < layout_bytes < 1000
    assert not workshop.registry.blobs.has(weights)
    assert fsck(workshop.registry).defects == ()
    assert len(list(workshop.registry.journal.entries())) == 7


def test_content_shared_with_a_live_artifact_stays(workshop: Workshop) -> None:
    files = workshop.model()
    first, second = workshop.base(files), workshop.base(files)
    workshop.retire(first)
    assert gc(workshop.registry, grace=0).freed == ()
    workshop.retire(second)
    swept = gc(workshop.registry, grace=0)
    assert {sha256(data) for data in files.values()} <= {one.blob for one in swept.freed}


def test_logs_recipes_and_bundles_stay_for_ever(workshop: Workshop) -> None:
    workshop.retire(workshop.base())
    gc(workshop.registry, grace=0)
    kept = set(workshop.registry.blobs.digests())
    bundles = {entry.bundle_digest for entry in workshop.registry.journal.entries()}
    texts = [workshop.registry.blobs.read(digest) for digest in kept - bundles]
    assert bundles <= kept
    assert sorted(text.split()[0] for text in texts) == [b"step:", b"worked"]


def test_dry_run_removes_nothing(workshop: Workshop) -> None:
    base = workshop.base()
    workshop.retire(base)
    before = sorted(workshop.registry.blobs.digests())
    planned = gc(workshop.registry, dry_run=True)
    assert planned.dry_run
    assert planned.bytes > 500_000
    assert sorted(workshop.registry.blobs.digests()) == before
    done = gc(workshop.registry)
    assert (done.freed, done.dry_run) == (planned.freed, False)


def test_unnamed_blobs_are_spared_while_they_are_young(workshop: Workshop) -> None:
    digest = workshop.registry.blobs.put_bytes(b"a record may be on its way")
    swept = gc(workshop.registry)
    assert (swept.freed, swept.spared) == ((), 1)
    path = path_of(workshop, digest)
    os.utime(path, (time.time() - 4000,) * 2)
    workshop.registry.blobs.put_bytes(b"a record may be on its way")  # makes it young again
    assert gc(workshop.registry).freed == ()
    os.utime(path, (time.time() - 4000,) * 2)
    assert [one.blob for one in gc(workshop.registry).freed] == [digest]


def test_leftovers_of_a_crash_are_freed(workshop: Workshop) -> None:
    leftover = workshop.registry.blobs.storage.root / "tmp" / "0123.partial"
    leftover.write_bytes(b"half")
    swept = gc(workshop.registry, grace=0)
    assert [(one.blob, one.bytes) for one in swept.freed] == [("0123.partial", 4)]
    assert not leftover.exists()


def test_a_missing_or_damaged_bundle_stops_it(workshop: Workshop) -> None:
    workshop.retire(workshop.base())
    before = sorted(workshop.registry.blobs.digests())
    entry = next(workshop.registry.journal.entries())
    path = path_of(workshop, entry.bundle_digest)
    data = path.read_bytes()
    path.write_bytes(data + b" ")
    with pytest.raises(BlobDamagedError):
        gc(workshop.registry, grace=0)
    path.unlink()
    with pytest.raises(BlobMissingError):
        gc(workshop.registry, grace=0)
    path.write_bytes(data)
    assert sorted(workshop.registry.blobs.digests()) == before


def test_a_damaged_layout_stops_it(workshop: Workshop) -> None:
    base = workshop.base()
    weights = workshop.digests(base)["model.safetensors"]
    path = workshop.registry.blobs.storage.path(layout_key(weights))
    path.write_bytes(b"{}")
    with pytest.raises(BlobDamagedError, match="nothing was collected"):
        gc(workshop.registry, grace=0)


def test_remote_blobs_are_collected_too(new_workshop: Callable[..., Workshop]) -> None:
    workshop = new_workshop("remote", blobs="memory://gc-test")
    workshop.retire(workshop.base())
    assert gc(workshop.registry).bytes > 500_000
    assert fsck(workshop.registry).defects == ()


@pytest.mark.parametrize("seed", range(3))
def test_after_any_history_exactly_the_live_files_are_there(workshop: Workshop, seed: int) -> None:
    """Against a plain model of it: who has which files, and who was retired."""
    noise = random.Random(seed)
    contents = [noise.randbytes(noise.choice([10, 70_000])) for _ in range(5)]
    files_of: dict[Any, set[str]] = {}
    ever: set[str] = set()
    for _ in range(12):
        if files_of and noise.random() < 0.4:
            retired = noise.choice(sorted(files_of, key=str))
            workshop.retire(retired)
            del files_of[retired]
        else:
            chosen = noise.sample(contents, noise.randint(1, 3))
            artifact = workshop.base({f"file-{i}": data for i, data in enumerate(chosen)})
            files_of[artifact] = {sha256(data) for data in chosen}
            ever |= files_of[artifact]
        if noise.random() < 0.5:
            gc(workshop.registry, grace=0)
            live = set().union(*files_of.values())
            assert set(workshop.registry.blobs.digests()) & ever == live
    assert fsck(workshop.registry).defects == ()


# -- commits in flight ---------------------------------------------------------------------------


def test_it_waits_for_who_is_storing(workshop: Workshop) -> None:
    registry = workshop.registry
    refused = pytest.raises(StoreLockedError, match="still storing")
    with registry.blobs.lease(), Registry.open(registry.root) as other, refused:
        gc(other, grace=0, wait=0.1)
    gc(workshop.registry, grace=0)


def test_a_dead_process_does_not_block_it(workshop: Workshop) -> None:
    script = """
        import os, signal, sys
        from pressmark.registry.blobs import BlobStore
        store = BlobStore(sys.argv[1])
        with store.lease():
            upload = store.storage.upload()
            upload.write(b"half")
            upload.write.__self__.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    """
    root = workshop.registry.blobs.url
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script), root], check=False)
    assert done.returncode == -signal.SIGKILL
    swept = gc(workshop.registry, grace=0, wait=0.1)
    assert [one.bytes for one in swept.freed] == [4]


COMMITTER = """
    import hashlib, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from conftest import Workshop
    from pressmark.registry.registry import Registry
    with Registry.open(sys.argv[1], wait=60) as registry:
        workshop = Workshop(registry, Path(sys.argv[2]))
        for number in range(12):
            # The same bytes are retired and made again: what gc dooms, the next commit needs.
            artifact = workshop.base(workshop.model(head=b"same" * 25_000))
            print(artifact.value, flush=True)
            if number % 2:
                workshop.retire(artifact)
"""


def test_collecting_beside_a_committing_process_loses_nothing(
    workshop: Workshop, tmp_path: Path
) -> None:
    made = tmp_path / "made by the other"
    made.mkdir()
    arguments = [str(workshop.registry.root), str(made), str(Path(__file__).parent)]
    command = [sys.executable, "-c", textwrap.dedent(COMMITTER), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        rounds = 0
        while process.poll() is None:
            gc(workshop.registry, grace=0, wait=60)
            rounds += 1
        assert process.stdout is not None
        artifacts = process.stdout.read().split()
    assert process.returncode == 0
    assert len(artifacts) == 12
    assert rounds >= 3
    report = fsck(workshop.registry)
    assert report.defects == ()


def test_collecting_beside_a_storing_thread_loses_nothing(workshop: Workshop) -> None:
    """Blobs stored under a lease are there when the lease ends, whatever is collected meanwhile."""
    stop = threading.Event()
    lost: list[str] = []

    def store() -> None:
        with Registry.open(workshop.registry.root) as other:
            while not stop.is_set():
                with other.blobs.lease():
                    digest = other.blobs.put_bytes(b"always the same")
                    time.sleep(0.002)
                    if not other.blobs.has(digest):
                        lost.append(digest)
                time.sleep(0.03)

    thread = threading.Thread(target=store)
    thread.start()
    freed = sum(len(gc(workshop.registry, grace=0, wait=30).freed) for _ in range(30))
    stop.set()
    thread.join()
    assert lost == []
    assert freed > 0
