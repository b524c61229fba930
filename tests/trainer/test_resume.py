"""A run that is stopped, killed, damaged and started again ends as an undisturbed one: real torchrun on two ranks."""

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from datagen.__main__ import main as datagen
from tests.trainer.runs import children, finish, lines, losses, numbers, start, stop_at, wait_for
from trainer.main import main


@pytest.fixture
def longer(data_recipe: Path, train_recipe: Path) -> tuple[str, Path]:
    """Data of 64 sequences (an epoch is 10 2/3 batches of 6) and a recipe of 150 steps."""
    train_recipe.write_text(train_recipe.read_text().replace("steps = 40", "steps = 150"))
    return f"recipe:{data_recipe}", train_recipe


def test_stopped_damaged_and_resumed_it_sees_what_an_undisturbed_run_sees(longer, tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    out = finish(start(whole, *longer))
    assert "finished: 150 steps" in out, out
    # the other run writes while it goes on, and has a loader worker
    differently = ("checkpoint.asynchronous=true", "data.workers=1")
    out = stop_at(start(stopped, *longer, sets=differently), stopped, 25)
    done = max(line["step"] for line in lines(stopped))
    assert "told to stop: saved at step" in out and 25 <= done < 150, out
    newest = stopped / "checkpoints" / (stopped / "latest").read_text().strip()
    assert newest.name == f"step-{done:08d}"
    if done % 10:
        # a damaged checkpoint: the one before is used, and it says so
        shard = next(newest.glob("*.distcp"))
        content = bytearray(shard.read_bytes())
        content[len(content) // 2] ^= 1
        shard.write_bytes(content)
    out = finish(start(stopped, *longer))
    assert "finished: 150 steps" in out, out
    if done % 10:
        assert f"{shard.name} is not as it was committed; going back" in out
        assert f"resumed at step {done // 10 * 10} of 150" in out, out
    assert numbers(stopped) == numbers(whole)
    assert [line["step"] for line in numbers(whole) if line["kind"] == "train"] == list(range(1, 151))
    kept = {path.name for path in (whole / "checkpoints").iterdir()}
    best = (whole / "best").read_text().strip()
    assert kept == {"step-00000140", "step-00000150", best}, "the newest two and the best"


@pytest.mark.slow
def test_killed_during_an_asynchronous_save_it_falls_back_to_what_is_durable(longer, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert "finished" in finish(start(whole, *longer))
    process = start(killed, *longer, sets=("checkpoint.asynchronous=true", "checkpoint.every=1"))
    wait_for(process, killed, 40)
    for victim in (*children(process.pid), process.pid):
        os.kill(victim, signal.SIGKILL)
    finish(process)
    durable = int((killed / "latest").read_text().strip().removeprefix("step-"))
    assert durable > 0
    out = finish(start(killed, *longer))
    resumed = int(out.split("resumed at step ")[1].split(" ")[0])
    assert resumed >= durable, "what latest names is never lost"
    assert numbers(killed) == numbers(whole)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, 10, 11])
def test_at_another_number_of_ranks_losses_go_on_to_1e_5(longer, tmp_path: Path, stop: int) -> None:
    """Stopped after one step, in the middle of an epoch (64 / 6 steps long) and past its edge."""
    sets = ("optimiser.name=adamw", "steps=18", "checkpoint.every=1", "checkpoint.keep=20")
    whole = tmp_path / "whole"
    options = [word for one in sets for word in ("--set", one)]
    assert main(["--recipe", str(longer[1]), "--data", longer[0], "--run", str(whole), *options]) == 0
    cut = tmp_path / "cut"
    shutil.copytree(whole, cut)
    for folder in (cut / "checkpoints").iterdir():
        if int(folder.name.removeprefix("step-")) > stop:
            shutil.rmtree(folder)
    out = finish(start(cut, *longer, ranks=2, sets=(*sets, "data.workers=1")))
    assert f"resumed at step {stop} of 18" in out, out
    np.testing.assert_allclose(losses(cut)[stop : stop + 5], losses(whole)[stop : stop + 5], rtol=1e-5)
    samples = [line["environment_steps"] for line in lines(cut, "train")]
    assert samples == [line["environment_steps"] for line in lines(whole, "train")]


def test_stopped_before_its_first_step_it_begins_there(data_recipe: Path, train_recipe: Path, tmp_path: Path) -> None:
    """In this process, as one rank: the wish to stop is there before the loop begins."""
    options = ["--recipe", str(train_recipe), "--data", f"recipe:{data_recipe}", "--set", "steps=12"]
    assert main([*options, "--run", str(tmp_path / "whole")]) == 0
    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.trainer.Trainer._train", _stopped(patch))
        assert main([*options, "--run", str(run)]) == 0
    assert (run / "latest").read_text() == "step-00000000\n" and losses(run) == []
    assert main([*options, "--run", str(run)]) == 0
    assert numbers(run) == numbers(tmp_path / "whole")


def _stopped(patch: pytest.MonkeyPatch):
    from trainer.trainer import Trainer

    train = Trainer._train

    def stopped(self: Trainer) -> None:
        self._stop.set()
        train(self)

    return stopped


@pytest.mark.parametrize("setting", ["refuse", "ignore", "include"])
def test_a_dataset_extended_meanwhile_is_refused_or_goes_on_as_set(
    data_recipe: Path, train_recipe: Path, tmp_path: Path, capsys, setting: str
) -> None:
    data, run, whole = tmp_path / "data", tmp_path / "run", tmp_path / "whole"
    assert datagen(["run", "--recipe", str(data_recipe), "--out", str(data), "--executor", "inline"]) == 0
    options = ["--recipe", str(train_recipe), "--data", str(data), "--set", "steps=20"]
    assert main([*options, "--run", str(whole)]) == 0
    shutil.copytree(whole, run)
    shutil.rmtree(run / "checkpoints" / "step-00000020")
    assert datagen(["extend", str(data), "--sequences", "80", "--executor", "inline"]) == 0
    before = sorted((path, path.stat().st_mtime_ns) for path in run.rglob("*"))
    code = main([*options, "--run", str(run), "--set", f"data.extended={setting}"])
    told = capsys.readouterr()
    if setting == "refuse":
        assert code == 2 and "dataset.sequences: 64 there, 80 asked for" in told.err
        assert "data.extended=ignore" in told.err
        assert sorted((path, path.stat().st_mtime_ns) for path in run.rglob("*")) == before
        return
    assert code == 0 and "datasets have grown from [8] to [10] shards" in told.out
    if setting == "ignore":
        assert numbers(run) == numbers(whole), "the very sequences it would have seen"
    else:
        assert numbers(run)[:10] == numbers(whole)[:10] and losses(run)[11:] != losses(whole)[11:]
    assert main([*options, "--run", str(run), "--set", f"data.extended={setting}"]) == 0
    assert "already finished" in capsys.readouterr().out


@pytest.mark.slow
def test_a_killed_rank_is_named_ends_the_others_and_torchruns_restart_goes_on(longer, tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert "finished" in finish(start(whole, *longer))
    process = start(run, *longer, torchrun=("--max-restarts", "3"))
    wait_for(process, run, 30)
    ranks = sorted(children(process.pid))
    assert len(ranks) >= 2
    victim = next(pid for pid in ranks if b"RANK=1" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    os.kill(victim, signal.SIGKILL)
    out = finish(process)
    assert process.returncode == 0 and "resumed at step" in out and "finished: 150 steps" in out, out
    assert numbers(run) == numbers(whole)
    if "error:" in out:  # torchrun may have ended the other rank before it could say so
        assert f"rank 1 (pid {victim} on" in out
    alone = tmp_path / "alone"
    process = start(alone, *longer)
    wait_for(process, alone, 15)
    victim = next(
        pid for pid in children(process.pid) if b"RANK=1" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    )
    os.kill(victim, signal.SIGKILL)
    out = finish(process)
    assert (process.returncode != 0 and f"rank 1 (pid {victim} on" in out) or "Signal 9" in out, out


def test_checkpoints_that_are_to_stay_stay(data_recipe: Path, train_recipe: Path, tmp_path: Path) -> None:
    options = ["--recipe", str(train_recipe), "--data", f"recipe:{data_recipe}", "--run", str(tmp_path / "run")]
    sets = ("steps=12", "checkpoint.every=1", "checkpoint.keep=1", "checkpoint.keep_every=5", "validation.every=100")
    assert main([*options, *(word for one in sets for word in ("--set", one))]) == 0
    kept = sorted(int(path.name.removeprefix("step-")) for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == [5, 10, 12]
