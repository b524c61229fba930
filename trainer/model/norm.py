"""Root-mean-square normalisation, alone and with a gate: what goes into a block's parts and what leaves a mixer.

Shapes: B batch, T positions, H heads, D channels of a head.
"""

import torch
from torch import Tensor, nn

EPSILON = 1e-6
GATED_EPSILON = 1e-5
"""What a young memory returns can be very small; a smaller number here would blow its rounding up."""


class Norm(nn.Module):
    """Root-mean-square normalisation of the last axis, with a gain per channel (Zhang and Sennrich, 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return x scaled to unit mean square, times the gain."""
        return nn.functional.rms_norm(x, self.gain.shape, self.gain.to(x.dtype), eps=EPSILON)


class GatedNorm(nn.Module):
    """Normalises each head's output and lets a gate decide what passes."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(size))

    def forward(self, x_BTHD: Tensor, gate_BTX: Tensor) -> Tensor:
        """Return norm(x) silu(gate) as (B, T, H D), in the gate's dtype; the norm is taken in x's (float32)."""
        normal = nn.functional.rms_norm(x_BTHD, self.gain.shape, self.gain.to(x_BTHD.dtype), eps=GATED_EPSILON)
        return normal.flatten(-2).to(gate_BTX.dtype) * nn.functional.silu(gate_BTX)
