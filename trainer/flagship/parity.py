"""Phase ``parity``: on this device, do kernels and blocks give what the plain forms give, and how much faster are they?

Kernels: every recurrence's CUDA kernel beside its PyTorch form, in float32 and bfloat16, outputs, states and gradients.
Blocks: the whole pass, and segments with state carried, on the device beside the same weights in float32 on the CPU.
Without a kernel (a CPU, a missing package, one that does not agree) the PyTorch form runs, and the line says so.
"""

from typing import Any, get_args

import torch
from torch import Tensor

from trainer.bench.ceilings import seconds
from trainer.flagship.worker import Work
from trainer.model import Model, ModelConfig, Tokens
from trainer.model import kernels as choosing
from trainer.model.config import Backbone

TOLERANCE = {"float32": 0.02, "bfloat16": 0.06}
"""Largest difference relative to the largest value: kernels multiply in TF32, or in bfloat16."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def run(work: Work) -> None:
    """Compare all recurrences, then all backbones; a line each."""
    for name in choosing.KERNELS:
        if work.left < 5:
            work.state.note("skipped", what=f"parity of {name}", why="the phase's seconds are over")
            continue
        line = _kernel(work, name)
        work.state.note("kernel", name=name, **line)
        work.say(f"  {name}: {line['runs']}: {line['reason']}")
    for backbone in get_args(Backbone):
        for dtype in DTYPES:
            if work.left < 5:
                work.state.note("skipped", what=f"parity of {backbone} in {dtype}", why="the phase's seconds are over")
                continue
            line = block(backbone, dtype, work)
            work.state.note("parity", backbone=backbone, dtype=dtype, **line)
            work.say(f"  {backbone}, {dtype}: {line}")


def _kernel(work: Work, name: str) -> dict[str, Any]:
    """Return what runs a recurrence and why, and seconds of kernel and PyTorch form, forward and backward."""
    form = choosing.FORMS[name]
    if work.device.type != "cuda":
        return {"runs": "PyTorch", "reason": "kernels need CUDA", "seconds": {}}
    exact, choice = (choosing.choose(name, form, "cuda", dtype) for dtype in (torch.float32, torch.bfloat16))
    told: dict[str, Any] = {
        "runs": "kernel" if choice.kernel else "PyTorch",
        "reason": choice.reason,
        "reason_float32": exact.reason,
        "seconds": {},
    }
    sizes, programs = choosing.KERNELS[name], {"PyTorch": form}
    if choice.kernel:
        programs["kernel"] = choice.kernel
    for what, rule in programs.items():
        try:
            told["seconds"][what] = seconds(_once(rule, sizes, work.device), work.device)
        except Exception as error:
            told["seconds"][what] = f"{type(error).__name__}: {str(error)[:200]}"
    return told


def _once(rule: choosing.Rule, sizes: choosing.Kernel, device: torch.device) -> Any:
    """Return a forward and backward pass of 65,536 positions of 8 heads."""
    leaves = choosing.example(sizes, 8, 8, 8192, device, torch.bfloat16)

    def work() -> None:
        found = rule(*leaves)
        torch.autograd.grad(torch.stack([x.float().square().mean() for x in found]).sum(), leaves)

    return work


def block(backbone: str, dtype: str, work: Work) -> dict[str, Any]:
    """Return how far a model on the device is from the same on the CPU in float32; ``off`` is the largest of all."""
    width = work.scale.parity_width
    size = ModelConfig(
        vocabulary=16,
        actions=5,
        backbone=backbone,
        layers=2,
        width=width,
        inner=width,
        window=128,  # type: ignore[arg-type]
    )
    plain, here = Model(size, seed=1), Model(size, seed=1).to(work.device)
    off, found = 0.0, dict[str, float]()
    for length in work.scale.parity_lengths:
        tokens = _tokens(2, length)
        wanted = _results(plain, [tokens], "float32", torch.device("cpu"))
        cut = max(1, length // 3)
        pieces = [Tokens(*(x[:, :cut] for x in tokens)), Tokens(*(x[:, cut:] for x in tokens))]
        for how, parts in (("whole", [tokens]), ("segments", pieces)):
            got = _results(here, parts, dtype, work.device)
            for what, value in got.items():
                apart = _apart(value, wanted[what])
                found[f"{what}, {how}, {length}"] = apart
                off = max(off, apart)
    worst = max(found, key=lambda name: found[name])
    return {"off": off, "worst": worst, "agrees": off <= TOLERANCE[dtype], "lengths": list(work.scale.parity_lengths)}


def _results(model: Model, parts: list[Tokens], dtype: str, device: torch.device) -> dict[str, Tensor]:
    """Return logits, and the gradient of all blocks' matrices as one vector."""
    state, logits = None, []
    with torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bfloat16"):
        for part in parts:
            hidden, state = model(Tokens(*(x.to(device) for x in part)), state)
            logits.append(model.policy(hidden).float())
    together = torch.cat(logits, dim=1)
    together.square().mean().backward()
    gradients = [p.grad.flatten().float() for p in model.blocks.parameters() if p.grad is not None]
    model.zero_grad()
    return {"logits": together.detach().cpu(), "gradients": torch.cat(gradients).cpu()}


def _apart(one: Tensor, other: Tensor) -> float:
    """Return the root mean square difference, relative to the root mean square value."""
    return float((one - other).double().square().mean().sqrt() / other.double().square().mean().sqrt().clamp(min=1e-30))


def _tokens(batch: int, length: int) -> Tokens:
    generator = torch.Generator().manual_seed(length)

    def ids(below: int) -> Tensor:
        return torch.randint(0, below, (batch, length), generator=generator)

    return Tokens(ids(17), ids(7), ids(10), torch.randn(batch, length, generator=generator), ids(16), ids(4))
