"""A short causal convolution over positions, channel by channel, whose last inputs are carried from call to call.

Shapes: B batch, T positions, S channels, W taps.
"""

import torch
from torch import Tensor, nn

TAPS = 4
"""Positions that an output sees, its own included."""


class ShortConvolution(nn.Module):
    """(x (B, T, S), tail (B, W - 1, S)) in; (silu of the convolved x, the new tail) out."""

    def __init__(self, channels: int, bias: bool = False) -> None:
        super().__init__()
        # three axes: a filter for each channel is no matrix, and the optimiser must not orthogonalise it as one
        self.taps = nn.Parameter(torch.empty(channels, 1, TAPS))
        self.bias = nn.Parameter(torch.empty(channels)) if bias else None

    def initial_tail(self, batch: int, device: torch.device | None = None) -> Tensor:
        """Return the inputs before a sequence's first one: zeros, float32."""
        return torch.zeros(batch, TAPS - 1, self.taps.shape[0], device=device)

    def forward(self, x_BTS: Tensor, tail_BWS: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs (B, T, S) and the last W - 1 inputs, both float32: what follows divides by lengths."""
        joined = torch.cat([tail_BWS, x_BTS.float()], dim=1)
        length, taps = x_BTS.shape[1], self.taps.float()[:, 0]
        # sums of shifted products: on a CPU several times faster than conv1d with as many groups as channels
        first = joined[:, :length]
        out = first * taps[:, 0] if self.bias is None else torch.addcmul(self.bias.float(), first, taps[:, 0])
        for tap in range(1, TAPS):
            out = torch.addcmul(out, joined[:, tap : tap + length], taps[:, tap])
        # a copy: a view would keep the whole segment
        return nn.functional.silu(out), joined[:, length:].clone()
