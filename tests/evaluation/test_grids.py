"""Suites of known maps are Gymnasium's, number for number, beside the rewards the paper shows."""

import gymnasium
import numpy as np
import pytest

from common.worlds import World, solve
from common.worlds.returns import episode_return
from common.worlds.solve import evaluate_policy, optimal_actions
from trainer.evaluation.reference import reference
from trainer.evaluation.suites import suite
from trainer.evaluation.suites.tables import world_of_table
from trainer.evaluation.task import Task

GYMNASIUMS = {
    "frozenlake": ("FrozenLake-v1", {"map_name": "4x4", "is_slippery": False}),
    "frozenlake-slippery": ("FrozenLake-v1", {"map_name": "4x4", "is_slippery": True}),
    "frozenlake-8x8": ("FrozenLake-v1", {"map_name": "8x8", "is_slippery": True}),
    "taxi": ("Taxi-v4", {}),
}


def task_of(name: str) -> Task:
    return suite(name).draw(0, 0)


@pytest.mark.parametrize("name", GYMNASIUMS)
def test_a_suite_is_gymnasiums_table(name: str) -> None:
    task = task_of(name)
    kind, arguments = GYMNASIUMS[name]
    environment = gymnasium.make(kind, **arguments)
    table, start = environment.unwrapped.P, environment.unwrapped.initial_state_distrib
    plain = task.scored.to_dense()
    ends = np.zeros(task.world.n_states, dtype=bool)
    ends[plain["terminal_states"]] = True
    # Taxi has states that no episode comes to: there a delivered passenger does not end it
    met = ~ends
    if name == "taxi":
        met &= np.arange(500) // 4 % 5 != np.arange(500) % 4
    for s in np.flatnonzero(met):
        for a in range(task.world.n_actions):
            probability, paid = np.zeros(len(ends)), np.zeros(len(ends))
            for p, successor, reward, done in table[s][a]:
                probability[successor] += p
                paid[successor] += p * reward
                assert done == ends[successor]
            np.testing.assert_allclose(plain["transition"][s, a], probability, atol=2e-16)
            np.testing.assert_allclose(plain["transition"][s, a] * plain["reward"][s, a], paid, atol=1e-14)
    started = np.zeros(len(ends))
    started[plain["start_states"]] = plain["start_probabilities"]
    np.testing.assert_allclose(started, start, atol=1e-15)
    assert task.world.episode_limit == task.scored.episode_limit == 200


def test_the_shown_rewards_are_the_papers() -> None:
    for name, step, ends_at in (
        ("frozenlake", -0.05, {"pits": [5, 7, 11, 12], "goal": 15}),
        ("frozenlake-slippery", 0.0, {"pits": [5, 7, 11, 12], "goal": 15}),
        ("cliffwalking", -0.03, {"pits": list(range(37, 47)), "goal": 47}),
    ):
        task = task_of(name)
        shown = task.world.to_dense()
        wanted = np.full(task.world.n_states, step)
        wanted[ends_at["pits"]], wanted[ends_at["goal"]] = -1.0, 1.0
        s, a, following = np.nonzero(shown["transition"])
        np.testing.assert_array_equal(shown["reward"][s, a, following], wanted[following])
        np.testing.assert_array_equal(shown["transition"], task.scored.to_dense()["transition"])
        assert np.flatnonzero(task.goal).tolist() == [ends_at["goal"]]
        assert task.world.terminal[ends_at["pits"]].all()


def test_normalisers_are_the_papers() -> None:
    """Oracle and random play per episode (paper, "Evaluation" and Table 2)."""
    for name, oracle, random, within in (
        ("cliffwalking", -13.0, -110.0, 0.5),
        ("darkroom-10", 0.19, -15.9, 0.1),
        ("frozenlake-slippery", 0.778, 0.0146, 0.04),
    ):
        known = reference(task_of(name))
        assert known.oracle_return == pytest.approx(oracle, abs=within)
        assert known.random_return == pytest.approx(random, abs=within)


def test_the_optimal_success_of_frozenlake_is_the_known_one() -> None:
    """Not slippery: 1, in 6 steps. Slippery, without a cut: 14 / 17; in Gymnasium's 100 steps about .74."""
    world = task_of("frozenlake").scored
    best = optimal_actions(solve(world)).astype(float)
    best[world.terminal] = 1.0
    assert episode_return(world, best / best.sum(axis=1, keepdims=True)) == pytest.approx((1.0, 6.0))
    slippery = task_of("frozenlake-slippery").scored
    best = optimal_actions(solve(slippery, 0.99999)).astype(float)
    best[slippery.terminal] = 1.0
    best /= best.sum(axis=1, keepdims=True)
    assert evaluate_policy(slippery, best, 1 - 1e-9)[0] == pytest.approx(14 / 17, abs=1e-4)
    assert episode_return(slippery, best, steps=100)[0] == pytest.approx(0.74, abs=0.01)


def test_a_table_whose_ends_depend_on_the_way_is_refused() -> None:
    environment = gymnasium.make("FrozenLake-v1")
    world: World = world_of_table(environment, 100.0)
    assert np.flatnonzero(world.terminal).tolist() == [5, 7, 11, 12, 15]
    environment.unwrapped.P[0][0] = [(1.0, 5, 0.0, False)]
    with pytest.raises(ValueError, match="ends an episode only at times"):
        world_of_table(environment, 100.0)
