"""Lazy reading and the deterministic writer, with the safetensors library as the oracle."""

import errno
import hashlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pressmark.compression.errors import ModelFileError
from pressmark.compression.tensors import (
    DTYPES,
    SafetensorsWriter,
    TensorFiles,
    is_finite,
)

SHAPES = ((), (1,), (3,), (0,), (0, 4), (2, 3), (5, 1, 2))


def bits(tensor: torch.Tensor) -> tuple[torch.dtype, tuple[int, ...], bytes]:
    flat = tensor.contiguous().reshape(-1).view(torch.uint8)
    return tensor.dtype, tuple(tensor.shape), flat.numpy().tobytes()


def random_tensor(dtype: torch.dtype, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    count = int(torch.Size(shape).numel()) * dtype.itemsize
    raw = torch.randint(0, 2 if dtype == torch.bool else 256, (count,), generator=generator)
    return raw.to(torch.uint8).view(dtype).reshape(shape)


def every_dtype() -> dict[str, torch.Tensor]:
    names = {}
    for i, dtype in enumerate(DTYPES.values()):
        for j, shape in enumerate(SHAPES):
            names[f"t{j}.{'z' if i % 2 else 'a'}{i}"] = random_tensor(dtype, shape, 31 * i + j)
    return names


def write(path: Path, tensors: dict[str, torch.Tensor], **metadata: str) -> Path:
    with SafetensorsWriter(path, metadata or {"format": "pt"}) as writer:
        for name, tensor in tensors.items():
            writer.write(name, tensor)
    return path


def test_writes_the_bytes_that_the_library_writes(tmp_path: Path) -> None:
    tensors = every_dtype() | {'odd "name" \\ é \u2028': torch.ones(2)}
    ours = write(tmp_path / "ours", tensors)
    save_file(tensors, tmp_path / "theirs", {"format": "pt"})
    assert ours.read_bytes() == (tmp_path / "theirs").read_bytes()


def test_library_reads_back_every_dtype(tmp_path: Path) -> None:
    tensors = every_dtype()
    path = write(tmp_path / "all.safetensors", tensors, format="pt", b="2", a="1")
    found = load_file(path)
    assert {n: bits(t) for n, t in found.items()} == {n: bits(t) for n, t in tensors.items()}
    with safe_open(path, "pt") as opened:
        assert opened.metadata() == {"format": "pt", "b": "2", "a": "1"}


def test_reads_every_dtype_that_the_library_wrote(tmp_path: Path) -> None:
    tensors = every_dtype()
    save_file(tensors, tmp_path / "all.safetensors", {"format": "pt"})
    found = TensorFiles([tmp_path / "all.safetensors"])
    assert set(found) == set(tensors)
    for name, tensor in tensors.items():
        assert bits(found.read(name)) == bits(tensor)
        info = found.info(name)
        assert (info.dtype, info.shape) == (tensor.dtype, tuple(tensor.shape))
        assert info.count == tensor.numel()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_round_trip_and_order_independence(tmp_path: Path, data: st.DataObject) -> None:
    names = data.draw(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=8))
    names = [name for name in names if name != "__metadata__" and name.isprintable()]
    shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
    tensors = {
        name: random_tensor(data.draw(st.sampled_from(list(DTYPES.values()))), data.draw(shapes), i)
        for i, name in enumerate(names)
    }
    path = write(tmp_path / "x", tensors)
    found = TensorFiles([path])
    assert {n: bits(found[n]) for n in found} == {n: bits(t) for n, t in tensors.items()}
    shuffled = data.draw(st.permutations(names))
    again = write(tmp_path / "y", {name: tensors[name] for name in shuffled})
    assert again.read_bytes() == path.read_bytes()


SCRIPT = """
import sys, torch
from pathlib import Path
from pressmark.compression.tensors import SafetensorsWriter
metadata = {key: key * 2 for key in {"format", "alpha", "beta", "gamma"}}
with SafetensorsWriter(Path(sys.argv[1]), metadata) as writer:
    for name in {"a", "b", "c", "d", "e"}:
        writer.write(name, torch.full((3,), ord(name), dtype=torch.int16))
"""


