"""Any Gymnasium environment by id: tables become worlds, numbers become bins, references are measured."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from common.errors import UsageError
from trainer.evaluation.baselines import tally_baseline
from trainer.evaluation.binning import Binned, Levels, discrete
from trainer.evaluation.prepared import Request
from trainer.evaluation.score import scores
from trainer.evaluation.suites import environment, suite
from trainer.evaluation.suites.environment import environment_suite

REQUEST = Request(worlds=3, steps=120, vocabulary=64, actions=5)


def test_bins_count_as_digits_do() -> None:
    car = Binned(gymnasium.make("MountainCar-v0"), (3, 2))
    assert car.observation_space.n == 6
    low, high = car.env.observation_space.low, car.env.observation_space.high
    assert (car.observation(low), car.observation(high)) == (0, 5)
    assert car.observation(np.array([-0.3, -0.01])) == 2
    # speeds of CartPole have no bounds: random play tells them
    pole = Binned(gymnasium.make("CartPole-v1"))
    assert np.isfinite(pole.low).all() and (pole.width < 20).all()
    seen, _ = pole.reset(seed=1)
    assert 0 <= seen < pole.observation_space.n == 6**4


def test_levels_span_a_continuous_action() -> None:
    pendulum = Levels(gymnasium.make("Pendulum-v1"), 5)
    assert [float(pendulum.action(a)[0]) for a in range(5)] == [-2.0, -1.0, 0.0, 1.0, 2.0]


def test_a_table_becomes_a_world_with_exact_references() -> None:
    on = environment_suite("CliffWalking-v1").prepare(REQUEST)
    assert len(on.tasks) == 3
    assert on.references[0].how == "exact"
    assert on.references[0].oracle_return == pytest.approx(-13.0)
    assert on.tasks[0].world.episode_limit == environment.CAP


def test_others_are_measured_and_played_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "LEARNING_STEPS", 3000)
    monkeypatch.setattr(environment, "EPISODES", 20)
    on = environment_suite("CartPole-v1", (1, 1, 4, 3)).prepare(REQUEST)
    known = on.references[0]
    assert known.how == "measured over 20 episodes; oracle: what its registration calls solved"
    assert (known.oracle_return, known.oracle_error) == (475.0, 0.0)
    assert known.random_return == pytest.approx(22, abs=8) and known.random_error > 0
    result = scores(tally_baseline("random", on), on.counted)
    assert result["worlds"] == 0  # every step pays 1: only episodes can be ordered
    assert abs(result["asymptote_by_episode"]) < 0.1
    learned = scores(tally_baseline("oracle", on), on.counted)
    assert learned["episodes"] < result["episodes"]  # it falls later
    given = environment_suite("CartPole-v1", (1, 1, 4, 3), oracle_return=50.0).prepare(REQUEST)
    assert given.references[0].oracle_return == 50.0


def test_what_cannot_be_played_is_refused() -> None:
    for arguments, rule in (
        (("NoSuchEnv-v0",), "cannot be made"),
        (("CartPole-v1", (2, 2)), "one for each of 4 observed numbers"),
        (("FrozenLake-v1", (2,)), "bins are for continuous observations"),
        (("CartPole-v1", None, 3), "levels are for continuous actions"),
        (("Pendulum-v1", None, 1), "at least 2"),
        (("Blackjack-v1",), "discrete or Box spaces"),
    ):
        with pytest.raises(UsageError, match=rule):
            discrete(*arguments)
    with pytest.raises(UsageError, match="shows 1296 symbols and the agent's vocabulary has 64"):
        environment_suite("CartPole-v1").prepare(REQUEST)
    assert isinstance(gymnasium.make("CartPole-v1").observation_space, Box)


@pytest.mark.parametrize(
    "name", ["frozenlake", "cliffwalking", "taxi", "darkroom-6", "garnet-16", "pendulum-g1", "cartpole", "switch2"]
)
def test_states_and_actions_are_relabelled_in_every_world_and_run(name: str) -> None:
    """The same place has other names in another world and under another seed, and its actions too."""
    told = set()
    for seed in (0, 1):
        on = suite(name).prepare(Request(worlds=4, steps=9, vocabulary=512, actions=6, seed=seed))
        if on.tasks:
            told |= {(tuple(task.world.symbol.tolist()), tuple(task.actions.tolist())) for task in on.tasks}
        else:
            told |= {
                (tuple(s), tuple(o))
                for s, o in zip(on.symbol.tolist(), on.order.tolist(), strict=True)  # type: ignore[attr-defined]
            }
    assert len({symbols for symbols, _ in told}) >= 8
    assert len({order for _, order in told}) > 1
    assert max(max(symbols) for symbols, _ in told) > 300
