"""Stored data and the same data generated on the fly; missing and damaged shards are named."""

from pathlib import Path

import numpy as np
import pytest

from common.errors import DataError, UsageError
from datagen.__main__ import main as datagen
from trainer.data.config import DataConfig
from trainer.data.source import open_source
from trainer.main import main


@pytest.fixture
def dataset(data_recipe: Path, tmp_path: Path) -> Path:
    assert datagen(["run", "--recipe", str(data_recipe), "--out", str(tmp_path / "data"), "--executor", "inline"]) == 0
    return tmp_path / "data"


def test_stored_and_generated_sequences_are_the_same(dataset: Path, data_recipe: Path) -> None:
    stored, virtual = (
        open_source(str(dataset), config=DataConfig(window_shards=2)),
        open_source(f"recipe:{data_recipe}"),
    )
    for name in ("identity", "vocabulary", "actions", "label", "length", "shards", "sequences_per_shard"):
        assert getattr(stored, name) == getattr(virtual, name), name
    numbers = np.array([63, 0, 17, 5, 40, 5, 33])
    for ours, theirs in zip(stored.gather(numbers), virtual.gather(numbers), strict=True):
        assert np.array_equal(ours, theirs)


def test_few_shards_stay_in_memory_where_little_is_allowed(dataset: Path) -> None:
    source = open_source(str(dataset), config=DataConfig(window_shards=2, cache_megabytes=1))
    size = sum(array.nbytes for array in source.gather(np.arange(8)) if array is not None)
    assert size * 8 < 1 << 20, "all shards fit, so all are kept"
    source.gather(np.arange(64))
    assert len(source._kept) == 8
    source = open_source(str(dataset), config=DataConfig.model_construct(window_shards=2, cache_megabytes=0))
    for first in range(0, 64, 8):
        source.gather(np.arange(first, first + 8))
    assert len(source._kept) == 3


def test_a_missing_shard_is_named(dataset: Path, train_recipe: Path, tmp_path: Path, capsys) -> None:
    next((dataset / "catalog").glob("*000003*")).unlink()
    with pytest.raises(DataError, match="1 of 8 shards not committed: 3;"):
        open_source(str(dataset)).check()
    run = tmp_path / "run"
    assert main(["--recipe", str(train_recipe), "--data", str(dataset), "--run", str(run)]) == 1
    assert "not committed: 3" in capsys.readouterr().err and not run.exists()


def test_a_damaged_shard_is_named_before_anything_is_touched(
    dataset: Path, train_recipe: Path, tmp_path: Path, capsys
) -> None:
    path = sorted(path for path in (dataset / "action").rglob("*") if path.is_file() and path.name != "zarr.json")[5]
    path.write_bytes(path.read_bytes()[:-7])
    run = tmp_path / "run"
    assert main(["--recipe", str(train_recipe), "--data", str(dataset), "--run", str(run)]) == 1
    assert "shard 5" in capsys.readouterr().err and not run.exists()


def test_settings_of_a_data_recipe_are_refused_for_stored_data(dataset: Path) -> None:
    with pytest.raises(UsageError, match="needs --data recipe:NAME"):
        open_source(str(dataset), ["seed=3"])


def test_training_on_stored_data_equals_training_on_generated_ones(
    dataset: Path, data_recipe: Path, train_recipe: Path, tmp_path: Path
) -> None:
    losses = []
    for number, data in enumerate((str(dataset), f"recipe:{data_recipe}")):
        run = tmp_path / f"run{number}"
        assert main(["--recipe", str(train_recipe), "--data", data, "--run", str(run), "--set", "steps=14"]) == 0
        text = (run / "metrics.jsonl").read_text()
        losses.append([line.split('"loss": ')[1].split(",")[0] for line in text.splitlines() if '"train"' in line])
    assert losses[0] == losses[1] and len(losses[0]) == 14
