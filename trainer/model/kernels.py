"""Which program runs a recurrence: flash-linear-attention's CUDA kernel where it is and agrees, else our PyTorch form.

On a CPU it is always the PyTorch form. On CUDA the first pass over a sequence asks ``choose``: the kernel is loaded
and run beside the PyTorch form on small random tensors, outputs, states and gradients, in the precision it will be used
in; what is chosen, and why, is logged once. Single positions (play) always take the PyTorch form. Kernels see lengths
they are tested for: multiples of 64, padded with positions that change nothing; and no tensor of 2^31 numbers, above
which their indices overflow, the states they keep between chunks included. States go in and come out float32.

Shapes: B batch, T positions, H heads, K channels of keys, V of values; kernels want (B, T, H, K), we have (B, H, T, K).
"""

import importlib
import logging
import math
import warnings
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, NamedTuple

import torch
from torch import Tensor

from common.errors import UsageError

LOG = logging.getLogger(__name__)
MULTIPLE = 64
"""Lengths are padded to multiples of this."""
LARGEST = 2**31
"""Numbers in a tensor, at least one too many."""
TOLERANCE = {torch.float32: 0.02, torch.bfloat16: 0.06, torch.float16: 0.03}
"""Of the parity check, relative to the largest value: kernels multiply in TF32, or see inputs rounded."""
DEVICES = ("cuda",)
"""Where kernels are looked for."""

LEAST_RWKV7 = math.exp(-0.5)
"""RWKV-7's decays: no step forgets more than e to minus this."""

Rule = Callable[..., tuple[Tensor, ...]]


class Kernel(NamedTuple):
    """A recurrence's CUDA kernel."""

    module: str
    function: str
    inputs: tuple[str, ...]
    """What our arguments before the state are called there; the log decay is among them."""
    columns: tuple[int, ...]
    """Channels of each in the parity check, 0 for one number a head."""
    shared: tuple[str, ...] = ()
    """Inputs that all heads share; ours then have one head."""
    states: int = 1
    """Matrices that it carries; several go in and come out as a tuple."""
    options: tuple[dict[str, Any], ...] = ({},)
    """Further arguments, the fastest first: what the kernel refuses, or is off with, gives way to the next."""
    chunk: int = 64
    """Positions between states that it keeps for the backward pass."""


KERNELS = {
    "gated delta rule": Kernel(
        "fla.ops.gated_delta_rule", "chunk_gated_delta_rule", ("q", "k", "v", "g", "beta"), (64, 64, 64, 0, 0)
    ),
    "gated linear attention": Kernel("fla.ops.gla", "chunk_gla", ("q", "k", "v", "g"), (64, 64, 64, 64)),
    "gated slot attention": Kernel("fla.ops.gsa", "chunk_gsa", ("q", "k", "v", "s", "g"), (64,) * 5, states=2),
    "diagonal plus low rank": Kernel(
        "fla.ops.generalized_delta_rule",
        "chunk_dplr_delta_rule",
        ("q", "k", "v", "gk", "a", "b"),
        (64,) * 6,
        # RWKV-7's decays are bounded, which allows tensor cores and chunks of 64
        options=({"safe_gate": True, "lower_bound": -LEAST_RWKV7, "chunk_size": 64}, {}),
        chunk=16,
    ),
    "scalar gate": Kernel("fla.ops.simple_gla", "chunk_simple_gla", ("q", "k", "v", "g"), (64, 64, 64, 0), ("q", "k")),
}
DECAYS = ("g", "gk")


class Choice(NamedTuple):
    """What was chosen for a recurrence."""

    kernel: Rule | None
    """None: the PyTorch form."""
    reason: str


def with_kernel(name: str) -> Callable[[Rule], Rule]:
    """Return a decorator for a PyTorch form: (inputs of (B, H, T, ...), state) in, (outputs, state) out."""

    def decorate(form: Rule) -> Rule:
        @wraps(form)
        def run(*arguments: Tensor, **options: Any) -> tuple[Tensor, ...]:
            first = arguments[0]
            if first.device.type not in DEVICES or first.shape[2] == 1:
                return form(*arguments, **options)
            known = CHOSEN.get((name, first.device.type, _compute_dtype(first)))
            if known is not None and known.kernel is None:
                return form(*arguments, **options)
            return _dispatch(name, form, arguments, options)

        FORMS[name] = form
        return run

    return decorate


