"""Training that goes wrong: told, skipped or stopped by setting; patience that runs out; what a row counts for."""

from pathlib import Path

import pytest
import torch

from common.errors import DataError, UsageError
from tests.trainer.runs import lines
from trainer.config import GuardConfig, ValidationConfig, load
from trainer.early import EarlyStopping
from trainer.guard import Guard
from trainer.loss import LossWeights, Outcome, share_of_loss
from trainer.main import main
from trainer.optim import schedule

NAN = float("nan")


def test_what_is_not_finite_stops_the_run_unless_it_is_skipped() -> None:
    with pytest.raises(DataError, match="stopped at step 5: the gradient's norm is nan; nothing was updated"):
        Guard(GuardConfig()).judge(NAN, 5)
    guard = Guard(GuardConfig(not_finite="skip", most_skips=2))
    assert guard.judge(1.0, 0) is None
    assert "step 1 skipped: the gradient's norm is inf; 1 in a row" in str(guard.judge(float("inf"), 1))
    assert guard.judge(1.0, 2) is None, "a good one begins the count anew"
    assert guard.judge(NAN, 3) and guard.judge(NAN, 4)
    with pytest.raises(DataError, match="2 were skipped in a row"):
        guard.judge(NAN, 5)


def test_a_spike_is_measured_against_the_median_of_what_was_usual() -> None:
    config = GuardConfig(spike="skip", spike_factor=5, window=10)
    guard = Guard(config)
    assert guard.judge(100.0, 0) is None, "nothing is usual yet"
    for step in range(1, 10):
        assert guard.judge(1.0, step) is None
    told = guard.judge(6.0, 10)
    assert told is not None and "is 6, 6 times the usual 1" in told
    again = Guard(config)
    again.restore(guard.state())
    assert again.judge(6.0, 11) == str(told).replace("step 10", "step 11").replace("1 in a row", "2 in a row")
    with pytest.raises(DataError, match="times the usual"):
        stopping = Guard(GuardConfig(spike="stop", spike_factor=5, window=10))
        stopping.restore(guard.state())
        stopping.judge(6.0, 12)
    assert Guard(GuardConfig()).judge(1e9, 0) is None, "ignored unless asked for"


def test_a_run_says_what_it_skipped_and_its_numbers_stay_numbers(
    data_recipe: Path, train_recipe: Path, tmp_path: Path
) -> None:
    """A learning rate that destroys the model: the same run stops, or goes on skipping and then stops."""
    options = ["--recipe", str(train_recipe), "--data", f"recipe:{data_recipe}", "--set", "steps=12"]
    wild = ["--set", "optimiser.name=adamw", "--set", "optimiser.adamw_learning_rate=1e38", "--set", "optimiser.clip=0"]
    assert main([*options, *wild, "--run", str(tmp_path / "stops")]) == 1
    run = tmp_path / "skips"
    skipping = ["--set", "guard.not_finite=skip", "--set", "guard.most_skips=3"]
    assert main([*options, *wild, *skipping, "--run", str(run)]) == 1
    events = [line["message"] for line in lines(run, "event")]
    told = [event for event in events if event.startswith("step ")]
    assert len(told) == 3 and "3 in a row" in told[-1]
    assert events[-1].startswith("failed: ") and "3 were skipped in a row" in events[-1]
    assert any(line.get("skipped") == 1 for line in lines(run, "train"))


def test_patience_counts_validations_without_a_gain() -> None:
    early = EarlyStopping(ValidationConfig(patience=2, smallest_gain=0.01))
    assert early.note(10, 1.0) and not early.note(20, 0.995) and not early.stopped
    assert early.note(30, 0.9) and not early.note(40, 0.9) and not early.note(50, 0.95)
    assert early.stopped and "lower policy loss on unseen worlds without oracles than 0.9000 at step 30" in early.reason
    again = EarlyStopping(ValidationConfig(patience=2))
    again.restore(early.state())
    assert again.stopped and again.best == 0.9


def test_a_run_stops_early_keeps_the_best_and_is_then_finished(
    data_recipe: Path, train_recipe: Path, tmp_path: Path, capsys
) -> None:
    run = tmp_path / "run"
    sets = ("validation.every=2", "validation.patience=2", "validation.smallest_gain=9.0", "steps=40")
    options = [word for one in sets for word in ("--set", one)]
    command = ["--recipe", str(train_recipe), "--data", f"recipe:{data_recipe}", "--run", str(run), *options]
    assert main(command) == 0
    assert "finished: 6 steps: stopped early, 2 validations without a lower policy loss" in capsys.readouterr().out
    assert (run / "best").read_text() == "step-00000002\n"
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"step-00000002", "step-00000006"}
    assert main(command) == 0
    assert "already finished: 6 steps" in capsys.readouterr().out


def test_early_rows_count_less_where_there_is_a_ramp() -> None:
    weight = LossWeights(ramp=4, ramp_from=0.2).of_positions(6)
    assert weight is not None
    torch.testing.assert_close(weight, torch.tensor([0.2, 0.4, 0.6, 0.8, 1.0, 1.0]))
    assert LossWeights().of_positions(6) is None
    outcome = Outcome(*(torch.arange(6.0)[None],) * 6)
    share = share_of_loss(outcome, torch.tensor([2.0, 4.0, 4.0, 0.0, 1.0]), weight)
    total = float((torch.arange(6.0) * weight).sum())
    torch.testing.assert_close(share, torch.tensor([total / 2, total / 4, total / 4, total, total]))


@pytest.mark.parametrize("kind", ["linear", "cosine", "constant", "noam"])
def test_schedules_rise_to_their_peak_and_end_where_they_should(kind: str) -> None:
    rates = [schedule(step, 100, 9, kind, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0) and rates.index(max(rates)) == 9
    last = {"linear": 0.1 + 0.9 / 91, "cosine": 0.1, "constant": 1.0, "noam": (10 / 100) ** 0.5}[kind]
    assert rates[-1] == pytest.approx(last, abs=1e-3)


def test_settings_that_contradict_one_another_are_refused() -> None:
    with pytest.raises(UsageError, match="segments_per_update counts segments: set segment"):
        load("tiny", ["segments_per_update=2"])
    with pytest.raises(UsageError, match="weights takes a number over 0 for each dataset"):
        load("tiny", ["data.weights=[1,0]"])
    assert load("tiny", ["model.width=256", "model.heads=4"]).optimiser.adamw_learning_rate == 3e-3, "as tiny sets it"
