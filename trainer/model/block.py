"""A causal block behind one interface, (x, state) -> (y, state): a mixer over positions, then a feed-forward part.

Shapes: B batch, T positions, C width.
"""

from typing import Any

import torch
from torch import Tensor, nn

from trainer.model.attention import Attention
from trainer.model.config import ModelConfig

MIXERS = {"attention": Attention}
"""Mixers by name: modules built from a ``ModelConfig``, with ``initial_state`` and forward (x, state) -> (y, state)."""


class Norm(nn.Module):
    """Root-mean-square normalisation of the last axis, with a gain per channel (Zhang and Sennrich, 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return x scaled to unit mean square, times the gain."""
        return nn.functional.rms_norm(x, self.gain.shape, self.gain, eps=1e-6)


class FeedForward(nn.Module):
    """Two matrices with a GELU between them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.width, config.inner, bias=False)
        self.down = nn.Linear(config.inner, config.width, bias=False)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Return the transformed positions (B, T, C)."""
        return self.down(nn.functional.gelu(self.up(x_BTC)))


class Block(nn.Module):
    """Pre-normalised residual block."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.mixer_norm = Norm(config.width)
        self.mixer = MIXERS[config.mixer](config)
        self.feed_forward_norm = Norm(config.width)
        self.feed_forward = FeedForward(config)

    def initial_state(self, batch: int, device: torch.device | None = None) -> Any:
        """Return the state of a sequence not begun yet."""
        return self.mixer.initial_state(batch, device)

    def rowwise(self, state: Any) -> Any:
        """Return the state with one position per sequence."""
        return self.mixer.rowwise(state)

    def forward(self, x_BTC: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Return the block's output (B, T, C) and the state after the last position."""
        mixed, state = self.mixer(self.mixer_norm(x_BTC), state)
        x_BTC = x_BTC + mixed
        return x_BTC + self.feed_forward(self.feed_forward_norm(x_BTC)), state
