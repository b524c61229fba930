"""One cell of a benchmark, in a process of its own: settings on standard input, what was measured on standard output.

Only so is the peak of memory the cell's own. Data are made up, and stay as small as they are stored: a segment becomes
tokens when its turn comes, so that nothing grows with the context but one byte arrays.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from trainer.bench.operations import operations
from trainer.config import TrainConfig
from trainer.loss import Objective, share_of_loss
from trainer.model import Model, ModelConfig
from trainer.optim import Optimiser
from trainer.passes import detached
from trainer.tokens import Batch, Rows, batch_of

VOCABULARY, ACTIONS = 16, 5
ROWS = 8192
"""Of a batch, where the context is shorter."""
LEAST = 32_768
"""Rows that are counted at least: by then memory is what it will be."""


def random_rows(sequences: int, length: int) -> Rows:
    """Return noise with the types of stored data."""
    rng = np.random.default_rng(0)
    shape = (sequences, length)
    action = rng.integers(0, ACTIONS + 1, shape, dtype=np.uint8)
    return Rows(
        observation=rng.integers(0, VOCABULARY, shape, dtype=np.uint8),
        action=action,
        reward=rng.standard_normal(shape, dtype=np.float32),
        tag=np.where(action == ACTIONS, 8, 6).astype(np.uint8),
        oracle=rng.integers(1, 2**ACTIONS, (sequences, 4, VOCABULARY), dtype=np.uint8),
    )


def random_batch(sequences: int, length: int) -> Batch:
    """Return a whole batch of noise."""
    return segment_of(random_rows(sequences, length), 0, length)


def segment_of(rows: Rows, first: int, end: int) -> Batch:
    """Return the batch of rows ``first`` to ``end`` - 1; each segment begins as a sequence does."""
    part = Rows(*(x if x is None or name == "oracle" else x[:, first:end] for name, x in rows._asdict().items()))
    return batch_of(part, np.full(len(rows.action), 3), VOCABULARY, ACTIONS, "oracle")


def measure(config: TrainConfig, context: int, segment: int, seconds: float, threads: int) -> dict[str, Any]:
    """Return rate, operations and memory of training steps at one context length.

    Args:
        config: Model, loss and optimiser.
        context: Steps of a sequence.
        segment: Steps passed at once.
        seconds: At least so long, and at least ``LEAST`` rows, after a step that is not counted.
        threads: CPU threads.
    """
    torch.set_num_threads(threads)
    size = ModelConfig(vocabulary=VOCABULARY, actions=ACTIONS, **config.model.model_dump())
    objective = Objective(Model(size), config.precision)
    if config.compile:
        objective.model.compile_blocks()
    optimiser = Optimiser(objective, config.optimiser, 10**6)
    sequences = max(1, min(ROWS // min(context, segment), ROWS // context if context <= segment else 1))
    rows = random_rows(sequences, context)
    counts = random_batch(1, 16).targets.counts() * (sequences * context / 16)
    weights = config.loss.vector()

    def step(end: int = context) -> None:
        state: Any = None
        for first in range(0, end, segment):
            outcome, state = objective(segment_of(rows, first, min(first + segment, context)), state)
            (share_of_loss(outcome, counts) * weights).sum().backward()
            state = detached(state)
        optimiser.step(0)

    step(min(context, 2 * segment))
    wall: list[float] = []
    cpu: list[float] = []
    while len(wall) * sequences * context < LEAST or (sum(wall) < seconds and len(wall) < 1000):
        took = _timed(step)
        wall.append(took[0])
        cpu.append(took[1])
    number = sequences * context
    flops = operations(objective.model, context)
    return {
        "backbone": size.backbone,
        "layout": size.layout,
        "parameters": objective.model.parameter_count(),
        "context": context,
        "segment": min(segment, context),
        "sequences": sequences,
        "steps_per_second": number / float(np.median(wall)),
        "steps_per_cpu_second": number / float(np.median(cpu)),
        "operations_per_step": flops,
        "share_of_peak": number / float(np.median(cpu)) * flops / matmul_peak(),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def matmul_peak() -> float:
    """Return this process's best rate of multiplying float32 matrices, operations a CPU second."""
    a = torch.randn(1024, 1024)
    return 2 * 1024**3 / min(_timed(lambda: a @ a)[1] for _ in range(8))


def _timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Return wall and CPU seconds of a piece of work, the CPU's of all threads together."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    asked["config"] = TrainConfig.model_validate(asked["config"])
    print(json.dumps(measure(**asked)))
