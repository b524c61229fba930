"""The three beginnings: what is shown are whole episodes with their tags, and an agent reads each context's own."""

import json
from pathlib import Path

import numpy as np
import pytest

from common.dataset.schema import Tag
from common.errors import UsageError
from trainer.agent import Agent
from trainer.checkpoints import export_model
from trainer.evaluation.baselines.shown import KINDS, demonstrations
from trainer.evaluation.demonstrations import begin_with, main
from trainer.evaluation.prepared import Prepared, Request
from trainer.evaluation.suites import suite
from trainer.model import Model, ModelConfig

BREAKS = [int(Tag.TERMINATED), int(Tag.TRUNCATED)]


def prepared(name: str = "frozenlake", worlds: int = 3, steps: int = 60) -> Prepared:
    return suite(name).prepare(Request(worlds=worlds, steps=steps, vocabulary=64, actions=5))


def model() -> Model:
    return Model(ModelConfig(vocabulary=64, actions=5, width=32, layers=2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["frozenlake-slippery", "pendulum-g5"])
def test_demonstrations_are_whole_episodes_of_their_kind(name: str, kind: str) -> None:
    on = prepared(name)
    shown, again = demonstrations(on, kind, 2), demonstrations(on, kind, 2)
    tags = {
        "random": {Tag.RANDOM},
        "oracle": {Tag.ORACLE_0994},
        "noisy-oracle": {Tag.RANDOM, Tag.ORACLE_0994},
        "q-learning": {Tag.RANDOM, Tag.Q_LEARNING},
    }[kind]
    for rows, same in zip(shown.rows, again.rows, strict=True):
        assert np.isin(rows["tag"], BREAKS).sum() == 2
        assert rows["tag"][-1] in BREAKS
        assert set(rows["tag"].tolist()) - set(BREAKS) <= {int(tag) for tag in tags}
        assert all(rows[column].tobytes() == same[column].tobytes() for column in rows)
        assert rows["observation"].max() < 64
    assert shown.name == f"2 episodes of {kind}"


def test_an_expert_earns_more_than_random_play_and_what_is_shown_is_not_what_is_played() -> None:
    on = prepared(worlds=8)
    expert, aimless = (demonstrations(on, kind, 5) for kind in ("oracle", "random"))
    assert expert.returns().mean() > aimless.returns().mean() + 0.5
    slippery = prepared("frozenlake-slippery")
    arena, first = slippery.arena(), demonstrations(slippery, "random", 1).rows[0]
    seen = [int(arena.observation[0])]
    for action in first["action"][:-1]:
        seen.append(int(arena.step(np.full(3, action)).observation[0]))
    assert seen != first["observation"].tolist()


def test_contexts_of_different_lengths_are_read_as_if_each_were_alone() -> None:
    on = prepared(worlds=4)
    shown = demonstrations(on, "random", 3)
    lengths = [len(rows["tag"]) for rows in shown.rows]
    assert len(set(lengths)) > 1
    together = Agent(Model(ModelConfig(vocabulary=64, actions=4, width=32, layers=2)), record=True)
    arena = on.arena()
    together.reset(4, arena.n_actions)
    begin_with(shown)(together, on)
    together.act(arena.observation)
    assert together.logits is not None
    for c, rows in enumerate(shown.rows):
        recorded = together.rows(c)
        np.testing.assert_array_equal(recorded["observation"], rows["observation"])
        np.testing.assert_array_equal(recorded["tag"], rows["tag"])
        alone = Agent(together.model)
        alone.reset(1, 4)
        alone.prefill(*(rows[name][None] for name in ("observation", "action", "reward", "tag")))
        alone.act(arena.observation[c : c + 1])
        assert alone.logits is not None
        np.testing.assert_allclose(together.logits[c], alone.logits[0], atol=1e-5)
    with pytest.raises(UsageError, match="lengths"):
        together.reset(1, 4)
        together.prefill(*(np.zeros((1, 2), dtype=np.int64) for _ in range(4)), lengths=np.array([3]))


def test_the_command_prints_table_2_beside_the_papers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "untrained.safetensors", tmp_path / "out"
    export_model(model(), file, {"dataset": {"length": 64}})
    words = ["--agent", str(file), "--out", str(out), "--suite", "frozenlake-slippery", "--worlds", "2"]
    words += ["--steps", "300", "--demonstrator", "random", "--demonstrator", "oracle", "--episodes", "1,3"]
    assert main(words) == 0
    told = json.loads((out / "demonstrations.json").read_text())
    lines = told["suites"]["frozenlake-slippery"]
    wanted = [("none", 0), ("random", 1), ("random", 3), ("oracle", 1), ("oracle", 3)]
    assert [(line["demonstrator"], line["episodes"]) for line in lines] == wanted
    assert lines[0]["conservative-q"] is None
    assert lines[2]["settings"]["beginning"] == "3 episodes of random"
    assert "70.1 / 77.3 %" in capsys.readouterr().out
    assert "--episodes 1,3" in " ".join((out / "table2.txt").read_text().split())
    assert main([*words, "--episodes", "0"]) == 2
