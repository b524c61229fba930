"""Every mixer by its definition: one sequence, one position and one head at a time, in float64."""

import torch
from torch import Tensor
from torch.nn.functional import normalize, rms_norm, silu, softplus

from trainer.model.attention import rotate, rotation


def transformer(layer, x: Tensor) -> Tensor:
    """Sliding-window attention with rotary positions."""
    q, k, v = layer.qkv(x).view(len(x), 3, layer.heads, layer.head_size).unbind(1)
    turn = rotation(0, len(x), layer.head_size, layer.base, x.device)[:, 0]
    q, k = rotate(q, turn), rotate(k, turn)
    rows = []
    for t in range(len(x)):
        seen = slice(max(0, t - layer.window + 1), t + 1)
        weights = torch.einsum("hd,mhd->hm", q[t], k[seen]).div(layer.head_size**0.5).softmax(-1)
        rows.append(torch.einsum("hm,mhd->hd", weights, v[seen]).flatten())
    return layer.out(torch.stack(rows))


def convolved(layer, x: Tensor) -> Tensor:
    """A causal depthwise convolution (T, S) with SiLU, by the library's own."""
    taps = layer.taps
    padded = torch.nn.functional.pad(x.T, (taps.shape[-1] - 1, 0))
    return silu(torch.nn.functional.conv1d(padded[None], taps, groups=taps.shape[0]))[0].T


def gated_delta_net(layer, x: Tensor) -> Tensor:
    """S <- a S; S <- S + k (b (v - S^T k))^T; o = S^T q."""
    size = layer.head_size
    q, k, v = convolved(layer.convolution, layer.qkv(x)).view(len(x), 3, layer.heads, size).unbind(1)
    beta, step = layer.rates(x).chunk(2, dim=-1)
    out = torch.zeros_like(v)
    for h in range(layer.heads):
        state = x.new_zeros(size, size)
        for t in range(len(x)):
            key, query = normalize(k[t, h], dim=0), normalize(q[t, h], dim=0) / size**0.5
            state = state * torch.exp(-torch.exp(layer.forgetting[h]) * softplus(step[t, h] + layer.step_bias[h]))
            error = v[t, h] - state.T @ key
            state = state + torch.sigmoid(beta[t, h]) * torch.outer(key, error)
            out[t, h] = state.T @ query
    normal = rms_norm(out, (size,), layer.out_norm.gain, eps=1e-5)
    return layer.out(normal.flatten(1) * silu(layer.gate(x)))


REFERENCES = {"transformer": transformer, "gated-delta-net": gated_delta_net}
