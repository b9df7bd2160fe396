"""Runs a decoder block by block, holding one block's weights at a time.

A decoder is an embedding, a list of blocks and a head. `BlockStream` lets the stock model's own
code prepare what each block is called with (masks, rotary tables, sliding windows): the blocks'
forwards are replaced by ones that note their arguments and hand the hidden states through, and the
model is run once over the token windows. From then on only blocks are run: each is filled from the
safetensors files, does its work, and is emptied again.

Memory: the hidden states (windows x length x width, in the model's dtype), one block, and what one
batch of windows needs inside it. Embeddings are mapped and only while the arguments are noted.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from pressmark.compression.architecture import Architecture, assign
from pressmark.compression.attention import use_fast_attention
from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.errors import CompressionError
from pressmark.registry.errors import InvalidInputError

BATCH_TOKENS: Final = 2048
"""Tokens run at once: enough to keep the matrix units busy, few enough to stay in the caches."""


@dataclass(frozen=True)
class BlockList:
    """Where a decoder keeps its blocks.

    Attributes:
        path: Name of the list in the model, e.g. "model.layers".
        count: How many blocks it has.
    """

    path: str
    count: int

    @classmethod
    def find(cls, model: nn.Module) -> BlockList:
        """Finds the outermost module list that holds the most parameters.

        Raises:
            CompressionError: The model has no list of blocks.
        """
        lists = [
            (name, part)
            for name, part in model.named_modules()
            if isinstance(part, nn.ModuleList) and len(part)
        ]
        if not lists:
            raise CompressionError(
                f"{type(model).__name__} has no list of decoder blocks",
                "only decoders that keep their blocks in one list can be compressed",
            )
        # The outermost list comes first, and max keeps the first of equals.
        name, part = max(lists, key=lambda item: sum(p.numel() for p in item[1].parameters()))
        return cls(name, sum(1 for _ in part.children()))

    def names(self) -> tuple[str, ...]:
        """The blocks' names in the model, in order."""
        return tuple(f"{self.path}.{index}" for index in range(self.count))


def block_linears(architecture: Architecture) -> tuple[str, ...]:
    """Names of the weights of every `nn.Linear` inside decoder blocks, in the order of the model.

    Never an embedding or the head: those stand outside the blocks.

    Raises:
        CompressionError: The model has no blocks, or none that holds an `nn.Linear`, or one such
            weight belongs to several layers.
    """
    model = architecture.meta
    names = tuple(
        f"{block}.{name}.weight"
        for block in BlockList.find(model).names()
        for name, module in model.get_submodule(block).named_modules()
        if isinstance(module, nn.Linear)
    )
    if not names:
        raise CompressionError(
            f"no block of {type(model).__name__} holds an nn.Linear",
            "this model keeps its weights in another kind of layer, which cannot be pruned",
        )
    shared = set(names) & ({*architecture.tied} | {*architecture.tied.values()})
    if shared:
        raise CompressionError(f"{min(shared)} is shared by several layers, so it is not pruned")
    return names


def refuse_length(checkpoint: Checkpoint, length: int) -> None:
    """Refuses windows that are longer than what the model was made for.

    Raises:
        InvalidInputError: The length and the model's limit are named.
    """
    longest = getattr(checkpoint.architecture.config, "max_position_embeddings", None)
    if isinstance(longest, int) and length > longest:
        raise InvalidInputError(
            f"windows of {length} tokens are asked for, but the model knows only {longest} "
            "positions",
            f"ask for windows of at most {longest} tokens",
        )


