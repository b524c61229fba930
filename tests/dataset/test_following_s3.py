"""In a bucket as in a folder: following, holes, extend, describe, pickling."""

import json
import pickle
import threading

import numpy as np
import pytest

from common.dataset import open_dataset
from common.dataset.dataset import HoleError
from common.dataset.status import Hole, write_holes
from common.dataset.writer import create_dataset
from datagen.__main__ import main
from tests.dataset import made_up

SETS = ("--set", "sequences_per_shard=8", "--set", "length=64")


def write(url, head, shards):
    writer = create_dataset(url, head)
    for shard in shards:
        writer.write_shard(shard, made_up.shard_arrays(head, shard), made_up.shard_rows(head, shard))
    writer.close()
    return writer


def test_following_and_holes(s3_url):
    head, said = made_up.header(), []
    writer = write(s3_url, head, [0])
    dataset = open_dataset(s3_url)
    assert dataset.refresh() == {0}
    later = threading.Timer(0.5, write, (s3_url, head, [2]))
    later.start()
    assert dataset.wait_for([0, 2], timeout=60, say=said.append, poll=0.1) == {0, 2}
    later.join()
    assert said[0].startswith(f"waiting for shard 2 of {s3_url}")
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again.gather([9, 1]).reward[0], made_up.shard_arrays(head, 2)["reward"][1])
    write_holes(writer.store, {1: Hole(attempts=5, cause="full", time=0.0)})
    with pytest.raises(HoleError, match="shard 1 of s3://"):
        dataset.read(0, 12)
    assert len(dataset.numbers(skip_holes=True)) == 8


def test_extend_describe_and_export(s3_url, tmp_path, capsys):
    made = ["run", "--recipe", "tiny", "--out", s3_url, "--executor", "inline", "--set", "sequences=16", *SETS]
    assert main(made) == 0
    assert main(["extend", s3_url, "--sequences", "24", "--executor", "inline"]) == 0
    virtual = open_dataset("recipe:tiny", ["sequences=24", "sequences_per_shard=8", "length=64"])
    assert open_dataset(s3_url).digest() == virtual.digest()
    assert np.array_equal(open_dataset(s3_url).read(0, 24).action, virtual.read(0, 24).action)
    capsys.readouterr()
    assert main(["describe", s3_url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["size"]["sequences"] == 24
    assert main(["export", s3_url, "--to", "npy", "--out", str(tmp_path / "npy"), "--count", "2"]) == 0
    assert main(["import", str(tmp_path / "npy"), "--out", f"{s3_url}-back"]) == 0
    assert np.array_equal(open_dataset(f"{s3_url}-back").read(0, 2).reward, virtual.read(0, 2).reward)
