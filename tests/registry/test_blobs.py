import errno
import hashlib
import json
import os
import random
import secrets
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pressmark.registry import files
from pressmark.registry.blobs import BlobStore
from pressmark.registry.errors import (
    BlobDamagedError,
    BlobMissingError,
    InvalidInputError,
    StorageFullError,
)
from pressmark.registry.layout import PACK_BYTES, layout_key, object_key
from pressmark.registry.storage import BLOCK_BYTES, LocalStorage

HOSTILE = sorted((Path(__file__).parents[1] / "hostile" / "safetensors").glob("*.safetensors"))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def safetensors_bytes(tensors: dict[str, bytes]) -> bytes:
    entries, position = {}, 0
    for name, data in tensors.items():
        offsets = [position, position + len(data)]
        entries[name] = {"dtype": "U8", "shape": [len(data)], "data_offsets": offsets}
        position += len(data)
    header = json.dumps(entries).encode()
    return len(header).to_bytes(8, "little") + header + b"".join(tensors.values())


def model(seed: int = 0) -> dict[str, bytes]:
    noise = random.Random(seed)
    return {
        "embedding": noise.randbytes(3 * BLOCK_BYTES + 17),
        "norm.1": noise.randbytes(500),
        "norm.2": noise.randbytes(500),
        "head": noise.randbytes(2 * PACK_BYTES),
    }


def used(store: BlobStore) -> int:
    sizes = (
        store.storage.size(key) for top in ("objects", "layouts") for key in store.storage.keys(top)
    )
    return sum(size for size in sizes if size is not None)


