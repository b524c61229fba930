"""Phase ``compile``: every recurrence's kernels compiled at once, a process each, before anything is measured.

Triton compiles on one core, each kernel for each type and number of heads anew; what it made lies on disk for all
later processes. On a CPU the PyTorch forms run in the kernels' place.
"""

import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import torch

from trainer.flagship import tuning
from trainer.flagship.worker import Work
from trainer.model import kernels

HEADS = (8, 4)
"""Of the flagship and ``paper``, and of ``small``."""


def run(work: Work) -> None:
    """Compile; say for each recurrence how long it took and what will run."""
    names = list(kernels.KERNELS)
    with ProcessPoolExecutor(len(names), get_context("spawn")) as pool:
        waiting = {pool.submit(compiled, name, work.device.type, work.scale.tries): name for name in names}
        for done in as_completed(waiting):
            seconds, reason = done.result()
            work.state.note("compiled", name=waiting[done], seconds=seconds, reason=reason)
            work.say(f"  {waiting[done]}: {seconds:.1f} s; {reason}")


def compiled(name: str, device: str, tries: int) -> tuple[float, str]:
    """Run a recurrence forward and backward in every form that training asks for; return seconds, and what runs it."""
    began, where = time.perf_counter(), torch.device(device)
    rule, reason = kernels.FORMS[name], "PyTorch, for kernels need CUDA"
    if device == "cuda":
        tuning.try_at_most(tries)
        choice = kernels.choose(name, kernels.FORMS[name], device, torch.bfloat16)
        rule, reason = choice.kernel or rule, choice.reason
    else:
        torch.set_num_threads(1)
    for heads in HEADS:
        leaves = kernels.example(kernels.KERNELS[name], 1, heads, 256, where, torch.bfloat16)
        found = rule(*leaves)
        torch.autograd.grad(torch.stack([x.float().square().mean() for x in found]).sum(), leaves)
    return time.perf_counter() - began, reason
