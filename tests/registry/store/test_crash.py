"""Nothing acknowledged is lost and nothing half-stored is seen, whatever the moment of a crash.

A kill keeps what the operating system has accepted, a power cut only what was synced. For the
second, `Disk` listens to every file operation and knows what a disk is bound to hold.
"""

import errno
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from types import ModuleType

import pytest
from pyoxigraph import NamedNode, Quad, RdfFormat, parse

from pressmark.registry import faults, files
from pressmark.registry.access import bundle_iri
from pressmark.registry.errors import PressmarkError, StorageFullError, StoreError
from pressmark.registry.faults import FaultPoint
from pressmark.registry.index import bundle_at
from pressmark.registry.journal import Journal
from pressmark.registry.record import Record
from pressmark.registry.registry import Registry

NewFile = Callable[..., Path]
Reopen = Callable[[], Registry]

JOURNAL = NamedNode("urn:pressmark:journal")
ACKNOWLEDGED = list(FaultPoint).index(FaultPoint.AFTER_JOURNAL)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry with its own validator: what must survive is what users do."""
    with Registry.create(tmp_path / "registry") as registry:
        yield registry


@pytest.fixture
def reopened(registry: Registry) -> Reopen:
    return lambda: Registry.open(registry.root)


def assert_sound(registry: Registry) -> list[str]:
    """The journal is whole, each of its bundles is there, and the graph holds exactly them.

    Returns:
        The digests of the bundles.
    """
    assert Journal(registry.root / "journal").damages() == []
    digests = [entry.bundle_digest for entry in registry.journal.entries()]
    quads: set[Quad] = set()
    for digest in digests:
        quads.update(parse(registry.blobs.read(digest), format=RdfFormat.N_QUADS))
    graph = registry.graph()
    names = set(graph.graphs()) - {JOURNAL}
    assert {quad for name in names for quad in graph.quads(name)} == quads
    assert len(list(graph.quads(JOURNAL))) == 2 * len(digests)
    return digests


@pytest.mark.parametrize("point", list(FaultPoint), ids=lambda point: point.name)
def test_a_killed_commit_is_whole_or_never_was(
    point: FaultPoint, registry: Registry, reopened: Reopen, new_file: NewFile
) -> None:
    registry.close()
    paths = [new_file() for _ in range(3)]
    script = Path(__file__).with_name("crash.py")
    process = subprocess.run(
        [sys.executable, script, registry.root, point.name, *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    first, acknowledged, second = process.stdout.split()
    assert acknowledged == "acknowledged"
    after = reopened()
    expected = [first]
    if list(FaultPoint).index(point) >= ACKNOWLEDGED:
        expected.append(second)
    assert assert_sound(after) == expected
    nquads = (registry.root.parent / f"{second}.nq").read_bytes()
    brought = {path_digest(path): path for path in paths[1:]}
    again = Record(bundle_iri(nquads), nquads, brought)
    assert after.commit(again).sequence == 2, "the same commit can be repeated"
    assert assert_sound(after) == [first, second]
    assert all(after.blobs.read(sha256) for sha256 in brought)


@pytest.mark.parametrize("session", [False, True], ids=["alone", "session"])
@pytest.mark.parametrize("point", list(FaultPoint), ids=lambda point: point.name)
def test_ctrl_c_leaves_a_handle_that_goes_on(
    point: FaultPoint,
    session: bool,
    registry: Registry,
    records: ModuleType,
    new_file: NewFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pressmark.registry.access._PUBLISHING_SHARE", 1e9)
    first, second = (records.registration([new_file()]) for _ in range(2))
    with registry.writing() if session else nullcontext():
        interrupt_at(point)
        try:
            with pytest.raises(KeyboardInterrupt):
                registry.commit(first)
        finally:
            faults.hook = None
        committed = int(list(FaultPoint).index(point) >= ACKNOWLEDGED)
        assert registry.commit(second).sequence == 1 + committed
        assert registry.commit(first).sequence == 2 - committed
        assert len(assert_sound(registry)) == 2
    assert len(assert_sound(registry)) == 2


def interrupt_at(point: FaultPoint) -> None:
    def hook(reached: FaultPoint) -> None:
        if reached == point:
            faults.hook = None
            raise KeyboardInterrupt

    faults.hook = hook


@pytest.mark.parametrize("number", range(12))
def test_ctrl_c_at_any_file_operation(
    number: int, registry: Registry, records: ModuleType, new_file: NewFile
) -> None:
    record = records.registration([new_file()])
    with registry.writing():
        failed = fail_at(number, KeyboardInterrupt())
        try:
            registry.commit(record)
        except KeyboardInterrupt:
            assert failed
        finally:
            files.trace = None
        registry.commit(records.registration([new_file()]))
        registry.commit(record)
        assert len(assert_sound(registry)) == 2
    assert len(assert_sound(registry)) == 2


def path_digest(path: Path) -> str:
    from pressmark.registry.ids import sha256_file

    return sha256_file(path)


State = dict[Path, bytes]


class Disk:
    """What a disk holds for certain, told from the operations that were done.

    Bytes are certain once their file was synced, names once their folder was. `certain` is the
    least that a disk may hold after a power cut. `lucky` is what it may hold as well: all names,
    whether synced or not, but of files that were not synced only a part. The graph is left out of
    both: it never syncs anything.

    Args:
        root: The folder that is watched. What is in it at the start is taken to be synced.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bytes: dict[int, bytes] = {}
        self.names: dict[Path, dict[str, int]] = {}
        self._held: dict[int, int] = {}
        for folder, _, names in os.walk(root):
            self.sync_folder(Path(folder))
            for name in names:
                self.sync(Path(folder, name))

    def sync(self, path: Path) -> None:
        if path.is_file():
            inode = path.stat().st_ino
            self.bytes[inode] = path.read_bytes()
            if inode not in self._held:  # an open file's number is not given to another
                self._held[inode] = os.open(path, os.O_RDONLY)

    def close(self) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)

    def sync_folder(self, folder: Path) -> None:
        self.names[folder] = {entry.name: entry.inode() for entry in os.scandir(folder)}

    def listen(self, operation: files.Operation) -> None:
        if operation.kind == "sync":
            self.sync(operation.path)
        elif operation.kind == "sync-folder":
            self.sync_folder(operation.path)

    def certain(self) -> State:
        return {
            path: self.bytes.get(inode, b"")
            for path, inode in self._walk(self.root)
            if not path.is_dir()
        }

    def _walk(self, folder: Path) -> Iterator[tuple[Path, int]]:
        for name, inode in self.names.get(folder, {}).items():
            if name.startswith(("graph", "snapshots")):
                continue
            if folder / name in self.names:
                yield from self._walk(folder / name)
            else:
                yield folder / name, inode

    def lucky(self) -> State:
        found = (Path(folder, name) for folder, _, names in os.walk(self.root) for name in names)
        left_out = [self.root / "graph", self.root / "snapshots"]
        graph = (self.root / "graph").resolve()
        return {
            path: self._torn(path)
            for path in found
            if not {*left_out, graph} & {path, *path.parents}
        }

    def _torn(self, path: Path) -> bytes:
        certain = self.bytes.get(path.stat().st_ino, b"")
        present = path.read_bytes()
        if present.startswith(certain):
            return present[: (len(certain) + len(present)) // 2]
        return certain

    def write(self, state: State, target: Path) -> Path:
        for path, data in state.items():
            copy = target / path.relative_to(self.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)
        return target


@pytest.fixture
def disk(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    registry.close()
    with closing(Disk(registry.root)) as disk:
        yield disk
    files.trace = None


@pytest.mark.parametrize("luck", [Disk.certain, Disk.lucky], ids=["certain", "lucky"])
def test_a_power_cut_at_any_moment_loses_nothing_acknowledged(
    luck: Callable[[Disk], State],
    disk: Disk,
    registry: Registry,
    records: ModuleType,
    new_file: NewFile,
    tmp_path: Path,
) -> None:
    acknowledged: list[str] = []
    offered: list[str] = []
    cuts: list[tuple[State, int]] = []

    def listen(operation: files.Operation) -> None:
        disk.listen(operation)
        state = luck(disk)
        if not cuts or cuts[-1] != (state, len(acknowledged)):
            cuts.append((state, len(acknowledged)))

    for number in range(2):
        record = records.registration([new_file() for _ in range(1 + number)])
        offered.append(record.digest)
        files.trace = listen
        registry.commit(record)
        files.trace = None
        acknowledged.append(record.digest)
    assert len(cuts) > 5
    for place, (state, count) in enumerate(cuts):
        root = disk.write(state, tmp_path / f"cut-{place}")
        after = Registry.open(root)
        found = assert_sound(after)
        assert found[:count] == acknowledged[:count]
        assert found == offered[: len(found)]
        for digest in found:
            assert_files_whole(after, digest)


def assert_files_whole(registry: Registry, bundle_digest: str) -> None:
    nquads = registry.blobs.read(bundle_digest)
    for quad in parse(nquads, format=RdfFormat.N_QUADS):
        file_digest = quad.predicate.value.endswith("#sha256")
        if file_digest and str(quad.graph_name).startswith("<ni:"):
            assert registry.blobs.verify(quad.object.value) == []


def test_a_new_registry_survives_a_power_cut(
    tmp_path: Path, records: ModuleType, new_file: NewFile
) -> None:
    (tmp_path / "watched").mkdir()
    with closing(Disk(tmp_path / "watched")) as disk:
        try:
            files.trace = disk.listen
            registry = Registry.create(tmp_path / "watched" / "r")
            receipt = registry.commit(records.registration([new_file()]))
        finally:
            files.trace = None
        registry.close()
        disk.write(disk.certain(), tmp_path / "after")
    after = Registry.open(tmp_path / "after" / "r")
    assert assert_sound(after) == [receipt.digest]


def test_an_older_graph_catches_up(
    registry: Registry, records: ModuleType, new_file: NewFile, tmp_path: Path
) -> None:
    """After a power cut Oxigraph may come up in any earlier state: it never syncs its log."""
    states = []
    for number in range(4):
        registry.close()
        folder = tmp_path / f"graph-state-{number}"
        shutil.copytree((registry.root / "graph").resolve(), folder)
        states.append(folder)
        registry.commit(records.registration([new_file()]))
    digests = assert_sound(registry)
    registry.close()
    for state in states:
        graph = (registry.root / "graph").resolve()
        shutil.rmtree(graph)
        shutil.copytree(state, graph)
        shutil.rmtree(registry.root / "snapshots")
        after = Registry.open(registry.root)
        assert assert_sound(after) == digests
        after.close()


def test_a_graph_that_cannot_be_read_is_rebuilt_on_request(
    registry: Registry, reopened: Reopen, records: ModuleType, new_file: NewFile
) -> None:
    registry.commit(records.registration([new_file()]))
    registry.close()
    (registry.root / "graph" / "CURRENT").write_text("nonsense")
    record = records.registration([new_file()])
    with pytest.raises(StoreError, match="pressmark reindex"):
        reopened().commit(record)
    assert reopened().reindex() == 1
    assert reopened().commit(record).sequence == 2
    assert len(assert_sound(reopened())) == 2


def fail_at(number: int, error: BaseException | None = None) -> list[files.Operation]:
    """Makes the file operation of this number, from 0, the one for which no space is left.

    Or the one that meets another error.

    Returns:
        A list that will have the operation that failed.
    """
    seen = 0
    failed: list[files.Operation] = []

    def fail(operation: files.Operation) -> None:
        nonlocal seen
        seen += 1
        if seen == number + 1:
            failed.append(operation)
            raise error or OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    files.trace = fail
    return failed


def test_a_full_disk_at_any_operation_refuses_the_record_whole(
    registry: Registry, reopened: Reopen, records: ModuleType, new_file: NewFile
) -> None:
    before = assert_sound(registry)
    for number in itertools.count():
        record = records.registration([new_file(), new_file()])
        failed = fail_at(number)
        try:
            registry.commit(record)
        except StorageFullError as error:
            assert "no space is left" in str(error)  # noqa: PT017
        finally:
            files.trace = None
        if not failed:
            break
        assert assert_sound(registry) == before
        assert assert_sound(reopened()) == before
        registry.commit(record)
        before.append(record.digest)
        assert assert_sound(registry) == before
    assert number > 5, "two files, a bundle and a journal line take more operations than that"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 24 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,nr_inodes=20k", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(path: Path, leave: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while os.write(descriptor, bytes(4096)):
            pass
    os.ftruncate(descriptor, max(os.fstat(descriptor).st_size - leave, 0))
    os.close(descriptor)


@pytest.mark.parametrize("leave", [0, 4096, 8192, 12288, 16384, 32768, 65536, 262144, 1 << 20])
@pytest.mark.parametrize("session", [False, True], ids=["alone", "session"])
def test_a_really_full_disk(
    leave: int,
    session: bool,
    small_disk: Path,
    records: ModuleType,
    new_file: NewFile,
) -> None:
    registry = Registry.create(small_disk / "r")
    registry.commit(records.registration([new_file()]))
    record = records.registration([new_file(os.urandom(300_000))])
    if session:
        with registry.writing():
            commit_on_full_disk(registry, record, small_disk / "ballast", leave)
    else:
        commit_on_full_disk(registry, record, small_disk / "ballast", leave)
    assert len(assert_sound(registry)) == 2
    registry.close()


def commit_on_full_disk(registry: Registry, record: Record, ballast: Path, leave: int) -> None:
    fill(ballast, leave)
    error = None
    try:
        registry.commit(record)
    except PressmarkError as raised:
        error = raised
    journalled = error is None or "safe as entry 2" in str(error)
    assert journalled or isinstance(error, StorageFullError)
    assert len(registry.journal) == 1 + journalled
    assert {"graph": bundle_at(registry.graph(), 1)} in registry.rows("graphs"), "reading goes on"
    ballast.unlink()
    assert registry.commit(record).sequence == 2
