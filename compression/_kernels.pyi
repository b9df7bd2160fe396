"""Types of the compiled module that csrc/ builds."""

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint8] | NDArray[np.uint16]

def cpu_features() -> list[str]: ...
def bitmask_paths() -> list[str]: ...
def bitmask_pack(
    matrix: Bits, path: str, threads: int
) -> tuple[NDArray[np.uint8], Bits, NDArray[np.int64]]: ...
def bitmask_unpack(
    mask: NDArray[np.uint8], values: Bits, columns: int, path: str, threads: int
) -> Bits: ...