FORMS: dict[str, Rule] = {}
"""PyTorch forms by the name of their recurrence."""
CHOSEN: dict[tuple[str, str, torch.dtype], Choice] = {}
"""What ``choose`` said, by recurrence, device and precision."""


def _chosen(name: str, form: Rule, arguments: tuple[Tensor, ...], options: dict[str, Any]) -> tuple[Tensor, ...]:
    """Run what is chosen."""
    kernel = choose(name, form, arguments[0].device.type, _compute_dtype(arguments[0])).kernel
    return kernel(*arguments) if kernel is not None else form(*arguments, **options)


_dispatch = _chosen


def keep_out_of_graphs() -> None:
    """Let compiled blocks go around kernels: those are compiled already, and a probe cannot be traced."""
    global _dispatch
    _dispatch = torch.compiler.disable(_chosen)  # not at import: this loads the compiler, a second of anyone's time


@lru_cache
def choose(name: str, form: Rule, device: str = "cuda", dtype: torch.dtype = torch.float32) -> Choice:
    """Return what runs a recurrence on ``device`` in ``dtype``, after a parity check; the choice is logged."""
    reasons, chosen = [], None
    for options in KERNELS[name].options:
        try:
            kernel = load(KERNELS[name], options)
            off = parity(kernel, form, KERNELS[name], device, dtype)
        except Exception as error:  # whatever it is, the PyTorch form does without, and the log says so
            reasons.append(f"the kernel does not run: {type(error).__name__}: {error}")
            continue
        if off <= TOLERANCE[dtype]:
            chosen, reasons = kernel, [f"it is within {off:.1e} of the PyTorch form", *_told(options)]
            break
        reasons.append(f"the kernel is off by {off:.1e}")
    choice = CHOSEN[name, device, dtype] = Choice(chosen, "; ".join(reasons))
    program = "flash-linear-attention" if chosen else "PyTorch"
    LOG.warning("%s: %s in %s, for %s", name, program, str(dtype).removeprefix("torch."), choice.reason)
    return choice


def load(kernel: Kernel, options: dict[str, Any] | None = None) -> Rule:
    """Return flash-linear-attention's function behind our signature.

    Raises:
        ImportError: The package is not there, or does not have it.
    """
    function = getattr(importlib.import_module(kernel.module), kernel.function)

    def run(*arguments: Tensor) -> tuple[Tensor, ...]:
        inputs, states = arguments[: len(kernel.inputs)], [x.float() for x in arguments[len(kernel.inputs) :]]
        length, heads, dtype = inputs[0].shape[2], states[0].shape[1], _compute_dtype(inputs[0])
        _check_states(states, length, kernel.chunk)
        named = {
            name: _prepared(x.expand(-1, heads, *x.shape[2:]), torch.float32 if name in DECAYS else dtype)
            for name, x in zip(kernel.inputs, inputs, strict=True)
        }
        before = states[0] if kernel.states == 1 else tuple(states)
        with warnings.catch_warnings():
            # of float32, which the parity check has judged
            warnings.simplefilter("ignore", RuntimeWarning)
            out, after = function(**named, scale=1.0, initial_state=before, output_final_state=True, **(options or {}))
        afters = (after,) if kernel.states == 1 else after
        return out[:, :length].transpose(1, 2).float(), *(x.float() for x in afters)

    return run


