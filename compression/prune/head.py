"""How well a decoder's last hidden states predict the next tokens, without wasted work.

For a small model with a large vocabulary the head costs more than all layers together. Three things
make it cheaper, and none changes a score: positions are run a few at a time, so that fp32 logits
stay in the caches; only the log of the sum of exponentials is taken, never whole distributions; and
a candidate that cannot win any more is not finished.

The last needs a bound from below. Tokens' losses are never negative, but that says little. A sum of
exponentials over *some* of the vocabulary is at most the sum over all of it, so that the loss over
the tokens that matter most, a small part of the head, is a bound that misses only what the others
add.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Final

import torch
from torch import Tensor, nn

from pressmark.compression.errors import CompressionError
from pressmark.compression.families import Family
from pressmark.compression.slim import projection, replaced

LOGITS: Final = 1 << 24
"""Logits that the head makes at once."""

CACHED: Final = 1 << 20
"""Logits that are looked at in fp32 at once: 4 MiB, so that they stay in the caches."""

SHORTLIST: Final = 1 / 16
"""The part of the vocabulary that a bound from below looks at."""

SLACK: Final = 1e-3
"""Nats a token by which rounding may lift a bound over the loss that it bounds, generously."""


class Head:
    """The final norm and the head of a model.

    Args:
        model: A stock causal language model, filled.
        family: Its family.
    """

    def __init__(self, model: Any, family: Family) -> None:
        self._model = replaced(model, model.base_model_prefix, _passing(model.base_model))
        self._norm = model.get_submodule(family.final_norm)
        self._output: nn.Linear = model.get_output_embeddings()
        names = {id(module): name for name, module in model.named_modules()}
        self._output_name = names[id(self._output)]
        self._shortlist: nn.Linear | None = None
        self._rank: Tensor | None = None

    @torch.no_grad()
    def nats(self, hidden: Tensor, targets: Tensor) -> float:
        """The negative log-likelihood of all targets.

        Args:
            hidden: Hidden states that leave the last layer, [windows, length, width].
            targets: int64 [windows, length - 1].

        Raises:
            CompressionError: A likelihood is NaN or infinite.
        """
        return self._sum(hidden, targets.reshape(-1), self._output)

    @torch.no_grad()
    def at_least(self, hidden: Tensor, targets: Tensor) -> float:
        """A number that `nats` is not less than; 0 before `shortlist` was called."""
        if self._shortlist is None or self._rank is None:
            return 0.0
        found = self._sum(hidden, self._rank[targets.reshape(-1)], self._shortlist)
        return found - SLACK * targets.numel()

    @torch.no_grad()
    def shortlist(self, hidden: Tensor, targets: Tensor) -> None:
        """Chooses the tokens that matter most: all targets, and the likeliest ones of these states.

        Args:
            hidden: Hidden states that leave the last layer, [windows, length, width].
            targets: int64, every token that will ever be a target.
        """
        vocabulary = self._output.out_features
        mass = torch.zeros(vocabulary)
        for piece in self._pieces(hidden[:, :-1]):
            for logits in torch.split(piece, max(1, CACHED // vocabulary)):
                mass += logits.softmax(dim=1, dtype=torch.float32).sum(dim=0)
        mass[targets.reshape(-1)] = torch.inf
        count = max(int(vocabulary * SHORTLIST), int(torch.isinf(mass).sum()))
        chosen = mass.topk(min(count, vocabulary)).indices.sort().values
        bias: Tensor | None = self._output.bias
        chosen_bias = None if bias is None else bias[chosen]
        self._shortlist = projection(self._output.weight[chosen], chosen_bias)
        self._rank = torch.full((vocabulary,), -1, dtype=torch.int64)
        self._rank[chosen] = torch.arange(len(chosen))

    def _sum(self, hidden: Tensor, targets: Tensor, output: nn.Linear) -> float:
        total, at = 0.0, 0
        for piece in self._pieces(hidden[:, :-1], output):
            for logits in torch.split(piece, max(1, CACHED // piece.shape[1])):
                total += _nats(logits, targets[at : at + len(logits)])
                at += len(logits)
        return total

    def _pieces(self, hidden: Tensor, output: nn.Linear | None = None) -> Iterator[Tensor]:
        """Logits of some positions at a time, [positions, vocabulary]."""
        output = output or self._output
        rows = hidden.reshape(-1, hidden.shape[-1])
        for states in torch.split(rows, max(1, LOGITS // output.out_features)):
            yield self._logits(self._norm(states[None]), output)

    def _logits(self, states: Tensor, output: nn.Linear) -> Tensor:
        """The stock head, so that scaling and soft-capping are its own, over given tokens."""
        model: Any = replaced(self._model, self._output_name, output)
        logits: Tensor = model(inputs_embeds=states, use_cache=False).logits
        return logits[0]


class _States:
    """What a decoder gives: its last hidden states, and nothing of what it may give besides."""

    def __init__(self, states: Tensor) -> None:
        self.last_hidden_state = states

    def __getattr__(self, name: str) -> None:
        return None

    def __getitem__(self, index: int) -> Tensor:
        return (self.last_hidden_state,)[index]


def _passing(decoder: nn.Module) -> nn.Module:
    """A twin of a decoder that gives the states that it is given."""
    twin = copy.copy(decoder)
    twin.forward = lambda *_, inputs_embeds, **__: _States(inputs_embeds)
    return twin


def _nats(logits: Tensor, targets: Tensor) -> float:
    wide = logits.float()
    nats = wide.logsumexp(dim=1) - wide.gather(1, targets[:, None])[:, 0]
    total = float(nats.double().sum())
    if total != total or total == float("inf"):
        raise CompressionError(
            "the model's logits hold NaN or infinity", "the artifact is damaged; check it"
        )
    return total
