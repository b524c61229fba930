import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.random import generator
from common.worlds import World, sample_world
from common.worlds.emission import draw_emission
from common.worlds.macro import of_macro_actions
from common.worlds.solve import evaluate_policy, solve

KINDS = st.sampled_from(["dense", "mixed", "sparse-goal", "goal-with-pits"])
SEEDS = st.integers(0, 2**64 - 1)
SHARED = {
    "seed": SEEDS,
    "n_states": st.integers(4, 16),
    "n_actions": st.integers(2, 5),
    "reward_kind": KINDS,
    "start": st.sampled_from(["fixed", "uniform"]),
    "reward_scale": st.floats(0.5, 1.0),
    "cap_factor": st.floats(1.0, 6.0),
}


def check_world(world: World, vocabulary: int) -> None:
    """Assert what holds for every world of every family."""
    rows = np.diff(world.row_start).reshape(world.n_states, world.n_actions)
    assert (rows[world.terminal] == 0).all()
    assert (rows[~world.terminal] > 0).all()
    row = np.repeat(np.arange(rows.size), rows.reshape(-1))
    live = np.repeat(~world.terminal, world.n_actions)
    total = np.bincount(row, world.probability, minlength=rows.size)
    assert np.abs(total - live).max() < 1e-12
    assert (world.probability > 0.0).all()
    assert world.successor.max() < world.n_states
    last = world.row_start[1:][live] - 1
    assert (world.cumulative[last] == 1.0).all()
    same_row = row[1:] == row[:-1]
    fall = np.diff(world.probability)[same_row]
    assert (fall <= 0.0).all()
    assert (np.diff(world.successor.astype(int))[same_row][fall == 0.0] > 0).all()
    assert not world.terminal[world.start_states].any()
    assert abs(world.start_probabilities.sum() - 1.0) < 1e-12
    assert world.vocabulary == vocabulary
    assert world.symbol.max() < vocabulary
    assert len(set(world.symbol[: world.n_s].tolist())) == world.n_s
    assert np.isfinite(world.reward).all()
    assert (world.noise >= 0.0).all()


