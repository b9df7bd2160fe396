"""Has what is left of a branch do, as well as it can, what the whole branch did.

After channels or heads are gone, the projection that reads the others is solved anew, so that on
calibration text the branch's output changes least: for inputs ``X`` with Gram matrix ``G = X X^T``,
kept columns ``S`` and removed ones ``R``,

    W' = W_S + W_R G_RS (G_SS + lambda I)^-1

which is least squares, held back towards the weights that were there by ``lambda``. (The update of
ZipLM, arXiv:2302.04089, and OSSCAR, arXiv:2403.12983, for one set of columns.) Layers are solved in
order, each on what the layers before it give once they are cut and solved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn

from pressmark.compression.families import Branch, Kind
from pressmark.compression.prune.decoder import Decoder
from pressmark.compression.slim import CHANNEL_COLUMNS, OUTPUT, projection, reordered, replaced
from pressmark.compression.structure import branch_name
from pressmark.registry.progress import SILENT, Progress

DAMPING: Final = 0.01
"""lambda, as a part of the mean of G's diagonal."""

LAST: Final = {Kind.MLP: CHANNEL_COLUMNS, Kind.ATTENTION: OUTPUT}
"""The projection that reads a branch's channels or heads."""


class Compensation:
    """Solves the last projections of narrowed branches.

    Args:
        dense: The layers before anything was cut.
        decoder: The layers that are left; each solved projection is put into them.
    """

    def __init__(self, dense: Sequence[nn.Module], decoder: Decoder) -> None:
        self._dense = dense
        self._decoder = decoder
        self.weights: Final[dict[str, Tensor]] = {}

    def run(self, progress: Progress = SILENT) -> Mapping[str, Tensor]:
        """Solves layer after layer.

        Returns:
            New weights by the name of their branch, [outputs, kept columns] in the model's dtype.
        """
        decoder = self._decoder
        states = [batch.entering for batch in decoder.batches]
        layers = range(len(decoder.layers))
        for layer in progress.track(layers, len(layers), "compensating layers"):
            for branch in decoder.branches(layer):
                if self._is_narrower(layer, branch):
                    self._solve(layer, branch, states)
            states = [
                decoder.step(decoder.layers[layer], layer, hidden, batch)
                for hidden, batch in zip(states, decoder.batches, strict=True)
            ]
        return self.weights

    def _is_narrower(self, layer: int, branch: Branch) -> bool:
        last = LAST.get(branch.kind)
        if last is None:
            return False
        name = f"{branch.module}.{last}.weight"
        now = self._decoder.layers[layer].get_parameter(name)
        return now.shape != self._dense[layer].get_parameter(name).shape

    def _solve(self, layer: int, branch: Branch, states: Sequence[Tensor]) -> None:
        decoder, last = self._decoder, LAST[branch.kind]
        name = branch_name(decoder.family, layer, branch)
        whole = self._dense[layer].get_submodule(branch.module)
        if name in decoder.orders:
            whole = reordered(whole, branch, decoder.orders[name])
        with_whole = replaced(decoder.layers[layer], branch.module, whole)
        gram = self._gram(with_whole, f"{branch.module}.{last}", layer, states)
        part = decoder.layers[layer].get_submodule(branch.module)
        narrow: Any = part.get_submodule(last)
        weight = solved(whole.get_submodule(last).get_parameter("weight"), gram, narrow.in_features)
        self.weights[name] = weight.to(narrow.weight.dtype)
        part = replaced(part, last, projection(self.weights[name], narrow.bias))
        decoder.layers[layer] = replaced(decoder.layers[layer], branch.module, part)

    def _gram(self, module: nn.Module, name: str, layer: int, states: Sequence[Tensor]) -> Tensor:
        """X X^T of what a projection reads, over all batches; fp64 [columns, columns]."""
        total = Gram()
        with total.watching(module.get_submodule(name)):
            for hidden, batch in zip(states, self._decoder.batches, strict=True):
                self._decoder.step(module, layer, hidden, batch)
        return total.matrix


class Gram:
    """Sums the products of a module's inputs, in fp32 for each batch and fp64 over batches."""

    def __init__(self) -> None:
        self.matrix = torch.zeros(())

    @contextmanager
    def watching(self, module: nn.Module) -> Iterator[None]:
        """Looks at every input of a module for the duration."""
        hook = module.register_forward_pre_hook(lambda _, given: self._add(given[0]))
        try:
            yield
        finally:
            hook.remove()

    def _add(self, inputs: Tensor) -> None:
        rows = inputs.reshape(-1, inputs.shape[-1]).float()
        self.matrix = self.matrix + (rows.T @ rows).double()


def solved(weight: Tensor, gram: Tensor, keep: int) -> Tensor:
    """The first columns of a weight, changed so that they stand for all.

    Args:
        weight: [outputs, columns].
        gram: fp64 [columns, columns].
        keep: How many columns stay.

    Returns:
        fp64 [outputs, keep].
    """
    wide = weight.detach().double()
    kept, cross = gram[:keep, :keep], gram[keep:, :keep]
    damping = DAMPING * float(kept.diagonal().mean())
    factor = torch.linalg.cholesky(kept + damping * torch.eye(keep, dtype=torch.float64))
    return wide[:, :keep] + torch.cholesky_solve(cross.T @ wide[:, keep:].T, factor).T
