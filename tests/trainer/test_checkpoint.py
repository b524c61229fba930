"""Checkpoints: whole or named as damaged, the one before used; a run's directory takes no other run."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from common.errors import DataError, UsageError
from trainer.checkpoints import export_model, load_model, newest
from trainer.config import load
from trainer.main import main


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 20 steps on one rank, with checkpoints at 10 and 20."""
    return tmp_path_factory.mktemp("trained") / "run"


@pytest.fixture
def command(data_recipe: Path, train_recipe: Path, trained: Path) -> list[str]:
    """The command that trains it; carried out once."""
    # the recipes' folders differ from test to test, their contents do not
    options = ["--recipe", str(train_recipe), "--data", f"recipe:{data_recipe}", "--set", "steps=20"]
    if not trained.exists():
        assert main([*options, "--run", str(trained)]) == 0
    return options


@pytest.fixture
def run(command: list[str], trained: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    shutil.copytree(trained, tmp_path / "copy")
    return tmp_path / "copy"


def damage(folder: Path) -> None:
    shard = next(folder.glob("*.distcp"))
    shard.write_bytes(shard.read_bytes()[:-1])


def test_the_newest_is_taken_and_latest_names_it(run: Path) -> None:
    told: list[str] = []
    found = newest(run, told.append)
    assert found is not None and found[0].name == "step-00000020" and not told
    assert found[1]["step"] == 20 and found[1]["sample"] == 120
    assert (run / "latest").read_text() == "step-00000020\n"


@pytest.mark.parametrize("how", ["unfinished", "cut short", "file lost", "marker garbled"])
def test_one_that_is_not_whole_is_named_and_the_one_before_used(run: Path, how: str) -> None:
    folder = run / "checkpoints" / "step-00000020"
    if how == "unfinished":
        (folder / "COMMITTED").unlink()
    elif how == "cut short":
        damage(folder)
    elif how == "file lost":
        (folder / ".metadata").unlink()
    else:
        (folder / "COMMITTED").write_text("{")
    told: list[str] = []
    found = newest(run, told.append)
    assert found is not None and found[0].name == "step-00000010"
    assert len(told) == 1 and "step-00000020" in told[0] and "going back" in told[0]


def test_without_any_whole_one_it_does_not_begin_anew_silently(run: Path, command: list[str], capsys) -> None:
    for folder in (run / "checkpoints").iterdir():
        damage(folder)
    with pytest.raises(DataError, match=r"no checkpoint of .* is whole"):
        newest(run, lambda line: None)
    assert main([*command, "--run", str(run)]) == 1
    assert "no checkpoint" in capsys.readouterr().err


def test_a_finished_run_started_again_does_nothing(run: Path, command: list[str], capsys) -> None:
    before = (run / "metrics.jsonl").read_text()
    assert main([*command, "--run", str(run)]) == 0
    assert "already finished: 20 steps" in capsys.readouterr().out
    assert (run / "metrics.jsonl").read_text() == before


def test_a_model_comes_back_from_the_run_and_from_an_exported_file(run: Path, tmp_path: Path) -> None:
    model = load_model(run)
    assert not model.training and model.config.width == 16 and model.config.vocabulary == 6
    export_model(model, tmp_path / "model.safetensors", {"name": "test"})
    again = load_model(tmp_path / "model.safetensors")
    assert again.config == model.config
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    damage(run / "checkpoints" / "step-00000020")
    before = load_model(run)
    assert not all(torch.equal(a, b) for a, b in zip(model.parameters(), before.parameters(), strict=True))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a run"):
        load_model(tmp_path)
    (tmp_path / "x.safetensors").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"no readable \.safetensors"):
        load_model(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("model.width=32", "model.width: 16 there, 32 asked for"),
        ("optimiser.clip=2.0", "recipe.optimiser.clip: 1.0 there, 2.0 asked for"),
        ("steps=30", "recipe.steps: 20 there, 30 asked for"),
    ],
)
def test_a_directory_of_another_run_is_refused(run: Path, command: list[str], capsys, setting: str, named: str) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in run.rglob("*"))
    assert main([*command, "--run", str(run), "--set", setting]) == 2
    error = capsys.readouterr().err
    assert named in error and "another --run" in error
    assert sorted((path, path.stat().st_mtime_ns) for path in run.rglob("*")) == before


def test_other_data_are_refused(run: Path, command: list[str], capsys) -> None:
    assert main([*command, "--run", str(run), "--data-set", "seed=5"]) == 2
    assert "dataset.identity" in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_refused(command: list[str], tmp_path: Path, capsys) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("x")
    assert main([*command, "--run", str(tmp_path / "photos")]) == 2
    assert "no training run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--recipe", "huge", "--data", "recipe:tiny"], "known recipes are "),
        (["--recipe", "tiny", "--data", "recipe:huge"], "known recipes are"),
        (["--recipe", "tiny", "--data", "recipe:tiny", "--set", "model.wdth=3"], "'model.wdth' does not exist"),
        (["--recipe", "tiny", "--data", "recipe:tiny", "--set", "batch=many"], "'batch'"),
        (["--recipe", "tiny", "--data", "/nowhere/at/all"], "holds no dataset"),
        (["--recipe", "tiny", "--data", "/nowhere/at/all", "--data-set", "seed=1"], "needs --data recipe:NAME"),
    ],
)
def test_bad_requests_are_refused_before_anything_is_touched(
    options: list[str], message: str, tmp_path: Path, capsys
) -> None:
    assert main([*options, "--run", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_shipped_recipe_loads() -> None:
    assert load("tiny").batch == 16


def test_run_json_says_what_the_run_is(run: Path) -> None:
    facts = json.loads((run / "run.json").read_text())
    assert facts["steps"] == 20 and facts["recipe"]["name"] == "test" and facts["model"]["vocabulary"] == 6
    assert len(facts["digest"]) == len(facts["dataset"]["identity"]) == 64
    assert facts["dataset"]["recipe"]["families"][0]["family"] == "garnet"
    assert "torch" in facts["versions"]["packages"] or facts["versions"]["packages"]


def test_metrics_have_the_lines_that_others_read(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    train = [row for row in rows if row["kind"] == "train"]
    assert [row["step"] for row in train] == list(range(1, 21))
    wanted = {"loss", "loss_policy", "loss_observation", "loss_reward", "loss_break", "gradient_norm", "learning_rate"}
    assert (
        wanted | {"environment_steps", "steps_per_second", "loader_wait", "time", "cpu_cores", "memory_bytes"}
        <= train[0].keys()
    )
    assert train[-1]["environment_steps"] == 20 * 6 * 48
    validation = [row for row in rows if row["kind"] == "validation"]
    assert [(row["step"], row["set"]) for row in validation] == [
        (20, name) for name in ("unseen", "unseen-without-oracle", "seen")
    ]
    assert all(0 <= row["accuracy"] <= 1 for row in validation)
    assert "accuracy_random_context" in validation[1]
    bins = validation[0]["by_position"]
    assert [row["from"] for row in bins] == [0, 1, 2, 4, 8, 16, 32] and bins[-1]["to"] == 48
    assert [row["path"] for row in rows if row["kind"] == "checkpoint"] == [
        "checkpoints/step-00000010",
        "checkpoints/step-00000020",
    ]