@given(SEEDS, st.integers(2, 64), st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_bandit(seed, n_actions, vocabulary):
    world = sample_world("bandit", seed=seed, n_actions=n_actions, vocabulary=vocabulary)
    check_world(world, vocabulary)
    assert world.to_dense()["transition"].shape == (2, n_actions, 2)
    assert world.n_s == 1
    assert world.symbol[0] == world.symbol[1]
    assert world.episode_limit == 1
    assert np.std(world.reward) > 0.01
    low, high = world.reward.min(), world.reward.max()
    assert 0.025 <= low <= high < 2.0
    assert high <= 2.0 * low + 1e-12
    ratio = world.noise / world.reward
    assert np.ptp(ratio) < 1e-12
    assert ratio.max() < 0.3


@given(st.fixed_dictionaries(SHARED), st.integers(1, 4), st.sampled_from([None, 3, 5]))
@settings(max_examples=60, deadline=None)
def test_garnet(shared, branching, band):
    world = sample_world("garnet", branching=branching, band=band, vocabulary=16, **shared)
    check_world(world, 16)
    rows = np.diff(world.row_start)
    assert set(rows.tolist()) <= {0, branching}
    assert np.abs(world.reward).max() == pytest.approx(shared["reward_scale"], abs=1e-12)
    assert world.max_steps == shared["cap_factor"] * shared["n_states"]
    if shared["start"] == "fixed":
        assert world.start_states.tolist() == [0]
    if band is not None:
        state = np.repeat(np.arange(rows.size), rows) // world.n_actions
        assert np.abs(state - world.successor).max() <= band
    if shared["reward_kind"] == "sparse-goal":
        assert (solve(world).max(axis=1)[world.start_states] > 0.0).all()
    if shared["reward_kind"] != "mixed":
        assert world.terminal.any() == (shared["reward_kind"] != "dense")


@given(
    st.fixed_dictionaries(SHARED),
    st.sampled_from([{}, {"wall_share": 0.3}, {"rows": 2}, {"rows": 1}, {"rows": 1, "reach": 3}]),
    st.floats(0.0, 0.7),
)
@settings(max_examples=60, deadline=None)
def test_gridworld(shared, form, slip):
    world = sample_world("gridworld", slip=slip, vocabulary=16, **form, **shared)
    check_world(world, 16)
    assert world.n_states == shared["n_states"]
    assert np.abs(world.reward).max() == pytest.approx(shared["reward_scale"], abs=1e-12)
    assert np.diff(world.row_start).max() <= 3
    if shared["reward_kind"] == "sparse-goal":
        assert world.terminal.sum() == 1
        assert (solve(world).max(axis=1)[world.start_states] > 0.0).all()


@pytest.mark.parametrize("name", ["garnet", "gridworld"])
@pytest.mark.parametrize("kind", ["dense", "mixed", "sparse-goal", "goal-with-pits"])
def test_no_world_lies_under_the_least_gap(name, kind):
    dropped = 0
    for seed in range(40):
        world = sample_world(
            name, seed=seed, n_states=8, n_actions=2, reward_kind=kind, reward_scale=0.5, min_gap=0.15, start="uniform"
        )
        everywhere = np.full((8, 2), 0.5)
        gap = solve(world, 0.95).max(axis=1) - evaluate_policy(world, everywhere, 0.95)
        assert gap[world.start_states].mean() >= 0.15 - 1e-12
        dropped += world.rejections["gap"]
    assert dropped > 0 or kind in ("dense", "mixed")


@pytest.mark.parametrize("name", ["bandit", "garnet", "gridworld"])
def test_symbols_are_spread_over_the_vocabulary(name):
    seen = np.concatenate([sample_world(name, seed=seed, vocabulary=20).symbol for seed in range(100)])
    assert set(seen.tolist()) == set(range(20))


def test_garnet_rewards_and_cap_follow_the_specification():
    worlds = [sample_world("garnet", seed=seed, n_states=32, n_actions=5) for seed in range(100)]
    reward = np.concatenate([world.reward for world in worlds])
    assert abs(reward.mean()) < 5 * 0.1 / np.sqrt(reward.size)
    assert reward.std() == pytest.approx(0.1, rel=0.02)
    caps = np.array([world.max_steps for world in worlds])
    assert 128.0 <= caps.min() < 145.0
    assert 240.0 < caps.max() < 256.0
    # the larger of the two gaps that one uniform cuts: mean 3/4
    assert np.mean([world.probability[::2].mean() for world in worlds]) == pytest.approx(0.75, abs=0.01)


GOLDEN = {
    "bandit": "8cffddb258ad8a01c4b681e41402cd9a511aaec8111f70975c3b56d0782a8709",
    "garnet": "c8387b07edc1b512afe8e45c01d5c717866ecf30c1d6fd69fefacaaf53fdfeb4",
    "parts": "69d8926ede0d9ed7c9f28bf3ca40992dcbf2c45b11abf04205fbede08b8208c9",
    "gridworld": "3227ac3ff42cbeaa4504507941c4af260ded0693842cefd1cb60894a3da129cb",
}
"""SHA-256 of all arrays of seeds 0..19: whoever changes one raises that family's version."""


def family_digest(name: str) -> str:
    """Return the digest of the arrays of worlds 0..19, with every other kind of reward and of start."""
    total = hashlib.sha256()
    for seed in range(20):
        parameters: dict = {"vocabulary": 40}
        if name != "bandit":
            parameters["reward_kind"] = ["dense", "mixed", "sparse-goal", "goal-with-pits"][seed % 4]
            parameters["start"] = ["fixed", "uniform"][seed % 2]
            parameters["min_gap"] = 0.1
        world = sample_world(name, seed=seed, **parameters)
        for array in (*world.arrays(), world.probability, world.symbol, np.float64(world.max_steps), solve(world)):
            total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def parts_digest() -> str:
    """Return the digest of what families are built of beside candidates: cliffs, emissions, macro-actions."""
    total = hashlib.sha256()
    for seed in range(10):
        cliff = sample_world("gridworld", seed=seed, pits="restart", slip=0.4, reward_scale=1.0)
        macro = of_macro_actions(sample_world("garnet", seed=seed, n_states=9, n_actions=3, branching=3), 2)
        emission = draw_emission(generator(seed), 20, 16, 3, 40)
        for array in (*cliff.arrays(), *macro.arrays(), macro.probability, *emission):
            total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_the_same_seed_gives_the_same_bytes_for_ever(name):
    assert (parts_digest() if name == "parts" else family_digest(name)) == GOLDEN[name]
