"""A causal block behind one interface, (x, state) -> (y, state): a mixer over positions, then a feed-forward part.

Shapes: B batch, T positions, C width.
"""

from typing import Any

import torch
from torch import Tensor, nn

from trainer.model.attention import Attention
from trainer.model.config import ModelConfig
from trainer.model.gated_delta_net import GatedDeltaNet
from trainer.model.norm import Norm

MIXERS: dict[str, Any] = {"transformer": Attention, "gated-delta-net": GatedDeltaNet}
"""Mixers by backbone: modules built from a ``ModelConfig``, with ``initial_state``, ``rowwise`` and forward
(x, state) -> (y, state). A state is a named tuple of tensors, batched along their first axis, and plain numbers."""


class FeedForward(nn.Module):
    """Two matrices with a GELU between them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.width, config.inner, bias=False)
        self.down = nn.Linear(config.inner, config.width, bias=False)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Return the transformed positions (B, T, C)."""
        return self.down(nn.functional.gelu(self.up(x_BTC)))


class GatedFeedForward(nn.Module):
    """Two matrices with a product of one half, through SiLU, and the other between them (SwiGLU; Shazeer, 2020)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.width, config.inner, bias=False)
        self.up = nn.Linear(config.width, config.inner, bias=False)
        self.down = nn.Linear(config.inner, config.width, bias=False)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Return the transformed positions (B, T, C)."""
        return self.down(nn.functional.silu(self.gate(x_BTC)) * self.up(x_BTC))


FEED_FORWARDS: dict[str, Any] = {"gelu": FeedForward, "gated": GatedFeedForward}
"""By ``ModelSize.feed_forward``."""


class Block(nn.Module):
    """Pre-normalised residual block."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.mixer_norm = Norm(config.width)
        self.mixer = MIXERS[config.backbone](config)
        self.feed_forward_norm = Norm(config.width)
        self.feed_forward = FEED_FORWARDS[config.feed_forward](config)

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
