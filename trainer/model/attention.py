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


class RowAttentionState(NamedTuple):
    """The same memory where every sequence of the batch stands at a position of its own (play: episodes end apart)."""

    keys_BHSD: Tensor
    values_BHSD: Tensor
    position_B: Tensor
    """int64: how many positions each sequence has seen."""

    def select(self, rows: Tensor) -> "SomeAttentionState":
        """Return some sequences' memory, the keys and values shared: they are long, and a step writes one slot."""
        return SomeAttentionState(self.keys_BHSD, self.values_BHSD, self.position_B[rows], rows)

    def replace(self, rows: Tensor, moved: "SomeAttentionState") -> "RowAttentionState":
        """Return the memory after ``moved``, what ``select`` returned for ``rows``, has moved on."""
        self.position_B[rows] = moved.position_B
        return RowAttentionState(moved.keys_BHSD, moved.values_BHSD, self.position_B)


class SomeAttentionState(NamedTuple):
    """The memory of some sequences of a larger batch."""

    keys_BHSD: Tensor
    """Of the whole batch."""
    values_BHSD: Tensor
    position_B: Tensor
    """int64, of the sequences that are meant."""
    rows_B: Tensor
    """int64: which rows of the whole batch they are."""


Steps = RowAttentionState | SomeAttentionState
"""Sequences that move a position at a time, each at its own."""


