"""What comes before and after training: the plan, a model to begin with, the report, what others are told, export."""

import json
from pathlib import Path

import pytest
import torch

from common.errors import UsageError
from tests.trainer.runs import lines
from trainer.checkpoints import load_model
from trainer.config import load
from trainer.export import main as export
from trainer.main import main
from trainer.report import main as report


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("after")


@pytest.fixture
def command(data_recipe: Path, train_recipe: Path) -> list[str]:
    sets = ("steps=20", "validation.every=10", "telemetry.tensorboard=true")
    options = [word for one in sets for word in ("--set", one)]
    return ["--recipe", str(train_recipe), "--data", f"recipe:{data_recipe}", *options]


@pytest.fixture
def run(command: list[str], kept: Path) -> Path:
    """A finished run; trained once."""
    if not (kept / "run").exists():
        assert main([*command, "--run", str(kept / "run")]) == 0
    return kept / "run"


def test_the_plan_touches_nothing_and_adds_up(command: list[str], tmp_path: Path, capsys) -> None:
    facts = {}
    for ranks in (1, 2, 3):
        assert main([*command, "--run", str(tmp_path / "run"), "--plan", str(ranks), "--json"]) == 0
        facts[ranks] = json.loads(capsys.readouterr().out)
    assert not (tmp_path / "run").exists()
    parameters = facts[1]["parameters"]
    assert facts[1]["bytes_per_rank"]["parameters"] == 4 * parameters
    assert 4 * parameters / 2 <= facts[2]["bytes_per_rank"]["parameters"] < 4 * parameters * 0.55
    assert facts[3]["sequences_per_rank"] == 2 and facts[1]["environment_steps"] == 20 * 6 * 48
    assert all(f["bytes_per_rank"]["total"] == sum(list(f["bytes_per_rank"].values())[:-1]) for f in facts.values())
    assert main([*command, "--plan"]) == 0
    assert "the dial" in capsys.readouterr().out


