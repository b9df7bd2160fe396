"""`prune/blockpruner`: takes away whole attention and MLP blocks, one at a time.

Zhong, Wan, Chen, Quan, Li: BlockPruner: Fine-grained Pruning for Large Language Models
(arXiv:2406.10594). A block is a residual branch with its norm; each step removes the one without
which the perplexity of calibration text stays lowest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from pressmark.compression.families import Kind
from pressmark.compression.prune.decoder import Decoder
from pressmark.compression.prune.stages import Stage, whole_branches
from pressmark.compression.prune.structured import Structured


class BlockPruner(Structured):
    """Removes attention and MLP blocks until the ratio is reached.

    Attributes:
        ratio: Share of the layers' parameters to take away; embeddings, final norm and head do not
            count.
    """

    name: ClassVar = "prune/blockpruner"
    version: ClassVar = "1"

    ratio: float = Field(gt=0, lt=1)

    def staged(self, decoder: Decoder) -> Sequence[Stage]:
        """One stage over all attention and MLP blocks."""
        kinds = (Kind.ATTENTION, Kind.MLP)
        return (Stage("blocks", lambda found: whole_branches(found, kinds), self.ratio),)
