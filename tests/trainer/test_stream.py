"""The order of the data: every sequence once an epoch, the same whatever the ranks, the prefetching or the start."""

from pathlib import Path

import numpy as np
import pytest
import torch

from common.dataset import open_dataset
from common.errors import DataError, UsageError
from datagen.__main__ import main as datagen
from trainer.data.augment import AugmentConfig
from trainer.data.config import DataConfig
from trainer.data.mixture import Mixture, Opening
from trainer.data.order import BLOCK, Itinerary, Order, Shares
from trainer.data.stream import Stream
from trainer.tokens import Batch, Rows

SHARDS, PER_SHARD, LENGTH = 7, 4, 12
VARIED = AugmentConfig(mask_sequence_share=0.5)


class Numbered:
    """A source of sequences whose rows say their number."""

    url, label, length, vocabulary, actions, observation_tokens = "numbered", "oracle", LENGTH, 64, 3, 1
    shards, sequences_per_shard = SHARDS, PER_SHARD

    def __init__(self, damaged: int | None = None) -> None:
        self.damaged = damaged

    def resolve(self, numbers: np.ndarray, say, stop) -> np.ndarray:
        return numbers

    def gather(self, numbers: np.ndarray, whole_shards: bool) -> Rows:
        if self.damaged in numbers:
            raise DataError(f"sequence {self.damaged} is damaged")
        observation = np.repeat(numbers[:, None], LENGTH, axis=1).astype(np.uint8)
        action = np.zeros_like(observation)
        tag = np.full_like(observation, 6)
        oracle = np.ones((len(numbers), 4, 64), dtype=np.uint8)
        return Rows(observation, action, observation.astype(np.float32), tag, oracle)


def stream(rank: int = 0, ranks: int = 1, seed: int = 3, damaged: int | None = None) -> Stream:
    mixture = Mixture.of(Numbered(damaged), DataConfig(window_shards=2))
    return Stream(mixture, VARIED, seed, 5, rank, ranks)


def numbers(batch: Batch) -> list[int]:
    return batch.tokens.observation[:, 0].tolist()


def tensors(batch: Batch) -> tuple[torch.Tensor, ...]:
    return (*batch.tokens, batch.action, *batch.targets)


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
        for whole_part, *own in zip(tensors(whole), *(tensors(part) for part in parts), strict=True):
            assert torch.equal(torch.cat(own), whole_part)


def test_prefetched_batches_are_those_of_their_positions_wherever_one_begins() -> None:
    ahead = [numbers(batch) for batch in stream().batches(0, 40) if batch is not None]
    assert ahead == [numbers(stream().at(position)) for position in range(0, 40, 5)]
    assert [numbers(batch) for batch in stream().batches(15, 40) if batch is not None] == ahead[3:]


def test_another_seed_is_another_order() -> None:
    assert [numbers(stream(seed=4).at(p)) for p in (0, 5)] != [numbers(stream(seed=3).at(p)) for p in (0, 5)]


def test_a_damaged_sequence_is_told_where_its_batch_is_due() -> None:
    first_hit = next(p for p in range(0, 28, 5) if 20 in numbers(stream().at(p)))
    seen = 0
    with pytest.raises(DataError, match="sequence 20 is damaged"):
        for _ in stream(damaged=20).batches(0, 60):
            seen += 5
    assert seen == first_hit


@pytest.mark.parametrize("weights", [(3, 1), (1, 1, 1), (0.001, 1000)])
def test_datasets_are_mixed_by_weight_and_each_is_gone_through_in_its_own_order(weights: tuple[float, ...]) -> None:
    shares = Shares(weights, seed=1)
    samples = np.arange(3 * BLOCK)
    which, local = shares.split(samples)
    for dataset, weight in enumerate(weights):
        mine = local[which == dataset]
        assert mine.tolist() == list(range(len(mine))), "none is left out or repeated"
        wanted = max(1, weight / sum(weights) * BLOCK)
        assert abs(np.sum(which[:BLOCK] == dataset) - wanted) <= 1
        assert shares.before(1234)[dataset] == np.sum(which[:1234] == dataset)
    assert (np.sort(samples[::-1]) == samples).all()
    again, _ = Shares(weights, seed=1).split(samples[::-1].copy())
    assert (again[::-1] == which).all(), "whatever is asked first"


