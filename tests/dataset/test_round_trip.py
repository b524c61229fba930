"""What is written is what is read: through our reader, through plain Zarr and through plain pyarrow."""

import json
import pickle

import numpy as np
import pyarrow.dataset
import pytest
import zarr

from common.dataset import open_dataset
from common.dataset.schema import array_types
from common.dataset.writer import create_dataset
from tests.dataset import made_up


def write(folder, head, shards=None, seed=0):
    writer = create_dataset(str(folder), head)
    for shard in range(head.shards) if shards is None else shards:
        writer.write_shard(shard, made_up.shard_arrays(head, shard, seed), made_up.shard_rows(head, shard))
    writer.close()
    return writer


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"vocabulary": 300, "actions": 33},
        {"length": 20_000, "sequences": 4, "sequences_per_shard": 2},
        {"length": 700, "sequences": 400, "sequences_per_shard": 200},
    ],
    ids=["small", "wide", "padded", "several-chunks"],
)
def test_round_trip(tmp_path, changes):
    head = made_up.header(**changes)
    write(tmp_path / "d", head)
    dataset = open_dataset(str(tmp_path / "d"))
    assert dataset.committed() == set(range(head.shards)) and len(dataset) == head.sequences
    expected = [made_up.shard_arrays(head, shard) for shard in range(head.shards)]
    everything = dataset.read(0, head.sequences).arrays()
    group = zarr.open(str(tmp_path / "d"), mode="r")
    for name, dtype in array_types(head.vocabulary, head.actions).items():
        whole = np.concatenate([arrays[name] for arrays in expected])
        assert everything[name].dtype == dtype
        np.testing.assert_array_equal(everything[name], whole)
        np.testing.assert_array_equal(group[name][...], whole)
        assert dict(group.arrays())[name].shape == whole.shape
    # across a shard's border, and one alone
    border = head.sequences_per_shard
    np.testing.assert_array_equal(
        dataset.read(border - 1, 2).reward, np.stack([expected[0]["reward"][-1], expected[1]["reward"][0]])
    )
    np.testing.assert_array_equal(dataset[-1]["oracle"], expected[-1]["oracle"][-1])


def test_catalog_opens_with_pyarrow_and_says_what_was_written(tmp_path):
    head = made_up.header()
    write(tmp_path / "d", head)
    table = pyarrow.dataset.dataset(tmp_path / "d" / "catalog").to_table().sort_by("sequence")
    rows = [row for shard in range(head.shards) for row in made_up.shard_rows(head, shard)]
    for stored, row in zip(table.to_pylist(), rows, strict=True):
        row["behaviours"] = [{"start": start, "kind": kind} for start, kind in row["behaviours"]]
        row["rejections"] = list(row["rejections"].items())
        assert set(stored.pop("digest")) == set(array_types(6, 3))
        assert stored == row
    footer = open_dataset(str(tmp_path / "d")).footer(1)
    assert (footer.first, footer.sequences, footer.steps, footer.episodes, footer.reward_sum) == (4, 4, 80, 8, 2.0)
    assert footer.behaviours == {"oracle": 4, "random": 4} and footer.families == {"bandit": 2, "garnet": 2}
    assert footer.tags == tuple(np.bincount(made_up.shard_arrays(head, 1)["tag"].ravel(), minlength=10))


def test_attributes_describe_the_dataset(tmp_path):
    write(tmp_path / "d", made_up.header())
    attributes = dict(zarr.open(str(tmp_path / "d"), mode="r").attrs)
    assert attributes["format_version"] == 1 and attributes["recipe"]["name"] == "made-up"
    assert attributes["tags"]["terminated"] == 8 and attributes["discounts"] == [0.0, 0.5, 0.93, 0.994]
    assert attributes["vocabulary"] == 6 and attributes["actions"] == 3 and attributes["label"] == "oracle"


def test_a_shard_of_zeros_is_an_object(tmp_path):
    head = made_up.header()
    writer = create_dataset(str(tmp_path / "d"), head)
    zeros = {name: np.zeros_like(array) for name, array in made_up.shard_arrays(head, 0).items()}
    writer.write_shard(0, zeros, made_up.shard_rows(head, 0))
    assert (tmp_path / "d/observation/c/0/0").stat().st_size > 0
    assert (tmp_path / "d/oracle/c/0/0/0").stat().st_size > 0


def test_digest_is_indifferent_to_shards_and_order_but_not_to_data(tmp_path):
    head = made_up.header()
    write(tmp_path / "a", head)
    write(tmp_path / "b", head, shards=[2, 0, 1])
    one = made_up.header(sequences_per_shard=12)
    writer = create_dataset(str(tmp_path / "c"), one)
    parts = [made_up.shard_arrays(head, shard) for shard in range(3)]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    writer.write_shard(0, whole, made_up.shard_rows(one, 0))
    write(tmp_path / "d", head, seed=1)
    digests = [open_dataset(str(tmp_path / name)).digest() for name in "abcd"]
    assert digests[0] == digests[1] == digests[2] != digests[3]


def test_reading_leaves_the_process_settings_alone(tmp_path):
    write(tmp_path / "d", made_up.header())
    before = zarr.config.get("codec_pipeline.path")
    dataset = open_dataset(str(tmp_path / "d"))
    dataset.read(0, 12)
    assert zarr.config.get("codec_pipeline.path") == before
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again[5]["reward"], dataset[5]["reward"])
    assert json.loads((tmp_path / "d/zarr.json").read_text())["node_type"] == "group"


def test_sequences_that_do_not_exist(tmp_path):
    write(tmp_path / "d", made_up.header())
    dataset = open_dataset(str(tmp_path / "d"))
    for first, count in ((0, 13), (12, 1), (-1, 1)):
        with pytest.raises(IndexError, match=r"0\.\.11"):
            dataset.read(first, count)
