"""Which sequence is sample number n: a permutation per epoch, the same whatever ranks, workers and batches.

Epoch 0 goes through the shards in windows of W, sequences shuffled inside a window, so that a dataset being written is
seen in the same order as afterwards; later epochs permute all.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from common.seeding import Purpose, derive_seed

BLOCK = 1000
"""Samples among which the shares of several datasets are exact."""
EPOCHS_AN_ERA = 1 << 16
"""Numbers of epochs set apart for each era of a run."""


class Order:
    """A permutation of all sequences per epoch.

    Args:
        seed: The run's seed (one per dataset).
        shards: Shards of the dataset.
        sequences_per_shard: Sequences of each.
        window: W, in shards.
        first_epoch: What the first epoch is called; permutations and masks differ from epoch to epoch.
    """

    def __init__(self, seed: int, shards: int, sequences_per_shard: int, window: int, first_epoch: int = 0) -> None:
        self.sequences = shards * sequences_per_shard
        self._seed, self._block, self._first = seed, window * sequences_per_shard, first_epoch
        self._permutation = lru_cache(maxsize=4)(self._draw)

    def samples(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return epoch and sequence number of each sample number (int64)."""
        epochs, places = np.divmod(numbers, self.sequences)
        chosen = [self._sequence(int(e), int(p)) for e, p in zip(epochs, places, strict=True)]
        return epochs + self._first, np.array(chosen, dtype=np.int64)

    def _sequence(self, epoch: int, place: int) -> int:
        if epoch > 0:
            return int(self._permutation(epoch, 0, self.sequences)[place])
        window, inside = divmod(place, self._block)
        first = window * self._block
        return first + int(self._permutation(0, window, min(self._block, self.sequences - first))[inside])

    def _draw(self, epoch: int, window: int, count: int) -> np.ndarray:
        seed = derive_seed(self._seed, Purpose.OTHER, ((epoch + self._first) << 32) + window)
        return np.random.Generator(np.random.PCG64(seed)).permutation(count)


class Shares:
    """Which dataset each sample of a mixture is of, and its number among that dataset's samples.

    In every ``BLOCK`` samples each dataset has its share exactly; their order is drawn anew for every block.

    Args:
        weights: Of each dataset, over 0; rounded to 1 / ``BLOCK`` of their sum, at least that.
        seed: The run's seed.
    """

    def __init__(self, weights: Sequence[float], seed: int) -> None:
        self._seed = seed
        self.counts = _rounded(np.asarray(weights, dtype=np.float64))
        self._block = lru_cache(maxsize=8)(self._draw)

    def split(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return dataset index and local sample number of each sample number (int64)."""
        if len(self.counts) == 1:
            return np.zeros_like(numbers), numbers
        blocks, places = np.divmod(numbers, BLOCK)
        which, local = np.empty_like(numbers), np.empty_like(numbers)
        for i, (block, place) in enumerate(zip(blocks, places, strict=True)):
            owner, rank = self._block(int(block))
            which[i] = owner[place]
            local[i] = block * self.counts[owner[place]] + rank[place]
        return which, local

    def before(self, number: int) -> np.ndarray:
        """Return how many of the first ``number`` samples are of each dataset (int64)."""
        if len(self.counts) == 1:
            return np.array([number])
        block, place = divmod(number, BLOCK)
        owner = self._block(block)[0][:place]
        return block * self.counts + np.bincount(owner, minlength=len(self.counts))

    def _draw(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        owner = np.repeat(np.arange(len(self.counts)), self.counts)
        seed = derive_seed(self._seed, Purpose.OTHER, (1 << 61) + block)
        np.random.Generator(np.random.PCG64(seed)).shuffle(owner)
        rank = np.empty(BLOCK, dtype=np.int64)
        for dataset in range(len(self.counts)):
            mine = owner == dataset
            rank[mine] = np.arange(int(mine.sum()))
        return owner, rank


def _rounded(weights: np.ndarray) -> np.ndarray:
    """Return whole numbers over 0 that add up to ``BLOCK``, in proportion to ``weights`` (largest remainder)."""
    wanted = weights / weights.sum() * BLOCK
    counts = np.maximum(1, np.floor(wanted).astype(np.int64))
    while counts.sum() < BLOCK:
        counts[np.argmax(wanted - counts)] += 1
    while counts.sum() > BLOCK:
        counts[np.argmax(np.where(counts > 1, counts - wanted, -np.inf))] -= 1
    return counts


class Itinerary:
    """The sequences of a whole run over several datasets that may grow: sample numbers in, where each comes from out.

    Args:
        seed: The run's seed.
        weights: Of each dataset.
        sequences_per_shard: Of each dataset.
        window: W, in shards.
        eras: (first sample, shards of each dataset), in order, the first from sample 0 on.
    """

    def __init__(
        self,
        seed: int,
        weights: Sequence[float],
        sequences_per_shard: Sequence[int],
        window: int,
        eras: Sequence[tuple[int, Sequence[int]]],
    ) -> None:
        self._shares = Shares(weights, seed)
        self._starts = np.array([first for first, _ in eras])
        self._before = [self._shares.before(int(first)) for first in self._starts]
        self._orders = [
            [
                Order(seed + dataset, count, size, window, era * EPOCHS_AN_ERA)
                for dataset, (count, size) in enumerate(zip(shards, sequences_per_shard, strict=True))
            ]
            for era, (_, shards) in enumerate(eras)
        ]

    def samples(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return dataset index, epoch and sequence number of each sample number (int64)."""
        which, local = self._shares.split(numbers)
        era = np.searchsorted(self._starts, numbers, side="right") - 1
        epochs, sequences = np.empty_like(numbers), np.empty_like(numbers)
        for e, dataset in {(int(e), int(d)) for e, d in zip(era, which, strict=True)}:
            mine = (era == e) & (which == dataset)
            order = self._orders[e][dataset]
            epochs[mine], sequences[mine] = order.samples(local[mine] - self._before[e][dataset])
        return which, epochs, sequences
