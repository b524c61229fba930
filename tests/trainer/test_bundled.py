"""The agents that come with the package: small, described, of no place, and able to learn in their context."""

import hashlib
import json

import numpy as np
import pytest

from trainer.agent import Agent
from trainer.agents import FOLDER, located, names
from trainer.evaluation.run import evaluate, prepare
from trainer.evaluation.subject import subject
from trainer.evaluation.suites import suite

NAMES = ("no-grids", "tiny")


def test_there_are_two() -> None:
    assert names() == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_and_its_card_is_its_own(name: str) -> None:
    weights = located(name)
    assert weights.parent == FOLDER / name and weights.stat().st_size < 5_000_000
    card = json.loads((weights.parent / "model.json").read_text())
    assert card["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert card["parameters"] == Agent.load(name).model.parameter_count()
    families = set(subject(located(name)).families)
    assert ("gridworld" in families) == (name == "tiny") and families >= {"garnet", "anymdp"}
    text = (weights.parent / "model.json").read_text()
    assert "/tmp" not in text and "/home" not in text and "/root" not in text


@pytest.mark.parametrize(("name", "world"), [("tiny", "small"), ("no-grids", "anymdp-16")])
def test_it_learns_an_unseen_world_in_its_context(name: str, world: str) -> None:
    agent = Agent.load(name)
    told = evaluate(agent, prepare(agent, suite(world), 48, 300, seed=5), baselines=()).entry["model"]["score_by_step"]
    scores = [one["mean"] for one in told]
    assert len(scores) == 4 and scores[3] > 0.45 and scores[3] > scores[0] + 0.25, scores


def test_what_it_learned_is_in_its_context_and_nowhere_else() -> None:
    first, second = Agent.load("tiny"), Agent.load("tiny")
    first.reset(n=1, n_actions=5)
    for step in range(50):
        first.act(np.array([step % 4]))
        first.observe(np.array([(step + 1) % 4]), np.array([0.1]), np.array([False]), np.array([False]))
    first.reset(n=1, n_actions=5)
    second.reset(n=1, n_actions=5)
    first.act(np.array([3]))
    second.act(np.array([3]))
    assert first.logits is not None and second.logits is not None
    np.testing.assert_array_equal(first.logits, second.logits)
