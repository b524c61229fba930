"""The five recipes differ in what they name; one command trains and plays them, and goes on where it stopped."""

import json
from pathlib import Path

import numpy as np
import pytest

from common.dataset.schema import Tag
from common.synthesis.generate import generate
from common.synthesis.recipe import load as load_data
from trainer import config as configs
from trainer.evaluation.baselines.shown import Shown
from trainer.main import main as train
from trainer.study.__main__ import main
from trainer.study.arm import SCALES
from trainer.study.studies import ablation

NAMES = tuple(ablation.PAPER)
MAY_DIFFER = {"name", "behaviours", "label", "switch_share"}
"""In the data: whose contexts, labelled by whom; a history is one policy's."""


def differing(one: dict, other: dict, prefix: str = "") -> set[str]:
    found = set()
    for key in one.keys() | other.keys():
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found |= differing(a, b, f"{prefix}{key}.")
        elif a != b:
            found.add(prefix + key)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_training_recipes_differ_in_nothing_but_whether_tags_are_shown(name: str) -> None:
    one, other = (configs.load(recipe).model_dump() for recipe in (name, "ablation-dpd"))
    hidden = {"augment.mask_sequence_share"} if name == "ablation-dpd-no-tags" else set()
    assert differing(one, other) - {"name"} == hidden
    assert one["name"] == name
    assert one["augment"]["mask_sequence_share"] == (1.0 if hidden else 0.15)
    assert one["validation"]["recipe"] == "ablation-dpd", "the same unseen worlds and contexts"


@pytest.mark.parametrize("name", NAMES)
def test_data_recipes_differ_in_nothing_but_who_acts_and_who_labels(name: str) -> None:
    one, other = (load_data(recipe).model_dump() for recipe in (name, "ablation-dpd"))
    assert differing(one, other) <= MAY_DIFFER
    family = one["families"][0]
    assert family["family"] == "anymdp" and family["parameters"] == {"n_states": 16, "n_actions": 5}
    assert (one["label"] == "action") == name.startswith("ablation-ad")


def test_they_meet_the_same_worlds() -> None:
    made = [generate(load_data(name, ["length=64"]), 3, 2).arrays()["oracle"] for name in NAMES]
    assert all((oracle == made[0]).all() for oracle in made)


@pytest.mark.parametrize("scale", SCALES)
def test_a_scale_changes_all_five_alike(scale: str) -> None:
    arms = ablation.arms(SCALES[scale])
    assert [arm.name for arm in arms] == list(NAMES)
    assert len({(arm.settings, arm.data_settings) for arm in arms}) == 1
    for arm in arms:
        configs.load(arm.recipe, arm.settings)
        load_data(arm.data, arm.data_settings)


def test_an_agent_that_never_saw_tags_is_shown_none() -> None:
    tags = np.array([3, 6, int(Tag.TERMINATED), 0, int(Tag.TRUNCATED)])
    shown = ablation.without_tags(Shown([{"tag": tags, "action": tags}], "oracle", 2))
    assert shown.rows[0]["tag"].tolist() == [7, 7, 8, 7, 9] and shown.rows[0]["action"] is tags


@pytest.fixture
def minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the study small: three steps of short sequences, two worlds."""
    kept = [s for s in ablation.SETTINGS["cpu"] if not s.startswith(("steps", "validation"))]
    validation = 'validation={every=3, sequences=2, batch=2, recipe="ablation-dpd"}'
    monkeypatch.setitem(ablation.SETTINGS, "cpu", (*kept, "steps=3", "batch=2", validation))
    monkeypatch.setitem(ablation.LENGTH, "cpu", 96)
    monkeypatch.setitem(ablation.STEPS, "cpu", 200)
    monkeypatch.setitem(ablation.SHOWN, "cpu", 1)
    monkeypatch.setitem(ablation.LATE, "cpu", (0, 2))
    monkeypatch.setattr(ablation, "WORLDS", 2)


@pytest.mark.parametrize("name", NAMES)
def test_each_trains_a_few_steps(name: str, minute, tmp_path: Path) -> None:
    arm = next(arm for arm in ablation.arms(SCALES["cpu"]) if arm.name == name)
    words = ["--recipe", arm.recipe, "--data", f"recipe:{arm.data}", "--run", str(tmp_path / "run")]
    words += [word for setting in arm.settings for word in ("--set", setting)]
    words += [word for setting in arm.data_settings for word in ("--data-set", setting)]
    assert train([*words, "--set", "log_every=1"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss_policy"] for line in lines if line["kind"] == "train"]
    assert len(losses) == 3 and np.isfinite(losses).all() and len(set(losses)) == 3


@pytest.mark.slow
def test_one_command_trains_plays_and_prints_all_five_and_resumes(minute, tmp_path: Path, capsys) -> None:
    command = ["ablation", "--out", str(tmp_path / "study")]
    assert main([*command, "--arm", "ablation-dpt", "--ranks", "2"]) == 0
    first = json.loads((tmp_path / "study" / "results.json").read_text())
    assert list(first["arms"]) == ["ablation-dpt"]
    capsys.readouterr()
    assert main(command) == 0
    told = capsys.readouterr()
    assert "ablation-dpt: measuring" not in told.err, "what is there is not done again"
    for name, paper in ablation.PAPER.items():
        line = next(line for line in told.out.splitlines() if line.startswith(f"{name} "))
        assert [int(word) for word in line.split() if word.lstrip("-").isdigit()][-1] == paper[-1]
    whole = json.loads((tmp_path / "study" / "results.json").read_text())
    assert list(whole["arms"]) == list(NAMES)
    assert whole["arms"]["ablation-dpt"] == first["arms"]["ablation-dpt"]
    assert (tmp_path / "study" / "ablation.png").stat().st_size > 10_000
    assert main(["backbone", "--out", str(tmp_path / "study")]) == 2