@dataclass(frozen=True)
class Call:
    """What a block is called with besides the hidden states."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True)
class Block:
    """One block with its weights in memory, and the hidden states that enter it.

    Attributes:
        index: Its place, from 0.
        name: Its name in the model, e.g. "model.layers.3".
        module: The stock module, filled.
        states: The hidden states, [windows, length, width] for each batch; `advance` replaces
            them.
    """

    index: int
    name: str
    module: nn.Module
    states: list[Tensor] = field(repr=False)
    _calls: tuple[Call, ...] = field(repr=False)

    @property
    def windows(self) -> int:
        """How many windows are run."""
        return sum(len(batch) for batch in self.states)

    @cached_property
    def linears(self) -> dict[str, nn.Linear]:
        """The block's linear layers by the full name of their weight."""
        found = self.module.named_modules()
        return {f"{self.name}.{name}.weight": m for name, m in found if isinstance(m, nn.Linear)}

    @torch.no_grad()
    def observe(self, batch_done: Callable[[], None] = lambda: None) -> None:
        """Runs all windows and forgets the outputs; for forward hooks to look at the inputs.

        A hook may raise `Seen` when it needs no more of the running batch.
        """
        for states, call in zip(self.states, self._calls, strict=True):
            with suppress(Seen):  # a copy, because some blocks add to their input in place
                self.module(states.clone(), *call.args, **call.kwargs)
            batch_done()
        _return_freed_memory()

    @torch.no_grad()
    def advance(self, batch_done: Callable[[], None] = lambda: None) -> None:
        """Runs all windows and replaces the hidden states by the outputs."""
        for index, call in enumerate(self._calls):
            output = self.module(self.states[index], *call.args, **call.kwargs)
            # A batch each, because a block may change the dtype (Mamba keeps its residual in fp32).
            self.states[index] = output if isinstance(output, Tensor) else output[0]
            batch_done()


class Seen(Exception):  # noqa: N818 - a signal to `Block.observe`, not an error
    """Raised by a hook that has seen all it needs of a batch."""


