"""Causal softmax attention over a sliding window, with rotary positions and a memory carried between calls.

A position sees itself and the ``window - 1`` positions before it, wherever a sequence is cut into calls: the whole
pass, segments of any length and one step at a time give the same result.

Shapes: B batch, T positions, C width, H heads, D head size, S slots of the memory, M remembered positions.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from trainer.model.config import ModelConfig


class AttentionState(NamedTuple):
    """The memory of one attention layer: rotated keys and values, in a ring.

    Position p lies in slot p modulo the window. While fewer slots than the window exist, there is one for every
    position so far, and perhaps spare ones behind.
    """

    keys_BHSD: Tensor
    values_BHSD: Tensor
    position: int
    """How many positions have been seen."""


class Attention(nn.Module):
    """(x (B, T, C), state) in, (y (B, T, C), state) out.

    With autograd on, the state passed in stays as it was and gradients flow through it. With autograd off, single
    steps write into its tensors: pass a state once, or clone it before.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.head_size = config.heads, config.head_size
        self.window, self.base = config.window, config.rope_base
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width, bias=False)

    def initial_state(self, batch: int, device: torch.device | None = None) -> AttentionState:
        """Return the memory of a sequence not begun yet."""
        empty = torch.empty(batch, self.heads, 0, self.head_size, device=device, dtype=self.qkv.weight.dtype)
        return AttentionState(empty, empty.clone(), 0)

    def forward(self, x_BTC: Tensor, state: AttentionState) -> tuple[Tensor, AttentionState]:
        """Attend; return the result and the memory after the last position."""
        batch, length, width = x_BTC.shape
        qkv = self.qkv(x_BTC).view(batch, length, 3, self.heads, self.head_size)
        cosine, sine = rotation(state.position, length, self.head_size, self.base, x_BTC.device, x_BTC.dtype)
        queries_keys = rotate(qkv[:, :, :2], cosine, sine)
        q, k = queries_keys[:, :, 0].transpose(1, 2), queries_keys[:, :, 1].transpose(1, 2)
        v = qkv[:, :, 2].transpose(1, 2)
        if length == 1 and not torch.is_grad_enabled():
            y, state = self._step(q, k, v, state)
        else:
            y, state = self._segment(q, k, v, state)
        return self.out(y.transpose(1, 2).reshape(batch, length, width)), state

    def _step(self, q: Tensor, k: Tensor, v: Tensor, state: AttentionState) -> tuple[Tensor, AttentionState]:
        """One position, written into the memory in place: no copy of the past, no mask."""
        slot, live = state.position % self.window, min(state.position + 1, self.window)
        keys, values = self._grown(state.keys_BHSD, slot), self._grown(state.values_BHSD, slot)
        keys[:, :, slot] = k[:, :, 0]
        values[:, :, slot] = v[:, :, 0]
        y = scaled_dot_product_attention(q, keys[:, :, :live], values[:, :, :live])
        return y, AttentionState(keys, values, state.position + 1)

    def _grown(self, memory: Tensor, slot: int) -> Tensor:
        """Return the memory with a place for ``slot``, twice as large (up to the window) where it had none."""
        batch, heads, slots, size = memory.shape
        if slot < slots:
            return memory
        larger = memory.new_zeros(batch, heads, min(self.window, max(64, 2 * slots)), size)
        larger[:, :, :slots] = memory
        return larger

    def _segment(self, q: Tensor, k: Tensor, v: Tensor, state: AttentionState) -> tuple[Tensor, AttentionState]:
        length, position, window = q.shape[2], state.position, self.window
        past_keys, past_values = self._past(state.keys_BHSD, position), self._past(state.values_BHSD, position)
        remembered = past_keys.shape[2]
        keys = torch.cat([past_keys, k], dim=2) if remembered else k
        values = torch.cat([past_values, v], dim=2) if remembered else v
        pieces = [
            self._attend(q[:, :, first : first + window], keys, values, remembered + first)
            for first in range(0, length, window)
        ]
        y = pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=2)
        after = position + length
        return y, AttentionState(self._ring(keys, after), self._ring(values, after), after)

    def _past(self, memory: Tensor, position: int) -> Tensor:
        """Return the memory in order of position (B, H, M, D)."""
        if position <= self.window:
            return memory[:, :, :position]
        return memory.roll(-(position % self.window), dims=2)

    def _ring(self, memory: Tensor, position: int) -> Tensor:
        """Return the last ``window`` positions of an ordered memory, each in its slot."""
        if position <= self.window:
            return memory.contiguous()
        return memory[:, :, -self.window :].roll(position % self.window, dims=2)

    def _attend(self, q: Tensor, keys: Tensor, values: Tensor, first: int) -> Tensor:
        """Attend from queries whose first one stands at index ``first`` of the ordered keys."""
        end = first + q.shape[2]
        begin = max(0, first - self.window + 1)
        keys, values = keys[:, :, begin:end], values[:, :, begin:end]
        if first == 0 and end <= self.window:
            return scaled_dot_product_attention(q, keys, values, is_causal=True)
        distance = (
            torch.arange(first, end, device=q.device)[:, None] - torch.arange(begin, end, device=q.device)[None, :]
        )
        return scaled_dot_product_attention(q, keys, values, attn_mask=(distance >= 0) & (distance < self.window))


@lru_cache(maxsize=64)
def rotation(
    position: int, length: int, size: int, base: float, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return cosine and sine (T, 1, 1, D/2) of the rotary angles of positions position .. position + length - 1.

    The angles are taken in float64: float32 would be off by .03 rad at position 500,000.
    """
    with torch.inference_mode(False):
        places = torch.arange(position, position + length, dtype=torch.float64)
        frequencies = base ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
        angles = (places[:, None] * frequencies)[:, None, None, :]
        return angles.cos().to(device, dtype), angles.sin().to(device, dtype)


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate pairs (i, i + D/2) of the last axis of x (B, T, ..., H, D) by the angles of each position."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
