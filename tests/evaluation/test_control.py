"""Classic control in numpy is Gymnasium's, step for step; bins and starts are the paper's; references hold."""

import gymnasium
import numpy as np
import pytest

from trainer.evaluation.baselines import tally_baseline
from trainer.evaluation.classic.dynamics import CartPole, Dynamics, MountainCar, Pendulum
from trainer.evaluation.prepared import Request
from trainer.evaluation.score import scores
from trainer.evaluation.suites import suite

ALL = [Pendulum(gravity=1.0), Pendulum(gravity=5.0), Pendulum(gravity=9.8), MountainCar(), CartPole()]


def done(dynamics: Dynamics, action: int) -> object:
    """The action as Gymnasium takes it."""
    return np.array([action - 2.0], dtype=np.float32) if isinstance(dynamics, Pendulum) else action


@pytest.mark.parametrize("dynamics", ALL, ids=lambda d: f"{d.environment}-{getattr(d, 'gravity', '')}")
def test_steps_are_gymnasiums(dynamics: Dynamics) -> None:
    settings = {"g": dynamics.gravity} if isinstance(dynamics, Pendulum) else {}
    environment = gymnasium.make(dynamics.environment, **settings)
    assert environment.spec.max_episode_steps == dynamics.limit
    random = np.random.Generator(np.random.PCG64(3))
    for seed in range(4):
        environment.reset(seed=seed)
        position = np.array(environment.unwrapped.state, dtype=np.float64)[None]
        for _ in range(60):
            action = int(random.integers(dynamics.n_actions))
            position, reward, terminated = dynamics.move(position, np.array([action]))
            _, wanted, over, _, _ = environment.step(done(dynamics, action))
            np.testing.assert_allclose(position[0], environment.unwrapped.state, rtol=1e-6, atol=1e-7)
            assert reward[0] == pytest.approx(wanted, rel=1e-6)
            assert terminated[0] == over
            if over:
                break


def test_bins_are_the_papers() -> None:
    pendulum, car = Pendulum(gravity=5.0), MountainCar()
    assert (pendulum.symbols, car.symbols, CartPole().symbols) == (60, 60, 108)
    for angle, speed, wanted in ((0.0, -8.0, 0), (0.1, 8.0, 4), (-0.1, -8.0, 55), (np.pi, 0.0, 32), (7.0, 0.0, 7)):
        assert pendulum.bins(np.array([[angle, speed]]))[0] == wanted
    assert car.bins(np.array([[-1.2, -0.07], [0.6, 0.07], [-0.5, 0.0]])).tolist() == [0, 59, 22]


def test_the_fixed_start_is_gymnasiums_of_seed_123_and_labels_differ() -> None:
    on = suite("pendulum-g5").prepare(Request(worlds=3, steps=10, vocabulary=64, actions=5))
    environment = gymnasium.make("Pendulum-v1", g=5.0)
    environment.reset(seed=123)
    arena = on.arena()
    np.testing.assert_array_equal(arena.scene(), environment.unwrapped.state)
    assert len(set(arena.observation.tolist())) > 1
    assert len(set(arena.state.tolist())) == 1
    outcome = arena.step(arena.spread(np.array([4, 4, 4])))
    _, wanted, *_ = environment.step(np.array([2.0], dtype=np.float32))
    # shown is the paper's shaped reward
    np.testing.assert_allclose(outcome.reward, max(wanted / 30 + 0.1, -0.1), rtol=1e-5)
    drawn = suite("pendulum-g5-random").prepare(Request(worlds=3, steps=10, vocabulary=64, actions=5)).arena()
    assert len(set(drawn.state.tolist())) > 1


def test_references_are_measured_and_hold_for_whoever_plays() -> None:
    for name, random in (("pendulum-g5", -942.0), ("cartpole", 22.0), ("mountaincar", -200.0)):
        on = suite(name).prepare(Request(worlds=24, steps=1000, vocabulary=128, actions=5))
        known = on.references[0]
        assert known.how.startswith("measured over 2048 episodes")
        # the paper measured -942 for Pendulum at g = 5
        assert known.random_return == pytest.approx(random, abs=max(5 * known.random_error, 0.4))
        assert known.oracle_return > known.random_return
        for player, wanted in (("oracle", 1.0), ("random", 0.0)):
            result = scores(tally_baseline(player, on), on.counted)
            last = result["by_episode"]
            assert last["best"] == pytest.approx(wanted, abs=max(4 * last["ci95"], 0.03))
            assert result["action_score_by_step"] == []
    assert (
        suite("cartpole").prepare(Request(worlds=1, steps=9, vocabulary=128, actions=5)).references[0].oracle_return
        == 500.0
    )