def test_shards_that_a_dataset_gained_count_from_the_sample_at_which_they_were_taken_in() -> None:
    before = Itinerary(3, [1.0], [PER_SHARD], 2, [(0, (4,))])
    after = Itinerary(3, [1.0], [PER_SHARD], 2, [(0, (4,)), (10, (SHARDS,))])
    early, late = np.arange(10), np.arange(10, 10 + SHARDS * PER_SHARD)
    for ours, theirs in zip(before.samples(early), after.samples(early), strict=True):
        assert (ours == theirs).all()
    _, epochs, sequences = after.samples(late)
    assert sorted(sequences) == list(range(SHARDS * PER_SHARD)) and len(set(epochs)) == 1 and epochs[0] > 1000


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two datasets of the recipe dpd, small, of 16 and 8 symbols."""
    made = []
    for name, changes in {"wide": {}, "narrow": {"vocabulary": 8, "seed": 5}}.items():
        out = tmp_path_factory.mktemp("mixed") / name
        sets = {"sequences": 24, "sequences_per_shard": 4, "length": 40, "families.0.parameters.n_states": 8, **changes}
        options = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
        assert datagen(["run", "--recipe", "dpd", "--out", str(out), "--executor", "inline", *options]) == 0
        made.append(str(out))
    return made[0], made[1]


def test_a_batch_of_several_datasets_has_the_sequences_of_each(datasets: tuple[str, str]) -> None:
    config = DataConfig(weights=(1, 3))
    mixture = Mixture(Opening(datasets), config)
    assert mixture.vocabulary == 16 and mixture.weights == (0.25, 0.75)
    mixed = Stream(mixture, AugmentConfig(mask_sequence_share=0, mask_episode_share=0), 3, 20)
    batch, plan = mixed.at(0), mixed.plan(np.arange(20))
    assert set(plan.dataset) == {0, 1}
    for row, (dataset, sequence) in enumerate(zip(plan.dataset, plan.sequence, strict=True)):
        stored = open_dataset(datasets[dataset])[int(sequence)]
        assert (batch.tokens.observation[row].numpy() == stored["observation"]).all()
        assert batch.tokens.previous_observation[row, 0] == 16, "NONE is the model's, not the dataset's"


def test_loader_workers_make_the_same_batches(datasets: tuple[str, str]) -> None:
    def made(workers: int) -> list[Batch | None]:
        mixture = Mixture(Opening(datasets), DataConfig(workers=workers))
        return list(Stream(mixture, VARIED, 3, 8).batches(16, 80))

    for ours, theirs in zip(made(0), made(1), strict=True):
        assert ours is not None and theirs is not None
        assert all(torch.equal(a, b) for a, b in zip(tensors(ours), tensors(theirs), strict=True))


def test_datasets_that_fit_no_one_model_are_refused(datasets: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match=r"must have the same length, got .* leave some out"):
        Mixture(Opening((datasets[0], "recipe:tiny")), DataConfig())
    with pytest.raises(UsageError, match="a number for each dataset, got 3 for 2"):
        Mixture(Opening(datasets), DataConfig(weights=(1, 2, 3)))


@pytest.mark.slow
def test_a_worker_that_dies_is_told(datasets: tuple[str, str], tmp_path: Path) -> None:
    import os
    import signal

    mixture = Mixture(Opening(datasets), DataConfig(workers=1))
    batches = Stream(mixture, VARIED, 3, 8).batches(0, 8000)
    next(batches)
    children = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _parent(entry) == os.getpid() and b"spawn_main" in (entry / "cmdline").read_bytes()
    ]
    for child in children:
        os.kill(child, signal.SIGKILL)
    with pytest.raises(DataError, match="a loader worker died"):
        for _ in batches:
            pass


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
