"""The compiled kernels: what this processor can run, and bit-mask packing of weight matrices.

A sparse matrix is kept as one bit per element (is it there?) and the elements that are there. The
bits lie as in ``numpy.packbits(bitorder="little")``, which is also the ``bitmask`` of the
compressed-tensors format. The work is done in C++ (``csrc/``), on the fastest path that the
processor has; every path gives the same bytes, whatever the number of threads.

Laws, for every matrix ``w`` of 8-bit or 16-bit elements and every path:

* packing and unpacking gives ``w`` bit for bit, ``-0.0`` and NaN included: an element is kept when
  any of its bits is set;
* the mask has as many set bits as there are values, and none past the last column.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pressmark.compression import _kernels

Bits: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
Array = TypeVar("Array", Tensor, NDArray[Any])

_UNSIGNED: dict[int, type[np.uint8] | type[np.uint16]] = {1: np.uint8, 2: np.uint16}


@dataclass(frozen=True)
class Capabilities:
    """What the kernels can use on this machine.

    Attributes:
        instruction_sets: Those that the processor and its operating system offer, among those that
            a kernel may ask for, named as in /proc/cpuinfo.
        paths: For each kernel, the paths that can run here, fastest first.
        active: For each kernel, the path that runs unless another is asked for.
        threads: How many threads a kernel uses unless told otherwise.
    """

    instruction_sets: tuple[str, ...]
    paths: dict[str, tuple[str, ...]]
    active: dict[str, str]
    threads: int


@dataclass(frozen=True)
class Bitmasked(Generic[Array]):
    """A matrix [rows, columns] as a bit mask and the elements that are not zero.

    The arrays are of the same library (torch or NumPy) as the matrix that was packed.

    Attributes:
        mask: uint8 [rows, ceil(columns / 8)]; bit i of byte b stands for column 8 b + i.
        values: The kept elements, row-major, one dimension, in the matrix's dtype.
        row_offsets: int64 [rows + 1]; row r's values start at ``row_offsets[r]`` and
            end before ``row_offsets[r + 1]``.
        columns: How many columns the matrix has, which the mask alone does not tell.
    """

    mask: Array
    values: Array
    row_offsets: Array
    columns: int


def capabilities() -> Capabilities:
    """What this machine's processor offers and which path each kernel takes on it."""
    paths = {"bitmask": tuple(_kernels.bitmask_paths())}
    return Capabilities(
        instruction_sets=tuple(_kernels.cpu_features()),
        paths=paths,
        active={kernel: usable[0] for kernel, usable in paths.items()},
        threads=torch.get_num_threads(),
    )


def bitmask_pack(
    matrix: Array, *, path: str | None = None, threads: int | None = None
) -> Bitmasked[Array]:
    """Split a matrix into a bit mask and its nonzero elements.

    Args:
        matrix: [rows, columns] of any dtype of one or two bytes; made contiguous if it is not.
        path: A path of ``capabilities().paths["bitmask"]``, or None for the fastest.
        threads: At most this many threads, or None for ``capabilities().threads``.

    Raises:
        TypeError: The elements are not one or two bytes wide.
        ValueError: The matrix has not two dimensions, or the path cannot run here.
    """
    bits = _bits(matrix, "matrix")
    mask, values, offsets = _kernels.bitmask_pack(bits, _path(path), _threads(threads))
    return Bitmasked(
        mask=_plain(mask, matrix),
        values=_typed(values, matrix),
        row_offsets=_plain(offsets, matrix),
        columns=bits.shape[1],
    )


def bitmask_unpack(
    mask: Array,
    values: Array,
    columns: int,
    *,
    path: str | None = None,
    threads: int | None = None,
) -> Array:
    """Put the kept elements back where the mask says, zeros elsewhere.

    Nothing is trusted: the mask is counted before any value is read.

    Args:
        mask: uint8 [rows, ceil(columns / 8)].
        values: One dimension, elements of one or two bytes.
        columns: The number of columns of the result.
        path: As for `bitmask_pack`.
        threads: As for `bitmask_pack`.

    Returns:
        The matrix [rows, columns] in the dtype of ``values``.

    Raises:
        TypeError: The mask is not uint8, or the values are not one or two bytes wide.
        ValueError: Shapes do not fit, the mask sets a bit past the last column, or it keeps more
            or fewer elements than there are values.
    """
    mask_bits = _bits(mask, "mask")
    if mask.dtype not in (torch.uint8, np.uint8):
        raise TypeError(f"the mask must be uint8, not {mask.dtype}")
    dense = _kernels.bitmask_unpack(
        cast(NDArray[np.uint8], mask_bits),
        _bits(values, "values"),
        columns,
        _path(path),
        _threads(threads),
    )
    unpacked: Array = _typed(dense, values)
    return unpacked


def _path(path: str | None) -> str:
    return path if path is not None else _kernels.bitmask_paths()[0]


def _threads(threads: int | None) -> int:
    return threads if threads is not None else torch.get_num_threads()


def _bits(array: Tensor | NDArray[Any], what: str) -> Bits:
    """The array's raw bits as unsigned integers, without a copy if it is contiguous."""
    if array.itemsize not in _UNSIGNED:
        raise TypeError(f"the {what} must have elements of one or two bytes, not {array.dtype}")
    if isinstance(array, Tensor):
        # NumPy knows no bfloat16; torch's unsigned 16-bit integers cannot do everything.
        signed = torch.int8 if array.itemsize == 1 else torch.int16
        array = array.detach().contiguous().view(signed).numpy()
    return cast(Bits, np.ascontiguousarray(array).view(_UNSIGNED[array.itemsize]))


def _plain(array: NDArray[Any], like: object) -> Any:
    """The kernel's own array, in the library of ``like``."""
    return torch.from_numpy(array) if isinstance(like, Tensor) else array


def _typed(bits: Bits, like: Tensor | NDArray[Any]) -> Any:
    """Raw bits as elements of the dtype, and in the library, of ``like``."""
    if isinstance(like, Tensor):
        signed = np.int8 if bits.itemsize == 1 else np.int16
        return torch.from_numpy(bits.view(signed)).view(like.dtype)
    return bits.view(like.dtype)
