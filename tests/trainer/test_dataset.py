"""The torch Dataset for other people's trainers: items, targets, workers."""

import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from common.dataset import open_dataset
from common.errors import UsageError
from tests.conftest import SMALL
from trainer.dataset import SequenceDataset


def slow_target(dataset, number, place):
    """Return the right actions of one sequence, the plain way."""
    stored, recorded = dataset[number], []
    for t in range(dataset.length):
        state = stored["state"][t] if "state" in stored else stored["observation"][t]
        mask = int(stored["oracle"][place, state])
        live = stored["action"][t] != dataset.actions
        recorded.append([bool(live and mask >> a & 1) for a in range(dataset.actions)])
    return torch.tensor(recorded)


def test_an_item_is_a_sequence(tiny_dataset):
    items, dataset = SequenceDataset(tiny_dataset), open_dataset(tiny_dataset)
    assert len(items) == 96
    for number in (0, 50, -1):
        item, stored = items[number], dataset[number]
        assert {name: (value.dtype, tuple(value.shape)) for name, value in item.items()} == {
            "observation": (torch.int64, (64,)),
            "action": (torch.int64, (64,)),
            "reward": (torch.float32, (64,)),
            "tag": (torch.int64, (64,)),
            "target": (torch.bool, (64, 5)),
            "sequence": (torch.int64, ()),
        }
        assert item["sequence"] == number % 96
        for name in ("observation", "action", "reward", "tag"):
            np.testing.assert_array_equal(item[name].numpy(), stored[name])
        assert torch.equal(item["target"], slow_target(dataset, number, 3))
    assert torch.equal(SequenceDataset(tiny_dataset, discount=0.5)[1]["target"], slow_target(dataset, 1, 1))
    with pytest.raises(IndexError):
        items[96]


@pytest.mark.parametrize("data", ["stored", pytest.param("virtual", marks=pytest.mark.slow)])
def test_spawned_workers_see_the_same(tiny_dataset, data):
    items = SequenceDataset(tiny_dataset) if data == "stored" else SequenceDataset("recipe:tiny", overrides=SMALL)
    expected = items[0]  # this process has read: its threads must not be needed in the workers
    loader = DataLoader(items, batch_size=40, num_workers=1, multiprocessing_context="spawn")
    batches = list(loader)
    assert [len(batch["sequence"]) for batch in batches] == [40, 40, 16]
    assert torch.equal(torch.cat([batch["sequence"] for batch in batches]), torch.arange(96))
    assert all(torch.equal(batches[0][name][0], value) for name, value in expected.items())


def test_labels_that_are_actions_and_hidden_states():
    recorded = SequenceDataset("recipe:ad", overrides=("sequences=2", "sequences_per_shard=2", "length=300"))
    item = pickle.loads(pickle.dumps(recorded))[1]
    live = item["action"] < 5
    assert torch.equal(item["target"].sum(1).bool(), live) and (~live).any()
    assert torch.equal(item["target"].float().argmax(1)[live], item["action"][live])
    hidden = ("families=[{family='pomdp'}]", "sequences=4", "sequences_per_shard=2", "length=64", "vocabulary=128")
    hiding = SequenceDataset("recipe:tiny", overrides=hidden)
    assert torch.equal(hiding[2]["target"], slow_target(hiding.data, 2, 3)) and hiding[2]["target"].any()


def test_refusals(tiny_dataset):
    with pytest.raises(UsageError, match=r"discount is one of .*0\.994; got 0\.9"):
        SequenceDataset(tiny_dataset, discount=0.9)
