"""The command, end to end: an untrained model plays about randomly; what is written is the contract, seed for seed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common.synthesis import recipe as recipes
from trainer.checkpoints import export_model
from trainer.evaluation import gate
from trainer.evaluation.__main__ import main
from trainer.evaluation.baselines.players import KERNELS
from trainer.evaluation.baselines.tuned import TUNED
from trainer.evaluation.report import files
from trainer.evaluation.suites import SUITES
from trainer.model import Model, ModelConfig

SUITES_PLAYED = ("small", "frozenlake", "anymdp-16")
PLAYER = {
    "score_by_step",
    "action_score_by_step",
    "score_by_episode",
    "best",
    "steps_to_best",
    "asymptote",
    "success",
    "episodes",
    "worlds",
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model with the card of a run on the tiny data recipe."""
    path = tmp_path_factory.mktemp("model") / "untrained.safetensors"
    recipe = recipes.load("tiny").model_dump(mode="json")
    card = {"digest": "d" * 64, "dataset": {"identity": "i" * 64, "length": 120, "recipe": recipe}}
    export_model(Model(ModelConfig(vocabulary=16, actions=5, width=32, layers=2)), path, card)
    return path


@pytest.fixture(scope="module")
def results(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("out") / "evaluation"
    assert main(arguments(exported, out)) == 0
    return json.loads((out / "results.json").read_text()), out


def arguments(exported: Path, out: Path, *more: str) -> list[str]:
    suites = [word for name in SUITES_PLAYED for word in ("--suite", name)]
    return ["--agent", str(exported), *suites, "--out", str(out), "--worlds", "48", *more]


def test_results_hold_the_contract(results: tuple[dict[str, Any], Path]) -> None:
    told, out = results
    assert set(told["families"]) == {choice.family for choice in recipes.load("tiny").families}
    assert list(told["suites"]) == list(SUITES_PLAYED)
    for name, entry in told["suites"].items():
        assert set(entry["baselines"]) == {"random", "oracle", "q-epsilon-greedy", "q-count-bonus"}
        for player in (entry["model"], *entry["baselines"].values()):
            assert set(player) >= PLAYER
            # the context it was trained at is the default
            assert [(b["from"], b["to"]) for b in player["score_by_step"]] == [(0, 50), (50, 100), (100, 120)]
            for bounds in player["score_by_step"] + player["action_score_by_step"] + player["score_by_episode"]:
                assert set(bounds) >= {"from", "to", "mean", "ci95"}
            assert player["worlds"] + entry["left_out"]["count"] == 48
            assert player["worlds"] == entry["model"]["worlds"]
            assert (player["success"] is not None) == name.startswith("frozenlake")
        assert len(entry["left_out"]["worlds"]) == entry["left_out"]["count"]
        settings = entry["settings"]
        assert (settings["worlds"], settings["steps"], settings["seed"]) == (48, 120, 0)
        assert settings["agent"]["own_tag"] == 7
        assert settings["agent"]["folding"] == "random"
        assert settings["baselines"] == {learner: TUNED[name][learner] for learner in KERNELS}
        assert (out / f"curves-{name}.png").read_bytes().startswith(b"\x89PNG")
    assert told["agent"]["digest"] == "d" * 64
    table = (out / "table.txt").read_text()
    assert all(name in table for name in SUITES_PLAYED)
    assert "…" not in table
    assert "tuned count-bonus Q" in table


def test_an_untrained_model_plays_about_randomly_and_fails_the_gate(results: tuple[dict[str, Any], Path]) -> None:
    told, _ = results
    for entry in told["suites"].values():
        for bounds in entry["model"]["score_by_step"]:
            assert abs(bounds["mean"]) < max(0.15, 2.0 * bounds["ci95"])
        assert entry["baselines"]["oracle"]["score_by_step"][0]["mean"] > 0.7
    assert any("must count, got" in line for line in gate.failures(told))


def test_the_same_seed_gives_the_same_results(
    results: tuple[dict[str, Any], Path], exported: Path, tmp_path: Path
) -> None:
    def plain(path: Path) -> dict[str, Any]:
        told = json.loads(path.read_text())
        for entry in told["suites"].values():
            del entry["settings"]["seconds"], entry["settings"]["steps_per_second"]
        return told["suites"]

    told, out = results
    assert main(arguments(exported, tmp_path / "again")) == 0
    assert plain(tmp_path / "again" / "results.json") == plain(out / "results.json")
    few = ["--agent", str(exported), "--suite", "frozenlake", "--worlds", "48", "--out", str(tmp_path / "other")]
    assert main([*few, "--seed", "1"]) == 0
    other = plain(tmp_path / "other" / "results.json")["frozenlake"]
    for player in ("random", "q-epsilon-greedy"):
        assert other["baselines"][player]["curve"] != told["suites"]["frozenlake"]["baselines"][player]["curve"]
    assert other["model"]["curve"] != told["suites"]["frozenlake"]["model"]["curve"]


def test_json_prints_the_file_and_settings_are_kept(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--agent", str(exported), "--suite", "garnet-16", "--worlds", "4", "--steps", "60", "--out", str(tmp_path)]
    assert (
        main([*few, "--tag", "6", "--temperature", "0.5", "--temperature-steps", "0", "--folding", "modulo", "--json"])
        == 0
    )
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "results.json").read_text())
    agent = printed["suites"]["garnet-16"]["settings"]["agent"]
    assert (agent["own_tag"], agent["temperature"], agent["folding"]) == (6, 0.5, "modulo")
    assert main([*few, "--gate"]) == 1
    assert "--suite small" in capsys.readouterr().err