def test_the_plan_of_many_gpus(capsys) -> None:
    sets = ["--set", "parallel.shard_over=8", "--set", "parallel.units=block", "--set", "batch=64"]
    assert main(["--recipe", "paper", "--data", "recipe:d-large", "--plan", "64", "--json", *sets]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert 40e6 < facts["parameters"] < 50e6
    assert facts["bytes_per_rank"]["parameters"] == pytest.approx(4 * facts["parameters"] / 8, rel=0.05)
    assert main(["--recipe", "paper", "--data", "recipe:d-large", "--plan", "12", *sets]) == 2
    assert "shard_over must divide the ranks, got 8 and 12" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tiny", "small", "paper", "paper-long"])
def test_shipped_recipes_load_and_their_models_have_the_size_they_say(name: str, capsys) -> None:
    data = {"tiny": "tiny", "small": "d-small", "paper": "d-large", "paper-long": "d-long"}[name]
    assert main(["--recipe", name, "--data", f"recipe:{data}", "--plan", "1", "--json"]) == 0
    parameters = json.loads(capsys.readouterr().out)["parameters"]
    low, high = {"tiny": (3e5, 4e5), "small": (5e6, 1e7)}.get(name, (4.0e7, 4.8e7))
    assert low < parameters < high
    assert load(name).checkpoint.asynchronous == name.startswith("paper")


def test_the_report_has_its_pictures_and_says_what_the_sets_show(run: Path, tmp_path: Path, capsys) -> None:
    page = (run / "report" / "report.md").read_text()
    assert "20 of 20 optimiser steps" in page and "| unseen-without-oracle |" in page
    for picture in ("losses.png", "positions.png", "machine.png"):
        assert f"({picture})" in page
        assert (run / "report" / picture).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert report([str(run)]) == 0 and report([str(tmp_path)]) == 2
    assert "is no run that has trained" in capsys.readouterr().err


def test_tensorboard_has_the_same_numbers(run: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    told = events.Scalars("train/loss_policy")
    kept = lines(run, "train")
    assert [event.step for event in told] == [line["step"] for line in kept]
    assert [event.value for event in told] == pytest.approx([line["loss_policy"] for line in kept], rel=1e-6)
    assert "unseen-without-oracle/accuracy_random_context" in events.Tags()["scalars"]


@pytest.mark.parametrize("package", ["wandb", "mlflow"])
def test_others_that_are_told(package: str, command: list[str], tmp_path: Path, monkeypatch, capsys) -> None:
    """The package itself, offline, where it is installed; else the refusal that names the extra."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{tmp_path / 'mlflow'}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    run = tmp_path / "run"
    code = main([*command, "--run", str(run), "--set", "steps=2", "--set", f"telemetry.{package}=test"])
    try:
        __import__(package)
    except ImportError:
        assert code == 2 and f"pip install 'omnirl[{package}]'" in capsys.readouterr().err and not run.exists()
    else:
        assert code == 0 and (run / f"{package}-id").read_text().strip()


def test_losses_by_position_are_in_every_line_and_add_up_to_the_mean(run: Path) -> None:
    for line in lines(run, "train"):
        bins = line["by_position"]
        assert [one["from"] for one in bins] == [0, 1, 2, 4, 8, 16, 32] and bins[-1]["to"] == 48
        # rewards have a target at every row but breaks, so widths are nearly the weights
        mean = sum((one["to"] - one["from"]) * one["loss_reward"] for one in bins) / 48
        assert mean == pytest.approx(line["loss_reward"], rel=0.15)


def test_a_run_begins_with_the_weights_of_another(run: Path, command: list[str], tmp_path: Path, capsys) -> None:
    out = tmp_path / "model.safetensors"
    assert export(["--run", str(run), "--out", str(out)]) == 0
    for number, init in enumerate((run, out)):
        begun = tmp_path / f"begun{number}"
        frozen = ["--set", "steps=1", "--set", "optimiser.muon_learning_rate=1e-30"]
        frozen += ["--set", "optimiser.adamw_learning_rate=1e-30"]
        assert main([*command, "--init", str(init), "--run", str(begun), *frozen]) == 0
        for ours, theirs in zip(load_model(begun).parameters(), load_model(run).parameters(), strict=True):
            assert torch.equal(ours, theirs)
    assert main([*command, "--init", str(out), "--run", str(tmp_path / "x"), "--set", "model.inner=32"]) == 2
    assert "parameters do not fit" in capsys.readouterr().err
    assert main([*command, "--init", str(out), "--run", str(tmp_path / "y"), "--set", "model.window=16"]) == 0
    assert "window was 32, is 16" in capsys.readouterr().out


def test_an_exported_model_has_a_card_and_is_the_same(run: Path, tmp_path: Path, capsys) -> None:
    results = {"suites": {"small": {"model": {"best": 0.5, "worlds": 3, "other": 1}}}}
    (run / "evaluation").mkdir(exist_ok=True)
    (run / "evaluation" / "results.json").write_text(json.dumps(results))
    out = tmp_path / "model.safetensors"
    assert export(["--run", str(run), "--out", str(out), "--checkpoint", "best", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    card = json.loads(Path(told["card"]).read_text())
    assert card["families"] == ["garnet"] and card["recipe"]["name"] == "test" and card["parameters"] > 1000
    assert card["scores"] == {"evaluation": {"small": {"best": 0.5, "worlds": 3}}}
    assert set(card["validation"]) == {"unseen", "unseen-without-oracle", "seen"} and "data_digests" in card
    for ours, theirs in zip(load_model(out).parameters(), load_model(run, "best").parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert export(["--run", str(run), "--out", str(out)]) == 2 and "exists" in capsys.readouterr().err
    assert export(["--run", str(run), "--out", str(tmp_path / "x.pt")]) == 2
    assert export(["--run", str(run), "--out", str(out), "--force", "--checkpoint", "7"]) == 2
    assert "has no checkpoint '7'" in capsys.readouterr().err
    with pytest.raises(UsageError, match="has no checkpoint 'newest'"):
        load_model(run, "newest")
