"""In which order channels and heads of a layer are given up: the least important last.

MultiPruner (arXiv:2501.09949) orders by L1 norms of weights before it searches how many go, so that
every candidate keeps a front part and no weight is copied. Reordering changes nothing that the
layer computes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pressmark.compression.families import Branch, Kind
from pressmark.compression.slim import CHANNEL_ROWS, KEY, QUERY, VALUE


def order_of(part: nn.Module, branch: Branch) -> Tensor:
    """Indices of channels or key-value heads, the most important first; int64.

    Ties keep their order.
    """
    score = channel_importance(part) if branch.kind is Kind.MLP else head_importance(part)
    return torch.argsort(score, descending=True, stable=True)


def channel_importance(mlp: nn.Module) -> Tensor:
    """For each channel the L1 norm of the weights that make it; fp64 [channels].

    The projection that reads the channels is not counted (the paper's section 3.2).
    """
    rows = [part for name in CHANNEL_ROWS if (part := getattr(mlp, name, None)) is not None]
    return torch.stack([_row_norms(part) for part in rows]).sum(dim=0)


def head_importance(attention: nn.Module) -> Tensor:
    """For each key-value head the mean, over its query channels, of the weights that they meet.

    A query channel counts its own row and the rows of key and value at the same place in the head
    that it reads. fp64 [key-value heads].
    """
    width = int(attention.head_dim)  # type: ignore[arg-type]
    query, key, value = (
        _row_norms(attention.get_submodule(name)).reshape(-1, width) for name in (QUERY, KEY, VALUE)
    )
    queries = query.reshape(len(key), -1, width)
    return (queries + key[:, None] + value[:, None]).mean(dim=(1, 2))


def _row_norms(linear: nn.Module) -> Tensor:
    """L1 norms of a projection's rows; fp64 [outputs]."""
    return linear.get_parameter("weight").detach().double().abs().sum(dim=1)
