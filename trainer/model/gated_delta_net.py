"""Gated DeltaNet (Yang, Kautz, Hatamizadeh, 2025): a linear memory that forgets by a gate and corrects what it reads.

Shapes: B batch, T positions, C width, H heads, D channels of a head, S channels of the convolution.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainer.model.config import ModelConfig
from trainer.model.convolution import ShortConvolution
from trainer.model.norm import GatedNorm
from trainer.model.recurrence import CHUNK, delta_rule, delta_rule_operations


class DeltaState(NamedTuple):
    """The memory of one layer; its size does not depend on the context."""

    memory_BHDD: Tensor
    """float32: keys in, values out."""
    tail_BWS: Tensor
    """float32: the convolution's last inputs."""


class GatedDeltaNet(nn.Module):
    """(x (B, T, C), state) in, (y (B, T, C), state) out."""

    recurrence = "gated delta rule"

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.head_size = config.heads, config.head_size
        self.qkv = nn.Linear(config.width, 3 * config.mixed, bias=False)
        self.convolution = ShortConvolution(3 * config.mixed)
        self.rates = nn.Linear(config.width, 2 * config.heads, bias=False)
        """How much a position replaces, and how fast it forgets, a head."""
        self.forgetting = nn.Parameter(torch.empty(config.heads))
        """Logarithm of the forgetting at step size 1."""
        self.step_bias = nn.Parameter(torch.empty(config.heads))
        self.gate = nn.Linear(config.width, config.mixed, bias=False)
        self.out_norm = GatedNorm(config.head_size)
        self.out = nn.Linear(config.mixed, config.width, bias=False)

    def initial_values(self) -> dict[str, Tensor]:
        """Return the parameters that do not begin at random: heads that forget at rates from 1/1000 to 1.6 a step."""
        return decay_values(self.heads)

    def initial_state(self, batch: int, device: torch.device | None = None) -> DeltaState:
        """Return the memory of a sequence not begun yet."""
        memory = torch.zeros(batch, self.heads, self.head_size, self.head_size, device=device)
        return DeltaState(memory, self.convolution.initial_tail(batch, device))

    def rowwise(self, state: DeltaState) -> DeltaState:
        """Return the memory with one position per sequence: it has no position."""
        return state

    def operations(self, length: int) -> float:
        """Return the operations of a position beside its matrices', on average over ``length`` positions."""
        return self.heads * delta_rule_operations(self.head_size, self.head_size, min(CHUNK, length))

    def forward(self, x_BTC: Tensor, state: DeltaState) -> tuple[Tensor, DeltaState]:
        """Read the positions; return the result and the memory after the last one."""
        convolved, tail = self.convolution(self.qkv(x_BTC), state.tail_BWS)
        q, k, v = convolved.unflatten(-1, (3, self.heads, self.head_size)).permute(2, 0, 3, 1, 4).unbind(0)
        q, k = nn.functional.normalize(q, dim=-1), nn.functional.normalize(k, dim=-1)
        beta, step = self.rates(x_BTC).float().transpose(1, 2).chunk(2, dim=1)
        log_decay = log_decays(step, self.forgetting, self.step_bias)
        y, memory = delta_rule(q * self.head_size**-0.5, k, v, log_decay, beta.sigmoid(), state.memory_BHDD)
        return self.out(self.out_norm(y.transpose(1, 2), self.gate(x_BTC))), DeltaState(memory, tail)


def log_decays(step_BHT: Tensor, forgetting_H: Tensor, bias_H: Tensor) -> Tensor:
    """Return -exp(forgetting) softplus(step + bias), float32 (Dao and Gu, "Transformers are SSMs", 2024)."""
    size = nn.functional.softplus(step_BHT + bias_H.float()[:, None])
    return -forgetting_H.float().exp()[:, None] * size


def decay_values(heads: int) -> dict[str, Tensor]:
    """Return spread initial values: forgetting 1..16 and step sizes .001...1, the slowest heads first."""
    share = torch.linspace(0.0, 1.0, heads, dtype=torch.float64)
    size = torch.exp(torch.log(torch.tensor(1e-3)) + share * torch.log(torch.tensor(1e2)))
    return {
        "forgetting": torch.log(1 + 15 * share).float(),
        "step_bias": (size + torch.log(-torch.expm1(-size))).float(),
    }
