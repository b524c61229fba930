"""The same losses however a global batch is split: over ranks, segments, loader workers, copies; real torchrun."""

from pathlib import Path

import numpy as np
import pytest

from tests.trainer.runs import finish, losses, start
from trainer.main import main

FIVE = ("steps=5", "optimiser.name=adamw", "data.prefetch=1", "model.window=64")
WHOLE = ("segment=48", *FIVE)


def trained(run: Path, data: Path, train: Path, ranks: int, *sets: str) -> list[float]:
    """Return the losses of five steps."""
    out = finish(start(run, f"recipe:{data}", train, ranks, sets))
    assert "finished: 5 steps" in out, out
    return losses(run)


def alone(run: Path, data: Path, train: Path, *sets: str) -> list[float]:
    """Return the same of this process."""
    options = [word for one in sets for word in ("--set", one)]
    assert main(["--recipe", str(train), "--data", f"recipe:{data}", "--run", str(run), *options]) == 0
    return losses(run)


@pytest.fixture
def one(data_recipe: Path, train_recipe: Path, tmp_path: Path) -> list[float]:
    found = alone(tmp_path / "one", data_recipe, train_recipe, *WHOLE)
    assert len(found) == 5 and found[-1] < found[0]
    return found


@pytest.mark.slow
def test_two_ranks_with_loader_workers(one: list[float], data_recipe: Path, train_recipe: Path, tmp_path: Path) -> None:
    two = trained(tmp_path / "two", data_recipe, train_recipe, 2, *WHOLE, "data.workers=1")
    np.testing.assert_allclose(two, one, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("sets", [(), ("parallel.shard_over=2",), ("parallel.units=block",)])
def test_four_ranks(one: list[float], data_recipe: Path, train_recipe: Path, tmp_path: Path, sets) -> None:
    four = trained(tmp_path / "four", data_recipe, train_recipe, 4, *WHOLE, *sets)
    np.testing.assert_allclose(four, one, rtol=1e-5)


@pytest.mark.parametrize("segment", [16, *(pytest.param(s, marks=pytest.mark.slow) for s in (7, 47))])
def test_segments_give_the_same_loss_up_to_where_gradients_stop(
    one: list[float], data_recipe: Path, train_recipe: Path, tmp_path: Path, segment: int
) -> None:
    """The first loss is that of equal weights; then segments' gradients are truncated, whatever the ranks."""
    cut = alone(tmp_path / "cut", data_recipe, train_recipe, *FIVE, f"segment={segment}")
    np.testing.assert_allclose(cut[0], one[0], rtol=1e-6)
    assert not np.allclose(cut[1:], one[1:], rtol=1e-7)
    np.testing.assert_allclose(cut, one, rtol=0.02)


@pytest.mark.slow
def test_segments_on_two_ranks_are_those_of_one(data_recipe: Path, train_recipe: Path, tmp_path: Path) -> None:
    sets = (*FIVE, "segment=10", "segments_per_update=2")
    ours = alone(tmp_path / "one", data_recipe, train_recipe, *sets)
    theirs = trained(tmp_path / "two", data_recipe, train_recipe, 2, *sets)
    np.testing.assert_allclose(theirs, ours, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["transformer", "gated-delta-net"])
def test_bfloat16_and_activation_checkpointing_stay_close(
    data_recipe: Path, train_recipe: Path, tmp_path: Path, backbone: str
) -> None:
    sets = (*FIVE, "segment=16", f"model.backbone={backbone}", "model.head_size=8")
    ours = alone(tmp_path / "fp32", data_recipe, train_recipe, *sets)
    again = alone(tmp_path / "recompute", data_recipe, train_recipe, *sets, "recompute=true")
    np.testing.assert_allclose(again, ours, rtol=1e-5)
    half = alone(tmp_path / "bf16", data_recipe, train_recipe, *sets, "precision=bf16")
    np.testing.assert_allclose(half, ours, rtol=0.02)
    assert half != ours


def test_whole_sequences_are_one_long_segment(
    one: list[float], data_recipe: Path, train_recipe: Path, tmp_path: Path
) -> None:
    assert alone(tmp_path / "whole", data_recipe, train_recipe, *FIVE, "segment=1000") == one
    assert alone(tmp_path / "none", data_recipe, train_recipe, *FIVE) == one
