"""What sampling hands on to the labels spares work and changes nothing; of another world it says nothing."""

from dataclasses import replace

import numpy as np
import pytest

from common.dataset.schema import DISCOUNTS
from common.synthesis.labels import reference
from common.worlds import sample_world, solve
from common.worlds.macro import of_macro_actions
from common.worlds.returns import episode_return


def labels(world):
    """Return (masks (D, n), oracle's return, random return)."""
    masks = np.empty((len(DISCOUNTS), world.n_states), dtype=np.uint64)
    values = reference(
        world.arrays(),
        world.probability,
        world.start_probabilities,
        world.n_actions,
        world.episode_limit,
        np.array(DISCOUNTS),
        world.hints(),
        masks,
    )
    return masks, *values


@pytest.mark.parametrize(("n_states", "n_actions"), [(8, 2), (16, 5), (40, 3), (64, 5)])
def test_labels_are_the_same_without_it(n_states, n_actions):
    for seed in range(12):
        world = sample_world("anymdp", seed=seed, n_states=n_states, n_actions=n_actions)
        policy, discount, oracle, random = world.hints()
        best = np.eye(n_actions)[solve(world, discount).argmax(axis=1)]
        assert discount == DISCOUNTS[-1]
        assert np.array_equal(policy[~world.terminal], best.argmax(axis=1)[~world.terminal])
        assert oracle == pytest.approx(episode_return(world, best)[0], rel=1e-10, abs=1e-9)
        blind = np.full_like(best, 1.0 / n_actions)
        assert random == pytest.approx(episode_return(world, blind)[0], rel=1e-10, abs=1e-9)
        known, plain = labels(world), labels(replace(world, known=None))
        assert np.array_equal(known[0], plain[0])
        assert known[1:] == pytest.approx(plain[1:], rel=1e-10, abs=1e-9)


def test_a_wrong_policy_only_costs_time():
    world = sample_world("anymdp", seed=3, n_states=24)
    wrong = replace(world, known=replace(world.known, policy=(world.known.policy + 1) % world.n_actions))
    assert np.array_equal(labels(wrong)[0], labels(world)[0])


def test_nothing_is_known_of_a_changed_world():
    world = sample_world("anymdp", seed=3)
    assert world.hints()[0].size == world.n_states
    for other in (
        replace(world, max_steps=7.0),
        replace(world, reward=2.0 * world.reward),
        of_macro_actions(world, 2),
        sample_world("garnet", seed=3),
    ):
        assert other.hints()[0].size == 0
    assert replace(world, symbol=world.symbol[::-1].copy()).hints()[0].size == world.n_states