class Attention(nn.Module):
    """(x (B, T, C), state) in, (y (B, T, C), state) out.

    With autograd on, the state passed in stays as it was and gradients flow through it. With autograd off, single
    steps write into its tensors: pass a state once, or clone it before.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.head_size = config.heads, config.head_size
        self.window = config.window * config.positions
        self.code = RotaryCode(config.head_size, round(config.rotated * config.head_size / 2), config.rope_base)
        self.qkv = nn.Linear(config.width, 3 * config.mixed, bias=False)
        self.out = nn.Linear(config.mixed, config.width, bias=False)

    def initial_state(self, batch: int, device: torch.device | None = None) -> AttentionState:
        """Return the memory of a sequence not begun yet."""
        empty = torch.empty(batch, self.heads, 0, self.head_size, device=device)
        return AttentionState(empty, empty.clone(), 0)

    def rowwise(self, state: AttentionState) -> RowAttentionState:
        """Return the memory with one position per sequence; it goes on one position at a time, without autograd."""
        position = torch.full(state.keys_BHSD.shape[:1], state.position, device=state.keys_BHSD.device)
        return RowAttentionState(state.keys_BHSD, state.values_BHSD, position)

    def operations(self, length: int) -> float:
        """Return the operations of a position beside its matrices', on average over ``length`` positions."""
        seen = min(self.window, length)
        return 4.0 * self.heads * self.head_size * seen * (1 - seen / (2 * length))

    def forward(self, x_BTC: Tensor, state: AttentionState | Steps) -> tuple[Tensor, AttentionState | Steps]:
        """Attend; return the result and the memory after the last position."""
        if isinstance(state, RowAttentionState | SomeAttentionState):
            return self._row_steps(x_BTC, state)
        batch, length, _ = x_BTC.shape
        qkv = self.qkv(x_BTC).view(batch, length, 3, self.heads, self.head_size)
        turned, straight = qkv.split([2, 1], dim=2)
        q, k = rotate(turned, rotation(state.position, length, self.code, x_BTC.device)).unbind(dim=2)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), straight.squeeze(2).transpose(1, 2)
        if length == 1 and not torch.is_grad_enabled():
            y, state = self._step(q, k, v, state)
        else:
            y, state = self._segment(q, k, v, state)
        return self.out(y.transpose(1, 2).flatten(2)), state

    def _step(self, q: Tensor, k: Tensor, v: Tensor, state: AttentionState) -> tuple[Tensor, AttentionState]:
        """One position, written into the memory in place: no copy of the past, no mask."""
        slot, live = state.position % self.window, min(state.position + 1, self.window)
        keys, values = self._grown(state.keys_BHSD.to(k.dtype), slot), self._grown(state.values_BHSD.to(k.dtype), slot)
        keys[:, :, slot] = k[:, :, 0]
        values[:, :, slot] = v[:, :, 0]
        y = scaled_dot_product_attention(q, keys[:, :, :live], values[:, :, :live])
        return y, AttentionState(keys, values, state.position + 1)

    def _row_steps(self, x_BTC: Tensor, state: Steps) -> tuple[Tensor, Steps]:
        """One position after the other, each sequence at its own."""
        batch, length, _ = x_BTC.shape
        qkv = self.qkv(x_BTC).view(batch, length, 3, self.heads, self.head_size)
        outputs = []
        for t in range(length):
            q, k = rotate(qkv[:, t, :2], row_rotation(state.position_B, self.code)).unbind(dim=1)
            y, state = self._row_step(q, k, qkv[:, t, 2], state)
            outputs.append(y.reshape(batch, 1, -1))
        return self.out(outputs[0] if length == 1 else torch.cat(outputs, dim=1)), state

    def _row_step(self, q_BHD: Tensor, k_BHD: Tensor, v_BHD: Tensor, state: Steps) -> tuple[Tensor, Steps]:
        """One position of every sequence, written into the memory in place; slots not yet filled are masked."""
        live_B = (state.position_B + 1).clamp(max=self.window)
        live = int(live_B.max())
        keys = self._grown(state.keys_BHSD.to(k_BHD.dtype), live - 1)
        values = self._grown(state.values_BHSD.to(k_BHD.dtype), live - 1)
        rows_B = (
            state.rows_B if isinstance(state, SomeAttentionState) else torch.arange(len(live_B), device=q_BHD.device)
        )
        slot_B = state.position_B % self.window
        keys[rows_B, :, slot_B] = k_BHD
        values[rows_B, :, slot_B] = v_BHD
        seen = (keys[:, :, :live], values[:, :, :live])
        if isinstance(state, SomeAttentionState):
            seen = (seen[0][rows_B], seen[1][rows_B])
        y_BHD = look_back(q_BHD, *seen, live_B)
        return y_BHD, state._replace(keys_BHSD=keys, values_BHSD=values, position_B=state.position_B + 1)

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
        past_keys = self._past(state.keys_BHSD, position).to(k.dtype)
        past_values = self._past(state.values_BHSD, position).to(k.dtype)
        remembered = past_keys.shape[2]
        keys = torch.cat([past_keys, k], dim=2) if remembered else k
        values = torch.cat([past_values, v], dim=2) if remembered else v
        if q.device.type == "cuda":
            pieces = self._together(q, keys, values, remembered)
        else:
            pieces = [
                self._attend(q[:, :, first : first + window], keys, values, remembered + first)
                for first in range(0, length, window)
            ]
        y = pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=2)
        after = position + length
        return y, AttentionState(self._ring(keys, after), self._ring(values, after), after)

    def _together(self, q: Tensor, keys: Tensor, values: Tensor, remembered: int) -> list[Tensor]:
        """Attend in few calls, whatever the length: all whole windows but the first have the same mask.

        On a CPU cutting is as fast and needs less memory; on CUDA every call costs the same however short it is.
        """
        length, window = q.shape[2], self.window
        whole = length // window
        if whole < 3:
            firsts = range(0, length, window)
            return [self._attend(q[:, :, at : at + window], keys, values, remembered + at) for at in firsts]
        pieces = [self._attend(q[:, :, :window], keys, values, remembered)]
        # (B, N H, ..): the blocks' own positions and those of the block before
        inside = slice(remembered, remembered + whole * window)
        blocks = [x[:, :, inside].unflatten(2, (whole, window)).transpose(1, 2) for x in (keys, values)]
        near_keys, near_values = (torch.cat([x[:, :-1], x[:, 1:]], dim=3).flatten(1, 2) for x in blocks)
        asking = q[:, :, window : whole * window].unflatten(2, (whole - 1, window)).transpose(1, 2).flatten(1, 2)
        places = torch.arange(2 * window, device=q.device)
        distance = places[window:, None] - places[None, :]
        mask = (distance >= 0) & (distance < window)
        y = scaled_dot_product_attention(asking, near_keys, near_values, attn_mask=mask)
        pieces.append(y.unflatten(1, (whole - 1, self.heads)).transpose(1, 2).flatten(2, 3))
        if length > whole * window:
            pieces.append(self._attend(q[:, :, whole * window :], keys, values, remembered + whole * window))
        return pieces

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