@torch.inference_mode(False)
@torch.enable_grad()
def parity(kernel: Rule, form: Rule, sizes: Kernel, device: str, dtype: torch.dtype = torch.float32) -> float:
    """Return how far a kernel is from the PyTorch form on a ragged length: outputs, states and gradients, relative.

    With gradients and inputs of ``dtype``, whoever asks first: validation has none, autocast would blur it.
    """
    results = []
    with torch.autocast(device, enabled=False):
        for rule in (kernel, form):
            leaves = example(sizes, 1, 8, 150, torch.device(device), dtype)
            found = rule(*leaves)
            gradients = torch.autograd.grad(torch.stack([x.square().mean() for x in found]).sum(), leaves)
            results.append([x.detach().double() for x in (*found, *gradients)])
    return max(
        float((one - other).abs().max() / other.abs().max().clamp(min=1e-12))
        for one, other in zip(*results, strict=True)
    )


def example(
    sizes: Kernel, batch: int, heads: int, length: int, device: torch.device, dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    """Return noise as a recurrence meets it in use, always the same: its inputs, then the states.

    Logarithms of decays and states are always float32.
    """
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(batch, heads, length, max(1, size), generator=generator) for size in sizes.columns]
    states = [torch.randn(batch, heads, 64, 64, generator=generator) for _ in range(sizes.states)]
    inputs = [_plausible(name, x, size) for name, x, size in zip(sizes.inputs, drawn, sizes.columns, strict=True)]
    inputs = [x[:, :1] if name in sizes.shared else x for name, x in zip(sizes.inputs, inputs, strict=True)]
    inputs = [x if name in DECAYS else x.to(dtype) for name, x in zip(sizes.inputs, inputs, strict=True)]
    return [x.detach().to(device).requires_grad_() for x in (*inputs, *states)]


def describe(names: tuple[str, ...], device: str, dtype: torch.dtype = torch.float32) -> list[str]:
    """Return a line for each recurrence: what runs it on ``device`` in ``dtype``, and why."""
    if device not in DEVICES:
        return [f"{name}: PyTorch, for kernels need CUDA" for name in names]
    chosen = {name: choose(name, FORMS[name], device, dtype) for name in names}
    return [f"{name}: {'kernel' if c.kernel else 'PyTorch'}, for {c.reason}" for name, c in chosen.items()]


def _told(options: dict[str, Any]) -> list[str]:
    return [", ".join(f"{name} {value}" for name, value in options.items())] if options else []


def _check_states(states: list[Tensor], length: int, chunk: int) -> None:
    """Raise UsageError where the states kept between chunks are more than kernels can index."""
    kept = -(-length // chunk) * max(x.numel() for x in states)
    if kept >= LARGEST:
        raise UsageError(
            f"CUDA kernels index up to 2^31 numbers, got {kept:,} in the states between chunks of {chunk} positions; "
            "lower segment, or the batch of a rank"
        )


def _plausible(name: str, x: Tensor, size: int) -> Tensor:
    """Return noise as it comes in use: logs of shares for decays, shares for beta, unit vectors for keys."""
    if name in DECAYS:
        x = torch.nn.functional.logsigmoid(x + 3).clamp(min=-LEAST_RWKV7)
    elif name in ("beta", "s"):
        x = x.sigmoid()
    else:
        x = torch.nn.functional.normalize(x, dim=-1) * (-0.5 if name == "a" else 1.0)
    return x if size else x[..., 0]


def _prepared(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return (B, T', H, ...) with T' a multiple of 64; zeros fill the end: they decay, read and write nothing.

    Raises:
        UsageError: The tensor is too large for the kernels' indices.
    """
    x = x.transpose(1, 2)
    missing = -x.shape[1] % MULTIPLE
    if x.numel() // x.shape[1] * (x.shape[1] + missing) >= LARGEST:
        raise UsageError(
            f"CUDA kernels index up to 2^31 numbers, got a tensor of {tuple(x.shape)}; "
            "lower segment, or the batch of a rank"
        )
    if missing:
        x = torch.cat([x, x.new_zeros(x.shape[0], missing, *x.shape[2:])], dim=1)
    return x.to(dtype).contiguous()


def _compute_dtype(x: Tensor) -> torch.dtype:
    if torch.is_autocast_enabled(x.device.type):
        return torch.get_autocast_dtype(x.device.type)
    return x.dtype
