"""Batches by the position of the global batch they belong to: the position, in samples, is the stream's whole state."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np

from common.errors import DataError
from trainer.data.augment import AugmentConfig
from trainer.data.batches import Batches, Plan
from trainer.data.mixture import Mixture
from trainer.data.order import Itinerary
from trainer.data.workers import Workers, batch_from
from trainer.tokens import Batch

Eras = Sequence[tuple[int, Sequence[int]]]
"""(first sample, shards of each dataset from there on): a dataset may grow while a run goes on."""


class Stream:
    """One rank's part of every global batch; neither ranks nor loader workers change what it is.

    Args:
        mixture: The data.
        augmentation: What varies from epoch to epoch.
        seed: The run's seed.
        batch: Sequences of a global batch.
        rank: This rank.
        ranks: How many there are.
        eras: Shards of the datasets over time; None: as they are now.
        say: Told what is waited for.
    """

    def __init__(
        self,
        mixture: Mixture,
        augmentation: AugmentConfig,
        seed: int,
        batch: int,
        rank: int = 0,
        ranks: int = 1,
        eras: Eras | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.mixture, self.batch, self._say = mixture, batch, say
        self._arguments = (augmentation, seed)
        self._batches = Batches(mixture, augmentation, seed)
        self._seed = seed
        self._part = np.array_split(np.arange(batch), ranks)[rank]
        self.first = int(self._part[0])
        """Which of a global batch's sequences is this rank's first."""
        self.begin_eras(eras or [(0, mixture.shards)])
        self.waited = 0.0
        """Seconds spent waiting for batches."""

    def begin_eras(self, eras: Eras) -> None:
        """Take up which shards there are from which sample on."""
        self.eras = [(int(first), tuple(shards)) for first, shards in eras]
        sizes = [source.sequences_per_shard for source in self.mixture.sources]
        window = self.mixture.config.window_shards
        self._itinerary = Itinerary(self._seed, self.mixture.weights, sizes, window, self.eras)

    def plan(self, samples: np.ndarray, stop: Callable[[], bool] = lambda: False) -> Plan:
        """Return where samples (by number) come from, once they can be read.

        Raises:
            Stopped: ``stop`` said so while they were waited for.
            DataError: A shard was set aside and holes are refused, or waiting took longer than patience allows.
        """
        which, epoch, sequence = self._itinerary.samples(samples)
        read = np.empty_like(sequence)
        for dataset in np.unique(which):
            mine = which == dataset
            found = self.mixture.sources[dataset].resolve(sequence[mine], self._say, stop)
            if found is None:
                raise Stopped
            read[mine] = found
        return Plan(which, epoch, sequence, read)

    def at(self, position: int) -> Batch:
        """Return this rank's part of the global batch that starts at sample ``position``."""
        return self._batches.make(self.plan(position + self._part))

    def batches(self, position: int, end: int, stop: Callable[[], bool] = lambda: False) -> Iterator[Batch | None]:
        """Yield this rank's parts of the global batches from sample ``position`` to ``end``, made ready ahead.

        ``None`` is yielded where ``stop`` says so while a batch is waited for.

        Raises:
            DataError: A shard cannot be read, or a loader worker died; raised where the batch is due.
        """
        config = self.mixture.config
        workers = None
        if config.workers:
            workers = Workers(config.workers, self.mixture.opening, config, self._arguments)
        positions, closed = range(position, end, self.batch), threading.Event()

        def make(start: int) -> Any:
            plan = self.plan(start + self._part, lambda: closed.is_set() or stop())
            return workers.submit(plan) if workers else self._batches.make(plan)

        feeder = _Feeder(make, positions, config.prefetch * max(1, config.workers), stop, closed)
        try:
            for _ in positions:
                began = time.perf_counter()
                item = feeder.take()
                self.waited += time.perf_counter() - began
                yield item
        finally:
            feeder.close()
            if workers is not None:
                workers.close()


class Stopped(Exception):
    """Waiting for data ended because the run was told to stop."""


class _Feeder:
    """A thread that makes batches in order, or has them made, and keeps a bounded number ready."""

    def __init__(
        self,
        make: Callable[[int], Any],
        positions: range,
        depth: int,
        stop: Callable[[], bool],
        closed: threading.Event,
    ) -> None:
        self._make, self._positions, self._stop, self._closed = make, positions, stop, closed
        self._ready: queue.Queue[Any] = queue.Queue(depth)
        self._thread = threading.Thread(target=self._work, name="stream", daemon=True)
        self._thread.start()

    def take(self) -> Batch | None:
        """Return the next batch; None if told to stop before it was there."""
        item = self._wait(self._next)
        if isinstance(item, Future):
            made = self._wait(lambda: _result(item))
            return None if made is None else batch_from(made)
        if isinstance(item, BaseException):
            raise item
        return item

    def _next(self) -> Any:
        return self._ready.get(timeout=0.2)

    def _wait(self, look: Callable[[], Any]) -> Any:
        while True:
            try:
                return look()
            except (queue.Empty, TimeoutError):
                if self._stop():
                    return None
            except DataError:
                if self._stop():
                    return None
                raise

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join()

    def _put(self, item: Any) -> None:
        while not self._closed.is_set():
            try:
                self._ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def _work(self) -> None:
        try:
            for start in self._positions:
                if self._closed.is_set():
                    return
                self._put(self._make(start))
        except Stopped:
            return
        except BaseException as error:
            self._put(error)


def _result(future: "Future[Any]") -> Any:
    try:
        return future.result(timeout=0.2)
    except BrokenProcessPool as error:
        raise DataError(
            f"a loader worker died ({error}); it may have run out of memory: lower data.workers or data.cache_megabytes"
        ) from error
