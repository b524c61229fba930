"""How fast the loader alone makes batches of a dataset: what `python -m trainer.bench --data URL` prints."""

import time
from collections.abc import Sequence
from typing import Any

from trainer.config import TrainConfig
from trainer.data.mixture import Mixture, Opening
from trainer.data.stream import Stream

WARM = 8
"""Batches made before the clock starts: shards are read, kernels compiled."""


def loader_rate(data: str, config: TrainConfig, seconds: float = 1.0, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return steps of the world a second that one thread makes ready for the model, by the clock and by CPU time.

    Args:
        data: URL of a dataset, or ``recipe:NAME``.
        config: Batch, order, what varies.
        seconds: At least so long.
        overrides: Of a data recipe.

    Raises:
        UsageError: There is no such data.
        DataError: A shard is missing or damaged.
    """
    mixture = Mixture(Opening((data,), tuple(overrides)), config.data)
    mixture.check()
    stream = Stream(mixture, config.augment, config.seed, config.batch)
    for number in range(WARM):
        stream.at(number * config.batch)
    made, clock, cpu = 0, time.perf_counter(), time.thread_time()
    while time.perf_counter() - clock < seconds or made < WARM:
        stream.at((WARM + made) * config.batch)
        made += 1
    rows = made * config.batch * mixture.length
    return {
        "data": data,
        "steps_per_second": rows / (time.perf_counter() - clock),
        "steps_per_cpu_second": rows / max(1e-9, time.thread_time() - cpu),
    }
