"""Storing, checking and taking out one safetensors file, beside plain SHA-256 of the same bytes.

Every figure is the best of three, all three in the page cache; storing includes ``fsync``. The
file is a real model's where one is named, else random bf16 tensors of gemma-3-270m's sizes.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from machine import scratch
from table import Row, milliseconds, percentile, print_rows

from pressmark.registry.blobs import BlobStore
from pressmark.registry.layout import LAYOUTS, OBJECTS

TITLE = "Blobs: storing, checking and taking out one safetensors file"
ROUNDS = 3
SMALL, SMALL_COUNT, SMALL_ROUNDS = 4096, 20, 15
AIM_SMALL = 0.0005
LAYERS, QUICK_LAYERS = 18, 2
EMBEDDING, QUICK_EMBEDDING = 335_544_320, 33_554_432
WIDE, NARROW = 2_621_440, 1280
CHANGED = "t0001"


def rows(quick: bool = False, model: Path | None = None) -> Iterator[Row]:
    """What the file is, then one row for each operation.

    Args:
        quick: Make a file of a tenth of the size.
        model: A safetensors file; a random one is made where none is given.
    """
    with scratch() as name:
        file = model or random_model(Path(name) / "model.safetensors", quick)
        size = f"{file.stat().st_size / 1e6:.0f} MB"
        yield Row("the file", f"{size}, {len(tensors(file))} tensors")
        yield from file_rows(file, Path(name))


def file_rows(file: Path, folder: Path) -> Iterator[Row]:
    """One row for each operation; the unit is gigabytes of the file per second."""
    store = BlobStore(folder / "store")
    digest = plain_sha256(file)
    plain = speed(file, lambda: plain_sha256(file))
    yield Row("SHA-256 alone (hashlib.file_digest)", f"{plain:.2f} GB/s")

    def fresh() -> None:
        shutil.rmtree(folder / "store")
        store.__init__(folder / "store")  # type: ignore[misc]

    copied = speed(file, lambda: copy_synced(file, folder / "copy"))
    yield Row("copy and fsync, nothing hashed", f"{copied:.2f} GB/s")
    operations: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        ("ingest, all new (hashed twice, written, fsynced)", lambda: store.put_file(file), fresh),
        ("ingest, all there, digest unknown", lambda: store.put_file(file), lambda: None),
        ("ingest, all there, digest known", lambda: store.put_file(file, digest), lambda: None),
        ("verify", lambda: store.verify(digest), lambda: None),
        ("materialise", lambda: store.materialise(digest, folder / "out"), lambda: None),
    ]
    for what, operation, before in operations:
        found = speed(file, operation, before)
        yield Row(what, f"{found:.2f} GB/s = {found / plain:.2f} x SHA-256")
    if CHANGED in tensors(file):
        yield changed_row(store, file, folder / "changed.safetensors")
    yield from small_rows(store, folder)


def changed_row(store: BlobStore, file: Path, copy: Path) -> Row:
    """How many bytes a second file takes that differs in one tensor."""
    shutil.copyfile(file, copy)
    begin, end = tensors(copy)[CHANGED]["data_offsets"]
    with copy.open("rb+") as stream:
        stream.seek(8 + int.from_bytes(stream.read(8), "little") + begin)
        stream.write(os.urandom(end - begin))
    before = stored_bytes(store)
    store.put_file(copy)
    added = stored_bytes(store) - before
    what = f"bytes for a second file, one tensor of {(end - begin) / 1e6:.2f} MB changed"
    return Row(what, f"{added / 1e6:.2f} MB")


def stored_bytes(store: BlobStore) -> int:
    """How much all blobs take together."""
    keys = (key for folder in (OBJECTS, LAYOUTS) for key in store.storage.keys(folder))
    return sum(store.storage.size(key) or 0 for key in keys)


def small_rows(store: BlobStore, folder: Path) -> Iterator[Row]:
    """How long one tiny blob takes, beside what the disk alone takes, in turns."""
    (folder / "bare").mkdir()
    ways: dict[str, Callable[[], object]] = {
        "bare system calls: write, fsync, rename, fsync": lambda: put_bare(folder / "bare"),
        "put, alone": lambda: put_small(store),
        "put, in a batch": lambda: put_small(store, store.batch),
    }
    seconds: dict[str, list[float]] = {what: [] for what in ways}
    for _ in range(SMALL_ROUNDS):
        for what, way in ways.items():
            seconds[what].append(timed(way))
    bare, *puts = ((what, percentile(found, 0.5)) for what, found in seconds.items())
    yield Row(f"4 KiB, {bare[0]}", milliseconds(bare[1]))
    for what, found in puts:
        aim = f"<= {milliseconds(AIM_SMALL)}, or bare + 20 %"
        met = found <= max(AIM_SMALL, 1.2 * bare[1])
        yield Row(f"4 KiB, {what}", milliseconds(found), aim, met)


def timed(operation: Callable[[], object]) -> float:
    """Seconds for one tiny blob, as the mean over some."""
    begin = time.perf_counter()
    operation()
    return (time.perf_counter() - begin) / SMALL_COUNT


def put_bare(folder: Path) -> None:
    """Make small files durable with nothing around it."""
    names = os.open(folder, os.O_RDONLY)
    for _ in range(SMALL_COUNT):
        path = folder / os.urandom(8).hex()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, os.urandom(SMALL))
        os.fsync(descriptor)
        os.close(descriptor)
        path.rename(path.with_suffix(".blob"))
        os.fsync(names)
    os.close(names)


def put_small(
    store: BlobStore, batch: Callable[[], AbstractContextManager[object]] = nullcontext
) -> None:
    """Store many tiny blobs."""
    with batch():
        for _ in range(SMALL_COUNT):
            store.put_bytes(os.urandom(SMALL))


def speed(
    file: Path, operation: Callable[[], object], before: Callable[[], object] = lambda: None
) -> float:
    """The best of some rounds, in GB/s of the file's bytes."""
    best = float("inf")
    for _ in range(ROUNDS):
        before()
        begin = time.perf_counter()
        operation()
        best = min(best, time.perf_counter() - begin)
    return file.stat().st_size / best / 1e9


def plain_sha256(file: Path) -> str:
    """What everything is compared with."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy_synced(file: Path, target: Path) -> None:
    """The cheapest way to have the bytes twice on the disk."""
    target.unlink(missing_ok=True)
    shutil.copyfile(file, target)
    with target.open("rb+") as stream:
        os.fsync(stream.fileno())


def tensors(file: Path) -> dict[str, Any]:
    """The header of a safetensors file: what it says of each tensor."""
    with file.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    return {name: about for name, about in header.items() if name != "__metadata__"}


def random_model(path: Path, quick: bool) -> Path:
    """A file with the tensor sizes of gemma-3-270m, or with fewer of them."""
    layers, embedding = (QUICK_LAYERS, QUICK_EMBEDDING) if quick else (LAYERS, EMBEDDING)
    block = [WIDE, WIDE, WIDE, NARROW, NARROW, WIDE // 2, NARROW, WIDE // 4]
    sizes = [embedding] + block * layers
    entries, position = {}, 0
    for index, size in enumerate(sizes):
        offsets = [position, position + size]
        entries[f"t{index:04}"] = {"dtype": "BF16", "shape": [size // 2], "data_offsets": offsets}
        position += size
    header = json.dumps(entries).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for size in sizes:
            for start in range(0, size, 1 << 20):
                file.write(os.urandom(min(1 << 20, size - start)))
    return path


if __name__ == "__main__":
    print_rows(TITLE, rows(model=Path(sys.argv[1]) if len(sys.argv) > 1 else None))
