"""Gated linear attention (Yang et al., 2024): a linear memory every channel of which forgets at a rate of its own.

Shapes: B batch, T positions, C width, H heads, D channels of a head.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainer.model.config import ModelConfig
from trainer.model.diagonal import CHUNK, FLOOR, diagonal_operations, diagonal_rule
from trainer.model.norm import GatedNorm

SHARPNESS = 16.0
"""Gates are the 16th root of a sigmoid: they begin near 1."""
RANK = 16
"""Of the gates' map; less where the width is less."""


class LinearState(NamedTuple):
    """The memory of one layer; its size does not depend on the context."""

    memory_BHDD: Tensor
    """float32: keys in, values out."""


class GatedLinearAttention(nn.Module):
    """(x (B, T, C), state) in, (y (B, T, C), state) out. Queries and keys have as many channels as values."""

    recurrence = "gated linear attention"

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.head_size = config.heads, config.head_size
        self.qkv = nn.Linear(config.width, 3 * config.mixed, bias=False)
        self.decay_in = nn.Linear(config.width, min(RANK, config.width // 4), bias=False)
        self.decay_out = nn.Linear(min(RANK, config.width // 4), config.mixed)
        self.gate = nn.Linear(config.width, config.mixed, bias=False)
        self.out_norm = GatedNorm(config.head_size)
        self.out = nn.Linear(config.mixed, config.width, bias=False)

    def initial_state(self, batch: int, device: torch.device | None = None) -> LinearState:
        """Return the memory of a sequence not begun yet."""
        return LinearState(torch.zeros(batch, self.heads, self.head_size, self.head_size, device=device))

    def rowwise(self, state: LinearState) -> LinearState:
        """Return the memory with one position per sequence: it has no position."""
        return state

    def operations(self, length: int) -> float:
        """Return the operations of a position beside its matrices', on average over ``length`` positions."""
        return self.heads * diagonal_operations(self.head_size, self.head_size, min(CHUNK, length), pair=False)

    def forward(self, x_BTC: Tensor, state: LinearState) -> tuple[Tensor, LinearState]:
        """Read the positions; return the result and the memory after the last one."""
        q, k, v = heads_of(self.qkv(x_BTC), 3, self.heads)
        (decay,) = heads_of(self.decay_out(self.decay_in(x_BTC)), 1, self.heads)
        log_decay = (nn.functional.logsigmoid(decay.float()) / SHARPNESS).clamp(min=FLOOR)
        y, memory = diagonal_rule(q * self.head_size**-0.5, k, v, log_decay, state.memory_BHDD)
        return self.out(self.out_norm(y.transpose(1, 2), self.gate(x_BTC))), LinearState(memory)


def heads_of(x_BTX: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """Return ``parts`` tensors (B, H, T, D) that lie side by side in x."""
    return x_BTX.unflatten(-1, (parts, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
