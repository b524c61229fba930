"""Loader workers: processes that turn a plan of sequences into a batch, each with datasets of its own.

They are spawned, not forked (a forked reader can deadlock), hear no signals of the terminal or of torchrun (the rank
decides), and end when their rank is gone.
"""

import os
import signal
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch

from trainer.data.batches import Batches, Plan
from trainer.data.config import DataConfig
from trainer.data.mixture import Mixture, Opening
from trainer.tokens import Batch

_batches: Batches | None = None
"""Of this worker process."""


class Workers:
    """A pool of processes that make batches ready.

    Args:
        count: Processes.
        opening: Which data.
        config: How they are read.
        arguments: Of ``Batches`` beside the data.
    """

    def __init__(self, count: int, opening: Opening, config: DataConfig, arguments: tuple[Any, ...]) -> None:
        self._pool = ProcessPoolExecutor(
            count, get_context("spawn"), _begin, (os.getpid(), opening, config.model_copy(), arguments)
        )

    def submit(self, plan: Plan) -> "Future[Any]":
        """Ask for a batch; ``batch_from`` takes the result."""
        return self._pool.submit(_make, plan)

    def close(self) -> None:
        """End the processes; batches not made yet are forgotten."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _begin(parent: int, opening: Opening, config: DataConfig, arguments: tuple[Any, ...]) -> None:
    global _batches
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    torch.set_num_threads(1)
    _batches = Batches(Mixture(opening, config), *arguments)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _make(plan: Plan) -> Any:
    assert _batches is not None
    return _arrays(_batches.make(plan))


def _arrays(value: Any) -> Any:
    """Return a batch with arrays in the place of tensors: torch would pass those by shared memory, which is scarce."""
    if isinstance(value, torch.Tensor):
        return value.numpy()
    return type(value)(*(_arrays(part) for part in value))


def batch_from(value: Any) -> Batch:
    """Return the batch that a worker made."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)  # type: ignore[return-value]
    return type(value)(*(batch_from(part) for part in value))
