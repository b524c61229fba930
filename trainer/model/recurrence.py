"""The gated delta rule over many positions at once: chunks solved together, one small product from each to the next.

    S_t = e^{g_t} (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T,    o_t = S_t^T q_t

Inside a chunk the rank-1 corrections of all positions are one triangular system (the WY form and UT transform of Yang
et al., "Parallelizing Linear Transformers with the Delta Rule", 2024, with the gate of "Gated Delta Networks", 2025).
Decays enter only as differences of their logarithms, which are never positive: nothing can overflow. The system is
solved for the values alone and for what the state adds to them, so that from chunk to chunk there is S' = M S + N.

All is float32, whatever comes in. Shapes: B batch, H heads, T positions, K channels of keys, V of values, G = B H,
N chunks of C positions.
"""

import torch
from torch import Tensor

from trainer.model.kernels import with_kernel

CHUNK = 32
"""Positions of a chunk (``python -m trainer.bench.chunks``)."""


@with_kernel("gated delta rule")
def delta_rule(
    q_BHTK: Tensor,
    k_BHTK: Tensor,
    v_BHTV: Tensor,
    log_decay_BHT: Tensor,
    beta_BHT: Tensor,
    state_BHKV: Tensor,
    chunk: int = CHUNK,
) -> tuple[Tensor, Tensor]:
    """Return the outputs (B, H, T, V) and the state after the last position, both float32.

    Args:
        q_BHTK: Queries, scaled.
        k_BHTK: Keys, of length 1.
        v_BHTV: Values.
        log_decay_BHT: g, at most 0: the logarithm of the share of the state that stays.
        beta_BHT: How much of what a key reads is replaced, 0..1.
        state_BHKV: float32, before the first position.
        chunk: C; it changes rounding only.
    """
    with torch.autocast(q_BHTK.device.type, enabled=False):
        q, k, v = q_BHTK.float(), k_BHTK.float(), v_BHTV.float()
        log_decay, beta = log_decay_BHT.float(), beta_BHT.float()
        if q.shape[2] == 1:
            return _step(q, k, v, log_decay, beta, state_BHKV)
        return _chunks(q, k, v, log_decay, beta, state_BHKV, min(chunk, q.shape[2]))


def delta_rule_operations(keys: int, values: int, chunk: int) -> float:
    """Return the operations of one position and head: products inside a chunk, with the state, and the system."""
    inside = chunk * (2 * keys + values) + chunk * (keys + values) / 2
    return 2.0 * (inside + keys * (keys + 3 * values) + keys * keys * values / chunk)


def _step(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, beta: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """One position (T = 1), by the formula."""
    state = state * log_decay.exp()[..., None]
    wrong = v - k @ state
    state = state + k.transpose(-1, -2) * (beta[..., None] * wrong)
    return q @ state, state


def _chunks(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, beta: Tensor, state: Tensor, chunk: int
) -> tuple[Tensor, Tensor]:
    length, keys = q.shape[2], q.shape[3]
    q, k, v = (in_chunks(x, chunk) for x in (q, k, v))
    g_GNC, beta = in_chunks(log_decay[..., None], chunk)[..., 0].cumsum(-1), in_chunks(beta[..., None], chunk)
    decays_GNCC = pairwise_decays(g_GNC)
    grown, left = g_GNC.exp()[..., None], (g_GNC[..., -1:] - g_GNC).exp()[..., None]
    weighted = k * beta
    system = ((weighted @ k.transpose(-1, -2)) * decays_GNCC).tril(-1)
    both = torch.cat([v * beta, weighted * grown], dim=-1)
    solved = torch.linalg.solve_triangular(system, both, upper=False, unitriangular=True)
    fresh, reads = solved.split([v.shape[-1], keys], dim=-1)
    back = (k * left).transpose(-1, -2)
    stays = torch.diag_embed(grown[..., -1, :].expand(*grown.shape[:2], keys)) - back @ reads
    before_GNKV, after = carry(stays, back @ fresh, state)
    inside = (q @ k.transpose(-1, -2)) * decays_GNCC
    out = (q * grown) @ before_GNKV + inside @ (fresh - reads @ before_GNKV)
    return from_chunks(out, state.shape[:2], length), after


def in_chunks(x_BHTD: Tensor, chunk: int) -> Tensor:
    """Return (G, N, C, D); zeros fill the last chunk: a position of zeros decays, reads and writes nothing."""
    batch, heads, length, size = x_BHTD.shape
    chunks = -(-length // chunk)
    if chunks * chunk > length:
        x_BHTD = torch.nn.functional.pad(x_BHTD, (0, 0, 0, chunks * chunk - length))
    return x_BHTD.reshape(batch * heads, chunks, chunk, size)


def from_chunks(x_GNCD: Tensor, batch_heads: torch.Size, length: int) -> Tensor:
    """Return (B, H, T, D) without the padding."""
    return x_GNCD.flatten(1, 2).unflatten(0, batch_heads)[:, :, :length]


def pairwise_decays(g_GNC: Tensor) -> Tensor:
    """Return exp(g_i - g_j), what is left at i of what came at j, 0 where j > i; (G, N, C, C)."""
    after = torch.ones(g_GNC.shape[-1], g_GNC.shape[-1], dtype=torch.bool, device=g_GNC.device).triu(1)
    return (g_GNC[..., :, None] - g_GNC[..., None, :]).masked_fill(after, -torch.inf).exp()


def carry(stays: Tensor, adds_GNKV: Tensor, state_BHKV: Tensor, shares: bool = False) -> tuple[Tensor, Tensor]:
    """Return the states before each chunk (G, N, K, V), and the one after the last (B, H, K, V).

    Args:
        stays: What a chunk keeps of the state: a matrix (G, N, K, K).
        adds_GNKV: What it adds.
        state_BHKV: Before the first chunk.
        shares: ``stays`` has shares of rows (G, N, K, 1), columns (G, N, 1, V) or all (G, N, 1, 1) instead.
    """
    state, before = state_BHKV.flatten(0, 1), []
    for stay, add in zip(stays.unbind(1), adds_GNKV.unbind(1), strict=True):
        before.append(state)
        state = torch.addcmul(add, stay, state) if shares else torch.baddbmm(add, stay, state)
    return torch.stack(before, dim=1), state.view_as(state_BHKV).clone()
