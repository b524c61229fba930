"""The order of the data: every sequence once an epoch, the same whatever the ranks, the prefetching or the start."""

import numpy as np
import pytest
import torch

from common.errors import DataError
from trainer.augment import AugmentConfig
from trainer.stream import Order, Stream, StreamConfig
from trainer.tokens import Batch, Rows

SHARDS, PER_SHARD, LENGTH = 7, 4, 12


class Numbered:
    """Sequences whose rows say their number."""

    recipe, identity, vocabulary, actions, label, length = None, "numbered", 64, 3, "oracle", LENGTH
    shards, sequences_per_shard = SHARDS, PER_SHARD

    def __init__(self, damaged: int | None = None) -> None:
        self.damaged = damaged

    def gather(self, numbers: np.ndarray) -> Rows:
        if self.damaged in numbers:
            raise DataError(f"sequence {self.damaged} is damaged")
        observation = np.repeat(numbers[:, None], LENGTH, axis=1).astype(np.uint8)
        action = np.zeros_like(observation)
        tag = np.full_like(observation, 6)
        oracle = np.ones((len(numbers), 4, 64), dtype=np.uint8)
        return Rows(observation, action, observation.astype(np.float32), tag, oracle)


def stream(rank: int = 0, ranks: int = 1, seed: int = 3, damaged: int | None = None) -> Stream:
    config, augmentation = StreamConfig(window_shards=2), AugmentConfig(mask_sequence_share=0.5)
    return Stream(Numbered(damaged), config, augmentation, seed, 5, rank, ranks)


def numbers(batch: Batch) -> list[int]:
    return batch.tokens.observation[:, 0].tolist()


def test_every_epoch_has_every_sequence_once() -> None:
    order = Order(3, SHARDS, PER_SHARD, window=2)
    count = SHARDS * PER_SHARD
    epochs, sequences = order.samples(np.arange(3 * count))
    assert epochs.tolist() == [0] * count + [1] * count + [2] * count
    by_epoch = sequences.reshape(3, count).tolist()
    assert all(sorted(epoch) == list(range(count)) for epoch in by_epoch)
    assert len({tuple(epoch) for epoch in by_epoch}) == 3


def test_epoch_0_needs_a_window_of_shards_at_a_time_and_shuffles_inside_it() -> None:
    order = Order(3, SHARDS, PER_SHARD, window=2)
    _, sequences = order.samples(np.arange(SHARDS * PER_SHARD))
    for first in range(0, SHARDS * PER_SHARD, 2 * PER_SHARD):
        window = sequences[first : first + 2 * PER_SHARD].tolist()
        assert sorted(window) == list(range(first, min(first + 2 * PER_SHARD, SHARDS * PER_SHARD)))
    assert sequences[: 2 * PER_SHARD].tolist() != list(range(2 * PER_SHARD))


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_ranks_share_the_global_batch(ranks: int) -> None:
    for position in (0, 5, 25, 60):
        whole = stream().at(position)
        parts = [stream(rank, ranks).at(position) for rank in range(ranks)]
        for whole_part, *own in zip(
            (*whole.tokens, whole.action, *whole.targets),
            *((*part.tokens, part.action, *part.targets) for part in parts),
            strict=True,
        ):
            assert torch.equal(torch.cat(own), whole_part)


def test_prefetched_batches_are_those_of_their_positions_wherever_one_begins() -> None:
    ahead = [numbers(batch) for batch in stream().batches(0, 40)]
    assert ahead == [numbers(stream().at(position)) for position in range(0, 40, 5)]
    assert [numbers(batch) for batch in stream().batches(15, 40)] == ahead[3:]


def test_another_seed_is_another_order() -> None:
    assert [numbers(stream(seed=4).at(p)) for p in (0, 5)] != [numbers(stream(seed=3).at(p)) for p in (0, 5)]


def test_a_damaged_sequence_is_told_where_its_batch_is_due() -> None:
    first_hit = next(p for p in range(0, 28, 5) if 20 in numbers(stream().at(p)))
    seen = 0
    with pytest.raises(DataError, match="sequence 20 is damaged"):
        for _ in stream(damaged=20).batches(0, 60):
            seen += 5
    assert seen == first_hit
