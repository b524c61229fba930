"""Gridworlds as maps: Gymnasium's tables exactly, the paper's numbers for Darkroom, pits that lead back, refusals."""

import gymnasium
import numpy as np
import pytest

from common.errors import UsageError
from common.worlds import sample_world, solve
from common.worlds.grid_layout import evaluation_maps, read_map
from common.worlds.grid_map import CLIFF_WALKING, FROZEN_LAKE, cliff_walking, darkroom, frozen_lake, world_of_map
from common.worlds.returns import episode_return
from common.worlds.solve import optimal_actions


def gymnasiums(name, **arguments):
    """Return (P, P r, terminal, start distribution) of Gymnasium's table."""
    env = gymnasium.make(name, **arguments).unwrapped
    n, a = len(env.P), len(env.P[0])
    chance, paid, terminal = np.zeros((n, a, n)), np.zeros((n, a, n)), np.zeros(n, dtype=bool)
    for s, actions in env.P.items():
        for action, outcomes in actions.items():
            for probability, following, reward, ends in outcomes:
                chance[s, action, following] += probability
                paid[s, action, following] += probability * reward
                terminal[following] |= ends
    return chance, paid, terminal, env.initial_state_distrib


def assert_same(world, chance, paid, terminal, start):
    """Assert equal tables to the last bit or two: thirds are rounded in another order."""
    dense = world.to_dense()
    live = ~terminal
    assert np.array_equal(world.terminal, terminal)
    assert np.abs(dense["transition"][live] - chance[live]).max() < 2e-16
    assert np.array_equal(dense["transition"][live] > 0.0, chance[live] > 0.0)
    assert np.abs((dense["transition"] * dense["reward"])[live] - paid[live]).max() < 2e-16 * max(1, abs(paid).max())
    started = np.zeros(world.n_states)
    started[world.start_states] = world.start_probabilities
    assert np.array_equal(started, start)


@pytest.mark.parametrize("size", ["4x4", "8x8"])
@pytest.mark.parametrize("slippery", [True, False])
def test_frozen_lake_is_gymnasiums(size, slippery):
    world = frozen_lake(size, slippery=slippery)
    assert_same(world, *gymnasiums("FrozenLake-v1", map_name=size, is_slippery=slippery))
    name = "FrozenLake-v1" if size == "4x4" else "FrozenLake8x8-v1"
    assert world.episode_limit == gymnasium.spec(name).max_episode_steps


def test_cliff_walking_is_gymnasiums():
    world = cliff_walking()
    assert_same(world, *gymnasiums("CliffWalking-v1"))
    best = optimal_actions(solve(world, 1.0 - 1e-9))
    policy = best / best.sum(axis=1, keepdims=True)
    assert episode_return(world, policy)[0] == pytest.approx(-13.0, abs=1e-6)


def test_a_slippery_cliff_is_gymnasiums():
    assert_same(cliff_walking(slippery=True), *gymnasiums("CliffWalking-v1", is_slippery=True))


def test_a_cliff_may_end_the_episode():
    world = cliff_walking(cliff="end")
    assert np.flatnonzero(world.terminal).tolist() == list(range(37, 48))
    dense, other = world.to_dense(), cliff_walking().to_dense()
    assert dense["transition"][36, 1, 37] == 1.0
    assert dense["reward"][36, 1, 37] == -100.0
    same = ~np.isin(np.arange(48), [*range(24, 48)])
    assert np.array_equal(dense["transition"][same], other["transition"][same])


@pytest.mark.parametrize(("side", "oracle", "random"), [(10, 0.19, -15.9)])
def test_darkroom_has_the_papers_normalisers(side, oracle, random):
    world = darkroom(side)
    best = optimal_actions(solve(world, 0.994))
    best[world.terminal] = True
    assert episode_return(world, best / best.sum(axis=1, keepdims=True))[0] == pytest.approx(oracle, abs=0.005)
    assert episode_return(world, np.full(best.shape, 0.25))[0] == pytest.approx(random, abs=0.1)
    assert world.start_states.size == side * side - 1


def test_the_named_maps_are_those_the_sampler_never_draws():
    kept = {(one.shape, one.tobytes()) for one in evaluation_maps()}
    for rows in (*FROZEN_LAKE.values(), CLIFF_WALKING):
        cells = read_map(rows)
        assert (cells.shape, cells.tobytes()) in kept


def test_pits_lead_back_in_sampled_worlds_too():
    fell = 0
    for seed in range(60):
        parameters = {"pits": "restart", "slip": 0.5 * (seed % 2), "min_gap": 0.05, "n_states": 12}
        world = sample_world("gridworld", seed=seed, **parameters)
        assert world.terminal.sum() == 1
        assert world.start_states.size == 1
        dense = world.to_dense()
        goal, start = int(np.flatnonzero(world.terminal)[0]), int(world.start_states[0])
        never = ~(dense["transition"].max(axis=(0, 1)) > 0.0)
        fell += never.sum()
        assert not never[[goal, start]].any() or never[start]
        assert np.abs(dense["transition"].sum(axis=2) - ~world.terminal[:, None]).max() < 1e-12
        assert world.parameters["pits"] == "restart"
        again = sample_world("gridworld", seed=seed, **world.parameters)
        assert np.array_equal(again.reward, world.reward)
    assert fell > 60
    assert "pits" not in sample_world("gridworld", seed=0).parameters


def test_what_a_pit_pays_is_kept_where_it_leads_back():
    world = world_of_map(["..", "OG"], start=(0, 0), pits="restart", slip=1.0, pit_reward=-4.0, step_reward=1.0)
    dense = world.to_dense()
    # right slips to up (stays in the start, paid 1) or down (the pit, back in the start, paid -4)
    assert dense["transition"][0, 1, 0] == 1.0
    assert dense["reward"][0, 1, 0] == pytest.approx(-1.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: world_of_map(["..G"]), "two or more lines"),
        (lambda: world_of_map(["..", "."]), "equal length"),
        (lambda: world_of_map(["..", "xG"]), r"of \. # O G alone"),
        (lambda: world_of_map(["GG", "OO"]), "at least one free cell"),
        (lambda: world_of_map(["..", ".G"], start=(1, 1)), r"of a free cell, got \(1, 1\)"),
        (lambda: world_of_map(["..", "OG"], pits="restart"), "lead back to one start"),
        (lambda: world_of_map(["..", ".G"], slip=1.5), "slip in .*got 1.5"),
        (lambda: world_of_map(["..", ".G"], moves=(0, 7)), r"moves of 0\.\.4"),
        (lambda: darkroom(6, (6, 0)), "its goal inside"),
        (lambda: sample_world("gridworld", seed=0, pits="restart", start="uniform"), 'set it to "fixed"'),
    ],
)
def test_bad_maps_are_refused(call, message):
    with pytest.raises(UsageError, match=message):
        call()
