"""The order in which sequences are seen: (seed, position) in, batches out; neither ranks nor threads change it.

The position, in samples since the run's start, is the whole state. Epoch 0 goes through the shards in windows of W,
sequences shuffled inside a window, so that a dataset being written is seen in the same order as afterwards; later
epochs permute all.
"""

import queue
import threading
import time
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from pydantic import Field

from common.config import Settings
from common.seeding import Purpose, derive_seed
from trainer.augment import AugmentConfig, augment
from trainer.source import Source
from trainer.tokens import Batch, batch_of


class StreamConfig(Settings):
    """How sequences are ordered and held."""

    window_shards: int = Field(default=8, ge=1)
    """W: shards among which epoch 0 shuffles."""
    prefetch: int = Field(default=2, ge=1)
    """Batches made ready ahead, by a thread."""
    cache_megabytes: int = Field(default=1024, ge=1)
    """Decoded shards kept in memory, per rank."""


class Order:
    """Which sequence is sample number n: a permutation per epoch."""

    def __init__(self, seed: int, shards: int, sequences_per_shard: int, window: int) -> None:
        self.sequences = shards * sequences_per_shard
        self._seed, self._block = seed, window * sequences_per_shard
        self._permutation = lru_cache(maxsize=4)(self._draw)

    def samples(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return epoch and sequence number of each sample number (int64)."""
        epochs, places = np.divmod(numbers, self.sequences)
        return epochs, np.array([self._sequence(int(e), int(p)) for e, p in zip(epochs, places, strict=True)])

    def _sequence(self, epoch: int, place: int) -> int:
        if epoch > 0:
            return int(self._permutation(epoch, 0, self.sequences)[place])
        window, inside = divmod(place, self._block)
        first = window * self._block
        return first + int(self._permutation(0, window, min(self._block, self.sequences - first))[inside])

    def _draw(self, epoch: int, window: int, count: int) -> np.ndarray:
        seed = derive_seed(self._seed, Purpose.OTHER, (epoch << 32) + window)
        return np.random.Generator(np.random.PCG64(seed)).permutation(count)


class Stream:
    """Batches of one rank, by the position of the global batch they belong to."""

    def __init__(
        self,
        source: Source,
        config: StreamConfig,
        augmentation: AugmentConfig,
        seed: int,
        batch: int,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.source, self.batch = source, batch
        self._config, self._augmentation, self._seed = config, augmentation, seed
        self._order = Order(seed, source.shards, source.sequences_per_shard, config.window_shards)
        self._part = np.array_split(np.arange(batch), ranks)[rank]
        self.waited = 0.0
        """Seconds spent waiting for batches."""

    def at(self, position: int) -> Batch:
        """Return this rank's part of the global batch that starts at sample ``position``."""
        epochs, numbers = self._order.samples(position + self._part)
        rows, discount = augment(
            self.source.gather(numbers), self._augmentation, self._seed, epochs, numbers, self.source.actions
        )
        return batch_of(rows, discount, self.source.vocabulary, self.source.actions, self.source.label)

    def batches(self, position: int, end: int) -> Iterator[Batch]:
        """Yield this rank's parts of the global batches from sample ``position`` to ``end``, made ready by a thread.

        Raises:
            DataError: A shard cannot be read; raised where its batch is due.
        """
        ready: queue.Queue[Batch | BaseException] = queue.Queue(self._config.prefetch)
        stop = threading.Event()

        def put(item: Batch | BaseException) -> None:
            while not stop.is_set():
                try:
                    ready.put(item, timeout=0.1)
                    return
                except queue.Full:
                    continue

        def work() -> None:
            try:
                for start in range(position, end, self.batch):
                    if stop.is_set():
                        return
                    put(self.at(start))
            except BaseException as error:
                put(error)

        thread = threading.Thread(target=work, name="stream", daemon=True)
        thread.start()
        try:
            for _ in range(position, end, self.batch):
                began = time.perf_counter()
                item = ready.get()
                self.waited += time.perf_counter() - began
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()
            thread.join()
