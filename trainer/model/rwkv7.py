"""RWKV-7 (Peng et al., 2025): a delta rule whose forgetting, removal key and rate are vectors, one number a channel.

    S_t = diag(w_t) S_{t-1} - (a_t * n_t) (n_t^T S_{t-1}) + k_t v_t^T,    n_t the normalised removal key

Two things of the published model are left out, for they pass between layers or would need a state of their own: the
value residual from the first layer (the paper's code has each layer be the first, too) and the shift inside the
feed-forward part.

Shapes: B batch, T positions, C width, H heads, D channels of a head.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainer.model.config import ModelConfig
from trainer.model.diagonal import CHUNK, diagonal_operations, low_rank_rule

SHIFTED = 6
"""Inputs with a share of the position before: receptance, decay, key, value, rate, gate."""
SLOWEST, FASTEST = -6.5, 0.0
"""Initial logits of the forgetting: from 1/1100 to .3 a step, over a head's channels."""
GROUP_EPSILON = 64e-5


class ShiftState(NamedTuple):
    """The memory of one layer; its size does not depend on the context."""

    memory_BHDD: Tensor
    """float32: keys in, values out."""
    last_B1C: Tensor
    """float32: the last input."""


class RWKV7(nn.Module):
    """(x (B, T, C), state) in, (y (B, T, C), state) out."""

    recurrence = "diagonal plus low rank"

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, mixed = config.width, config.mixed
        self.heads, self.head_size = config.heads, config.head_size
        self.shift = nn.Parameter(torch.empty(SHIFTED, 1, width))
        """Shares of the position before."""
        self.receptance = nn.Linear(width, mixed, bias=False)
        self.key = nn.Linear(width, mixed, bias=False)
        self.value = nn.Linear(width, mixed, bias=False)
        self.decay = LowRank(width, max(8, width // 8), mixed, nn.Tanh())
        self.rate = LowRank(width, max(8, width // 8), mixed)
        self.gate = LowRank(width, max(8, width // 4), mixed, nn.Sigmoid(), bias=False)
        self.removal_gain = nn.Parameter(torch.empty(mixed))
        """Key to removal key."""
        self.rate_gain = nn.Parameter(torch.empty(mixed))
        """How far the rate goes into the key."""
        self.bonus = nn.Parameter(torch.empty(self.heads, self.head_size, 1))
        """What a position gives to itself."""
        self.group_gain = nn.Parameter(torch.empty(mixed))
        self.group_bias = nn.Parameter(torch.empty(mixed))
        self.out = nn.Linear(mixed, width, bias=False)

    def initial_values(self) -> dict[str, Tensor]:
        """Return the parameters that do not begin at random."""
        width = self.shift.shape[-1]
        return {
            "shift": torch.linspace(1.0, 0.0, width).expand(SHIFTED, 1, width),
            "decay.second.bias": torch.linspace(SLOWEST, FASTEST, self.head_size).repeat(self.heads),
            "bonus": torch.zeros(self.heads, self.head_size, 1),
        }

    def initial_state(self, batch: int, device: torch.device | None = None) -> ShiftState:
        """Return the memory of a sequence not begun yet."""
        memory = torch.zeros(batch, self.heads, self.head_size, self.head_size, device=device)
        return ShiftState(memory, torch.zeros(batch, 1, self.shift.shape[-1], device=device))

    def rowwise(self, state: ShiftState) -> ShiftState:
        """Return the memory with one position per sequence: it has no position."""
        return state

    def operations(self, length: int) -> float:
        """Return the operations of a position beside its matrices', on average over ``length`` positions."""
        return self.heads * diagonal_operations(self.head_size, self.head_size, min(CHUNK, length), pair=True)

    def forward(self, x_BTC: Tensor, state: ShiftState) -> tuple[Tensor, ShiftState]:
        """Read the positions; return the result and the memory after the last one."""
        before = torch.cat([state.last_B1C.to(x_BTC.dtype), x_BTC[:, :-1]], dim=1)
        to_r, to_w, to_k, to_v, to_a, to_g = torch.addcmul(
            x_BTC, self.shift[:, None].to(x_BTC.dtype), before - x_BTC
        ).unbind(0)
        r, v = self._heads(self.receptance(to_r)), self._heads(self.value(to_v))
        log_decay = -math.exp(-0.5) * self._heads(self.decay(to_w)).sigmoid()
        key, rate = self.key(to_k).float(), self.rate(to_a).float().sigmoid()
        removal = nn.functional.normalize(self._heads(key * self.removal_gain.float()), dim=-1)
        k, a = self._heads(key * (1 + (rate - 1) * self.rate_gain.float())), self._heads(rate)
        y, memory = low_rank_rule(r, k, v, log_decay, -removal, removal * a, state.memory_BHDD)
        normal = nn.functional.layer_norm(y, (self.head_size,), eps=GROUP_EPSILON).transpose(1, 2).flatten(2)
        normal = torch.addcmul(self.group_bias.float(), normal, self.group_gain.float())
        own = ((r * k) @ self.bonus.float() * v).transpose(1, 2).flatten(2)
        out = self.out((normal + own).to(x_BTC.dtype) * self.gate(to_g))
        return out, ShiftState(memory, x_BTC[:, -1:].float().clone())

    def _heads(self, x_BTX: Tensor) -> Tensor:
        """Return (B, H, T, D), float32."""
        return x_BTX.float().unflatten(-1, (self.heads, self.head_size)).transpose(1, 2)


class LowRank(nn.Module):
    """A map of low rank, perhaps with a function in its middle."""

    def __init__(self, width: int, rank: int, out: int, middle: nn.Module | None = None, bias: bool = True) -> None:
        super().__init__()
        self.first = nn.Linear(width, rank, bias=False)
        self.middle = middle or nn.Identity()
        self.second = nn.Linear(rank, out, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the mapped last axis."""
        return self.second(self.middle(self.first(x)))