def test_bad_requests_are_refused_before_anything_is_written(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    larger = tmp_path / "eight.safetensors"
    export_model(Model(ModelConfig(vocabulary=8, actions=5)), larger)
    fewer = tmp_path / "two.safetensors"
    export_model(Model(ModelConfig(vocabulary=16, actions=2)), fewer)
    plain = tmp_path / "plain.safetensors"
    export_model(Model(ModelConfig(vocabulary=16, actions=5)), plain)
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    for who, more, code, rule in (
        (exported, ["--suite", "nonsense"], 2, f"known suites are {', '.join(SUITES)}; groups are all, paper"),
        (exported, ["--suite", "small", "--worlds", "0"], 2, "at least 1"),
        (exported, ["--suite", "small", "--tag", "8"], 2, "own_tag"),
        (exported, ["--suite", "small", "--folding", "odd"], 2, "folding"),
        (exported, ["--suite", "small", "--discount", ".9"], 2, "this model was trained with, 0.0, 0.5, 0.93, 0.994"),
        (tmp_path / "absent", ["--suite", "small"], 2, "neither a run's folder"),
        (tmp_path / "broken.safetensors", ["--suite", "small"], 1, "no readable .safetensors file"),
        (plain, ["--suite", "small"], 2, "give --steps"),
        (larger, ["--suite", "anymdp-16", "--steps", "9"], 2, "vocabulary has 8"),
        (fewer, ["--suite", "anymdp-16", "--steps", "9"], 2, "the agent's vocabulary has 2"),
    ):
        assert main(["--agent", str(who), *more, "--out", str(out)]) == code, more
        assert rule in capsys.readouterr().err
        assert not out.exists()


def test_two_evaluations_do_not_write_to_one_folder(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--agent", str(exported), "--suite", "garnet-16", "--worlds", "2", "--steps", "40", "--out", str(tmp_path)]
    with files.alone_in(tmp_path):
        assert main(few) == 2
    assert "another evaluation is writing" in capsys.readouterr().err
    assert not (tmp_path / "results.json").exists()
    assert main(few) == 0


def test_help_shows_examples() -> None:
    command = [sys.executable, "-m", "trainer.evaluation", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "examples:" in shown
    assert "--gate" in shown


def gated(early: float, late: float, worlds: int = 256, left_out: int = 0) -> dict[str, Any]:
    bins = [(0, 50, early), (50, 100, 0.4), (100, 200, late)]
    steps = [{"from": a, "to": b, "mean": mean, "ci95": 0.05} for a, b, mean in bins]
    model = {"worlds": worlds, "score_by_step": steps}
    return {"suites": {"small": {"model": model, "left_out": {"count": left_out}}}}


def test_the_gate() -> None:
    assert gate.failures(gated(0.15, 0.52)) == []
    assert gate.failures(gated(0.15, 0.52, worlds=256, left_out=28)) == []
    for failing, rule in (
        (gated(0.15, 0.49), "over 0.5"),
        (gated(0.25, 0.52), "0.3 above"),
        (gated(0.15, 0.52, worlds=255), "256 worlds"),
        (gated(0.15, 0.52, worlds=256, left_out=29), "left out"),
        ({"suites": {}}, "--suite small"),
    ):
        (line,) = gate.failures(failing)
        assert rule in line
