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
from trainer.model.rwkv7 import RWKV7, ShiftedFeedForward

MIXERS: dict[str, Any] = {
    "transformer": Attention,
    "gated-delta-net": GatedDeltaNet,
    "gated-linear-attention": GatedLinearAttention,
    "gated-slot-attention": GatedSlotAttention,
    "rwkv7": RWKV7,
    "mamba2": Mamba2,
}
"""Mixers by backbone: modules built from a ``ModelConfig``, with ``initial_state``, ``rowwise`` and forward
(x, state) -> (y, state). A state is a named tuple of tensors, batched along their first axis, and plain numbers.
RWKV-7 knows its layer, and its forward has the first layer's values as a third of each."""


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
"""By ``ModelSize.feed_forward``, those without a state."""


class Block(nn.Module):
    """Pre-normalised residual block.

    Args:
        config: Shapes.
        layer: Its place among the blocks.
    """

    def __init__(self, config: ModelConfig, layer: int = 0) -> None:
        super().__init__()
        self.mixer_norm = Norm(config.width)
        self.shares_values = config.backbone == "rwkv7"
        self.mixer = RWKV7(config, layer) if self.shares_values else MIXERS[config.backbone](config)
        self.kind = config.feed_forward
        if self.kind != "none":
            self.feed_forward_norm = Norm(config.width)
            self.feed_forward: nn.Module = (
                ShiftedFeedForward(config, layer) if self.kind == "shifted" else FEED_FORWARDS[self.kind](config)
            )

    def initial_state(self, batch: int, device: torch.device | None = None) -> Any:
        """Return the state of a sequence not begun yet."""
        return self.mixer.initial_state(batch, device)

    def rowwise(self, state: Any) -> Any:
        """Return the state with one position per sequence."""
        return self.mixer.rowwise(state)

    def forward(self, x_BTC: Tensor, state: Any, first: Tensor | None = None) -> tuple[Tensor, Any, Tensor | None]:
        """Return the block's output (B, T, C), the state after the last position, and what goes to the next block.

        Args:
            x_BTC: Positions.
            state: Before the first of them.
            first: What the first block returned last: its values at the same positions, None but for RWKV-7.
        """
        if self.shares_values:
            mixed, state, first = self.mixer(self.mixer_norm(x_BTC), state, first)
        else:
            mixed, state = self.mixer(self.mixer_norm(x_BTC), state)
        x_BTC = x_BTC + mixed
        if self.kind == "none":
            return x_BTC, state, first
        inner = self.feed_forward_norm(x_BTC)
        if self.kind == "shifted":
            fed, state = self.feed_forward(inner, state)
        else:
            fed = self.feed_forward(inner)
        return x_BTC + fed, state, first
