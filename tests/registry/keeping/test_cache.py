import os
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from pressmark.registry.blobs import BlobStore
from pressmark.registry.cache import FileCache
from pressmark.registry.errors import BlobMissingError, InvalidInputError

SIZE = 10_000


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


@pytest.fixture
def cache(tmp_path: Path) -> FileCache:
    return FileCache(tmp_path / "cache", limit=3 * SIZE)


@pytest.fixture
def put(store: BlobStore) -> Callable[[int], str]:
    return lambda seed: store.put_bytes(random.Random(seed).randbytes(SIZE))


def cached(cache: FileCache) -> set[str]:
    return {path.name for path in cache.root.iterdir() if not path.suffix}


def test_a_file_is_fetched_once(
    cache: FileCache, store: BlobStore, put: Callable[[int], str], tmp_path: Path
) -> None:
    digest = put(0)
    data = store.read(digest)
    with cache.use(store, digest) as path:
        assert path.read_bytes() == data
    store.delete(digest)
    with cache.use(store, digest) as path:
        assert path.read_bytes() == data
    cache.copy(store, digest, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data
    (tmp_path / "out").write_bytes(b"mine now")
    with cache.use(store, digest) as path:
        assert path.read_bytes() == data


def test_the_least_recently_used_goes_first(
    cache: FileCache, store: BlobStore, put: Callable[[int], str]
) -> None:
    digests = [put(seed) for seed in range(5)]
    for age, digest in enumerate(digests[:3]):
        with cache.use(store, digest):
            pass
        os.utime(cache.root / f"{digest}.use", (1000 + age, 1000 + age))
    with cache.use(store, digests[0]):  # now the youngest
        pass
    with cache.use(store, digests[3]):
        pass
    assert cached(cache) == {digests[0], digests[2], digests[3]}
    assert cache.size() == 3 * SIZE


def test_files_in_use_stay_beyond_the_limit(
    cache: FileCache, store: BlobStore, put: Callable[[int], str]
) -> None:
    digests = [put(seed) for seed in range(5)]
    with cache.use(store, digests[0]) as path:
        for digest in digests[1:]:
            with cache.use(store, digest):
                pass
        assert path.read_bytes() == store.read(digests[0])
        cache.limit = 0
        cache.trim()
        assert cached(cache) == {digests[0]}
    assert cache.trim() == SIZE
    assert cached(cache) == set()


def test_a_file_that_was_written_to_is_made_anew(
    cache: FileCache, store: BlobStore, put: Callable[[int], str], tmp_path: Path
) -> None:
    digest = put(0)
    data = store.read(digest)
    with cache.use(store, digest) as path:
        path.chmod(0o644)
        path.write_bytes(b"oh")
    with cache.use(store, digest) as path:
        assert path.read_bytes() == data
        status = path.stat()
        path.chmod(0o644)
        path.write_bytes(data[::-1])
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # with intent
    cache.copy(store, digest, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data


def test_what_is_not_in_the_store(cache: FileCache, store: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(BlobMissingError), cache.use(store, "0" * 64):
        pass
    with pytest.raises(InvalidInputError), cache.use(store, "../../etc/passwd"):
        pass
    assert cached(cache) == set()


def test_many_processes_share_it(
    cache: FileCache, store: BlobStore, put: Callable[[int], str]
) -> None:
    digests = [put(seed) for seed in range(6)]
    script = """
        import hashlib, random, sys
        from pressmark.registry.blobs import BlobStore
        from pressmark.registry.cache import FileCache
        store, cache = BlobStore(sys.argv[1]), FileCache(sys.argv[2], limit=30_000)
        noise = random.Random(int(sys.argv[3]))
        for _ in range(150):
            digest = noise.choice(sys.argv[4:])
            with cache.use(store, digest) as path:
                assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    """
    command = [sys.executable, "-c", textwrap.dedent(script), store.url, str(cache.root)]
    processes = [subprocess.Popen([*command, str(seed), *digests]) for seed in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert cache.size() <= 6 * SIZE
    cache.trim()
    assert cache.size() <= 3 * SIZE