class BlockStream:
    """The blocks of a checkpoint, one at a time, with the hidden states of some token windows.

    Args:
        checkpoint: The model; packed weights are unpacked block by block.
        windows: int64 [windows, length], run without padding.

    Raises:
        CompressionError: The model changes hidden states between its blocks.

    Attributes:
        names: The blocks' names in the model.
        states: The hidden states that enter the next block, [windows, length, width] a batch.

    Iterate it once: a block that has been left is empty.

    Law: iterating and calling `advance` on every block leaves in `states` what the whole stock
    model hands to its final norm.
    """

    def __init__(self, checkpoint: Checkpoint, windows: Tensor) -> None:
        self._checkpoint = checkpoint
        self._held = checkpoint.architecture.parameter_dtypes(checkpoint.dtype)
        self._model = checkpoint.architecture.skeleton(checkpoint.dtype)
        use_fast_attention(self._model)
        self.names: Final = BlockList.find(self._model).names()
        batches = torch.split(windows, max(1, BATCH_TOKENS // windows.shape[1]))
        self.states, self._calls = self._record(batches)
        _return_freed_memory()  # also what was freed before: tokenizers leave much behind

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Block]:
        for index, name in enumerate(self.names):
            module = self._model.get_submodule(name)
            for part in module.state_dict():
                self._fill(f"{name}.{part}")
            calls = tuple(batch[index] for batch in self._calls)
            yield Block(index, name, module, self.states, calls)
            module.to("meta")
            _return_freed_memory()

    def _fill(self, name: str) -> None:
        checkpoint = self._checkpoint
        stored = checkpoint.bound.get(name) or checkpoint.bound[self._partner(name)]
        value = checkpoint.read(stored)
        cast = value.is_floating_point()
        assign(self._model, name, value.to(self._held[name]) if cast else value)

    def _partner(self, name: str) -> str:
        """The parameter under which a tied one is stored."""
        tied = self._checkpoint.architecture.tied
        group = {name, tied.get(name, name)}
        group |= {target for target, source in tied.items() if source in group}
        return next(other for other in group if other in self._checkpoint.bound)

    @torch.no_grad()
    def _record(
        self, batches: Sequence[Tensor]
    ) -> tuple[list[Tensor], tuple[tuple[Call, ...], ...]]:
        """Notes what every block is called with, and the hidden states that enter the first."""
        inside = tuple(f"{name}." for name in self.names)
        outside = [n for n in self._model.state_dict() if not n.startswith(inside)]
        for name in outside:  # mapped, so what is not used (the head) costs nothing
            self._fill(name)
        blocks = [self._model.get_submodule(name) for name in self.names]
        states: list[Tensor] = []
        calls: list[tuple[Call, ...]] = []
        for batch in batches:
            hidden, noted = record_calls(self._model, blocks, batch)
            states.append(hidden)
            calls.append(share_calls(noted, calls[0]) if calls else noted)
        for name in outside:
            empty = torch.empty_like(self._model.state_dict()[name], device="meta")
            assign(self._model, name, empty)
        return states, tuple(calls)


@torch.no_grad()
def record_calls(
    model: nn.Module, blocks: Sequence[nn.Module], ids: Tensor
) -> tuple[Tensor, tuple[Call, ...]]:
    """Has a model prepare a batch, and notes what it calls each of its blocks with.

    Args:
        model: A decoder whose embedding is filled; its blocks need not be.
        blocks: All of its blocks, in order.
        ids: int64 [windows, length].

    Returns:
        The hidden states that enter the first block, [windows, length, width], and a call a block.

    Raises:
        CompressionError: The model changes hidden states between its blocks.
    """
    for as_tuple in (False, True):  # older block code returns a tuple
        recorder = _Recorder(as_tuple)
        with recorder.watching(blocks):
            model(input_ids=ids, use_cache=False)
        if recorder.hidden is not None and len(recorder.calls) == len(blocks):
            return recorder.hidden, tuple(recorder.calls)
    raise CompressionError(
        f"{type(model).__name__} changes the hidden states between its blocks",
        "such a model cannot be run block by block",
    )


def _return_freed_memory() -> None:
    """Has the C library give freed buffers back to the system.

    glibc keeps buffers of up to 32 MiB on heaps that fragment, so a stream of equal blocks would
    grow by some MiB with each. Other C libraries need no such thing.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class _Recorder:
    """Stands in for every block: notes its arguments and hands the hidden states through."""

    def __init__(self, as_tuple: bool) -> None:
        self.as_tuple = as_tuple
        self.hidden: Tensor | None = None
        self.calls: list[Call] = []

    @contextmanager
    def watching(self, blocks: Sequence[nn.Module]) -> Iterator[None]:
        """Replaces the forwards of the blocks; ends the model's forward after the last one."""
        for block in blocks:
            last = block is blocks[-1]
            block.forward = partial(self._forward, last)
        try:
            yield
        except Seen:
            pass
        finally:
            for block in blocks:
                del block.forward

    def _forward(self, last: bool, *args: Any, **kwargs: Any) -> Any:
        rest = dict(kwargs)
        hidden = args[0] if args else rest.pop("hidden_states", None)
        if self.hidden is None:
            self.hidden = hidden
        if hidden is not self.hidden:
            raise Seen  # the model took apart or changed what the last block gave it
        self.calls.append(Call(tuple(args[1:]), rest))
        if last:
            raise Seen
        return (hidden, None) if self.as_tuple else hidden


def share_calls(calls: Sequence[Call], known: Sequence[Call]) -> tuple[Call, ...]:
    """Replaces arguments by equal ones of another batch, so that each is kept once.

    Masks and rotary tables depend on positions alone in most models, and are large.
    """
    return tuple(
        Call(_same(call.args, old.args), _same(call.kwargs, old.kwargs))
        for call, old in zip(calls, known, strict=True)
    )


def _same(value: Any, known: Any) -> Any:
    """`known` if it equals `value`, looking into tuples and mappings, else `value`."""
    if type(value) is not type(known):
        return value
    if isinstance(value, Tensor):
        equal = value is known or (value.dtype == known.dtype and torch.equal(value, known))
        return known if equal else value
    if type(value) in (tuple, list) and len(value) == len(known):
        return type(value)(_same(item, old) for item, old in zip(value, known, strict=True))
    if isinstance(value, dict):
        return {key: _same(item, known.get(key)) for key, item in value.items()}
    return value
