"""Commits in a group are as good as one after the other, and each keeps its own verdict."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyoxigraph import Quad, RdfFormat, parse

from pressmark.registry import files
from pressmark.registry.access import bundle_iri
from pressmark.registry.errors import RecordRefusedError, StorageFullError
from pressmark.registry.faults import FaultPoint
from pressmark.registry.ids import new_iri
from pressmark.registry.journal import Journal
from pressmark.registry.neighbourhood import JOURNAL_GRAPH
from pressmark.registry.record import Record, canonical_nquads
from pressmark.registry.registry import Registry

NewFile = Callable[..., Path]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry.create(tmp_path / "registry") as registry:
        yield registry


def assert_sound(registry: Registry) -> list[str]:
    """The journal is whole, and the graph holds exactly its bundles, each with its sequence."""
    assert Journal(registry.root / "journal").damages() == []
    entries = list(registry.journal.entries())
    graph, quads = registry.graph(), set[Quad]()
    for entry in entries:
        nquads = registry.blobs.read(entry.bundle_digest)
        quads.update(parse(nquads, format=RdfFormat.N_QUADS))
        said = {quad.object.value for quad in graph.match(bundle_iri(nquads), graph=JOURNAL_GRAPH)}
        assert said == {str(entry.sequence), entry.bundle_digest}
    names = set(graph.graphs()) - {JOURNAL_GRAPH}
    assert {quad for name in names for quad in graph.quads(name)} == quads
    return [entry.bundle_digest for entry in entries]


def test_a_group_is_one_append_and_one_extension(
    registry: Registry, records: ModuleType, together: ModuleType, new_file: NewFile
) -> None:
    first, *others = [records.registration([new_file()]) for _ in range(6)]
    passed: list[FaultPoint] = []
    synced: list[Path] = []

    def listen(point: FaultPoint) -> None:
        if not passed:
            files.trace = lambda done: synced.append(done.path) if done.kind == "sync" else None
        passed.append(point)

    with registry.writing():
        try:
            found = together.commit_together(registry, first, others, listen)
        finally:
            files.trace = None
        assert [each.result().sequence for each in found] == [1, 2, 3, 4, 5, 6]
        assert passed.count(FaultPoint.BEFORE_JOURNAL) == 1
        assert passed.count(FaultPoint.AFTER_GRAPH) == 2
        assert synced.count(registry.journal.path) == 1
        assert assert_sound(registry) == [record.digest for record in (first, *others)]


def test_records_that_build_on_one_another_come_in_the_same_group(
    registry: Registry, records: ModuleType, together: ModuleType, new_file: NewFile
) -> None:
    base, tuned = new_iri(), new_iri()
    chain = [
        records.registration([new_file()], artifact=base),
        records.registration([new_file()], [base], artifact=tuned),
        records.check(tuned, holds=True),
    ]
    with registry.writing():
        found = together.commit_together(registry, records.registration([new_file()]), chain)
        assert [each.result().sequence for each in found] == [1, 2, 3, 4]
    assert len(assert_sound(registry)) == 4


def test_each_record_keeps_its_own_refusal(
    registry: Registry, records: ModuleType, together: ModuleType, new_file: NewFile
) -> None:
    good = [records.registration([new_file()]) for _ in range(2)]
    base = new_iri()
    twins = [records.registration([new_file()], artifact=base) for _ in range(2)]
    orphan = records.registration([new_file()], [new_iri()])
    bare = replace(good[0], nquads=canonical_nquads(list(good[0].quads())[:-1]))
    with registry.writing():
        found = together.commit_together(
            registry, good[0], [twins[0], orphan, twins[1], bare, good[1]]
        )
        accepted = [each for each in found if each.exception() is None]
        assert accepted == [found[0], found[1], found[5]]
        for refused in (found[2], found[3], found[4]):
            assert isinstance(refused.exception(), RecordRefusedError)
        (violation,) = found[3].exception().violations
        assert (violation.shape, violation.focus) == ("closedSubjects", base.value)
    assert assert_sound(registry) == [good[0].digest, twins[0].digest, good[1].digest]


def test_one_record_sent_twice_is_in_the_journal_once(
    registry: Registry, records: ModuleType, together: ModuleType, new_file: NewFile
) -> None:
    first, second = (records.registration([new_file()]) for _ in range(2))
    again = Record(second.bundle, second.nquads, second.files)
    with registry.writing():
        found = together.commit_together(registry, first, [second, again])
        assert found[1].result() == found[2].result()
    assert assert_sound(registry) == [first.digest, second.digest]


def test_a_full_disk_refuses_a_group_record_by_record(
    registry: Registry,
    records: ModuleType,
    together: ModuleType,
    new_file: NewFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The journal has no room for three lines, but for one."""
    first, *others = [records.registration([new_file()]) for _ in range(4)]
    append, refused = files.append, []

    def little_room(descriptor: int, path: Path, data: bytes) -> None:
        if len(data) > 208 or len(refused) == 2:
            refused.append(len(data))
            raise OSError(28, "No space left on device")
        append(descriptor, path, data)
        refused.append(0)

    def listen(point: FaultPoint) -> None:
        if point == FaultPoint.AFTER_GRAPH:
            monkeypatch.setattr(files, "append", little_room)

    with registry.writing():
        found = together.commit_together(registry, first, others, listen)
        monkeypatch.undo()
        assert found[1].result().sequence == 2
        assert isinstance(found[2].exception(), StorageFullError)
        assert found[3].result().sequence == 3
        assert registry.commit(others[1]).sequence == 4
    assert len(assert_sound(registry)) == 4