def look_back(q_BHD: Tensor, keys_BHSD: Tensor, values_BHSD: Tensor, live_B: Tensor) -> Tensor:
    """Return what one query of each sequence finds in its first ``live_B`` slots, (B, H, D).

    On a CPU as two batched products, which read a long memory a quarter faster than the fused kernel does.
    """
    slots = keys_BHSD.shape[2]
    mask = None
    if int(live_B.min()) < slots:
        mask = (torch.arange(slots, device=live_B.device) < live_B[:, None])[:, None, None]
    if q_BHD.device.type != "cpu" or q_BHD.dtype != torch.float32:
        return scaled_dot_product_attention(q_BHD[:, :, None], keys_BHSD, values_BHSD, attn_mask=mask)[:, :, 0]
    score_BH1S = torch.matmul(q_BHD[:, :, None] * q_BHD.shape[-1] ** -0.5, keys_BHSD.transpose(2, 3))
    if mask is not None:
        score_BH1S = score_BH1S.masked_fill(~mask, -torch.inf)
    return torch.matmul(score_BH1S.softmax(dim=-1), values_BHSD)[:, :, 0]


class RotaryCode(NamedTuple):
    """How positions are told: the first pairs of a head's channels turn with the position, the others stay."""

    size: int
    """Channels of a head D."""
    pairs: int
    """Pairs of channels that turn."""
    base: float
    """Their wavelengths run from 2 pi to nearly 2 pi times this."""

    def frequencies(self, device: torch.device | None = None) -> Tensor:
        """Return radians a position, float64 (D/2,); 0 where contents are compared at any distance alike."""
        turning = self.base ** (-torch.arange(self.pairs, dtype=torch.float64, device=device) / max(1, self.pairs))
        return torch.cat([turning, turning.new_zeros(self.size // 2 - self.pairs)])


@lru_cache(maxsize=8)
def rotation(position: int, length: int, code: RotaryCode, device: torch.device) -> Tensor:
    """Return exp(i angle), complex64 (T, 1, 1, D/2), for positions position .. position + length - 1.

    The angles are taken in float64: float32 would be off by .03 rad at position 500,000.
    """
    with torch.inference_mode(False):
        places = torch.arange(position, position + length, dtype=torch.float64)
        angles = (places[:, None] * code.frequencies())[:, None, None, :]
        return torch.polar(torch.ones_like(angles), angles).to(torch.complex64).to(device)


def row_rotation(position_B: Tensor, code: RotaryCode) -> Tensor:
    """Return exp(i angle), complex64 (B, 1, 1, D/2), for one position per sequence."""
    angles = (position_B[:, None] * code.frequencies(position_B.device))[:, None, None, :]
    return torch.polar(torch.ones_like(angles), angles).to(torch.complex64)


def rotate(x: Tensor, turn: Tensor) -> Tensor:
    """Rotate pairs (2 i, 2 i + 1) of the last axis of x (B, T, ..., H, D), as complex numbers, in float32."""
    if x.device.type == "cuda":
        return rotate_real(x, turn)
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)


def rotate_real(x: Tensor, turn: Tensor) -> Tensor:
    """Return what ``rotate`` does, in real numbers: compilers for GPUs fuse those, and no complex ones."""
    re, im = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = turn.real, turn.imag
    return torch.stack([re * cos - im * sin, re * sin + im * cos], dim=-1).flatten(-2).to(x.dtype)