def test_same_bytes_in_every_process(tmp_path: Path) -> None:
    digests = set()
    for seed in ("0", "1", "77"):
        target = tmp_path / seed
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONSAFEPATH": "1"}
        subprocess.run([sys.executable, "-c", SCRIPT, target], env=environment, check=True)
        digests.add(hashlib.sha256(target.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_what_is_read_can_be_written_to_without_touching_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "x", {"a": torch.arange(8.0)})
    before = path.read_bytes()
    tensor = TensorFiles([path]).read("a")
    tensor.mul_(2)
    assert tensor.tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert path.read_bytes() == before


def test_reads_tensors_that_another_writer_left_unaligned(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}   '
    assert (8 + len(header)) % 4
    path = tmp_path / "x"
    path.write_bytes(
        len(header).to_bytes(8, "little") + header + torch.tensor([1.5, -2]).numpy().tobytes()
    )
    assert TensorFiles([path]).read("a").tolist() == [1.5, -2]


def test_copies_stored_tensors_bit_for_bit(tmp_path: Path) -> None:
    tensors = every_dtype()
    source = TensorFiles([write(tmp_path / "source", tensors)])
    with SafetensorsWriter(tmp_path / "copy") as writer:
        for name in reversed(source.names()):
            writer.copy(source.info(name))
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "source").read_bytes()


def test_non_contiguous_tensors_are_written_row_major(tmp_path: Path) -> None:
    tensor = torch.arange(6).reshape(2, 3).T
    path = write(tmp_path / "x", {"a": tensor})
    assert torch.equal(load_file(path)["a"], tensor)


def test_nothing_is_left_when_writing_fails(tmp_path: Path) -> None:
    def write_twice() -> None:
        with SafetensorsWriter(tmp_path / "x") as writer:
            writer.write("a", torch.ones(2))
            writer.write("a", torch.ones(2))

    with pytest.raises(ModelFileError):
        write_twice()
    assert list(tmp_path.iterdir()) == []


def test_bytes_are_copied_where_the_kernel_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> int:
        raise OSError(errno.EXDEV, "across file systems")

    expected = write(tmp_path / "kernel", every_dtype()).read_bytes()
    monkeypatch.setattr(os, "copy_file_range", refuse)
    assert write(tmp_path / "own", every_dtype()).read_bytes() == expected


def test_a_full_disk_leaves_no_file(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = SafetensorsWriter(tmp_path / "x")
    writer.write("a", torch.ones(200_000))
    writer.write("b", torch.ones(200_000))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_pieces_make_the_whole_or_are_refused(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(4, 3)
    with SafetensorsWriter(tmp_path / "x") as writer:
        writer.write_pieces("a", whole.dtype, (4, 3), whole.split([1, 2, 1]))
        writer.write("b", whole)
        with pytest.raises(ModelFileError, match="tensor c: came in pieces"):
            writer.write_pieces("c", whole.dtype, (4, 3), whole[:3])
    found = load_file(tmp_path / "x")
    assert torch.equal(found["a"], whole)


def test_a_name_is_written_once(tmp_path: Path) -> None:
    with SafetensorsWriter(tmp_path / "x") as writer:
        writer.write("a", torch.ones(2))
        with pytest.raises(ModelFileError, match="tensor a: "):
            writer.write("a", torch.ones(2))


def test_a_name_is_stored_once(tmp_path: Path) -> None:
    files = [write(tmp_path / n, {"a": torch.ones(2)}) for n in ("one", "two")]
    with pytest.raises(ModelFileError, match=r"two, tensor a: is stored a second time.* in one"):
        TensorFiles(files)


def test_missing_tensor_is_named(tmp_path: Path) -> None:
    found = TensorFiles([write(tmp_path / "x", {"a": torch.ones(2)})])
    with pytest.raises(ModelFileError, match="tensor b: is not stored in x"):
        found.read("b")
    with pytest.raises(KeyError):
        found["b"]


def test_a_file_cut_after_opening_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x", {"a": torch.ones(4096)})
    found = TensorFiles([path])
    os.truncate(path, path.stat().st_size - 4)
    with pytest.raises(ModelFileError, match="x, tensor a: was cut"):
        found.read("a")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_finds_one_value_that_is_not_finite(dtype: torch.dtype, bad: float) -> None:
    tensor = torch.zeros((1 << 22) + 3, dtype=dtype)
    assert is_finite(tensor)
    tensor[-1] = bad
    assert not is_finite(tensor)


def test_finite_for_the_other_types() -> None:
    assert is_finite(torch.full((3,), 2**62))
    assert is_finite(torch.empty(0))
    assert not is_finite(torch.tensor([complex(0, float("nan"))]))
    assert not is_finite(torch.tensor([float("nan")]).to(torch.float8_e4m3fn))
    assert is_finite(torch.tensor([1.0]).to(torch.float8_e4m3fn))


def test_memory_falls_again_when_a_tensor_is_released(tmp_path: Path) -> None:
    size = 32 << 20
    path = write(tmp_path / "x", {n: torch.ones(size // 4) for n in "abc"})
    found = TensorFiles([path])
    before = resident()
    for name in found:
        assert float(found.read(name)[-1]) == 1.0
        assert resident() - before < size // 4
        found.read(name).sum()
    assert resident() - before < size // 4


def resident() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")
