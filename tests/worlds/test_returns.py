import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.worlds import sample_world, solve
from common.worlds.batch import WorldBatch
from common.worlds.returns import episode_return
from common.worlds.solve import optimal_actions


def by_loop(world, policy, steps):
    """Return (return, length) of an episode by carrying the dense distribution forward."""
    dense = world.to_dense()
    chain = np.einsum("sa,saj->sj", policy, dense["transition"])
    paid = np.einsum("sa,saj,saj->s", policy, dense["transition"], dense["reward"])
    mass = np.zeros(world.n_states)
    mass[dense["start_states"]] = dense["start_probabilities"]
    total = length = 0.0
    for _ in range(steps):
        mass = np.where(world.terminal, 0.0, mass)
        total += mass @ paid
        length += mass.sum()
        mass = mass @ chain
    return total, length


def random_policy(world, seed):
    policy = np.random.default_rng(seed).random((world.n_states, world.n_actions)) ** 3
    return policy / policy.sum(axis=1, keepdims=True)


def test_reference_tasks(tasks, reference_worlds):
    for task, world in zip(tasks, reference_worlds, strict=True):
        for d, exact in enumerate(task["q_exact"]):
            greedy = np.eye(world.n_actions)[exact.argmax(axis=1)]
            total, length = episode_return(world, greedy)
            assert total == pytest.approx(float(task["ep_return_opt"][d]), rel=1e-9, abs=1e-9)
            assert length == pytest.approx(float(task["ep_len_opt"][d]), rel=1e-9)
        everywhere = np.full((world.n_states, world.n_actions), 1.0 / world.n_actions)
        total, length = episode_return(world, everywhere)
        assert total == pytest.approx(float(task["ep_return_rnd"]), rel=1e-9, abs=1e-9)
        assert length == pytest.approx(float(task["ep_len_rnd"]), rel=1e-9)


@pytest.mark.parametrize("steps", [None, 0, 1, 2, 1000])
def test_families_agree_with_a_plain_loop(easy_worlds, steps):
    for seed, world in enumerate(easy_worlds[:3]):
        policy = random_policy(world, seed)
        expected = by_loop(world, policy, world.episode_limit if steps is None else steps)
        assert episode_return(world, policy, steps) == pytest.approx(expected, rel=1e-10, abs=1e-10)


@given(st.integers(0, 10**6), st.integers(0, 3000))
@settings(max_examples=30, deadline=None)
def test_stopping_early_changes_nothing(seed, steps):
    world = sample_world("garnet", seed=seed, n_states=6, n_actions=2, branching=1 + seed % 3)
    policy = np.eye(2)[np.random.default_rng(seed).integers(0, 2, 6)]
    expected = by_loop(world, policy, steps)
    assert episode_return(world, policy, steps) == pytest.approx(expected, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("garnet", {"n_states": 6, "n_actions": 3, "cap_factor": 2.0}),
        ("gridworld", {"n_states": 9, "slip": 0.5, "start": "uniform", "cap_factor": 3.4}),
        ("bandit", {}),
    ],
)
def test_played_episodes_have_the_exact_mean(name, parameters):
    world = sample_world(name, seed=11, **parameters)
    width, steps = 4000, 3 * world.episode_limit
    batch = WorldBatch([world] * width, range(width))
    rng = np.random.default_rng(0)
    total, length = np.zeros(width), np.zeros(width)
    open_episode = np.ones(width, dtype=bool)
    for _ in range(steps):
        _, reward, terminated, truncated = batch.step(rng.integers(0, world.n_actions, width))
        total += np.where(open_episode, reward, 0.0)
        length += open_episode
        open_episode &= ~(terminated | truncated)
    assert not open_episode.any()
    everywhere = np.full((world.n_states, world.n_actions), 1.0 / world.n_actions)
    exact_total, exact_length = episode_return(world, everywhere)
    for played, exact in ((total, exact_total), (length, exact_length)):
        assert abs(played.mean() - exact) < 4.5 * played.std() / np.sqrt(width) + 1e-6


def test_the_oracle_earns_more_than_chance(easy_worlds):
    for world in easy_worlds:
        best = optimal_actions(solve(world)).astype(float)
        best /= best.sum(axis=1, keepdims=True)
        everywhere = np.full(best.shape, 1.0 / world.n_actions)
        if not world.terminal.any():
            assert episode_return(world, best)[0] > episode_return(world, everywhere)[0]


def test_steps_must_not_be_negative():
    world = sample_world("bandit", seed=0)
    with pytest.raises(ValueError, match="steps must be >= 0, got -1"):
        episode_return(world, np.full((2, 5), 0.2), -1)
