"""RWKV-7 (Peng et al., 2025): a delta rule whose forgetting, removal key and rate are vectors, one number a channel.

    S_t = diag(w_t) S_{t-1} - (a_t * n_t) (n_t^T S_{t-1}) + k_t v_t^T,    n_t the normalised removal key

Later layers mix the first layer's values into their own, position by position: blocks pass them on. The feed-forward
part looks at the position before, too (``ShiftedFeedForward``). Initial values are the published ones (RWKV-LM, v7),
matrices aside.

Shapes: B batch, T positions, C width, H heads, D channels of a head.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainer.model.config import ModelConfig
from trainer.model.diagonal import CHUNK, diagonal_operations, low_rank_rule
from trainer.model.kernels import LEAST_RWKV7

SHIFTED = 6
"""Inputs with a share of the position before: receptance, decay, key, value, rate, gate."""
SHARES = (0.2, 0.9, 0.7, 0.7, 0.9, 0.2)
"""Of these: how fast the shares fall over the channels at first."""
GROUP_EPSILON = 64e-5


class ShiftState(NamedTuple):
    """The memory of one layer; its size does not depend on the context."""

    memory_BHDD: Tensor
    """float32: keys in, values out."""
    last_B1C: Tensor
    """float32: the last input."""
    fed_B1C: Tensor
    """float32: the feed-forward part's last input; the block's."""


class RWKV7(nn.Module):
    """(x (B, T, C), state, values of the first layer) in, (y (B, T, C), state, those values) out.

    Args:
        config: Shapes.
        layer: Its place; layer 0 gives its values to the others.
    """

    recurrence = "diagonal plus low rank"

    def __init__(self, config: ModelConfig, layer: int = 0) -> None:
        super().__init__()
        width, mixed = config.width, config.mixed
        self.layer, self.layers = layer, config.layers
        self.heads, self.head_size = config.heads, config.head_size
        self.shift = nn.Parameter(torch.empty(SHIFTED, 1, width))
        """Shares of the position before."""
        self.receptance = nn.Linear(width, mixed, bias=False)
        self.key = nn.Linear(width, mixed, bias=False)
        self.value = nn.Linear(width, mixed, bias=False)
        self.decay = LowRank(width, max(8, width // 8), mixed, nn.Tanh())
        self.rate = LowRank(width, max(8, width // 8), mixed)
        self.gate = LowRank(width, max(8, width // 4), mixed, nn.Sigmoid(), bias=False)
        if layer > 0:
            self.residual = LowRank(width, max(8, width // 16), mixed)
            """How far a value becomes the first layer's."""
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
        mixed, width, depth = self.removal_gain.shape[0], self.shift.shape[-1], self.layer / max(1, self.layers - 1)
        channel = torch.arange(mixed, dtype=torch.float64)
        line = channel / (mixed - 1) - 0.5
        within = 2 * (channel % self.head_size) / max(1, self.head_size - 1) - 1
        bow = within * within.abs()
        values = {
            "shift": torch.stack([shares(width, power * (1 - self.layer / self.layers)) for power in SHARES])[:, None],
            "decay.first.weight": torch.zeros_like(self.decay.first.weight, device="cpu"),
            "decay.second.bias": 6 * (line + 0.5) ** (1 + depth**0.3) - 5.5 + 2.5 * bow,
            "rate.first.weight": torch.zeros_like(self.rate.first.weight, device="cpu"),
            "rate.second.bias": 0.3 * bow + 0.4 * line - 0.19,
            "removal_gain": 0.71 - 0.1 * line,
            "rate_gain": torch.full((mixed,), 1.02),
            "bonus": torch.full((self.heads, self.head_size, 1), -0.04),
            "group_gain": torch.full((mixed,), ((self.layer + 1) / self.layers) ** 0.7),
        }
        if self.layer > 0:
            values["residual.first.weight"] = torch.zeros_like(self.residual.first.weight, device="cpu")
            values["residual.second.bias"] = 0.73 - 0.4 * line
        return {name: value.float() for name, value in values.items()}

    def initial_state(self, batch: int, device: torch.device | None = None) -> ShiftState:
        """Return the memory of a sequence not begun yet."""
        memory = torch.zeros(batch, self.heads, self.head_size, self.head_size, device=device)
        last = torch.zeros(batch, 1, self.shift.shape[-1], device=device)
        return ShiftState(memory, last, last.clone())

    def rowwise(self, state: ShiftState) -> ShiftState:
        """Return the memory with one position per sequence: it has no position."""
        return state

    def operations(self, length: int) -> float:
        """Return the operations of a position beside its matrices', on average over ``length`` positions."""
        return self.heads * diagonal_operations(self.head_size, self.head_size, min(CHUNK, length), pair=True)

    def forward(
        self, x_BTC: Tensor, state: ShiftState, first_BTX: Tensor | None = None
    ) -> tuple[Tensor, ShiftState, Tensor]:
        """Read the positions; return the result, the memory after the last one and the first layer's values."""
        to_r, to_w, to_k, to_v, to_a, to_g = shifted(x_BTC, state.last_B1C, self.shift[:, None]).unbind(0)
        value_BTX = self.value(to_v)
        if self.layer == 0:
            first_BTX = value_BTX
        else:
            assert first_BTX is not None, "blocks pass the first layer's values on"
            value_BTX = torch.lerp(value_BTX, first_BTX, self.residual(to_v).sigmoid())
        r, v = self._heads(self.receptance(to_r)), self._heads(value_BTX)
        log_decay = -LEAST_RWKV7 * self._heads(self.decay(to_w)).sigmoid()
        key, rate = self.key(to_k).float(), self.rate(to_a).float().sigmoid()
        removal = nn.functional.normalize(self._heads(key * self.removal_gain.float()), dim=-1)
        k, a = self._heads(key * (1 + (rate - 1) * self.rate_gain.float())), self._heads(rate)
        y, memory = low_rank_rule(r, k, v, log_decay, -removal, removal * a, state.memory_BHDD)
        normal = nn.functional.layer_norm(y, (self.head_size,), eps=GROUP_EPSILON).transpose(1, 2).flatten(2)
        normal = torch.addcmul(self.group_bias.float(), normal, self.group_gain.float())
        own = ((r * k) @ self.bonus.float() * v).transpose(1, 2).flatten(2)
        out = self.out((normal + own).to(x_BTC.dtype) * self.gate(to_g))
        return out, ShiftState(memory, last_of(x_BTC), state.fed_B1C), first_BTX

    def _heads(self, x_BTX: Tensor) -> Tensor:
        """Return (B, H, T, D), float32."""
        return x_BTX.float().unflatten(-1, (self.heads, self.head_size)).transpose(1, 2)


