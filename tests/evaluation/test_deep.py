"""PPO and DQN: they play the same worlds by the same draws as everyone, learn, and are refused without their extra."""

import importlib.util
import random

import numpy as np
import pytest
import torch

from common.errors import UsageError
from trainer.agent import Agent
from trainer.evaluation.baselines import DEEP, named, settings_of, tally_baseline
from trainer.evaluation.baselines.deep import Dqn, Ppo, World, play_alone
from trainer.evaluation.baselines.tuned import TUNED
from trainer.evaluation.options import asked, parser
from trainer.evaluation.play import play
from trainer.evaluation.prepared import Prepared, Request
from trainer.evaluation.record import TYPES
from trainer.evaluation.run import evaluate
from trainer.evaluation.score import per_step
from trainer.evaluation.suites import suite
from trainer.evaluation.suites.environment import environment_suite
from trainer.model import Model, ModelConfig


def prepared(name: str, worlds: int, steps: int, tokens: int = 1) -> Prepared:
    request = Request(worlds=worlds, steps=steps, vocabulary=128, actions=9, tokens=tokens)
    return suite(name).prepare(request)


class Fixed:
    """Takes given actions (C, T)."""

    def __init__(self, actions: np.ndarray) -> None:
        self.actions, self.t = actions, 0

    def act(self, observation: np.ndarray) -> np.ndarray:
        self.t += 1
        return self.actions[:, self.t - 1]

    def observe(self, *told: np.ndarray) -> None:
        pass


@pytest.mark.parametrize(
    "name", ["small", "frozenlake-slippery", "mountaincar-random", "multi-token-pomdp", "Acrobot-v1"]
)
def test_a_world_alone_moves_as_among_others(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer.evaluation.suites import environment

    monkeypatch.setattr(environment, "LEARNING_STEPS", 100)
    monkeypatch.setattr(environment, "LAST", 2)
    monkeypatch.setattr(environment, "EPISODES", 2)
    request = Request(worlds=3, steps=250, vocabulary=128, actions=9, tokens=4 if name.startswith("multi") else 1)
    on = (environment_suite(name, (2,)) if name == "Acrobot-v1" else suite(name)).prepare(request)
    actions = np.random.default_rng(0).integers(on.arena().n_actions[:, None], size=(3, 250))
    whole = play(Fixed(actions), on.arena(), 250)
    for w in (0, 2):
        world = World(on.alone(w))
        seen = world.reset()[0]
        for action in actions[w]:
            assert world.observation_space.contains(seen)
            seen, _, terminated, truncated, _ = world.step(action)
            seen = world.reset()[0] if terminated or truncated else seen
        for column in TYPES:
            np.testing.assert_array_equal(getattr(world.record, column)[0], getattr(whole, column)[w], column)
        assert on.alone(w).references == [on.references[w]]


def test_two_who_share_a_world_are_not_one() -> None:
    on = prepared("switch2", 2, 20)
    with pytest.raises(UsageError, match="several agents"):
        tally_baseline("ppo", on)
    agent = Agent(Model(ModelConfig(vocabulary=128, actions=9, width=8, layers=1, heads=1)))
    said: list[str] = []
    assert settings_of("frozenlake", "ppo") == Ppo(**TUNED["small"]["ppo"]).model_dump()
    assert list(evaluate(agent, on, say=said.append, baselines=("random", "ppo")).tallies) == ["model", "random"]
    assert "switch2: ppo is left out: several agents share a world" in said


@pytest.mark.parametrize("name", list(DEEP))
def test_they_learn_a_bandit_and_leave_the_global_generators_alone(name: str) -> None:
    on = prepared("anymdp-1", 2, 300)
    torch.manual_seed(3), np.random.seed(3), random.seed(3)  # noqa: NPY002
    wanted = (torch.rand(1).item(), np.random.rand(), random.random())  # noqa: NPY002
    torch.manual_seed(3), np.random.seed(3), random.seed(3)  # noqa: NPY002
    tally = tally_baseline(name, on)
    assert (torch.rand(1).item(), np.random.rand(), random.random()) == wanted  # noqa: NPY002
    assert per_step(tally, [(200, 300)])[on.counted].mean() > 0.4


def test_the_same_seed_plays_the_same() -> None:
    on = prepared("frozenlake", 2, 100).alone(1)
    one, same = (play_alone(Dqn(), on) for _ in range(2))
    assert one.action.tobytes() == same.action.tobytes()
    other = play_alone(Dqn(learning_rate=0.01), on)
    assert other.action.tobytes() != one.action.tobytes()


def test_without_the_extra_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if "baselines3" in name else found(name, *rest)
    )
    for asks in (lambda: named(["all", "dqn"]), lambda: tally_baseline("ppo", prepared("anymdp-1", 1, 20))):
        with pytest.raises(UsageError, match=r"omnirl\[baselines\]"):
            asks()
    words = ["--agent", "none", "--suite", "small", "--out", "nowhere", "--baseline", "ppo"]
    with pytest.raises(UsageError, match="stable-baselines3"):
        asked(parser().parse_args(words))
    assert "ppo" not in named(["all"])