GROUP_POINTS = [
    FaultPoint.BEFORE_JOURNAL,
    FaultPoint.AFTER_JOURNAL,
    FaultPoint.BEFORE_GRAPH,
    FaultPoint.AFTER_GRAPH,
]


@pytest.mark.parametrize("point", GROUP_POINTS, ids=lambda point: point.name)
def test_a_killed_group_is_whole_or_never_was(
    point: FaultPoint, registry: Registry, new_file: NewFile
) -> None:
    registry.close()
    paths = [new_file() for _ in range(5)]
    script = Path(__file__).with_name("crash_group.py")
    process = subprocess.run(
        [sys.executable, script, registry.root, point.name, *paths],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    offered, *acknowledged = process.stdout.splitlines()
    digests = offered.split()
    assert set(acknowledged) <= {digests[0]}, "the group was not acknowledged before it was done"
    with Registry.open(registry.root) as after:
        expected = digests[:1] if point == FaultPoint.BEFORE_JOURNAL else digests
        assert assert_sound(after) == expected
        for digest in digests:  # whoever got no answer sends it again
            nquads = (registry.root.parent / f"{digest}.nq").read_bytes()
            assert after.commit(Record(bundle_iri(nquads), nquads)).sequence
        assert sorted(assert_sound(after)) == sorted(digests)


@pytest.mark.parametrize("point", GROUP_POINTS, ids=lambda point: point.name)
def test_who_leads_may_be_interrupted_without_harm_to_others(
    point: FaultPoint,
    registry: Registry,
    records: ModuleType,
    together: ModuleType,
    new_file: NewFile,
) -> None:
    first, *others = [records.registration([new_file()]) for _ in range(4)]
    pending = [KeyboardInterrupt()]

    def interrupt(reached: FaultPoint) -> None:
        in_group = point == FaultPoint.BEFORE_JOURNAL or len(registry.journal) > 1
        if reached == point and in_group and pending:
            raise pending.pop()

    with registry.writing():
        found = together.commit_together(registry, first, others, interrupt)
        interrupted = [each for each in found if isinstance(each.exception(), KeyboardInterrupt)]
        assert len(interrupted) == 1
        for each in found:
            assert each in interrupted or each.result()
        for record in (first, *others):
            assert registry.commit(record)
        assert len(assert_sound(registry)) == 4


def test_a_journal_keeps_what_was_synced_of_a_group(tmp_path: Path) -> None:
    """At each moment of a power cut: any part of what was not synced yet, or zeros in its place."""
    path, digests = tmp_path / "journal", [f"{number:064x}" for number in range(50)]
    states: list[tuple[bytes, bytes]] = []  # what is synced, and what is in the file
    synced = b""

    def listen(operation: files.Operation) -> None:
        nonlocal synced
        present = path.read_bytes()
        states.append((synced, present))
        if operation.kind == "sync":
            synced = present

    with closing(Journal(path)) as journal:
        first = [journal.append(digest) for digest in digests[:7]]
        synced = path.read_bytes()
        files.trace = listen
        try:
            entries = [*first, *journal.append_all(digests[7:])]
        finally:
            files.trace = None
    for number, (certain, present) in enumerate(states):
        rest = present[len(certain) :]
        for kept in range(0, len(rest) + 1, 104):
            for cut in (
                present[: len(certain) + kept],
                certain + rest[:kept].ljust(len(rest), b"\0"),
            ):
                copy = tmp_path / f"cut-{number}-{kept}"
                copy.write_bytes(cut)
                with closing(Journal(copy)) as after:
                    after.repair()
                    found = list(after.entries())
                    assert len(found) >= max(7, len(certain) // 208)
                    assert found == entries[: len(found)]
                    assert after.append(digests[0]).sequence == len(found) + 1


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_group_is_as_good_as_one_after_the_other(
    tmp_path_factory: pytest.TempPathFactory, records: ModuleType, data: st.DataObject
) -> None:
    """Threads commit a random forest, each record once what it builds on is acknowledged."""
    folder = tmp_path_factory.mktemp("group")
    count = data.draw(st.integers(2, 12), "records")
    iris = [new_iri() for _ in range(count)]
    made: list[Record] = []
    parents: list[list[int]] = []
    for number in range(count):
        known = st.lists(st.integers(0, number - 1), max_size=2, unique=True)
        parents.append(data.draw(known, "parents") if number else [])
        path = folder / f"{number}.bin"
        path.write_bytes(f"content {number}".encode())
        made.append(
            records.registration([path], [iris[parent] for parent in parents[-1]], iris[number])
        )
    with Registry.create(folder / "one") as one, one.writing():
        for record in made:
            one.commit(record)
        alone = assert_sound(one)
        said = {q for q in one.graph().match() if q.graph_name != JOURNAL_GRAPH}
    with (
        Registry.create(folder / "many") as many,
        many.writing(),
        ThreadPoolExecutor(data.draw(st.integers(2, 6), "threads")) as threads,
    ):
        waiting = []

        def commit(number: int) -> int:
            for parent in parents[number]:
                waiting[parent].result()
            return many.commit(made[number]).sequence

        # A record stands behind its parents in the queue, so that no thread waits for ever.
        for number in range(count):
            waiting.append(threads.submit(commit, number))
        places = [each.result() for each in waiting]
        assert sorted(places) == list(range(1, count + 1))
        for number, needed in enumerate(parents):
            assert all(places[parent] < places[number] for parent in needed)
        assert sorted(assert_sound(many)) == sorted(alone)
        assert {q for q in many.graph().match() if q.graph_name != JOURNAL_GRAPH} == said
