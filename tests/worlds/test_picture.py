"""Pictures: what they say about a world, and that they show the present state."""

import numpy as np
import pytest

from common.plots_world import WorldPicture
from common.worlds import sample_world
from common.worlds.portrait import Portrait


@pytest.mark.parametrize("kind", ["sparse-goal", "goal-with-pits"])
@pytest.mark.parametrize("family", ["garnet", "gridworld"])
def test_goals_and_pitfalls_are_told_apart(family, kind):
    for seed in range(30):
        world = sample_world(family, seed=seed, reward_kind=kind)
        roles = Portrait.of(world).roles
        paying = set(world.successor[world.reward > 0.0].tolist())
        assert set(roles["goal"]) == paying
        assert roles.get("pitfall", []) == [s for s in np.flatnonzero(world.terminal) if s not in paying]
        assert roles["start"] == world.start_states.tolist()


def test_in_anymdp_only_the_last_state_is_a_goal():
    goals = [Portrait.of(sample_world("anymdp", seed=seed)).roles.get("goal", []) for seed in range(60)]
    assert {tuple(states) for states in goals} == {(), (15,)}


def test_matrices_and_values_of_a_portrait():
    world = sample_world("anymdp", seed=2)
    portrait = Portrait.of(world)
    live = ~world.terminal
    dense = world.to_dense()["transition"]
    assert np.allclose(portrait.transition, dense.mean(axis=1), atol=1e-12)
    assert np.allclose(portrait.optimal_transition[live].sum(axis=1), 1.0)
    assert not portrait.optimal_transition[~live].any()
    assert (portrait.value[live] >= portrait.random_value[live] - 1e-9).all()
    assert np.array_equal(portrait.level[live], portrait.value[live])


@pytest.mark.parametrize("view", ["matrix", "graph"])
@pytest.mark.parametrize("n_states", [8, 64])
def test_frames_differ_where_the_state_does_and_leave_no_trace(view, n_states):
    picture = WorldPicture(sample_world("anymdp", seed=2, n_states=n_states), view)
    first, other = picture.frame(0, 3), picture.frame(n_states - 1, 3)
    assert first.dtype == np.uint8
    assert first.shape == other.shape
    assert first.shape[2] == 3
    changed = (first != other).any(axis=2).mean()
    assert 0.0 < changed < 0.1
    assert np.array_equal(picture.frame(0, 3), first)
    assert (first < 250).any(axis=2).mean() > 0.05
