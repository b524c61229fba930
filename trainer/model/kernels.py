"""Which program runs a recurrence: flash-linear-attention's CUDA kernel where it is and agrees, else our PyTorch form.

On a CPU it is always the PyTorch form. On CUDA the first pass over a sequence asks ``choose``: the kernel is loaded
and run beside the PyTorch form on small random tensors, outputs, states and gradients; what is chosen, and why, is
logged once. Single positions (play) always take the PyTorch form. Kernels see lengths they are tested for: multiples of
64, padded with positions that change nothing; and no tensor of 2^31 numbers, above which their indices overflow.

Shapes: B batch, T positions, H heads, K channels of keys, V of values; kernels want (B, T, H, K), we have (B, H, T, K).
"""

import importlib
import logging
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
TOLERANCE = 0.02
"""Of the parity check, relative to the largest value: kernels multiply in TF32."""

Rule = Callable[..., tuple[Tensor, Tensor]]


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
    options: tuple[tuple[str, float], ...] = ()
    """What else it is told."""


KERNELS = {
    "gated delta rule": Kernel(
        "fla.ops.gated_delta_rule", "chunk_gated_delta_rule", ("q", "k", "v", "g", "beta"), (64, 64, 64, 0, 0)
    ),
    "gated linear attention": Kernel("fla.ops.gla", "chunk_gla", ("q", "k", "v", "g"), (64, 64, 64, 64)),
    "diagonal plus low rank": Kernel(
        "fla.ops.generalized_delta_rule",
        "chunk_dplr_delta_rule",
        ("q", "k", "v", "gk", "a", "b"),
        (64,) * 6,
        # no decay is below diagonal.FLOOR: told so, the kernel takes chunks of 64 instead of 16
        options=(("lower_bound", -2.5),),
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
        def run(*arguments: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
            first = arguments[0]
            if first.device.type != "cuda" or first.shape[2] == 1:
                return form(*arguments, **options)
            return _on_cuda(name, form, arguments, options)

        FORMS[name] = form
        return run

    return decorate


def _chosen(name: str, form: Rule, arguments: tuple[Tensor, ...], options: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Run what was chosen."""
    kernel = choose(name, form).kernel
    return kernel(*arguments) if kernel is not None else form(*arguments, **options)


_on_cuda = _chosen


def keep_out_of_graphs() -> None:
    """Let compilers call what was chosen instead of tracing it: they would trace the probe again with every graph."""
    global _on_cuda
    _on_cuda = torch.compiler.disable(_chosen)  # not at import: this loads the compiler, a second of anyone's time


FORMS: dict[str, Rule] = {}
"""PyTorch forms by the name of their recurrence."""


@lru_cache
def choose(name: str, form: Rule, device: str = "cuda") -> Choice:
    """Return what runs a recurrence on ``device``, after a parity check; the choice is logged."""
    try:
        kernel = load(KERNELS[name])
        off = parity(kernel, form, KERNELS[name], device)
        agrees = off <= TOLERANCE
        reason = f"it is within {off:.1e} of the PyTorch form" if agrees else f"the kernel is off by {off:.1e}"
    except Exception as error:  # whatever it is, the PyTorch form does without, and the log says so
        agrees, kernel, reason = False, None, f"the kernel does not run: {type(error).__name__}: {error}"
    choice = Choice(kernel if agrees else None, reason)
    LOG.warning("%s: %s, for %s", name, "flash-linear-attention" if agrees else "PyTorch", reason)
    return choice


def load(kernel: Kernel) -> Rule:
    """Return flash-linear-attention's function behind our signature.

    Raises:
        ImportError: The package is not there, or does not have it.
    """
    function = getattr(importlib.import_module(kernel.module), kernel.function)

    def run(*arguments: Tensor) -> tuple[Tensor, Tensor]:
        *inputs, state = arguments
        length, heads, dtype = inputs[0].shape[2], state.shape[1], _compute_dtype(inputs[0])
        named = {
            name: _prepared(x.expand(-1, heads, *x.shape[2:]), torch.float32 if name in DECAYS else dtype)
            for name, x in zip(kernel.inputs, inputs, strict=True)
        }
        others = {"scale": 1.0, "initial_state": state.float(), "output_final_state": True, **dict(kernel.options)}
        out, after = function(**named, **others)
        return out[:, :length].transpose(1, 2).float(), after.float()

    return run


def parity(kernel: Rule, form: Rule, sizes: Kernel, device: str, dtype: torch.dtype = torch.float32) -> float:
    """Return how far a kernel is from the PyTorch form on a ragged length: outputs, state and gradients, relative.

    With gradients and inputs of ``dtype``, whoever asks first: validation has none, autocast would blur it.
    """
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device, enabled=False):
        return _parity(kernel, form, sizes, device, dtype)


def _parity(kernel: Rule, form: Rule, sizes: Kernel, device: str, dtype: torch.dtype) -> float:
    results = []
    for rule in (kernel, form):
        leaves = example(sizes, 1, 8, 150, torch.device(device), dtype)
        out, after = rule(*leaves)
        gradients = torch.autograd.grad(out.square().mean() + after.square().mean(), leaves)
        results.append([x.detach().double() for x in (out, after, *gradients)])
    return max(
        float((one - other).abs().max() / other.abs().max().clamp(min=1e-12))
        for one, other in zip(*results, strict=True)
    )


def example(
    sizes: Kernel, batch: int, heads: int, length: int, device: torch.device, dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    """Return noise as a recurrence meets it in use, always the same: its inputs, then the state (always float32)."""
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(batch, heads, length, max(1, size), generator=generator) for size in sizes.columns]
    state = torch.randn(batch, heads, sizes.columns[1], sizes.columns[2], generator=generator)
    inputs = [_plausible(name, x, size) for name, x, size in zip(sizes.inputs, drawn, sizes.columns, strict=True)]
    inputs = [x[:, :1] if name in sizes.shared else x for name, x in zip(sizes.inputs, inputs, strict=True)]
    return [x.to(device).requires_grad_() for x in (*(x.to(dtype) for x in inputs), state)]


def describe(names: tuple[str, ...], device: str) -> list[str]:
    """Return a line for each recurrence: what runs it on ``device``, and why."""
    if device != "cuda":
        return [f"{name}: PyTorch, for kernels need CUDA" for name in names]
    chosen = {name: choose(name, FORMS[name]) for name in names}
    return [f"{name}: {'kernel' if c.kernel else 'PyTorch'}, for {c.reason}" for name, c in chosen.items()]


def _plausible(name: str, x: Tensor, size: int) -> Tensor:
    """Return noise as it comes in use: logs of shares for decays, shares for beta, unit vectors for keys."""
    if name in DECAYS:
        x = torch.nn.functional.logsigmoid(x + 3)
    elif name == "beta":
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