class ShiftedFeedForward(nn.Module):
    """Two matrices with a squared ReLU between, on inputs with a share of the position before; state carried.

    Args:
        config: Shapes.
        layer: Its place; deeper ones begin with less of the position before.
    """

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.fall = (1 - layer / config.layers) ** 4
        self.shift = nn.Parameter(torch.empty(1, 1, config.width))
        self.up = nn.Linear(config.width, config.inner, bias=False)
        self.down = nn.Linear(config.inner, config.width, bias=False)

    def initial_values(self) -> dict[str, Tensor]:
        """Return the parameter that does not begin at random."""
        return {"shift": shares(self.shift.shape[-1], self.fall)[None, None].float()}

    def forward(self, x_BTC: Tensor, state: ShiftState) -> tuple[Tensor, ShiftState]:
        """Return the transformed positions (B, T, C) and the state after the last one."""
        inner = self.up(shifted(x_BTC, state.fed_B1C, self.shift))
        return self.down(nn.functional.relu(inner).square()), state._replace(fed_B1C=last_of(x_BTC))


def shares(width: int, power: float) -> Tensor:
    """Return 1 - (c / C)^power for the channels c: how much of the position before each begins with, float64."""
    return 1 - (torch.arange(width, dtype=torch.float64) / width) ** power


def shifted(x_BTC: Tensor, last_B1C: Tensor, share: Tensor) -> Tensor:
    """Return x + share (x one position before - x); ``share`` broadcasts against x."""
    before = torch.cat([last_B1C.to(x_BTC.dtype), x_BTC[:, :-1]], dim=1)
    return torch.addcmul(x_BTC, share.to(x_BTC.dtype), before - x_BTC)


def last_of(x_BTC: Tensor) -> Tensor:
    """Return a float32 copy of the last position: a view would keep the whole segment."""
    return x_BTC[:, -1:].float().clone()


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
