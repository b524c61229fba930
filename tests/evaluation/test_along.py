"""Checkpoints of one training after the other: their rows add up over runs, the last one's baselines stand beside."""

import json
from pathlib import Path

import pytest

from common.errors import UsageError
from trainer.checkpoints import export_model
from trainer.evaluation.along import main, points
from trainer.model import Model, ModelConfig


@pytest.fixture
def exported(tmp_path: Path) -> list[str]:
    """Two checkpoints of a run and one of the run that went on from it; 10 sequences of 100 rows a step."""
    model, files = Model(ModelConfig(vocabulary=16, actions=5, width=16, layers=1)), []
    for place, step in enumerate((20, 40, 15)):
        files.append(str(tmp_path / f"{place}.safetensors"))
        card = {"checkpoint": {"step": step, "samples": 10 * step}, "dataset": {"length": 100}}
        export_model(model, Path(files[-1]), card)
    return files


def test_rows_add_up_over_the_runs(exported: list[str]) -> None:
    assert [point.rows for point in points([], exported)] == [20_000, 40_000, 55_000]


def test_a_line_a_checkpoint_and_the_baselines_beside(
    exported: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agents = [word for file in exported for word in ("--agent", file)]
    words = ["--suite", "frozenlake", "--worlds", "6", "--steps", "60", "--baseline", "q-count-bonus"]
    assert main([*agents, *words, "--out", str(tmp_path / "out")]) == 0
    told = json.loads((tmp_path / "out" / "along.json").read_text())
    assert [point["rows"] for point in told["points"]] == [20_000, 40_000, 55_000]
    first, *_, last = told["points"]
    assert first["frozenlake"]["score_by_step"] == last["frozenlake"]["score_by_step"], (
        "the same weights, the same play"
    )
    assert set(told["baselines"]["frozenlake"]) == {"q-count-bonus"}
    assert (tmp_path / "out" / "along.png").stat().st_size > 5000
    assert "0.1" in capsys.readouterr().out


def test_an_export_that_does_not_say_which_checkpoint_it_is_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    export_model(Model(ModelConfig(vocabulary=4, actions=2, width=16, layers=1)), path)
    with pytest.raises(UsageError, match="which checkpoint"):
        list(points([], [str(path)]))
