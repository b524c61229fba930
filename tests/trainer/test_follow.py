"""Training while the data are made: it waits, saying for what and where; holes; the order is that of afterwards."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from common.dataset import open_dataset
from common.dataset.status import Hole, write_holes
from common.dataset.store import open_store
from common.errors import DataError
from datagen.__main__ import main as datagen
from tests.trainer.runs import ROOT, finish, lines, losses, numbers, start
from trainer.data.augment import AugmentConfig
from trainer.data.config import DataConfig
from trainer.data.mixture import Mixture, Opening
from trainer.data.stream import Stream
from trainer.main import main


@pytest.fixture
def dataset(data_recipe: Path, tmp_path: Path) -> Path:
    """A finished dataset of 8 shards."""
    assert datagen(["run", "--recipe", str(data_recipe), "--out", str(tmp_path / "data"), "--executor", "inline"]) == 0
    return tmp_path / "data"


@pytest.fixture
def unfinished(dataset: Path, tmp_path: Path) -> Path:
    """A copy of it that lacks the catalog files of the shards 3 to 7."""
    shutil.copytree(dataset, tmp_path / "unfinished")
    for path in (tmp_path / "unfinished" / "catalog").iterdir():
        if int(path.stem.removeprefix("shard-")) >= 3:
            path.unlink()
    return tmp_path / "unfinished"


def commit(dataset: Path, unfinished: Path, shard: int) -> None:
    name = f"shard-{shard:06d}.parquet"
    shutil.copy(dataset / "catalog" / name, unfinished / "catalog" / f".{name}")
    (unfinished / "catalog" / f".{name}").rename(unfinished / "catalog" / name)


def test_it_waits_for_shards_and_sees_what_it_would_see_afterwards(
    dataset: Path, unfinished: Path, train_recipe: Path, tmp_path: Path, capsys
) -> None:
    options = ["--recipe", str(train_recipe), "--set", "steps=14", "--set", "data.window_shards=1"]
    assert main([*options, "--data", str(dataset), "--run", str(tmp_path / "afterwards")]) == 0

    def deliver() -> None:
        for shard in range(3, 8):
            time.sleep(0.6)
            commit(dataset, unfinished, shard)

    thread = threading.Thread(target=deliver)
    thread.start()
    run = tmp_path / "followed"
    assert main([*options, "--data", str(unfinished), "--set", "data.follow=true", "--run", str(run)]) == 0
    thread.join()
    told = [line["message"] for line in lines(run, "event") if "waiting for shard" in line["message"]]
    assert told and f"waiting for shard 3 of {unfinished}, 3 of 8 are committed" in told[0]
    assert losses(run) == losses(tmp_path / "afterwards")


def test_without_follow_what_is_missing_is_named(unfinished: Path, train_recipe: Path, tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    assert main(["--recipe", str(train_recipe), "--data", str(unfinished), "--run", str(run)]) == 1
    assert "5 of 8 shards not committed: 3, 4, 5, 6, 7" in capsys.readouterr().err and not run.exists()


def test_patience_ends(unfinished: Path, train_recipe: Path, tmp_path: Path, capsys) -> None:
    sets = ["--set", "data.follow=true", "--set", "data.patience=0.5", "--set", "data.window_shards=1"]
    run = str(tmp_path / "run")
    assert main(["--recipe", str(train_recipe), "--data", str(unfinished), "--run", run, *sets]) == 1
    assert "gave up after" in capsys.readouterr().err


def test_a_hole_is_refused_or_trained_around(dataset: Path, train_recipe: Path, tmp_path: Path, capsys) -> None:
    (dataset / "catalog" / "shard-000005.parquet").unlink()
    cause = "a disk broke"
    write_holes(open_store(str(dataset)), {5: Hole(cause=cause, attempts=5, time=0.0)})
    options = ["--recipe", str(train_recipe), "--data", str(dataset), "--set", "steps=12"]
    assert main([*options, "--run", str(tmp_path / "refused")]) == 1
    assert "shard 5" in (error := capsys.readouterr().err) and cause in error
    assert main([*options, "--run", str(tmp_path / "around"), "--set", "data.holes=skip"]) == 0
    assert f"shard 5 of {dataset} was set aside: shard 6 stands in for it" in capsys.readouterr().out


@pytest.mark.parametrize("follow", [False, True])
def test_only_the_sequences_of_a_hole_are_others(dataset: Path, follow: bool) -> None:
    def rows(**settings) -> list[list[int]]:
        mixture = Mixture(Opening((str(dataset),)), DataConfig(window_shards=2, patience=5, follow=follow, **settings))
        mixture.check()
        stream = Stream(mixture, AugmentConfig(), 3, 8, say=lambda line: None)
        batches = [stream.at(position) for position in range(0, 64, 8)]
        return [row for batch in batches for row in batch.tokens.observation.tolist()]

    whole = rows()
    (dataset / "catalog" / "shard-000005.parquet").unlink()
    write_holes(open_store(str(dataset)), {5: Hole(cause="x", attempts=5, time=0.0)})
    with pytest.raises(DataError, match="shard 5"):
        rows()
    around = rows(holes="skip")
    changed = [place for place, (a, b) in enumerate(zip(whole, around, strict=True)) if a != b]
    assert len(changed) == 8
    stored = [open_dataset(str(dataset))[number]["observation"].tolist() for number in range(48, 56)]
    assert all(around[place] in stored for place in changed), "the next shard's"


@pytest.mark.slow
def test_two_ranks_train_while_datagen_writes(data_recipe: Path, train_recipe: Path, tmp_path: Path) -> None:
    """The trainer is there first, and waits for the dataset itself; it is stopped by SIGTERM while it waits."""
    data, run, waiting = tmp_path / "data", tmp_path / "run", tmp_path / "waiting"
    sets = ("steps=14", "data.follow=true", "data.workers=1", "data.window_shards=1")
    process = start(run, str(data), train_recipe, sets=sets)
    time.sleep(8)
    making = [sys.executable, "-m", "datagen", "run", "--recipe", str(data_recipe), "--out", str(data)]
    subprocess.run([*making, "--executor", "inline"], cwd=ROOT, check=True, capture_output=True, timeout=200)
    out = finish(process)
    assert "finished: 14 steps" in out, out
    options = ["--recipe", str(train_recipe), "--data", str(data), "--set", "steps=14", "--set", "data.window_shards=1"]
    assert main([*options, "--run", str(waiting)]) == 0
    assert [round(loss, 4) for loss in losses(run)] == [round(loss, 4) for loss in losses(waiting)]
    for path in (data / "catalog").iterdir():
        if "7" in path.name:
            path.unlink()
    stopped = tmp_path / "stopped"
    process = start(stopped, str(data), train_recipe, sets=sets)
    deadline = time.monotonic() + 100
    while not any("waiting" in line["message"] for line in lines(stopped, "event")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    out = finish(process)
    assert "told to stop: saved at step" in out, out
    assert json.loads((stopped / "run.json").read_text())["recipe"]["data"]["follow"] is True
    assert numbers(stopped) == numbers(run)[: len(numbers(stopped))]
