"""Mamba-2 (Dao and Gu, "Transformers are SSMs", 2024): a linear memory with a gate a head, its keys shared by all.

    S_t = e^{-A d_t} S_{t-1} + d_t B_t x_t^T,    y_t = S_t^T C_t + D x_t

Shapes: B batch, T positions, C width, H heads, P channels of a head (2 C / H), K channels of keys, I = H P, G = B H,
N chunks of L positions.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainer.model.config import ModelConfig
from trainer.model.convolution import ShortConvolution
from trainer.model.gated_delta_net import decay_values, log_decays
from trainer.model.kernels import with_kernel
from trainer.model.norm import Norm
from trainer.model.recurrence import carry, in_chunks, pairwise_decays

CHUNK = 32
"""Positions of a chunk (``python -m trainer.bench.chunks``)."""


class SpaceState(NamedTuple):
    """The memory of one layer; its size does not depend on the context."""

    memory_BHKP: Tensor
    """float32: keys in, values out."""
    tail_BWS: Tensor
    """float32: the convolution's last inputs."""


class Mamba2(nn.Module):
    """(x (B, T, C), state) in, (y (B, T, C), state) out."""

    recurrence = "scalar gate"

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.keys, self.inner = config.heads, config.slots, 2 * config.width
        if self.inner % self.heads:
            raise ValueError(
                f"twice the width must be a multiple of heads, got width {config.width}, heads {self.heads}"
            )
        self.gate = nn.Linear(config.width, self.inner, bias=False)
        self.inputs = nn.Linear(config.width, self.inner + 2 * self.keys, bias=False)
        self.convolution = ShortConvolution(self.inner + 2 * self.keys, bias=True)
        self.rates = nn.Linear(config.width, config.heads, bias=False)
        self.forgetting = nn.Parameter(torch.empty(config.heads))
        self.step_bias = nn.Parameter(torch.empty(config.heads))
        self.skip_gain = nn.Parameter(torch.empty(config.heads))
        self.out_norm = Norm(self.inner)
        self.out = nn.Linear(self.inner, config.width, bias=False)

    def initial_values(self) -> dict[str, Tensor]:
        """Return the parameters that do not begin at random."""
        return decay_values(self.heads)

    def initial_state(self, batch: int, device: torch.device | None = None) -> SpaceState:
        """Return the memory of a sequence not begun yet."""
        memory = torch.zeros(batch, self.heads, self.keys, self.inner // self.heads, device=device)
        return SpaceState(memory, self.convolution.initial_tail(batch, device))

    def rowwise(self, state: SpaceState) -> SpaceState:
        """Return the memory with one position per sequence: it has no position."""
        return state

    def operations(self, length: int) -> float:
        """Return the operations of a position beside its matrices', on average over ``length`` positions."""
        chunk = min(CHUNK, length)
        return 2.0 * (chunk * (self.keys + self.inner) + 2 * self.keys * self.inner)

    def forward(self, x_BTC: Tensor, state: SpaceState) -> tuple[Tensor, SpaceState]:
        """Read the positions; return the result and the memory after the last one."""
        convolved, tail = self.convolution(self.inputs(x_BTC), state.tail_BWS)
        values, keys, queries = convolved.split([self.inner, self.keys, self.keys], dim=-1)
        values = values.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        rates = self.rates(x_BTC).float().transpose(1, 2)
        size = nn.functional.softplus(rates + self.step_bias.float()[:, None])
        log_decay = log_decays(rates, self.forgetting, self.step_bias)
        y, memory = scalar_rule(queries[:, None], keys[:, None], values * size[..., None], log_decay, state.memory_BHKP)
        y = (y + self.skip_gain.float()[:, None, None] * values).transpose(1, 2).flatten(2)
        gated = y * nn.functional.silu(self.gate(x_BTC).float())
        return self.out(self.out_norm(gated).to(x_BTC.dtype)), SpaceState(memory, tail)


@with_kernel("scalar gate")
def scalar_rule(
    q_B1TK: Tensor, k_B1TK: Tensor, v_BHTP: Tensor, log_decay_BHT: Tensor, state_BHKP: Tensor, chunk: int = CHUNK
) -> tuple[Tensor, Tensor]:
    """Return the outputs (B, H, T, P) and the state after the last position, both float32.

    Args:
        q_B1TK: Queries, the same for all heads.
        k_B1TK: Keys, likewise.
        v_BHTP: Values.
        log_decay_BHT: At most 0.
        state_BHKP: float32, before the first position.
        chunk: It changes rounding only.
    """
    with torch.autocast(q_B1TK.device.type, enabled=False):
        batch, heads, length, size = v_BHTP.shape
        chunk = min(chunk, length)
        q_BNLK, k_BNLK = (in_chunks(x.float(), chunk) for x in (q_B1TK, k_B1TK))
        v_GNLP = in_chunks(v_BHTP.float(), chunk)
        g_GNL = in_chunks(log_decay_BHT.float()[..., None], chunk)[..., 0].cumsum(-1)
        last = g_GNL[..., -1:]
        # products with keys and queries take all heads at once: their values side by side
        late = _heads_aside(v_GNLP * (last - g_GNL).exp()[..., None], batch)
        adds = _heads_apart(k_BNLK.transpose(-1, -2) @ late, heads)
        before, after = carry(last.exp()[..., None], adds, state_BHKP, shares=True)
        scores = (q_BNLK @ k_BNLK.transpose(-1, -2)).repeat_interleave(heads, dim=0) * pairwise_decays(g_GNL)
        read = _heads_apart(q_BNLK @ _heads_aside(before, batch), heads)
        out = scores @ v_GNLP + read * g_GNL.exp()[..., None]
        return out.flatten(1, 2).view(batch, heads, -1, size)[:, :, :length], after


def _heads_aside(x_GNLP: Tensor, batch: int) -> Tensor:
    """Return (B, N, L, H P)."""
    return x_GNLP.unflatten(0, (batch, -1)).permute(0, 2, 3, 1, 4).flatten(3)


def _heads_apart(x_BNLI: Tensor, heads: int) -> Tensor:
    """Return (G, N, L, P)."""
    return x_BNLI.unflatten(-1, (heads, -1)).permute(0, 3, 1, 2, 4).flatten(0, 1)
