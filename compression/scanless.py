"""Mamba mixers without their state-space scan: projection, causal convolution, gate, projection.

Mamba-Shedder (arXiv:2501.17088, section 3) takes the scan out of a mixer and hands its input on:
Mamba-2 then normalises and gates ``x`` itself, Mamba-1 gates it. That is what a stock mixer
computes with ``C = 0`` and ``D = 1``; here the parameters that only the scan read are gone as well,
which loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor, nn
from torch.nn import functional

from pressmark.compression.slim import first_rows

KEPT: Final = ("in_proj", "conv1d", "norm", "out_proj")
"""Parts of a stock mixer that are left, some of them with fewer rows."""


class Scanless(nn.Module):
    """What is left of a stock mixer without its scan.

    Args:
        mixer: A Mamba-1 or Mamba-2 mixer of transformers; its memory is shared.
    """

    def __init__(self, mixer: Any) -> None:
        super().__init__()
        self.layer_idx: int = mixer.layer_idx
        self.kernel: int = mixer.conv_kernel_size
        self.channels: int = mixer.out_proj.in_features
        self.gate_first = is_second(mixer)
        self.act = mixer.act
        self.multiplier: float = getattr(mixer, "ssm_in_multiplier", 1.0)  # Falcon-H1
        self.in_proj = first_rows(mixer.in_proj, 2 * self.channels)
        self.conv1d = _first_channels(mixer.conv1d, self.channels)
        self.out_proj = mixer.out_proj
        if self.gate_first and not isinstance(mixer.norm, nn.Identity):
            self.norm = mixer.norm
        if (scales := getattr(mixer, "mup_vector", None)) is not None:
            self.register_buffer("scales", scales[..., : 2 * self.channels], persistent=False)

    def forward(
        self,
        hidden_states: Tensor,
        cache: Any = None,
        attention_mask: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        """Mixes each channel with its last few positions, and gates it.

        Args:
            hidden_states: [windows, length, width].
            cache: Where the convolution's last inputs are kept.
            attention_mask: [windows, length], 0 where a position is padding.

        Returns:
            [windows, length, width]
        """
        length = hidden_states.shape[1]
        projected = self.in_proj(_masked(hidden_states, attention_mask) * self.multiplier)
        if hasattr(self, "scales"):
            projected = projected * self.scales
        one, other = projected.chunk(2, dim=-1)
        gate, x = (one, other) if self.gate_first else (other, one)
        x = self._convolved(x.transpose(1, 2), cache)[..., -length:].transpose(1, 2)
        mixed = self._gated(_masked(x, attention_mask), gate)
        out: Tensor = self.out_proj(mixed.to(hidden_states.dtype))
        return out

    def _gated(self, x: Tensor, gate: Tensor) -> Tensor:
        if hasattr(self, "norm"):
            normed: Tensor = self.norm(x, gate)
            return normed
        return x * functional.silu(gate)

    def _convolved(self, x: Tensor, cache: Any) -> Tensor:
        """Causal convolution of [windows, channels, length], on what the cache still knows."""
        if cache is not None:
            x = cache.update_conv_state(x, self.layer_idx, conv_kernel_size=self.kernel)
        conv = self.conv1d
        wide = functional.conv1d(
            x.to(conv.weight.dtype),
            conv.weight,
            conv.bias,
            padding=self.kernel - 1,
            groups=self.channels,
        )
        found: Tensor = self.act(wide[..., : x.shape[-1]]).to(x.dtype)
        return found


def is_second(mixer: nn.Module) -> bool:
    """Whether a mixer is of the second kind, which gates before anything else is read."""
    return not hasattr(mixer, "x_proj")


def scanless_rows(mixer: Any) -> Mapping[str, int]:
    """How many first rows of a stock mixer's tensors are left, by name in the mixer."""
    channels: int = mixer.out_proj.in_features
    rows = {"in_proj": 2 * channels, "conv1d": channels}
    return {f"{part}.{leaf}": n for part, n in rows.items() for leaf in ("weight", "bias")}


def _first_channels(conv: nn.Conv1d, channels: int) -> nn.Conv1d:
    made = nn.Conv1d(
        channels,
        channels,
        conv.kernel_size[0],
        groups=channels,
        padding=conv.padding[0],
        bias=conv.bias is not None,
        device="meta",
        dtype=conv.weight.dtype,
    )
    made.weight = nn.Parameter(conv.weight[:channels].detach(), requires_grad=False)
    if conv.bias is not None:
        made.bias = nn.Parameter(conv.bias[:channels].detach(), requires_grad=False)
    return made.eval()


def _masked(hidden: Tensor, mask: Tensor | None) -> Tensor:
    """Zeroes padding, as stock mixers do: only where several windows of several tokens are run."""
    if mask is None or mask.shape[0] == 1 or mask.shape[1] == 1:
        return hidden
    return (hidden * mask[:, :, None]).to(hidden.dtype)
