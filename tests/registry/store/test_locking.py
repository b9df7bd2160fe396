import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pyoxigraph import NamedNode

from pressmark.ontology.terms import PM
from pressmark.registry.errors import StoreLockedError, StoreReadOnlyError
from pressmark.registry.index import bundle_at
from pressmark.registry.locking import FileLock, WriteLock
from pressmark.registry.registry import Registry
from pressmark.registry.verify import verify_all

NewFile = Callable[..., Path]
JOURNAL = NamedNode("urn:pressmark:journal")

HOLD = """
import sys, time
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from records import AcceptAll, registration
from pressmark.registry.registry import Registry
registry = Registry.open(sys.argv[1], validator=AcceptAll())
with registry.writing(url=sys.argv[3] or None):
    for path in sys.argv[4:]:
        registry.commit(registration([Path(path)]))
    print("holding", flush=True)
    sys.stdin.readline()
"""

COMMIT_MANY = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from records import AcceptAll, registration
from pressmark.registry.registry import Registry
registry = Registry.open(sys.argv[1], validator=AcceptAll())
for _ in range(int(sys.argv[4])):
    print(registry.commit(registration([Path(sys.argv[3])])).digest, flush=True)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def holder(registry: Registry, new_file: NewFile) -> Iterator[subprocess.Popen[str]]:
    """Another process in a writing session, after one commit."""
    folder = Path(__file__).parent
    process = start(HOLD, registry.root, folder, "http://127.0.0.1:9/", new_file())
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        yield process
        process.kill()


def test_the_holder_of_the_lock_is_named(
    registry: Registry, records: ModuleType, new_file: NewFile, holder: subprocess.Popen[str]
) -> None:
    impatient = Registry.open(registry.root, wait=0.1, validator=records.AcceptAll())
    with pytest.raises(StoreLockedError) as caught:
        impatient.commit(records.registration([new_file()]))
    assert f"process {holder.pid} " in str(caught.value)
    assert "http://127.0.0.1:9/" in str(caught.value)


def test_readers_do_not_wait_for_a_writer(
    registry: Registry, holder: subprocess.Popen[str]
) -> None:
    began = time.monotonic()
    reader = Registry.open(registry.root)
    assert len(reader.rows("graphs")) > 0
    assert time.monotonic() - began < 5, "less than the wait for a lock"


def test_readers_see_what_a_session_committed_while_it_goes_on(
    registry: Registry, records: ModuleType, new_file: NewFile
) -> None:
    """Also the last of several commits, after which nothing happens any more."""
    reader = Registry.open(registry.root)
    with registry.writing():
        for _ in range(5):
            registry.commit(records.registration([new_file()]))
        deadline = time.monotonic() + 30
        while bundle_at(reader.graph(), 5) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert bundle_at(reader.graph(), 5) is not None


def test_the_writer_can_be_asked_for(registry: Registry, holder: subprocess.Popen[str]) -> None:
    writer = registry.writer()
    assert writer is not None
    assert (writer.process, writer.url) == (holder.pid, "http://127.0.0.1:9/")
    holder.communicate("done\n")
    assert registry.writer() is None


def test_a_writer_waits_for_the_one_before(
    registry: Registry, records: ModuleType, new_file: NewFile, holder: subprocess.Popen[str]
) -> None:
    assert holder.stdin is not None
    holder.stdin.write("done\n")
    holder.stdin.close()
    receipt = registry.commit(records.registration([new_file()]))
    assert receipt.sequence == 2
    assert holder.wait() == 0


def test_a_killed_writer_leaves_no_lock(
    registry: Registry, records: ModuleType, new_file: NewFile, holder: subprocess.Popen[str]
) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert len(Registry.open(registry.root).journal) == 1
    assert registry.commit(records.registration([new_file()])).sequence == 2


