"""The bit-mask kernels against NumPy: packbits and boolean indexing."""

import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pressmark.compression.kernels import (
    Bitmasked,
    bitmask_pack,
    bitmask_unpack,
    capabilities,
)

PATHS = capabilities().paths["bitmask"]
ELEMENTS = (np.uint8, np.int8, np.uint16, np.int16, np.float16)
# Around the widths of a byte of mask (8), a register of halves (32) and of bytes (64).
EDGES = (0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 130)

every_path = pytest.mark.parametrize("path", PATHS)


def sparse(shape: tuple[int, int], density: float, dtype: Any, seed: int = 0) -> NDArray[Any]:
    """Random bits; about `density` of the elements are not zero."""
    rng = np.random.default_rng(seed)
    itemsize = np.dtype(dtype).itemsize
    unsigned = np.uint8 if itemsize == 1 else np.uint16
    bits = rng.integers(1, np.iinfo(unsigned).max, shape, dtype=unsigned, endpoint=True)
    return (bits * (rng.random(shape) < density)).astype(unsigned).view(dtype)


def raw(matrix: NDArray[Any]) -> NDArray[Any]:
    return matrix.view(np.uint8 if matrix.itemsize == 1 else np.uint16)


def oracle(matrix: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Mask, values and row offsets as NumPy states them."""
    kept = raw(matrix) != 0
    offsets = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int64)
    return np.packbits(kept, axis=1, bitorder="little"), matrix[kept], offsets


def assert_packs_like_numpy(matrix: NDArray[Any], path: str, threads: int = 1) -> None:
    mask, values, offsets = oracle(matrix)
    packed = bitmask_pack(matrix, path=path, threads=threads)
    np.testing.assert_array_equal(packed.mask, mask)
    np.testing.assert_array_equal(raw(packed.values), raw(values))
    np.testing.assert_array_equal(packed.row_offsets, offsets)
    assert packed.values.dtype == matrix.dtype
    columns = matrix.shape[1]
    dense = bitmask_unpack(packed.mask, packed.values, columns, path=path, threads=threads)
    assert dense.dtype == matrix.dtype
    np.testing.assert_array_equal(raw(dense), raw(matrix))


def test_capabilities_name_a_path_that_runs() -> None:
    found = capabilities()
    assert found.active["bitmask"] == found.paths["bitmask"][0]
    assert "portable" in found.paths["bitmask"]
    assert found.threads >= 1


def test_the_fast_path_is_active_where_the_processor_has_it() -> None:
    has_it = {"avx512_vbmi2", "avx512bw", "avx512vl"} <= set(capabilities().instruction_sets)
    assert (capabilities().active["bitmask"] == "avx512_vbmi2") == has_it


def test_instruction_sets_agree_with_the_operating_system() -> None:
    cpuinfo = capabilities_of_linux()
    if cpuinfo is None:
        pytest.skip("this system has no /proc/cpuinfo with flags")
    assert set(capabilities().instruction_sets) <= cpuinfo


def capabilities_of_linux() -> set[str] | None:
    try:
        with open("/proc/cpuinfo", encoding="ascii") as lines:  # noqa: PTH123
            flags = next((line for line in lines if line.startswith("flags")), None)
    except OSError:
        return None
    return set(flags.split()) if flags else None


@every_path
@pytest.mark.parametrize("dtype", ELEMENTS)
@pytest.mark.parametrize("columns", EDGES)
def test_equals_numpy_at_register_edges(path: str, dtype: Any, columns: int) -> None:
    for density in (0.0, 0.5, 1.0):
        assert_packs_like_numpy(sparse((3, columns), density, dtype), path)


@every_path
@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(0, 9),
    columns=st.integers(0, 300),
    density=st.floats(0, 1),
    dtype=st.sampled_from(ELEMENTS),
    threads=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_numpy(
    path: str, rows: int, columns: int, density: float, dtype: Any, threads: int, seed: int
) -> None:
    assert_packs_like_numpy(sparse((rows, columns), density, dtype, seed), path, threads)


@every_path
def test_threads_do_not_change_the_bytes(path: str) -> None:
    # Large enough that the kernels do use the threads, with a number of rows they do not divide.
    matrix = sparse((3001, 2501), 0.5, np.uint16)
    assert_packs_like_numpy(matrix, path, threads=1)
    for threads in (2, 3, 7):
        assert_packs_like_numpy(matrix, path, threads)


@every_path
def test_threads_with_rows_of_very_unequal_density(path: str) -> None:
    matrix = sparse((2500, 4003), 1.0, np.uint8)
    matrix[5:-1] = 0
    assert_packs_like_numpy(matrix, path, threads=4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int8, torch.uint8])
@every_path
def test_torch_round_trip_keeps_every_bit(path: str, dtype: torch.dtype) -> None:
    itemsize = dtype.itemsize
    raw_bits = sparse((37, 91), 0.6, np.int8 if itemsize == 1 else np.int16)
    matrix = torch.from_numpy(raw_bits).view(dtype)
    packed = bitmask_pack(matrix, path=path)
    dense = bitmask_unpack(packed.mask, packed.values, packed.columns, path=path)
    assert isinstance(packed, Bitmasked)
    assert (packed.mask.dtype, packed.row_offsets.dtype) == (torch.uint8, torch.int64)
    assert packed.values.dtype == dense.dtype == dtype
    signed = torch.int8 if itemsize == 1 else torch.int16
    assert torch.equal(dense.view(signed), matrix.view(signed))


@every_path
def test_every_16_bit_pattern_survives(path: str) -> None:
    """Infinities, all NaN payloads, denormals and both zeros: only 0x0000 is left out."""
    patterns = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    packed = bitmask_pack(patterns.view(np.float16), path=path)
    assert packed.values.size == (1 << 16) - 1
    dense = bitmask_unpack(packed.mask, packed.values, 256, path=path)
    np.testing.assert_array_equal(raw(dense), patterns)


@every_path
def test_negative_zero_is_kept(path: str) -> None:
    packed = bitmask_pack(torch.tensor([[0.0, -0.0, 1.0]], dtype=torch.bfloat16), path=path)
    assert packed.mask.tolist() == [[0b110]]
    assert torch.signbit(packed.values).tolist() == [True, False]


def test_golden_mask_of_the_sparse_bitmask_layout() -> None:
    """Columns 0 and 3 of 8 make byte 0x09; ten columns take two bytes, the tail bits zero."""
    matrix = np.array([[5, 0, 0, 6, 0, 0, 0, 0, 0, 7]], dtype=np.uint8)
    packed = bitmask_pack(matrix)
    assert packed.mask.tolist() == [[0x09, 0x02]]
    assert packed.values.tolist() == [5, 6, 7]


def test_a_matrix_that_is_not_contiguous_is_packed_as_it_reads() -> None:
    matrix = sparse((20, 31), 0.5, np.uint16)
    transposed = bitmask_pack(matrix.T)
    np.testing.assert_array_equal(transposed.mask, oracle(np.ascontiguousarray(matrix.T))[0])


def test_read_only_input_is_accepted() -> None:
    matrix = sparse((4, 40), 0.5, np.uint8)
    matrix.setflags(write=False)
    assert_packs_like_numpy(matrix, PATHS[0])


def test_kernels_run_beside_python() -> None:
    """Four threads at once, each checked: the lock is released and nothing is shared."""
    matrices = [sparse((211, 1003), 0.1 + 0.2 * i, np.uint16, seed=i) for i in range(4)]
    failures: list[BaseException] = []

    def work(matrix: NDArray[Any]) -> None:
        try:
            assert_packs_like_numpy(matrix, PATHS[0], threads=2)
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(matrix,)) for matrix in matrices]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def mask_and_values() -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    packed = bitmask_pack(sparse((6, 70), 0.5, np.uint16))
    return packed.mask, packed.values


@every_path
@pytest.mark.parametrize(
    ("columns", "message"),
    [(64, "bytes per row"), (80, "bytes per row"), (-1, "negative"), (2**62, "bytes per row")],
)
def test_a_wrong_number_of_columns_is_refused(path: str, columns: int, message: str) -> None:
    mask, values = mask_and_values()
    with pytest.raises(ValueError, match=message):
        bitmask_unpack(mask, values, columns, path=path)


@every_path
@pytest.mark.parametrize("missing", [1, 2, 10_000])
def test_too_few_values_are_refused(path: str, missing: int) -> None:
    mask, values = mask_and_values()
    with pytest.raises(ValueError, match="the mask keeps"):
        bitmask_unpack(mask, values[: max(0, len(values) - missing)], 70, path=path)


@every_path
def test_too_many_values_are_refused(path: str) -> None:
    mask, values = mask_and_values()
    with pytest.raises(ValueError, match="the mask keeps"):
        bitmask_unpack(mask, np.append(values, values[:1]), 70, path=path)


@every_path
def test_a_bit_past_the_last_column_is_refused(path: str) -> None:
    """The number of values still agrees: another bit was cleared."""
    mask, values = mask_and_values()
    row, byte = 4, mask.shape[1] - 1
    full = np.flatnonzero(mask[row, :byte])[0]
    mask[row, full] &= mask[row, full] - 1
    mask[row, byte] |= 0x80
    with pytest.raises(ValueError, match="past the last column in row 4"):
        bitmask_unpack(mask, values, 70, path=path)


@settings(max_examples=50, deadline=None)
@given(
    mask=st.binary(min_size=0, max_size=64),
    stride=st.integers(1, 9),
    columns=st.integers(0, 80),
    values=st.integers(0, 200),
)
def test_hostile_masks_are_refused_or_unpacked_alike(
    mask: bytes, stride: int, columns: int, values: int
) -> None:
    rows = len(mask) // stride
    bits = np.frombuffer(mask[: rows * stride], np.uint8).reshape(rows, stride)
    results = []
    for path in PATHS:
        try:
            dense = bitmask_unpack(bits, np.arange(values).astype(np.uint8), columns, path=path)
            results.append(dense.tobytes())
        except ValueError as error:
            results.append(str(error).encode())
    assert len(set(results)) == 1


def test_wrong_dimensions_are_refused() -> None:
    mask, values = mask_and_values()
    with pytest.raises(ValueError, match="two dimensions"):
        bitmask_pack(np.zeros(8, np.uint8))
    with pytest.raises(ValueError, match="two dimensions"):
        bitmask_unpack(mask.ravel(), values, 70)
    with pytest.raises(ValueError, match="one dimension"):
        bitmask_unpack(mask, values.reshape(1, -1), 70)


def test_wrong_types_are_refused() -> None:
    mask, values = mask_and_values()
    with pytest.raises(TypeError, match="one or two bytes, not float32"):
        bitmask_pack(np.zeros((2, 2), np.float32))
    with pytest.raises(TypeError, match=r"one or two bytes, not torch\.float32"):
        bitmask_pack(torch.zeros(2, 2))
    with pytest.raises(TypeError, match="the mask must be uint8"):
        bitmask_unpack(mask.view(np.int8), values, 70)


def test_an_unknown_path_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'amx'.*usable: .*portable"):
        bitmask_pack(np.zeros((2, 2), np.uint8), path="amx")


GUARDED = """
import ctypes, mmap, sys
import numpy as np
from pressmark.compression.kernels import bitmask_pack, bitmask_unpack

libc = ctypes.CDLL(None, use_errno=True)
PAGE = mmap.PAGESIZE


def before_a_guard_page(array):
    '''A copy whose last byte is the last before a page that must not be touched.'''
    pages = -(-max(array.nbytes, 1) // PAGE)
    memory = mmap.mmap(-1, (pages + 1) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    address = ctypes.c_void_p(start + pages * PAGE)
    assert libc.mprotect(address, ctypes.c_size_t(PAGE), 0) == 0
    offset = pages * PAGE - array.nbytes
    copy = np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape)
    copy[...] = array
    return copy


rng = np.random.default_rng(0)
for dtype in (np.uint8, np.uint16):
    for rows, columns in ((1, 1), (1, 31), (2, 33), (3, 64), (5, 65), (1, 127), (7, 130)):
        for zeros in (0.0, 0.5, 0.98, 1.0):
            dense = rng.integers(1, 256, (rows, columns)).astype(dtype)
            dense[rng.random(dense.shape) < zeros] = 0
            for path in sys.argv[1:]:
                packed = bitmask_pack(before_a_guard_page(dense), path=path)
                mask, values = map(before_a_guard_page, (packed.mask, packed.values))
                assert np.array_equal(bitmask_unpack(mask, values, columns, path=path), dense)
print("unharmed")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="guards memory with mprotect")
def test_nothing_is_read_past_the_end() -> None:
    """Each input ends where a page begins that may not be read; a slip kills the process."""
    command = [sys.executable, "-c", GUARDED, *PATHS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "unharmed\n"), done.stderr
