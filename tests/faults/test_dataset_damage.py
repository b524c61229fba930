"""Damage to what is stored is named by whoever meets it, and the command that made the dataset repairs it."""

import re
import shutil
from pathlib import Path

import pytest

from common.dataset import catalog, open_dataset
from common.errors import DataError
from datagen.__main__ import main
from datagen.verify import verify
from tests.conftest import SMALL
from tests.faults.test_dataset_kill import files

OBJECT = "reward/c/7/0"


@pytest.fixture
def copy(tmp_path, tiny_dataset):
    return Path(shutil.copytree(tiny_dataset, tmp_path / "d"))


def run_again(folder: Path, *options: str) -> int:
    sets = [word for override in SMALL for word in ("--set", override)]
    return main(["run", "--recipe", "tiny", "--out", str(folder), "--executor", "inline", *options, *sets])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 16
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


DAMAGE = {
    "an object truncated": (OBJECT, truncate, r"object reward/c/7/0 has \d+ bytes, committed were \d+"),
    "an object's byte flipped": (OBJECT, flip, r"object reward/c/7/0 .*(other bytes|cannot be read)"),
    "an object missing": (OBJECT, Path.unlink, r"object reward/c/7/0 is missing"),
    "a catalog file missing": (catalog.name(7), Path.unlink, r"shard 7.*not committed"),
    "a catalog file half written": (catalog.name(7), truncate, r"catalog file catalog/shard-000007.parquet is damaged"),
    "a catalog file's byte flipped": (catalog.name(7), flip, r"catalog file catalog/shard-000007.parquet is damaged"),
    "a catalog file empty": (catalog.name(7), lambda p: p.write_bytes(b""), r"shard-000007.parquet is damaged"),
    "an array's metadata missing": ("tag/zarr.json", Path.unlink, r"array tag"),
    "an array's metadata damaged": ("tag/zarr.json", truncate, r"array tag"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_named_and_repaired_by_the_same_command(copy, what, capsys):
    whole = files(copy)
    name, damage, words = DAMAGE[what]
    damage(copy / name)
    damaged = files(copy)
    with pytest.raises(DataError, match=words):  # a reader never gets other data
        open_dataset(str(copy)).read(56, 8)
        open_dataset(str(copy)).catalog(7)  # of a catalog file, reading rows needs the sums alone
    faults = verify(str(copy)).faults
    assert faults and all(re.search(words, fault) for fault in faults)
    assert files(copy) == damaged  # looking changes nothing
    assert run_again(copy) == 0
    assert files(copy) == whole
    if "catalog file missing" not in what and "metadata missing" not in what:
        assert re.search(f"damaged.*{words}", capsys.readouterr().out)


def test_trust_looks_at_sizes_only(copy, capsys):
    whole = files(copy)
    flip(copy / OBJECT)
    assert run_again(copy, "--trust") == 0 and files(copy) != whole
    (copy / "tag/c/2/0").write_bytes(b"short")
    assert run_again(copy, "--trust") == 0
    assert "damaged, made again: shard 2: object tag/c/2/0 has 5 bytes" in capsys.readouterr().out
    assert not verify(str(copy)).ok
    assert run_again(copy) == 0 and files(copy) == whole


def test_much_damage_at_once(copy):
    whole = files(copy)
    for shard, name in enumerate(["observation", "action", "reward", "tag", "oracle"]):
        flip(copy / open_dataset(str(copy)).header.arrays()[name].key(shard))
    for shard in (6, 7, 8):
        (copy / catalog.name(shard)).unlink()
    (copy / catalog.name(9)).write_bytes(b"PAR1")
    truncate(copy / "action/c/10/0")
    report = verify(str(copy))
    assert len(report.faults) == 8 and report.shards == 2
    assert any("shards 6..8 are not committed" in fault for fault in report.faults)
    assert run_again(copy) == 0
    assert files(copy) == whole
