"""How fast this machine trains a model: `python -m trainer.bench --json`; random tokens, one process.

A step is a row of one sequence, forward, backward and optimiser step included. Operations are counted by formula:
6 per parameter of a matrix, and for attention 12 per channel, layer and position remembered on average.
"""

import argparse
import os
import platform
import resource
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from common import cli
from common.errors import UsageError
from trainer import config as configs
from trainer.loss import Objective, share_of_loss
from trainer.model import Model, ModelConfig
from trainer.optim import Optimiser
from trainer.tokens import Batch, Rows, batch_of
from trainer.trainer import detached

EXAMPLES = ("python -m trainer.bench --json", "python -m trainer.bench --context 512,4096 --threads 2")
VOCABULARY, ACTIONS = 16, 5


def random_batch(sequences: int, length: int, vocabulary: int = VOCABULARY, actions: int = ACTIONS) -> Batch:
    """Return a batch of noise with the shapes of real data."""
    rng = np.random.default_rng(0)
    shape = (sequences, length)
    action = rng.integers(0, actions + 1, shape).astype(np.uint8)
    rows = Rows(
        observation=rng.integers(0, vocabulary, shape).astype(np.uint16),
        action=action,
        reward=rng.normal(size=shape).astype(np.float32),
        tag=np.where(action == actions, 8, 6).astype(np.uint8),
        oracle=rng.integers(1, 2**actions, (sequences, 4, vocabulary)).astype(np.uint64),
    )
    return batch_of(rows, np.full(sequences, 3), vocabulary, actions, "oracle")


def operations(model: Model, length: int) -> float:
    """Return floating-point operations of a trained row, on average over a context of ``length``."""
    config = model.config
    matrices = sum(p.numel() for name, p in model.named_parameters() if p.ndim == 2 and "table" not in name)
    remembered = min(config.window, length) * (1 - min(config.window, length) / (2 * length))
    return 6.0 * (matrices - model.taken.weight.numel()) + 12.0 * config.width * config.layers * remembered


def matmul_peak() -> float:
    """Return this process's best rate of multiplying float32 matrices, operations a second."""
    a = torch.randn(1024, 1024)
    best = min(_seconds(lambda: a @ a) for _ in range(5))
    return 2 * 1024**3 / best


def measure(config: configs.TrainConfig, context: int, seconds: float) -> dict[str, Any]:
    """Return the rate of training steps at one context length, batches of about ``batch * 512`` rows."""
    size = ModelConfig(vocabulary=VOCABULARY, actions=ACTIONS, **config.model.model_dump())
    objective = Objective(Model(size))
    optimiser = Optimiser(objective, config.optimiser, 10**6)
    sequences = max(1, config.batch * 512 // context)
    batch = random_batch(sequences, context)
    counts, weights = batch.targets.counts(), config.loss.vector()
    piece = config.segment or context

    def step() -> None:
        state: Any = None
        for first in range(0, context, piece):
            outcome, state = objective(batch.segment(first, first + piece), state)
            (share_of_loss(outcome, counts) * weights).sum().backward()
            state = detached(state)
        optimiser.step(0)

    step()
    times = [_seconds(step)]
    while sum(times) < seconds or len(times) < 3:
        times.append(_seconds(step))
    rate = sequences * context / float(np.median(times))
    flops = operations(objective.model, context)
    return {
        "backbone": config.model.backbone,
        "parameters": objective.model.parameter_count(),
        "context": context,
        "sequences": sequences,
        "steps_per_second": rate,
        "operations_per_step": flops,
        "share_of_peak": rate * flops / matmul_peak(),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def bench(arguments: argparse.Namespace) -> int:
    """Measure and print.

    Raises:
        UsageError: A context is no positive number.
    """
    config = configs.load(arguments.recipe, arguments.set)
    contexts = arguments.context.split(",")
    if not all(part.isdigit() and int(part) for part in contexts):
        raise UsageError(f"--context takes positive numbers separated by commas, got {arguments.context!r}")
    torch.set_num_threads(arguments.threads)
    machine = {
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "threads": arguments.threads,
    }
    results = [measure(config, int(context), arguments.seconds) for context in contexts]
    if arguments.json:
        cli.print_json({"machine": machine, "results": results})
        return 0
    print(f"{machine['cores']} cores, torch {machine['torch']}, {machine['threads']} threads")
    for row in results:
        print(
            f"{row['backbone']:12s} {row['parameters']:>10,} parameters  context {row['context']:>6,}  "
            f"{row['steps_per_second']:>9,.0f} steps/s  {row['share_of_peak']:.0%} of the matmul peak  "
            f"{row['peak_bytes'] / 2**20:,.0f} MiB"
        )
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = cli.parser("python -m trainer.bench", "Measure training speed on this machine.", EXAMPLES)
    parser.add_argument("--recipe", default="tiny", help="training recipe whose model is measured")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="change the recipe")
    parser.add_argument("--context", default="512", help="rows of a sequence, several separated by commas")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--seconds", type=float, default=3.0, help="at least so long for each context")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return cli.run(bench, parser.parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