@pytest.fixture(params=["path", "file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    urls = {
        "path": str(tmp_path / "store"),
        "file": f"file://{tmp_path}/store",
        "memory": f"memory://{secrets.token_hex(8)}",
    }
    yield BlobStore(urls[request.param])
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def local(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


def object_path(store: BlobStore, digest: str) -> Path:
    assert isinstance(store.storage, LocalStorage)
    return store.storage.path(object_key(digest))


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


# -- round trip ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, PACK_BYTES, BLOCK_BYTES, BLOCK_BYTES + 1, 5 * BLOCK_BYTES])
def test_plain_file_round_trip(store: BlobStore, tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    path = tmp_path / "plain.bin"
    path.write_bytes(data)
    digest = store.put_file(path)
    assert digest == sha256(data)
    assert store.has(digest)
    assert store.size(digest) == size
    assert store.read(digest) == data
    assert store.verify(digest) == []
    assert set(store.digests()) == {digest}
    store.materialise(digest, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data


def test_safetensors_round_trip(store: BlobStore, tmp_path: Path) -> None:
    data = safetensors_bytes(model())
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    digest = store.put_file(path)
    assert digest == sha256(data)
    layout = store.layout(digest)
    assert layout is not None
    assert [chunk.length for chunk in layout.chunks][1:] == [
        3 * BLOCK_BYTES + 17,
        1000,
        2 * PACK_BYTES,
    ]
    assert store.size(digest) == len(data)
    assert store.read(digest) == data
    assert store.verify(digest) == []
    store.materialise(digest, tmp_path / "out", durable=True)
    assert (tmp_path / "out").read_bytes() == data


def test_assembled_file_can_be_sought(store: BlobStore, tmp_path: Path) -> None:
    data = safetensors_bytes(model())
    (tmp_path / "m").write_bytes(data)
    digest = store.put_file(tmp_path / "m")
    noise = random.Random(1)
    with store.open(digest) as stream:
        assert stream.seek(0, os.SEEK_END) == len(data)
        assert stream.read(1) == b""
        for _ in range(50):
            start = noise.randrange(len(data))
            stream.seek(start)
            assert stream.read(1000) == data[start : start + stream.tell() - start]
            assert stream.tell() > start


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.sampled_from([0, 1, 999, PACK_BYTES - 1, PACK_BYTES, PACK_BYTES + 1, BLOCK_BYTES + 1]),
        max_size=6,
    )
)
def test_any_split_is_reassembled(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("split")
    data = safetensors_bytes({f"t{i}": secrets.token_bytes(size) for i, size in enumerate(sizes)})
    (folder / "m").write_bytes(data)
    store = BlobStore(f"memory://{folder.name}")
    digest = store.put_file(folder / "m")
    assert digest == sha256(data)
    assert store.read(digest) == data
    assert store.verify(digest) == []


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_malformed_safetensors_is_kept_as_it_is(
    path: Path, tmp_path: Path, local: BlobStore
) -> None:
    data = path.read_bytes() + bytes(2 * PACK_BYTES)  # long enough to be looked at
    long = tmp_path / path.name
    long.write_bytes(data)
    digest = local.put_file(long)
    assert local.layout(digest) is None
    assert local.read(digest) == data


def test_unchanged_tensors_are_stored_once(store: BlobStore, tmp_path: Path) -> None:
    parent = model()
    (tmp_path / "parent").write_bytes(safetensors_bytes(parent))
    store.put_file(tmp_path / "parent")
    before = used(store)
    child = parent | {"head": bytes(2 * PACK_BYTES)}
    (tmp_path / "child").write_bytes(safetensors_bytes(child))
    digest = store.put_file(tmp_path / "child")
    grown = used(store) - before
    layout = store.layout(digest)
    assert layout is not None
    assert grown == 2 * PACK_BYTES + len(layout.to_bytes())


def test_putting_again_changes_nothing(store: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(safetensors_bytes(model()))
    digest = store.put_file(tmp_path / "m")
    before = used(store), sorted(store.digests())
    assert store.put_file(tmp_path / "m") == digest
    assert store.put_file(tmp_path / "m", expected=digest) == digest
    assert (used(store), sorted(store.digests())) == before
    assert list(store.storage.leftovers()) == []


def test_expected_digest_is_not_believed(store: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    a = store.put_file(tmp_path / "a", expected=sha256(b"b"))
    assert a == sha256(b"a")
    assert store.put_file(tmp_path / "b", expected=a) == sha256(b"b")
    assert store.read(sha256(b"b")) == b"b"


def test_putting_heals_a_lost_chunk(local: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(safetensors_bytes(model()))
    digest = local.put_file(tmp_path / "m")
    layout = local.layout(digest)
    assert layout is not None
    object_path(local, layout.chunks[1].digest).unlink()
    assert local.put_file(tmp_path / "m", expected=digest) == digest
    assert local.verify(digest) == []


def test_delete(store: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(safetensors_bytes(model()))
    for digest in (store.put_file(tmp_path / "m"), store.put_bytes(b"plain")):
        store.delete(digest)
        assert not store.has(digest)
        store.delete(digest)


# -- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("tensor", ["embedding", "head"])
def test_flipped_byte_is_named_down_to_the_tensor(
    local: BlobStore, tmp_path: Path, tensor: str
) -> None:
    tensors = model()
    data = safetensors_bytes(tensors)
    (tmp_path / "m").write_bytes(data)
    digest = local.put_file(tmp_path / "m")
    chunk = sha256(tensors[tensor])
    flip(object_path(local, chunk), 77)
    (damage,) = local.verify(digest)
    start = data.index(tensors[tensor])
    assert (damage.file, damage.blob, damage.tensors) == (digest, chunk, (tensor,))
    assert (damage.start, damage.end) == (start, start + len(tensors[tensor]))
    assert tensor in str(damage)
    with pytest.raises(BlobDamagedError, match=tensor):
        local.materialise(digest, tmp_path / "out")
    with pytest.raises(BlobDamagedError, match=tensor):
        local.read(digest)
    assert not (tmp_path / "out").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m", "store"]


def test_every_flipped_byte_of_a_small_store_is_found(local: BlobStore, tmp_path: Path) -> None:
    data = safetensors_bytes({"a": bytes(PACK_BYTES), "b": b"12345"})
    (tmp_path / "m").write_bytes(data)
    digest = local.put_file(tmp_path / "m")
    assert isinstance(local.storage, LocalStorage)
    paths = [local.storage.path(layout_key(digest))]
    layout = local.layout(digest)
    assert layout is not None
    paths += [object_path(local, chunk.digest) for chunk in layout.chunks]
    noise = random.Random(3)
    for path in paths:
        for offset in noise.sample(range(path.stat().st_size), min(20, path.stat().st_size)):
            flip(path, offset)
            assert local.verify(digest), (path, offset)
            flip(path, offset)
    assert local.verify(digest) == []


def test_missing_short_and_swapped_chunks_are_named(local: BlobStore, tmp_path: Path) -> None:
    tensors = model()
    (tmp_path / "m").write_bytes(safetensors_bytes(tensors))
    digest = local.put_file(tmp_path / "m")
    path = object_path(local, sha256(tensors["head"]))
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert "instead of" in local.verify(digest)[0].problem
    path.unlink()
    assert "missing" in local.verify(digest)[0].problem
    with pytest.raises(BlobMissingError):
        local.materialise(digest, tmp_path / "out")
    path.write_bytes(data)
    local.storage.remove(layout_key(digest))
    assert "not in" in local.verify(digest)[0].problem


def test_layout_of_another_file_is_noticed(local: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(safetensors_bytes(model(0)))
    (tmp_path / "n").write_bytes(safetensors_bytes(model(1)))
    m, n = local.put_file(tmp_path / "m"), local.put_file(tmp_path / "n")
    assert isinstance(local.storage, LocalStorage)
    local.storage.path(layout_key(m)).write_bytes(local.storage.path(layout_key(n)).read_bytes())
    (damage,) = local.verify(m)
    assert "other chunks" in damage.problem


def test_missing_blob(store: BlobStore, tmp_path: Path) -> None:
    digest = sha256(b"never stored")
    assert not store.has(digest)
    assert store.layout(digest) is None
    assert "not in" in store.verify(digest)[0].problem
    for use in (store.read, store.size, store.open):
        with pytest.raises(BlobMissingError, match=digest):
            use(digest)
    with pytest.raises(BlobMissingError):
        store.materialise(digest, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# -- hostile input -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "../" * 20 + "etc/passwd", "A" * 64, "a" * 63, "\0" * 64])
def test_a_digest_cannot_lead_out_of_the_store(store: BlobStore, name: str, tmp_path: Path) -> None:
    for use in (store.has, store.read, store.open, store.delete, store.verify, store.size):
        with pytest.raises(InvalidInputError):
            use(name)


def test_only_regular_files_are_stored(local: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="not a regular file"):
        local.put_file("/dev/null")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InvalidInputError, match="not a regular file"):
        local.put_file(tmp_path / "fifo")
    with pytest.raises(InvalidInputError, match="not a regular file"):
        local.put_file(tmp_path)


def test_unknown_protocol_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="nosuch"):
        BlobStore("nosuch://bucket")


def test_file_that_shrinks_is_refused(
    local: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m"
    path.write_bytes(bytes(3 * BLOCK_BYTES))
    import pressmark.registry.blobs as module

    true_size = module._regular_size
    monkeypatch.setattr(module, "_regular_size", lambda *given: true_size(*given) + 1)
    with pytest.raises(InvalidInputError, match="shrank"):
        local.put_file(path)
    assert list(local.digests()) == []
    assert list(local.storage.leftovers()) == []


FULL_DISK = """
    import os, sys
    from pathlib import Path
    from pressmark.registry.blobs import BlobStore
    from pressmark.registry.errors import StorageFullError
    from pressmark.registry.ids import sha256_file

    store, big = BlobStore(sys.argv[1] + "/store"), Path(sys.argv[2])
    small = store.put_bytes(b"small")
    for attempt in (lambda: store.put_file(big), lambda: store.put_bytes(big.read_bytes())):
        try:
            attempt()
        except StorageFullError as error:
            assert "no space is left" in error.message and error.hint
        else:
            raise AssertionError("a file of 16 MiB was stored on a disk of 8")
        # A chunk that was complete may stay, for garbage collection; the file may not.
        assert not store.has(sha256_file(big)) and len(list(store.digests())) <= 2
        assert not list(store.storage.leftovers())
    whole = BlobStore(sys.argv[2] + ".store")
    digest = whole.put_file(big)
    try:
        whole.materialise(digest, sys.argv[1] + "/out")
    except StorageFullError:
        pass
    assert sorted(os.listdir(sys.argv[1])) == ["store"]
    assert store.verify(small) == []
    store.put_bytes(bytes(1 << 20))
    print("nothing half stored")
"""


@pytest.mark.parametrize("kind", ["plain", "safetensors"])
def test_a_full_disk_stores_nothing(tmp_path: Path, kind: str) -> None:
    """On a real file system of 8 MiB, mounted in a namespace of its own."""
    noise = random.Random(0)
    data = noise.randbytes(16 << 20)
    (tmp_path / "big").write_bytes(safetensors_bytes({"t": data}) if kind != "plain" else data)
    (tmp_path / "disk").mkdir()
    mount = 'mount -t tmpfs -o size=8m tmpfs "$1" && exec "$0" -c "$3" "$1" "$2"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount]
    arguments = [sys.executable, str(tmp_path / "disk"), str(tmp_path / "big")]
    command += [*arguments, textwrap.dedent(FULL_DISK)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("no file system can be mounted here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "nothing half stored"


def test_no_space_is_named(local: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", no_space)
    with pytest.raises(StorageFullError, match="no space is left"):
        local.put_bytes(b"anything")
    monkeypatch.undo()
    assert list(local.digests()) == []
    assert list(local.storage.leftovers()) == []


# -- durability and memory -----------------------------------------------------------------------


def test_a_layout_is_durable_only_after_its_chunks(
    local: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m").write_bytes(safetensors_bytes(model()))
    seen: list[files.Operation] = []
    monkeypatch.setattr(files, "trace", seen.append)
    digest = local.put_file(tmp_path / "m")
    layout = local.layout(digest)
    assert layout is not None
    assert isinstance(local.storage, LocalStorage)
    rename = seen.index(files.Operation("rename", local.storage.path(layout_key(digest))))
    synced = {operation.path for operation in seen[:rename] if operation.kind == "sync-folder"}
    assert {object_path(local, chunk.digest).parent for chunk in layout.chunks} <= synced
    assert seen[-1] == files.Operation("sync-folder", seen[rename].path.parent)


def test_a_blob_that_is_there_already_is_made_durable_too(
    local: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = local.put_bytes(b"twice")
    seen: list[files.Operation] = []
    monkeypatch.setattr(files, "trace", seen.append)
    local.put_bytes(b"twice")
    assert seen == [files.Operation("sync-folder", object_path(local, digest).parent)]


def test_a_batch_syncs_each_folder_once(local: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[files.Operation] = []
    monkeypatch.setattr(files, "trace", seen.append)
    with local.batch():
        digests = [local.put_bytes(bytes([i])) for i in range(100)] + [local.put_bytes(b"\0")]
        assert not any(operation.kind == "sync-folder" for operation in seen)
    folders = [operation.path for operation in seen if operation.kind == "sync-folder"]
    assert len(folders) == len(set(folders)) == len({digest[0] for digest in digests})


def run_python(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["plain", "safetensors"])
def test_memory_stays_flat(tmp_path: Path, kind: str) -> None:
    """192 MiB pass through every operation while the process grows by less than 32 MiB."""
    size = 192 << 20
    header = json.dumps({"t": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    with (tmp_path / "m").open("wb") as file:
        if kind == "safetensors":
            file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(file.tell() + size)
    script = """
        import resource, sys
        from pressmark.registry.blobs import BlobStore
        root = sys.argv[1]
        store = BlobStore(root + "/store")
        store.verify(store.put_bytes(b"imports and threads are warm"))
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        before = peak()
        digest = store.put_file(root + "/m")
        assert store.verify(digest) == []
        store.materialise(digest, root + "/out")
        print(peak() - before)
    """
    grown = int(run_python(script, str(tmp_path)))
    assert grown < 32 << 10, f"{grown} KiB"
    assert (tmp_path / "out").stat().st_size == (tmp_path / "m").stat().st_size
