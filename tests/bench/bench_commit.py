"""Commits per second and the latency of one commit, at 1k and at 100k artifacts stored.

A record is that of one pruning step: about 125 statements, 24 kB. It is timed in a writing session
(what a server or a run does), and once more by a fresh handle (what the command line does, beyond
starting Python): open, lock, commit, publish a snapshot, close. Beside it, in the same run: what
cannot be saved (the disk and Oxigraph, each alone), and the equivalent in MLflow with its SQLite
backend.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from filling import fill
from histories import RECIPE, History
from machine import CACHE, mlflow_folder, scratch
from table import Row, milliseconds, percentile, print_rows

from pressmark.registry.blobs import BlobStore
from pressmark.registry.graph import EmbeddedGraph
from pressmark.registry.journal import Journal
from pressmark.registry.record import Record
from pressmark.registry.registry import Registry
from pressmark.registry.validation import Validator

TITLE = "Commit of one step record (SHACL, blobs, fsynced journal, graph)"
SIZES, QUICK_SIZES = (1_000, 100_000), (100, 1_000)
TIMED, QUICK_TIMED = 1000, 100
FRESH_HANDLES = 40
AIM_PER_SECOND = {"pyshacl": 150, "compiled": 400}
AIM_P50 = 0.0025
AIM_GROWTH = 1.2


def rows(quick: bool = False) -> Iterator[Row]:
    """One row for each engine and size, the growth between sizes, and the peer."""
    sizes, count = (QUICK_SIZES, QUICK_TIMED) if quick else (SIZES, TIMED)
    medians: dict[str, list[float]] = {engine: [] for engine in AIM_PER_SECOND}
    # Folders are removed at the end: ext4 without a journal creates files more slowly for minutes
    # after many were removed.
    with ExitStack() as folders:
        for size in sizes:
            folder = Path(folders.enter_context(scratch()))
            registry, history = filled(folder / "registry", size)
            for engine, found in medians.items():
                seconds = timed(registry, history, engine, count)
                found.append(percentile(seconds, 0.5))
                yield from engine_rows(engine, size, seconds)
            yield fresh_row(size, timed_fresh(registry, history))
        yield from floor_rows(folder, [made.record for made in history.artifacts(count)])
    for engine, found in medians.items():
        growth = found[-1] / found[0]
        label = f"growth of p50 from {sizes[0]:,} to {sizes[-1]:,} artifacts, {engine}"
        yield Row(label, f"x {growth:.2f}", f"<= x {AIM_GROWTH}", growth <= AIM_GROWTH)
    yield peer(count // 5)


def filled(path: Path, count: int) -> tuple[Registry, History]:
    """A registry that holds `count` artifacts."""
    registry, history = Registry.create(path), History()
    registry.blobs.put_bytes(RECIPE)
    registry.commit(history.opening())
    fill(registry, (made.record for made in history.artifacts(count)))
    return registry, history


def timed(registry: Registry, history: History, engine: str, count: int) -> list[float]:
    """Seconds of each of `count` commits in one writing session, after a warm-up."""
    seconds = []
    with (
        Registry.open(registry.root, validator=Validator(engine)) as handle,
        handle.writing(),
    ):
        for made in history.artifacts(count // 10 + count):
            handle.blobs.put_bytes(made.data)
            began = time.perf_counter()
            handle.commit(made.record)
            seconds.append(time.perf_counter() - began)
    return seconds[count // 10 :]


def timed_fresh(registry: Registry, history: History) -> list[float]:
    """Seconds of single commits, each with a new handle and without a session."""
    seconds = []
    for made in history.artifacts(FRESH_HANDLES):
        registry.blobs.put_bytes(made.data)
        began = time.perf_counter()
        with Registry.open(registry.root) as handle:
            handle.commit(made.record)
        seconds.append(time.perf_counter() - began)
    return seconds


def engine_rows(engine: str, size: int, seconds: list[float]) -> Iterator[Row]:
    """Rate and latency of one engine at one size."""
    rate = len(seconds) / sum(seconds)
    where = f"{engine}, {size:,} artifacts stored"
    aim = AIM_PER_SECOND[engine]
    yield Row(f"commits per second, {where}", f"{rate:.0f}", f">= {aim}", rate >= aim)
    half, most = percentile(seconds, 0.5), percentile(seconds, 0.99)
    fast = engine == "compiled"
    aim_p50, met = (f"p50 <= {milliseconds(AIM_P50)}", half <= AIM_P50) if fast else ("", None)
    value = f"p50 {milliseconds(half)}, p99 {milliseconds(most)}"
    yield Row(f"one commit, {where}", value, aim_p50, met)


def fresh_row(size: int, seconds: list[float]) -> Row:
    """Latency of a commit by a fresh handle; few were made, so the slowest stands for the p99."""
    value = f"p50 {milliseconds(percentile(seconds, 0.5))}, slowest {milliseconds(max(seconds))}"
    return Row(f"one commit by a fresh handle, compiled, {size:,} artifacts stored", value)


def floor_rows(folder: Path, records: list[Record]) -> Iterator[Row]:
    """What a commit cannot do without: the disk and the graph, each alone, for the same records."""
    blobs, journal = BlobStore(folder / "blobs"), Journal(folder / "journal")
    graph = EmbeddedGraph(folder / "graph")

    def write(record: Record) -> None:
        blobs.put_bytes(record.nquads)
        journal.append(record.digest)

    for label, work in (
        ("the disk alone: bundle, its name and a journal line, each synced", write),
        ("Oxigraph alone: the statements of one record", lambda one: graph.extend(one.statements)),
    ):
        seconds = []
        for record in records:
            began = time.perf_counter()
            work(record)
            seconds.append(time.perf_counter() - began)
        yield Row(
            label,
            f"p50 {milliseconds(percentile(seconds, 0.5))}, "
            f"p99 {milliseconds(percentile(seconds, 0.99))}",
        )


def peer(count: int) -> Row:
    """MLflow doing the equivalent, in an environment of its own."""
    what = "run, 5 parameters, model version"
    try:
        script = Path(__file__).with_name("mlflow_peer.py")
        python = str(mlflow_folder() / "bin" / "python")
        command = [python, str(script), str(count), str(CACHE)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        return Row(f"MLflow (SQLite): {what}", f"could not be run: {error}")
    found = json.loads(done.stdout)
    value = f"p50 {milliseconds(found['p50'])}, p99 {milliseconds(found['p99'])}"
    return Row(f"MLflow {found['version']} (SQLite): {what}", value)


if __name__ == "__main__":
    print_rows(TITLE, rows())
