"""Which measured numbers people compare artifacts by, and which are details."""

import re
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

Item = TypeVar("Item")

TELLING: Final = (
    *("perplexity", "kl_divergence", "top1_agreement", "tokens_per_second"),
    *("sparsity", "bits_per_quantized_weight", "relative_rms_error"),
    *("weight_file_bytes_before", "weight_file_bytes_after"),
)
"""What people compare artifacts by, in the order in which it is shown."""

_DETAIL: Final = re.compile(
    r"sample_\w+|windows|begin_of_text|tokens|cross_entropy|calibration_tokens|\w+_tensors"
    r"|sparsity_of_\w+|prunable_weights|nonzero_weights|quantized_weights|quantized_bytes_\w+"
    r"|largest_\w+|mean_absolute_error"
)
"""What checks and curious people need; a name that is not known here is shown."""


def chosen(
    items: Iterable[Item], name: Callable[[Item], str], *, everything: bool
) -> tuple[list[Item], int]:
    """The numbers to show, telling ones first, and how many others there are.

    Args:
        items: Numbers, or changes of numbers.
        name: Gives the name of one.
        everything: Whether details are shown too.
    """
    ranks = {known: rank for rank, known in enumerate(TELLING)}
    ordered = sorted(items, key=lambda item: ranks.get(name(item), len(ranks)))
    shown = [one for one in ordered if everything or not _DETAIL.fullmatch(name(one))]
    return shown, len(ordered) - len(shown)