def test_two_processes_commit_at_the_same_time(registry: Registry, new_file: NewFile) -> None:
    folder = Path(__file__).parent
    processes = [start(COMMIT_MANY, registry.root, folder, new_file(), 8) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    committed = [entry.bundle_digest for entry in registry.journal.entries()]
    assert sorted(committed) == sorted(digest for output in outputs for digest in output)
    assert registry.journal.damages() == []
    reader = Registry.open(registry.root)
    names = {row["graph"] for row in reader.rows("graphs")}
    assert {bundle_at(reader.graph(), number) for number in range(1, 17)} <= names


def test_readers_see_whole_bundles_in_the_order_of_the_journal(
    registry: Registry, new_file: NewFile
) -> None:
    """Each time a reader looks while others write, it sees the entries 1 to n and nothing else."""
    folder = Path(__file__).parent
    processes = [start(COMMIT_MANY, registry.root, folder, new_file(), 10) for _ in range(2)]
    reader = Registry.open(registry.root)
    sizes = []
    while any(process.poll() is None for process in processes):
        graph = reader.graph()
        journal = list(graph.quads(JOURNAL))
        known = {
            quad.subject: quad.object.value for quad in journal if quad.predicate == PM.bundleDigest
        }
        assert {quad.object.value for quad in journal if quad.predicate == PM.sequence} == {
            str(number) for number in range(1, len(known) + 1)
        }
        for bundle, digest in known.items():
            lines = reader.blobs.read(digest).splitlines()
            expected = {line for line in lines if line.endswith(f"{bundle} .".encode())}
            assert len(list(graph.quads(bundle))) == len(expected)
        sizes.append(len(known))
    for process in processes:
        process.communicate()
    assert sizes == sorted(sizes)
    assert bundle_at(reader.graph(), 20) is not None


def test_old_snapshots_stay_while_they_are_read_and_then_go(
    registry: Registry, records: ModuleType, new_file: NewFile
) -> None:
    reader = Registry.open(registry.root)
    rows = reader.rows("graphs")
    graph = reader.graph()
    for _ in range(3):
        registry.commit(records.registration([new_file()]))
    registry.close()
    with registry.writing():
        registry.commit(records.registration([new_file()]))
    snapshots = registry.root / "snapshots"
    folders = {path.name for path in snapshots.iterdir() if path.is_dir() and not path.is_symlink()}
    assert len(folders) == 2, "the one that is being read, and the newest"
    assert list(graph.graphs()) == [row["graph"] for row in rows]
    reader.close()
    del graph
    with registry.writing():
        registry.commit(records.registration([new_file()]))
    left = sorted(path.name for path in snapshots.iterdir())
    assert len(left) == 3, f"one copy, its lock, and the link to it: {left}"


def test_a_registry_on_a_read_only_file_system_can_be_read(
    registry: Registry, records: ModuleType, new_file: NewFile, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    registry.commit(records.registration([new_file()]))
    registry.close()
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    bind = ["mount", "--bind", registry.root, mounted]
    if subprocess.run(bind, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", mounted], check=True)
        with Registry.open(mounted) as reader:
            assert {"graph": bundle_at(reader.graph(), 1)} in reader.rows("graphs")
            assert verify_all(reader, engine="compiled").entries == 1
            with pytest.raises(StoreReadOnlyError, match="cannot be written"):
                reader.commit(records.registration([new_file()]))
    finally:
        subprocess.run(["umount", mounted], check=True)


def test_shared_and_exclusive_locks(tmp_path: Path) -> None:
    one, two, three = (FileLock(tmp_path / "lock") for _ in range(3))
    assert one.acquire(shared=True)
    assert two.acquire(shared=True)
    assert not three.acquire()
    one.release()
    assert not three.acquire(wait=0.05)
    two.release()
    assert three.acquire()
    assert three.held
    assert not one.acquire(shared=True)


def test_the_lock_tells_who_holds_it(tmp_path: Path) -> None:
    lock = WriteLock(tmp_path / "lock")
    assert lock.holder() is None
    lock.hold(0.0)
    seen = WriteLock(tmp_path / "lock").holder()
    assert seen is not None
    assert (seen.process, seen.url) == (os.getpid(), None)
    lock.release()
    assert WriteLock(tmp_path / "lock").holder() is None
    lock.path.write_text("not JSON")
    lock.acquire()
    with pytest.raises(StoreLockedError, match="another process is writing"):
        WriteLock(tmp_path / "lock").hold(0.0)
