"""``recipe:NAME`` reads as the stored dataset does: the same verbs, sequences, order, bytes and catalog."""

import pickle
from itertools import pairwise

import numpy as np
import pytest

from common.dataset import open_dataset, open_stored
from common.errors import UsageError
from tests.conftest import CHECKOUT, SMALL


@pytest.fixture(scope="module")
def virtual():
    return open_dataset("recipe:tiny", SMALL)


def test_it_has_the_stored_ones_bytes_catalog_and_digest(tiny_dataset, tiny_digest, virtual):
    stored = open_dataset(tiny_dataset)
    assert (len(virtual), virtual.n_shards, virtual.identity) == (len(stored), stored.n_shards, stored.identity)
    ours, theirs = virtual.read(0, len(virtual)).arrays(), stored.read(0, len(stored)).arrays()
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        assert array.dtype == theirs[name].dtype and array.tobytes() == theirs[name].tobytes(), name
    for shard in (0, virtual.n_shards - 1):
        assert virtual.catalog(shard).equals(stored.catalog(shard).replace_schema_metadata(None))
    assert virtual.digest() == tiny_digest


def test_the_verbs_are_the_same(tiny_dataset, virtual):
    for dataset in (open_dataset(tiny_dataset), virtual):
        assert dataset.committed() == set(range(12)) and dataset.complete and not dataset.holes
        assert dataset.windows(5) == [range(5), range(5, 10), range(10, 12)]
        np.testing.assert_array_equal(dataset.numbers(), np.arange(96))
        assert dataset.wait_for([3, 11], timeout=0.0) == {3, 11}
        assert dataset.refresh() <= dataset.committed()
        assert dataset.read(0, 0).action.shape == (0, 64) == dataset.gather([]).action.shape
        wanted = [95, 0, 7, 8, 7]
        picked = dataset.gather(wanted)
        for place, number in enumerate(wanted):
            assert all(np.array_equal(array[place], dataset[number][name]) for name, array in picked.arrays().items())
        assert dataset[-1].keys() == {"observation", "action", "reward", "tag", "oracle"}
        for first, count in ((-1, 1), (90, 7), (0, -1)):
            with pytest.raises(IndexError, match=r"0\.\.95"):
                dataset.read(first, count)
        with pytest.raises(IndexError):
            dataset[96]
        assert sum(1 for _ in dataset) == 96
        again = pickle.loads(pickle.dumps(dataset))
        assert np.array_equal(again[50]["reward"], dataset[50]["reward"]) and again.url == dataset.url
        assert dataset.recipe.name == "tiny" and "96 sequences of 64 rows" in repr(dataset)


def test_a_recipe_file_and_settings(tmp_path, virtual):
    shipped = CHECKOUT / "common/synthesis/recipes/tiny.toml"
    (tmp_path / "mine.toml").write_text(shipped.read_text().replace("seed = 0 ", "seed = 5 "))
    mine = open_dataset(f"recipe:{tmp_path / 'mine.toml'}", [*SMALL, "length=32"])
    assert mine.recipe.seed == 5 and mine.length == 32
    assert not np.array_equal(mine[0]["reward"], virtual[0]["reward"][:32])


def test_sequences_do_not_depend_on_how_many_are_asked_for(virtual):
    parts = [virtual.read(first, last - first) for first, last in pairwise((0, 1, 9, 20))]
    whole = virtual.read(0, 20)
    assert np.array_equal(np.concatenate([part.reward for part in parts]), whole.reward)


def test_what_cannot_be_is_refused(tiny_dataset):
    with pytest.raises(UsageError, match=r"unknown recipe 'tinny'.*tiny"):
        open_dataset("recipe:tinny")
    with pytest.raises(UsageError, match="need recipe:NAME"):
        open_dataset(tiny_dataset, ["length=3"])
    with pytest.raises(UsageError, match=r"needs a stored dataset.*datagen run --recipe tiny"):
        open_stored("recipe:tiny")
