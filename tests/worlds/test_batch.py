import numpy as np
import pytest

from common.random import generator
from common.worlds import sample_world
from common.worlds.batch import WorldBatch
from common.worlds.step import reset, step


def mixed_worlds():
    return [
        sample_world("gridworld", seed=1, n_states=7, slip=0.4, cap_factor=1.3, vocabulary=30),
        sample_world("bandit", seed=2, n_actions=3),
        sample_world("garnet", seed=3, n_states=20, start="uniform", cap_factor=0.4),
        sample_world("gridworld", seed=4, n_actions=2, rows=1, start="uniform"),
    ]


def actions_of(world, seed, steps):
    return np.random.default_rng(seed).integers(0, world.n_actions, steps)


def play(worlds, seeds, steps):
    """Return everything a batch shows, (steps, W) each: observation before and after, reward, terminated, truncated."""
    batch = WorldBatch(worlds, seeds)
    actions = np.stack([actions_of(world, seed, steps) for world, seed in zip(worlds, seeds, strict=True)], axis=1)
    shown = []
    for row in actions:
        before = batch.observation.copy()
        shown.append((before, *batch.step(row)))
    return [np.stack(column) for column in zip(*shown, strict=True)]


def test_a_batch_equals_the_kernels_one_world_at_a_time():
    worlds, steps = mixed_worlds(), 300
    before, after, reward, terminated, truncated = play(worlds, range(4), steps)
    for w, world in enumerate(worlds):
        row_start, successor, cumulative, mean, noise, starts, start_cumulative, terminal = world.arrays()
        rng = generator(w)
        state, taken = reset(rng, starts, start_cumulative), 0
        for t, action in enumerate(actions_of(world, w, steps)):
            assert before[t, w] == world.symbol[state]
            state, paid = step(rng, state, int(action), world.n_actions, row_start, successor, cumulative, mean, noise)
            taken += 1
            assert after[t, w] == world.symbol[state]
            assert reward[t, w] == np.float32(paid)
            assert terminated[t, w] == terminal[state]
            assert truncated[t, w] == (taken >= world.max_steps and not terminal[state])
            if terminal[state] or taken >= world.max_steps:
                state, taken = reset(rng, starts, start_cumulative), 0
    assert terminated.any(axis=0).tolist()[:2] == [True, True]
    assert truncated.any(axis=0)[2]


def test_a_bandit_ends_by_termination_though_its_cap_is_met_too():
    _, _, _, terminated, truncated = play([sample_world("bandit", seed=2)], [0], 10)
    assert terminated.all()
    assert not truncated.any()


def test_the_rest_of_the_batch_changes_nothing():
    worlds, steps = mixed_worlds(), 200
    together = play(worlds, [5, 6, 7, 8], steps)
    backwards = play(worlds[::-1], [8, 7, 6, 5], steps)
    for one, other in zip(together, backwards, strict=True):
        assert np.array_equal(one, other[:, ::-1])
    alone = play(worlds[2:3], [7], steps)
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one[:, 2:3], other)


def test_frequencies_follow_the_rows():
    world = sample_world("garnet", seed=9, n_states=5, n_actions=2, branching=3)
    rng = generator(1)
    draws = np.array([step(rng, 2, 1, 2, *world.arrays()[:5])[0] for _ in range(4000)])
    row = slice(world.row_start[5], world.row_start[6])
    for state, chance in zip(world.successor[row], world.probability[row], strict=True):
        assert abs((draws == state).mean() - chance) < 4.5 * np.sqrt(chance * (1 - chance) / 4000)


def test_reward_noise_has_the_given_spread():
    world = next(w for w in (sample_world("bandit", seed=s, n_actions=2) for s in range(99)) if w.noise.max() > 0.05)
    batch = WorldBatch([world] * 20_000, range(20_000))
    _, reward, _, _ = batch.step(np.ones(20_000, dtype=int))
    assert reward.mean() == pytest.approx(world.reward[1], abs=5 * world.noise[1] / np.sqrt(20_000))
    assert reward.std() == pytest.approx(world.noise[1], rel=0.03)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([0, 0, 0], r"integers of shape \(4,\)"),
        ([0.0, 0.0, 0.0, 0.0], "integers of shape"),
        ([0, 3, 0, 0], r"action of world 1 must lie in 0\.\.2, got 3"),
        ([0, 0, 0, -1], r"action of world 3 must lie in 0\.\.1, got -1"),
    ],
)
def test_bad_actions_are_refused_and_move_nothing(actions, message):
    batch = WorldBatch(mixed_worlds(), range(4))
    state = batch.state.copy()
    with pytest.raises(ValueError, match=message):
        batch.step(np.array(actions))
    assert np.array_equal(batch.state, state)


def test_a_batch_needs_worlds_and_a_seed_for_each():
    with pytest.raises(ValueError, match="at least one world"):
        WorldBatch([], [])
    with pytest.raises(ValueError, match="one seed for each, got 4 and 3 seeds"):
        WorldBatch(mixed_worlds(), [1, 2, 3])
    with pytest.raises(ValueError, match=r"\[0, 2\*\*64\)"):
        WorldBatch(mixed_worlds()[:1], [-1])
