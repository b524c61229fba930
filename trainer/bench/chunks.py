"""How long the chunks of each recurrence should be here: ``python -m trainer.bench.chunks``.

Every PyTorch form, forward and backward, over the same positions with chunks of several lengths; nanoseconds of
processor time a position and head, the median of several turns, and the quickest length marked.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from common import cli
from common.errors import UsageError
from trainer.model.diagonal import diagonal_rule, low_rank_rule
from trainer.model.mamba2 import scalar_rule
from trainer.model.recurrence import delta_rule

EXAMPLES = ("python -m trainer.bench.chunks", "python -m trainer.bench.chunks --head-size 64 --threads 2 --json")
LENGTHS = (8, 16, 32, 64, 128)
MOST = {"gated linear attention": 32, "diagonal plus low rank": 32}
"""Longer chunks of these could overflow."""


def rules(size: int, length: int, heads: int) -> dict[str, tuple[Callable[..., Any], list[Tensor]]]:
    """Return each form and inputs of the kind that it sees, 4 sequences of ``length`` positions."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(4, *shape, generator=generator)

    q, k, v = (draw(heads, length, size) for _ in range(3))
    unit = torch.nn.functional.normalize(k, dim=-1)
    decays = -0.6 * draw(heads, length, size).sigmoid()
    decay, beta, state = decays[..., 0].clone(), draw(heads, length).sigmoid(), torch.zeros(4, heads, size, size)
    return {
        "gated delta rule": (delta_rule, [q, unit, v, decay, beta, state]),
        "gated linear attention": (diagonal_rule, [q, k, v, decays, state]),
        "diagonal plus low rank": (low_rank_rule, [q, k, v, decays, -unit, unit * decays.abs(), state]),
        "scalar gate": (scalar_rule, [q[:, :1], unit[:, :1], v, decay, state]),
    }


def cost(rule: Callable[..., Any], inputs: list[Tensor], chunk: int, turns: int) -> float:
    """Return the processor seconds of a pass forward and backward, the median of ``turns``."""
    took = []
    for turn in range(turns + 1):
        leaves = [x.detach().requires_grad_() for x in inputs]
        begun = time.process_time()
        out, _ = rule(*leaves, chunk=chunk)
        out.square().mean().backward()
        if turn:
            took.append(time.process_time() - begun)
    return statistics.median(took)


def measure(options: argparse.Namespace) -> int:
    """Measure and print.

    Raises:
        UsageError: A number is under 1.
    """
    numbers = {"head-size": options.head_size, "heads": options.heads, "threads": options.threads}
    numbers |= {"length": options.length, "turns": options.turns}
    for name, value in numbers.items():
        if value < 1:
            raise UsageError(f"--{name} must be at least 1, got {value}")
    torch.set_num_threads(options.threads)
    positions, found = 4 * options.heads * options.length, {}
    for name, (rule, inputs) in rules(options.head_size, options.length, options.heads).items():
        run = partial(cost, rule, inputs, turns=options.turns)
        found[name] = {n: run(chunk=n) / positions * 1e9 for n in LENGTHS if n <= MOST.get(name, n)}
    if options.json:
        cli.print_json({"torch": torch.__version__, **numbers, "nanoseconds": found})
        return 0
    print(f"{'ns a position and head':24s}" + "".join(f"{n:>8d}" for n in LENGTHS))
    for name, costs in found.items():
        best = min(costs, key=costs.__getitem__)
        cells = (f"{costs[n]:.0f}{'*' if n == best else ' '}" if n in costs else "- " for n in LENGTHS)
        print(f"{name:24s}" + "".join(f"{cell:>8s}" for cell in cells))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = cli.parser("python -m trainer.bench.chunks", "Measure chunk lengths of the recurrences.", EXAMPLES)
    parser.add_argument("--head-size", type=int, default=32, help="channels of a head (32)")
    parser.add_argument("--heads", type=int, default=2, help="heads (2)")
    parser.add_argument("--length", type=int, default=2048, help="positions of each of 4 sequences (2048)")
    parser.add_argument("--turns", type=int, default=7, help="passes that are timed (7)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return cli.run(measure, parser.parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
