"""A causal block behind one interface, (x, state) -> (y, state): a mixer over positions, then a feed-forward part.

Shapes: B batch, T positions, C width.
"""

from typing import Any

import torch
from torch import Tensor, nn

from trainer.model.attention import Attention
from trainer.model.config import ModelConfig
from trainer.model.gated_delta_net import GatedDeltaNet
from trainer.model.gated_linear_attention import GatedLinearAttention
from trainer.model.gated_slot_attention import GatedSlotAttention
from trainer.model.mamba2 import Mamba2
from trainer.model.norm import Norm
from trainer.model.rwkv7 import RWKV7

MIXERS: dict[str, Any] = {
    "transformer": Attention,
    "gated-delta-net": GatedDeltaNet,
    "gated-linear-attention": GatedLinearAttention,
    "gated-slot-attention": GatedSlotAttention,
    "rwkv7": RWKV7,
    "mamba2": Mamba2,
}
"""Mixers by backbone: modules built from a ``ModelConfig``, with ``initial_state``, ``rowwise`` and forward
(x, state) -> (y, state). A state is a named tuple of tensors, batched along their first axis, and plain numbers."""


class FeedForward(nn.Module):
    """Two matrices with a GELU between them, or a squared ReLU (as in RWKV)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.squared = config.feed_forward == "squared"
        self.up = nn.Linear(config.width, config.inner, bias=False)
        self.down = nn.Linear(config.inner, config.width, bias=False)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Return the transformed positions (B, T, C)."""
        inner = self.up(x_BTC)
        return self.down(nn.functional.relu(inner).square() if self.squared else nn.functional.gelu(inner))


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


FEED_FORWARDS: dict[str, Any] = {"gelu": FeedForward, "squared": FeedForward, "gated": GatedFeedForward}
"""By ``ModelSize.feed_forward``; none of them for ``none``."""


class Block(nn.Module):
    """Pre-normalised residual block."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.mixer_norm = Norm(config.width)
        self.mixer = MIXERS[config.backbone](config)
        self.feeds_forward = config.feed_forward != "none"
        if self.feeds_forward:
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
        if not self.feeds_forward:
            return x_BTC, state
        return x_BTC + self.feed_forward(self.feed_forward_norm(x_BTC)), state
