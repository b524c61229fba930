"""Gated Slot Attention (Zhang et al., 2024): softmax attention over a few slots, each a fading sum of keys and values.

    K_t = diag(f_t) K_{t-1} + (1 - f_t) k_t^T,    V_t = diag(f_t) V_{t-1} + (1 - f_t) v_t^T
    o_t = V_t^T softmax(K_t q_t)

Shapes: B batch, T positions, C width, H heads, D channels of a head, M slots.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainer.model.config import ModelConfig
from trainer.model.diagonal import CHUNK, FLOOR, diagonal_form, diagonal_operations
from trainer.model.gated_linear_attention import heads_of
from trainer.model.kernels import with_kernel
from trainer.model.norm import Norm
from trainer.model.recurrence import carry, from_chunks, in_chunks

SHARPNESS = 8.0
"""Gates are the 8th root of a sigmoid: they begin near 1."""


class SlotState(NamedTuple):
    """The memory of one layer; its size does not depend on the context."""

    keys_BHDM: Tensor
    """float32."""
    values_BHMD: Tensor
    """float32."""


class GatedSlotAttention(nn.Module):
    """(x (B, T, C), state) in, (y (B, T, C), state) out."""

    recurrence = "gated slot attention"

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.head_size, self.slots = config.heads, config.head_size, config.slots
        self.qkv = nn.Linear(config.width, 3 * config.mixed, bias=False)
        self.forget = nn.Linear(config.width, config.heads * config.slots, bias=False)
        self.out_norm = Norm(config.mixed)
        self.out = nn.Linear(config.mixed, config.width, bias=False)

    def initial_state(self, batch: int, device: torch.device | None = None) -> SlotState:
        """Return the memory of a sequence not begun yet."""
        keys = torch.zeros(batch, self.heads, self.head_size, self.slots, device=device)
        return SlotState(keys, keys.transpose(-1, -2).contiguous())

    def rowwise(self, state: SlotState) -> SlotState:
        """Return the memory with one position per sequence: it has no position."""
        return state

    def operations(self, length: int) -> float:
        """Return the operations of a position beside its matrices', on average over ``length`` positions."""
        chunk = min(CHUNK, length)
        first = diagonal_operations(self.head_size, self.slots, chunk, pair=False)
        return self.heads * (first + diagonal_operations(self.slots, self.head_size, chunk, pair=False))

    def forward(self, x_BTC: Tensor, state: SlotState) -> tuple[Tensor, SlotState]:
        """Read the positions; return the result and the memory after the last one."""
        q, k, v = (nn.functional.silu(part) for part in heads_of(self.qkv(x_BTC), 3, self.heads))
        (forget,) = heads_of(self.forget(x_BTC), 1, self.heads)
        log_forget = (nn.functional.logsigmoid(forget.float()) / SHARPNESS).clamp(min=FLOOR)
        fill = -torch.expm1(log_forget)
        q = q * self.head_size**-0.5
        y, keys, values = slot_attention(q, k, v, fill, log_forget, state.keys_BHDM, state.values_BHMD)
        y = self.out_norm(nn.functional.silu(y).transpose(1, 2).flatten(2))
        return self.out(y.to(x_BTC.dtype)), SlotState(keys, values)


@with_kernel("gated slot attention")
def slot_attention(
    q_BHTD: Tensor,
    k_BHTD: Tensor,
    v_BHTD: Tensor,
    fill_BHTM: Tensor,
    log_forget_BHTM: Tensor,
    keys_BHDM: Tensor,
    values_BHMD: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the outputs (B, H, T, D) and the slots' keys and values after the last position, all float32.

    Args:
        q_BHTD: Queries, scaled.
        k_BHTD: Keys.
        v_BHTD: Values.
        fill_BHTM: How much of a key and a value goes into each slot.
        log_forget_BHTM: Between ``FLOOR`` and 0.
        keys_BHDM: float32, before the first position.
        values_BHMD: Likewise.
    """
    scores, keys = slot_scores(q_BHTD, k_BHTD, fill_BHTM, log_forget_BHTM, keys_BHDM)
    y, values = diagonal_form(scores.softmax(-1), fill_BHTM, v_BHTD, log_forget_BHTM, values_BHMD)
    return y, keys, values


def slot_scores(
    q_BHTD: Tensor, k_BHTD: Tensor, fill_BHTM: Tensor, log_forget_BHTM: Tensor, keys_BHDM: Tensor
) -> tuple[Tensor, Tensor]:
    """Return what each slot's key says to each query (B, H, T, M), and the slots' keys after the last position.

    The slots forget, so decays go with the columns of the state: on what is written and on what is read out.

    Args:
        q_BHTD: Queries, scaled.
        k_BHTD: Keys.
        fill_BHTM: How much of a key goes into each slot.
        log_forget_BHTM: Between ``FLOOR`` and 0.
        keys_BHDM: float32, before the first position.
    """
    with torch.autocast(q_BHTD.device.type, enabled=False):
        length, batch_heads, chunk = q_BHTD.shape[2], keys_BHDM.shape[:2], min(CHUNK, q_BHTD.shape[2])
        q, k, fill, log_forget = (in_chunks(x.float(), chunk) for x in (q_BHTD, k_BHTD, fill_BHTM, log_forget_BHTM))
        g = log_forget.cumsum(-2)
        middle = g[..., -1:, :] / 2
        late, grown = fill * (middle - g).exp(), middle.exp()
        before, after = carry((2 * middle).exp(), k.transpose(-1, -2) @ (late * grown), keys_BHDM, shares=True)
        inside = (q @ k.transpose(-1, -2)).tril() @ late
        scores = (inside + (q @ before) * grown) * (g - middle).exp()
        return from_chunks(scores, batch_heads, length), after
