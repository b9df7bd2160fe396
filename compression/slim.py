"""Builds slim modules: layers without branches, with fewer channels or fewer heads.

Nothing is masked and nothing is wrapped: a removed branch and its norms are gone, a narrowed
projection is a smaller one. What is left shares the memory of what it was made from, so that a
search may make thousands of candidates from one model.

Laws: a model with a branch removed computes what the stock model computes with that branch's last
projection zeroed; a narrowed one what the stock model computes with those columns zeroed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Final

import torch
from torch import Tensor, nn

from pressmark.compression.families import Branch, Family, Kind

CHANNEL_ROWS: Final = ("gate_proj", "up_proj")
CHANNEL_COLUMNS: Final = "down_proj"
"""The projections of an MLP whose rows, or columns, are its channels."""

QUERY, KEY, VALUE, OUTPUT = "q_proj", "k_proj", "v_proj", "o_proj"

SLICED: Final = frozenset(
    f"{name}.{leaf}" for name in (*CHANNEL_ROWS, QUERY, KEY, VALUE) for leaf in ("weight", "bias")
) | {
    *(f"{CHANNEL_COLUMNS}.weight", f"{OUTPUT}.weight"),
    *("in_proj.weight", "in_proj.bias", "conv1d.weight", "conv1d.bias"),
}
"""Tensors of a branch that are smaller when it is narrower, by name in the branch."""


class Absent(nn.Module):
    """Stands where a branch was, and adds nothing to the hidden states."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Zero, as one number that any shape can be added to."""
        hidden: Tensor = args[0] if args else kwargs["hidden_states"]
        zero = hidden.new_zeros(())
        return (zero, None) if self.kind is Kind.ATTENTION else zero


def without(layer: nn.Module, branches: Iterable[Branch]) -> nn.Module:
    """A layer without some of its branches and the norms that served them alone."""
    for branch in branches:
        layer = replaced(layer, branch.module, Absent(branch.kind))
        for norm in branch.norms:
            if _has(layer, norm):
                layer = replaced(layer, norm, nn.Identity())
    return layer


def _has(layer: nn.Module, name: str) -> bool:
    return any(name == found for found, _ in layer.named_modules())


def replaced(module: nn.Module, name: str, part: nn.Module) -> nn.Module:
    """A twin of a module with one submodule replaced; both share everything else."""
    first, _, rest = name.partition(".")
    twin = copy.copy(module)
    twin.__dict__["_modules"] = dict(module._modules)
    twin._modules[first] = replaced(module.get_submodule(first), rest, part) if rest else part
    return twin


def with_channels(mlp: nn.Module, channels: int) -> nn.Module:
    """An MLP that has only its first channels."""
    for name in CHANNEL_ROWS:
        if isinstance(part := getattr(mlp, name, None), nn.Linear):
            mlp = replaced(mlp, name, first_rows(part, channels))
    down = mlp.get_submodule(CHANNEL_COLUMNS)
    assert isinstance(down, nn.Linear), "families with other MLPs are refused before"
    return replaced(mlp, CHANNEL_COLUMNS, first_columns(down, channels))


def with_key_heads(attention: nn.Module, heads: int) -> nn.Module:
    """An attention that has only its first key-value heads, with the queries that read them."""
    width = int(attention.head_dim)  # type: ignore[arg-type]
    queries = heads * int(attention.num_key_value_groups) * width  # type: ignore[arg-type]
    for name, rows in ((QUERY, queries), (KEY, heads * width), (VALUE, heads * width)):
        part = attention.get_submodule(name)
        assert isinstance(part, nn.Linear), f"{name} is a projection"
        attention = replaced(attention, name, first_rows(part, rows))
    output = attention.get_submodule(OUTPUT)
    assert isinstance(output, nn.Linear), "the output is a projection"
    return replaced(attention, OUTPUT, first_columns(output, queries))


def reordered(part: nn.Module, branch: Branch, order: Tensor) -> nn.Module:
    """A branch with its channels or key-value heads in another order, which changes nothing."""
    twin = part
    for name, linear in part.named_children():
        if isinstance(linear, nn.Linear):
            moved = {
                leaf: sliced(part, branch, f"{name}.{leaf}", value, order)
                for leaf, value in linear.named_parameters()
            }
            twin = replaced(twin, name, projection(moved["weight"], moved.get("bias")))
    return twin


def channels_of(mlp: nn.Module) -> int:
    """How many channels an MLP has."""
    return int(mlp.get_submodule(CHANNEL_COLUMNS).in_features)  # type: ignore[arg-type]


