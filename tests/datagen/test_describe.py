"""``describe``: its facts against plain counts of the data; its pictures; refusals."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from common.dataset import open_dataset
from common.dataset.dataset import Rows
from common.dataset.schema import Tag
from datagen.__main__ import main
from datagen.describe_sample import Sample, parts
from tests.conftest import SMALL
from tests.dataset import made_up
from tests.dataset.test_round_trip import write


@pytest.fixture(scope="module")
def facts(tiny_dataset):
    from datagen.describe import describe

    return describe(tiny_dataset)


def test_sums_are_those_of_the_data(tiny_dataset, facts):
    dataset = open_dataset(tiny_dataset)
    rows = dataset.read(0, 96)
    counts = np.bincount(rows.tag.ravel(), minlength=10)
    assert [fact["count"] for fact in facts["tags"].values()] == counts.tolist()
    live = rows.action != dataset.actions
    np.testing.assert_allclose(facts["rewards"]["mean"], rows.reward[live].mean(dtype=np.float64), rtol=1e-6)
    assert facts["rewards"]["largest"] == np.abs(rows.reward).max()
    assert facts["episodes"]["ended"] == (~live).sum()
    assert facts["size"]["steps"] == 96 * 64 and facts["size"]["shards"] == 12 and facts["exact"]
    assert sum(fact["count"] for fact in facts["families"].values()) == 96 == facts["sampled"]["worlds"]
    assert abs(sum(fact["share_of_rows"] for fact in facts["behaviours"].values()) - 1) < 1e-12
    assert 0 < facts["rejections"]["rate"] < 1 and all(facts["rejections"]["dropped"].values())
    objects = (path for path in Path(tiny_dataset).glob("*/c/**/*") if path.is_file())
    stored = sum(path.stat().st_size for path in objects)
    assert facts["size"]["stored_bytes"] == stored


def test_a_worked_example():
    """Two states, two actions; an episode of two steps that ends at the goal, one that is cut, one left open."""

    class Data:
        actions, length, discounts = 2, 8, (0.0, 0.994)

    oracle = np.zeros((1, 2, 4), np.uint8)
    oracle[0, 1, :2] = [0b01, 0b11]
    rows = Rows(
        observation=np.array([[0, 1, 2, 0, 0, 0, 1, 1]], np.uint8),
        action=np.array([[0, 1, 2, 1, 1, 2, 0, 1]], np.uint8),
        reward=np.array([[1, 2, 0, 0, 0, 0, 5, 5]], np.float32),
        tag=np.array([[3, 6, 8, 6, 6, 9, 3, 6]], np.uint8),
        oracle=oracle,
    )
    stretches = [{"start": 0, "kind": "a"}, {"start": 3, "kind": "b"}]
    fact = {"n_s": 3, "oracle_value": 3.0, "random_value": 0.0, "behaviours": stretches}
    sample = Sample(Data)
    sample.add(rows, pa.Table.from_pylist([fact]))
    assert np.concatenate(sample.lengths).tolist() == [2, 2]
    assert sample.kind_rows == {"a": 3, "b": 5} and dict(sample.scores) == {"a": [1.0], "b": [0.0]}
    assert sample.ties[1:3].tolist() == [3, 3] and sample.ties.sum() == 6  # 3 rows with one optimal action, 3 with two
    np.testing.assert_allclose(sample.targets, [4.5, 1.5])
    assert sample.right[Tag.ORACLE_0994] == 2 and sample.labelled[Tag.RANDOM] == 4 and sample.right[Tag.RANDOM] == 2
    seen = dict(zip(sample.steps.tolist(), sample.coverage[0].tolist(), strict=True))
    assert [round(3 * seen[n]) for n in (1, 2, 3, 8)] == [1, 2, 3, 3]


def test_parts_are_spread_and_bounded(tiny_dataset):
    dataset = open_dataset(tiny_dataset)
    assert sum(count for _, count in parts(dataset, list(range(12)), 10**9)) == 96
    few = parts(dataset, list(range(12)), 64 * 10)
    assert sum(count for _, count in few) == 10 and len({first // 8 for first, _ in few}) == 10
    assert parts(dataset, [5], 1) == [(40, 8)]


def test_the_command_prints_a_table_json_and_a_sheet(tiny_dataset, tmp_path, capsys):
    assert main(["describe", tiny_dataset, "--png", str(tmp_path / "sheet.png"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["dataset"]["name"] == "tiny" and printed["coverage"]["mean"][-1] > printed["coverage"]["mean"][0]
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.size == (2400, 1800)
    assert main(["describe", tiny_dataset]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("96 sequences of 64 rows", "q-learning", "gridworld", "terminated", "entropy"))


def test_a_virtual_dataset_has_the_same_distributions(tiny_dataset, capsys):
    command = ["describe", "recipe:tiny", *(f"--set={override}" for override in SMALL), "--json"]
    assert main(command) == 0
    ours = json.loads(capsys.readouterr().out)
    assert main(["describe", tiny_dataset, "--json"]) == 0
    theirs = json.loads(capsys.readouterr().out)
    for part in ("tags", "families", "worlds", "labels", "coverage", "rejections"):
        assert ours[part] == theirs[part], part
    assert not ours["exact"] and "stored_bytes" not in ours["size"]


@pytest.mark.parametrize("data", ["stored", "virtual"])
def test_one_sequence(tiny_dataset, tmp_path, capsys, data):
    where = [tiny_dataset] if data == "stored" else ["recipe:tiny", *(f"--set={override}" for override in SMALL)]
    assert main(["describe", *where, "--sequence", "9", "--png", str(tmp_path / "s.png"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    stored = open_dataset(tiny_dataset)[9]
    ends = np.flatnonzero(stored["action"] == 5)
    expected = [part.sum(dtype=np.float64) for part in np.split(stored["reward"], ends + 1)[: len(ends)]]
    np.testing.assert_allclose(facts["episode_returns"], expected, atol=1e-5)
    assert facts["world_rebuilt"] == "yes" and facts["episodes_ended"] == len(ends)
    with Image.open(tmp_path / "s.png") as picture:
        assert min(picture.size) > 1000


def test_a_dataset_being_written_and_refusals(tmp_path, tiny_dataset, capsys):
    write(tmp_path / "d", made_up.header(), shards=[])
    assert main(["describe", str(tmp_path / "d")]) == 1 and "no committed shard yet" in capsys.readouterr().err
    write(tmp_path / "d", made_up.header(), shards=[1])
    assert main(["describe", str(tmp_path / "d"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["size"]["committed"] == 1
    for arguments, code, message in (
        (["--sequence", "96"], 2, "has sequences 0..95, asked for 96"),
        (["--png", "x.jpg"], 2, "ending in .png, got 'x.jpg'"),
        (["--png", "/nowhere/x.png"], 2, "make the folder first"),
        (["--set", "length=3"], 2, "need recipe:NAME"),
    ):
        assert main(["describe", tiny_dataset, *arguments]) == code
        assert message in capsys.readouterr().err
