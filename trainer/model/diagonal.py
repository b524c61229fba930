"""Linear memories that forget channel by channel, over many positions at once.

    S_t = diag(e^{g_t}) S_{t-1} + b_t (a_t^T S_{t-1}) + k_t v_t^T,    o_t = S_t^T q_t

Without a and b this is gated linear attention (Yang et al., 2024), with them RWKV-7 (Peng et al., 2025). Inside a
chunk every channel decays at its own rate, so that what is left at i of what came at j is a product of e^{g_i - m} on
the query and e^{m - g_j} on the key, g summed from the chunk's begin and m half its sum at the end. Neither overflows:
a step forgets at most ``FLOOR``, 32 of them e^-80, and float32 reaches e^88. What the a's read of one another's b's is
a triangular system, as in the delta rule.

All is float32, whatever comes in. Shapes: B batch, H heads, T positions, K channels of keys, V of values, G = B H,
N chunks of C positions.
"""

import torch
from torch import Tensor

from trainer.model.kernels import with_kernel
from trainer.model.recurrence import carry, from_chunks, in_chunks

CHUNK = 32
"""Positions of a chunk, at most (``python -m trainer.bench.chunks``)."""
FLOOR = -80.0 / CHUNK
"""Log of the least share of a channel that stays in a step: .08."""


def diagonal_form(
    q_BHTK: Tensor, k_BHTK: Tensor, v_BHTV: Tensor, log_decay_BHTK: Tensor, state_BHKV: Tensor, chunk: int = CHUNK
) -> tuple[Tensor, Tensor]:
    """Return the outputs (B, H, T, V) and the state after the last position, both float32; without a and b.

    Args:
        q_BHTK: Queries, scaled.
        k_BHTK: Keys.
        v_BHTV: Values.
        log_decay_BHTK: g, between ``FLOOR`` and 0.
        state_BHKV: float32, before the first position.
        chunk: C, at most 32; it changes rounding only.
    """
    with torch.autocast(q_BHTK.device.type, enabled=False):
        q, k, v, g = q_BHTK.float(), k_BHTK.float(), v_BHTV.float(), log_decay_BHTK.float()
        return _rule(q, k, v, g, None, state_BHKV, chunk)


diagonal_rule = with_kernel("gated linear attention")(diagonal_form)
"""The same by a kernel where there is one."""


@with_kernel("diagonal plus low rank")
def low_rank_rule(
    q_BHTK: Tensor,
    k_BHTK: Tensor,
    v_BHTV: Tensor,
    log_decay_BHTK: Tensor,
    reads_BHTK: Tensor,
    writes_BHTK: Tensor,
    state_BHKV: Tensor,
    chunk: int = CHUNK,
) -> tuple[Tensor, Tensor]:
    """Return the outputs (B, H, T, V) and the state after the last position, both float32.

    Args:
        q_BHTK: Queries, scaled.
        k_BHTK: Keys.
        v_BHTV: Values.
        log_decay_BHTK: g, between ``FLOOR`` and 0.
        reads_BHTK: a, what is read of the state as it was.
        writes_BHTK: b, where that is added.
        state_BHKV: float32, before the first position.
        chunk: C, at most 32; it changes rounding only.
    """
    with torch.autocast(q_BHTK.device.type, enabled=False):
        q, k, v, g = q_BHTK.float(), k_BHTK.float(), v_BHTV.float(), log_decay_BHTK.float()
        return _rule(q, k, v, g, (reads_BHTK.float(), writes_BHTK.float()), state_BHKV, chunk)


def diagonal_operations(keys: int, values: int, chunk: int, pair: bool) -> float:
    """Return the operations of one position and head: products inside a chunk, with the state, and the system."""
    work = float(chunk * (keys + values) + 2 * keys * values)
    if pair:
        work += chunk * (3 * keys + 2 * values) + chunk * (keys + values) / 2
        work += keys * (keys + 2 * values) + keys * keys * values / chunk
    return 2.0 * work


def _rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    pair: tuple[Tensor, Tensor] | None,
    state: Tensor,
    chunk: int,
) -> tuple[Tensor, Tensor]:
    assert chunk <= CHUNK, "longer chunks could overflow"
    if q.shape[2] == 1:
        return _step(q, k, v, log_decay, state, pair)
    return _chunks(q, k, v, log_decay, state, pair, min(chunk, q.shape[2]))


def _step(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, state: Tensor, pair: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor]:
    """One position (T = 1), by the formula."""
    after = state * log_decay.exp().transpose(-1, -2) + k.transpose(-1, -2) * v
    if pair is not None:
        reads, writes = pair
        after = after + writes.transpose(-1, -2) * (reads @ state)
    return q @ after, after


def _chunks(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    state: Tensor,
    pair: tuple[Tensor, Tensor] | None,
    chunk: int,
) -> tuple[Tensor, Tensor]:
    length, batch_heads = q.shape[2], state.shape[:2]
    q, k, v, log_decay = (in_chunks(x, chunk) for x in (q, k, v, log_decay))
    g = log_decay.cumsum(-2)
    middle = g[..., -1:, :] / 2
    grown, late = middle.exp(), (middle - g).exp()
    early = (g - middle).exp()
    q_early, k_late = q * early, k * late
    inside = (q_early @ k_late.transpose(-1, -2)).tril()
    stays, adds = (2 * middle).exp().transpose(-1, -2), (k_late * grown).transpose(-1, -2) @ v
    if pair is None:
        before, after = carry(stays, adds, state, shares=True)
        return from_chunks((q_early * grown) @ before + inside @ v, batch_heads, length), after
    reads, writes = (in_chunks(x, chunk) for x in pair)
    reads_early, writes_late = reads * (g - log_decay - middle).exp(), writes * late
    among = (reads_early @ writes_late.transpose(-1, -2)).tril(-1)
    fresh = (reads_early @ k_late.transpose(-1, -2)).tril(-1) @ v
    both = torch.cat([fresh, reads_early * grown], dim=-1)
    solved = torch.linalg.solve_triangular(-among, both, upper=False, unitriangular=True)
    fresh, of_state = solved.split([v.shape[-1], k.shape[-1]], dim=-1)
    back = (writes_late * grown).transpose(-1, -2)
    matrix = torch.diag_embed(stays[..., 0]) + back @ of_state
    before, after = carry(matrix, adds + back @ fresh, state)
    between = (q_early @ writes_late.transpose(-1, -2)).tril()
    out = (q_early * grown) @ before + inside @ v + between @ (fresh + of_state @ before)
    return from_chunks(out, batch_heads, length), after
