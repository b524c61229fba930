"""Every mixer by its definition: one sequence, one position and one head at a time, in float64."""

import torch
from torch import Tensor
from torch.nn.functional import normalize, rms_norm, silu, softplus

from trainer.model.attention import rotate, rotation


def transformer(layer, x: Tensor) -> Tensor:
    """Sliding-window attention with rotary positions."""
    q, k, v = layer.qkv(x).view(len(x), 3, layer.heads, layer.head_size).unbind(1)
    turn = rotation(0, len(x), layer.code, x.device)[:, 0]
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


def gated_linear_attention(layer, x: Tensor) -> Tensor:
    """S <- diag(a) S + k v^T; o = S^T q."""
    size = layer.head_size
    q, k, v = layer.qkv(x).view(len(x), 3, layer.heads, size).unbind(1)
    decay = torch.sigmoid(layer.decay_out(layer.decay_in(x)).view(len(x), layer.heads, size)) ** (1 / 16)
    out = torch.zeros_like(v)
    for h in range(layer.heads):
        state = x.new_zeros(size, size)
        for t in range(len(x)):
            state = decay[t, h][:, None] * state + torch.outer(k[t, h], v[t, h])
            out[t, h] = state.T @ q[t, h] / size**0.5
    normal = rms_norm(out, (size,), layer.out_norm.gain, eps=1e-5)
    return layer.out(normal.flatten(1) * silu(layer.gate(x)))


def gated_slot_attention(layer, x: Tensor) -> Tensor:
    """K <- f K + (1 - f) k^T, V <- f V + (1 - f) v^T, slot by slot; o = V^T softmax(K q)."""
    size, slots = layer.head_size, layer.slots
    q, k, v = silu(layer.qkv(x)).view(len(x), 3, layer.heads, size).unbind(1)
    forget = torch.sigmoid(layer.forget(x).view(len(x), layer.heads, slots)) ** (1 / 8)
    out = torch.zeros_like(v)
    for h in range(layer.heads):
        keys, values = x.new_zeros(slots, size), x.new_zeros(slots, size)
        for t in range(len(x)):
            f = forget[t, h][:, None]
            keys, values = f * keys + (1 - f) * k[t, h], f * values + (1 - f) * v[t, h]
            out[t, h] = values.T @ (keys @ q[t, h] / size**0.5).softmax(0)
    out = silu(out).flatten(1)
    return layer.out(rms_norm(out, out.shape[1:], layer.out_norm.gain, eps=1e-6))


def mamba2(layer, x: Tensor) -> Tensor:
    """S <- exp(-A d) S + d B x^T; y = S^T C + D x."""
    size = layer.inner // layer.heads
    convolved_x = convolved(layer.convolution, layer.inputs(x))
    values, keys, queries = convolved_x.split([layer.inner, layer.keys, layer.keys], dim=-1)
    values = values.view(len(x), layer.heads, size)
    out = torch.zeros_like(values)
    for h in range(layer.heads):
        state = x.new_zeros(layer.keys, size)
        for t in range(len(x)):
            d = softplus(layer.rates(x[t])[h] + layer.step_bias[h])
            state = torch.exp(-torch.exp(layer.forgetting[h]) * d) * state + d * torch.outer(keys[t], values[t, h])
            out[t, h] = state.T @ queries[t] + layer.skip_gain[h] * values[t, h]
    gated = out.flatten(1) * silu(layer.gate(x))
    return layer.out(rms_norm(gated, gated.shape[1:], layer.out_norm.gain, eps=1e-6))


def rwkv7(layer, x: Tensor, first: Tensor | None = None) -> Tensor:
    """S <- diag(w) S - (a n) (n^T S) + k v^T; o = S^T r, heads normalised, plus what a step gives itself.

    Layers after the first move their values towards its ones, ``first``.
    """
    size, heads = layer.head_size, layer.heads
    before = torch.cat([torch.zeros_like(x[:1]), x[:-1]])
    to_r, to_w, to_k, to_v, to_a, to_g = (x + share * (before - x) for share in layer.shift)
    r, v = layer.receptance(to_r), layer.value(to_v)
    if first is not None:
        v = v + (first - v) * torch.sigmoid(layer.residual(to_v))
    w = torch.exp(-(2.718281828459045**-0.5) * torch.sigmoid(layer.decay(to_w)))
    a, key = torch.sigmoid(layer.rate(to_a)), layer.key(to_k)
    n = normalize((key * layer.removal_gain).view(-1, heads, size), dim=-1)
    k = key * (1 + (a - 1) * layer.rate_gain)
    r, w, k, v, a = (part.view(-1, heads, size) for part in (r, w, k, v, a))
    out = torch.zeros_like(v)
    for h in range(heads):
        state = x.new_zeros(size, size)
        for t in range(len(x)):
            removed = torch.outer(a[t, h] * n[t, h], state.T @ n[t, h])
            state = w[t, h][:, None] * state - removed + torch.outer(k[t, h], v[t, h])
            out[t, h] = state.T @ r[t, h]
    normal = torch.nn.functional.group_norm(out.flatten(1), heads, layer.group_gain, layer.group_bias, eps=64e-5)
    own = (r * k * layer.bonus[..., 0]).sum(-1, keepdim=True) * v
    return layer.out((normal + own.flatten(1)) * layer.gate(to_g))


def rwkv7_blocks(blocks, x: Tensor) -> Tensor:
    """All blocks of RWKV-7: the first one's values go to the others, and each part looks one position back."""
    first = None
    for block in blocks:
        mixed = rms_norm(x, x.shape[1:], block.mixer_norm.gain, eps=1e-6)
        x = x + rwkv7(block.mixer, mixed, first)
        if first is None:
            before = torch.cat([torch.zeros_like(mixed[:1]), mixed[:-1]])
            first = block.mixer.value(mixed + block.mixer.shift[3] * (before - mixed))
        fed = rms_norm(x, x.shape[1:], block.feed_forward_norm.gain, eps=1e-6)
        before = torch.zeros_like(fed[0])
        rows = []
        for now in fed:
            seen = now + block.feed_forward.shift[0, 0] * (before - now)
            rows.append(block.feed_forward.down(torch.relu(block.feed_forward.up(seen)) ** 2))
            before = now
        x = x + torch.stack(rows)
    return x


REFERENCES = {
    "transformer": transformer,
    "gated-delta-net": gated_delta_net,
    "gated-linear-attention": gated_linear_attention,
    "gated-slot-attention": gated_slot_attention,
    "rwkv7": rwkv7,
    "mamba2": mamba2,
}