def key_heads_of(attention: nn.Module) -> int:
    """How many key-value heads an attention has."""
    rows = int(attention.get_submodule(KEY).out_features)  # type: ignore[arg-type]
    return rows // int(attention.head_dim)  # type: ignore[arg-type]


def first_rows(linear: nn.Linear, rows: int) -> nn.Linear:
    """A projection that gives only its first outputs, in the memory of the whole one."""
    bias: Tensor | None = linear.bias
    return projection(linear.weight[:rows], None if bias is None else bias[:rows])


def first_columns(linear: nn.Linear, columns: int) -> nn.Linear:
    """A projection that reads only its first inputs, in the memory of the whole one."""
    return projection(linear.weight[:, :columns], linear.bias)


def projection(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """An `nn.Linear` around existing values: [outputs, inputs] and [outputs]."""
    rows, columns = weight.shape
    made = nn.Linear(columns, rows, bias=bias is not None, device="meta", dtype=weight.dtype)
    made.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return made.eval()


def assign_cache_slots(model: Any, family: Family) -> None:
    """Has the branches that are left use the first slots of a key-value cache.

    Stock code reads how much a cache holds, and which tokens a mask shows, from the first slot of
    each type of layer. A slot whose branch was removed stays empty for ever, so the first slots
    must belong to branches that are there: the n-th remaining one of a type takes the n-th slot of
    that type. Where no attention of the first layer's type is left, that type is given up.
    """
    layers = model.get_submodule(family.stack)
    types = _slot_types(model.config, len(layers))
    _give_up_unused(types, layers, family, model.config)
    for kind in (Kind.ATTENTION, Kind.MAMBA):
        free: dict[str, list[int]] = {}
        for slot, name in enumerate(types):
            free.setdefault(name, []).append(slot)
        for index, layer in enumerate(layers):
            for part in _present(layer, family, kind):
                part.layer_idx = free[types[index]].pop(0)


def _slot_types(config: Any, layers: int) -> list[str]:
    return list(getattr(config, "layer_types", None) or ["full_attention"] * layers)


def _give_up_unused(types: list[str], layers: Any, family: Family, config: Any) -> None:
    if getattr(config, "layer_types", None) is None:
        return
    attends = [any(_present(layer, family, Kind.ATTENTION)) for layer in layers]
    used = [name for name, there in zip(types, attends, strict=True) if there]
    first = types[0]
    if not used or first in used or not first.endswith("attention") or first.startswith("linear"):
        return
    types[:] = [used[0] if name == first else name for name in types]
    config.layer_types = types


def _present(layer: nn.Module, family: Family, kind: Kind) -> list[Any]:
    parts = [layer.get_submodule(b.module) for b in family.of(layer) if b.kind is kind]
    return [part for part in parts if not isinstance(part, Absent)]


def sliced(module: Any, branch: Branch, leaf: str, value: Tensor, chosen: Tensor) -> Tensor:
    """One tensor of a branch with only what was chosen of its channels or key-value heads."""
    if branch.kind is Kind.MLP:
        return take_channels(leaf, value, chosen)
    width, queries = int(module.head_dim), int(module.num_key_value_groups)
    return take_key_heads(leaf, value, chosen, width, queries)


def take_channels(name: str, value: Tensor, chosen: Tensor) -> Tensor:
    """One tensor of an MLP with only some of its channels, in a given order.

    Args:
        name: Its name in the MLP, such as "up_proj.weight".
        value: The tensor.
        chosen: int64, indices of channels.
    """
    if name.rpartition(".")[0] in CHANNEL_ROWS:
        return value[chosen]
    return value[:, chosen] if name == f"{CHANNEL_COLUMNS}.weight" else value


def take_key_heads(name: str, value: Tensor, chosen: Tensor, width: int, queries: int) -> Tensor:
    """One tensor of an attention with only some key-value heads and the queries that read them.

    Args:
        name: Its name in the attention, such as "q_proj.bias".
        value: The tensor.
        chosen: int64, indices of key-value heads.
        width: Rows of a head.
        queries: Query heads for each key-value head.
    """
    part = name.rpartition(".")[0]
    if part in (KEY, VALUE):
        return value[spread(chosen, width)]
    if part == QUERY:
        return value[spread(chosen, queries * width)]
    return value[:, spread(chosen, queries * width)] if name == f"{OUTPUT}.weight" else value


def spread(order: Tensor, width: int) -> Tensor:
    """The order of single rows, given the order of groups of `width` rows; int64."""
    return (order[:, None] * width + torch.arange(width)).reshape(-1)
