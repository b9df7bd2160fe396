"""Throughput of the bit-mask kernels.

GB/s are bytes of the dense matrix per second, best of several runs. NumPy does the same work with
`packbits` and boolean indexing. "copy" writes the same dense bytes to fresh memory, as unpacking
must; "copy, warm" writes them to memory that was written before, the limit of the machine. Every
result is compared with the matrix before it is timed.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from table import Row, print_rows

from pressmark.compression.kernels import bitmask_pack, bitmask_unpack, capabilities

Matrix = NDArray[Any]
TITLE = "Bit-mask kernels, beside NumPy and a plain copy"
SHAPES = ((512, 1024), (8192, 8192))  # fits the second-level cache, and does not fit any
ZEROS = 0.5
THREADS = (1, 2)
SECONDS = 0.3  # for each number


def best(work: Callable[[], object], seconds: float) -> float:
    """The shortest time of one call, repeated for about so many seconds, at least three times."""
    shortest, spent, calls = float("inf"), 0.0, 0
    while spent < seconds or calls < 3:
        start = time.perf_counter()
        result = work()
        elapsed = time.perf_counter() - start
        del result
        shortest, spent, calls = min(shortest, elapsed), spent + elapsed, calls + 1
    return shortest


def sparse(shape: tuple[int, int], dtype: type, zeros: float) -> Matrix:
    rng = np.random.default_rng(0)
    dense = rng.integers(1, 256, shape, dtype=np.uint8).astype(dtype)
    dense[rng.random(shape, dtype=np.float32) < zeros] = 0
    return dense


def numpy_pack(dense: Matrix) -> tuple[Matrix, Matrix]:
    kept = dense != 0
    return np.packbits(kept, axis=1, bitorder="little"), dense[kept]


def numpy_unpack(mask: Matrix, values: Matrix, columns: int) -> Matrix:
    kept = np.unpackbits(mask, axis=1, count=columns, bitorder="little").view(bool)
    dense = np.zeros((len(mask), columns), values.dtype)
    dense[kept] = values
    return dense


def kernel_works(dense: Matrix, path: str, threads: int) -> dict[str, Callable[[], object]]:
    packed = bitmask_pack(dense, path=path, threads=threads)
    columns = dense.shape[1]

    def unpack() -> Matrix:
        return bitmask_unpack(packed.mask, packed.values, columns, path=path, threads=threads)

    assert np.array_equal(unpack(), dense)
    return {"pack": lambda: bitmask_pack(dense, path=path, threads=threads), "unpack": unpack}


def numpy_works(dense: Matrix) -> dict[str, Callable[[], object]]:
    mask, values = numpy_pack(dense)
    columns = dense.shape[1]
    assert np.array_equal(numpy_unpack(mask, values, columns), dense)
    return {
        "pack": lambda: numpy_pack(dense),
        "unpack": lambda: numpy_unpack(mask, values, columns),
    }


def contenders(dense: Matrix, threads: Sequence[int]) -> dict[str, dict[str, Callable[[], object]]]:
    warm = dense.copy()
    found = {"NumPy": numpy_works(dense)}
    for path in reversed(capabilities().paths["bitmask"]):
        for count in threads:
            found[f"{path}, {count} thread{'s' * (count > 1)}"] = kernel_works(dense, path, count)
    found["copy"] = {"unpack": dense.copy}
    found["copy, warm"] = {"unpack": lambda: np.copyto(warm, dense)}
    return found


def speeds(works: dict[str, Callable[[], object]], gigabytes: float, seconds: float) -> str:
    """GB/s of each direction."""
    found = (f"{name} {gigabytes / best(work, seconds):.2f} GB/s" for name, work in works.items())
    return ", ".join(found)


def rows(quick: bool = False) -> Iterator[Row]:
    """One row for each matrix and way of doing it."""
    about = capabilities()
    yield Row("active path", about.active["bitmask"])
    yield Row("instruction sets", " ".join(about.instruction_sets))
    shapes, seconds = (SHAPES[:1], 0.02) if quick else (SHAPES, SECONDS)
    for shape, dtype in itertools.product(shapes, (np.uint8, np.uint16)):
        dense = sparse(shape, dtype, ZEROS)
        where = f"{dense.nbytes / 1e6:.1f} MB, {dense.itemsize}-byte elements, {ZEROS:.0%} zero"
        for what, works in contenders(dense, THREADS).items():
            yield Row(f"{what}: {where}", speeds(works, dense.nbytes / 1e9, seconds))


if __name__ == "__main__":
    print_rows(TITLE, rows())
