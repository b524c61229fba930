"""AnyMDP worlds: their shape, bands, ends and rewards, what is refused, and the same bytes for ever."""

import hashlib

import numpy as np
import pytest

from common.errors import UsageError
from common.worlds import sample_world, solve
from common.worlds.returns import episode_return

GOLDEN = "5a38cec77d93d699a487212844f962031e72eb573b4ae3ce7cb87d969e814f46"


def worlds(n_states, count, **parameters):
    return [sample_world("anymdp", seed=seed, n_states=n_states, **parameters) for seed in range(count)]


@pytest.fixture(scope="module", params=[(8, 2), (9, 5), (16, 5), (33, 3), (64, 4), (128, 5)], ids=str)
def sampled(request):
    """Ten worlds of one size."""
    n_states, n_actions = request.param
    return worlds(n_states, 10, n_actions=n_actions)


def test_rows_are_sorted_distributions(sampled):
    for world in sampled:
        for row, (first, last) in enumerate(zip(world.row_start[:-1], world.row_start[1:], strict=True)):
            assert (first == last) == world.terminal[row // world.n_actions]
            if first < last:
                p, c = world.probability[first:last], world.cumulative[first:last]
                assert (p > 0.0).all() and (np.diff(p) <= 0.0).all()
                assert (np.diff(c) >= 0.0).all() and c[-1] == 1.0
                np.testing.assert_allclose(c, np.cumsum(p), rtol=0.0, atol=1e-12)
                assert len(set(world.successor[first:last])) == last - first


def test_bands_hold(sampled):
    for world in sampled:
        n, reached = world.n_states, world.to_dense()["transition"].sum(axis=1) > 0.0
        for s in np.flatnonzero(~world.terminal):
            ranks = np.flatnonzero(reached[s])
            start, end = ranks[0], ranks[-1] + 1
            assert set(range(start, end)) - set(ranks) <= ({s} if s == n - 1 else set())
            assert max(0, s - max(2, n // 2 + 1)) <= start <= max(0, s - 2)
            # a band reaches further up than n / 4 only to hold two live ranks above s
            live_above = (~world.terminal[s + 1 : end]).sum()
            assert live_above >= 2 or end >= n - (s == n - 1)
            if end > min(n, s + max(2, n // 4 + 1)):
                assert (~world.terminal[s + 1 : end - 1]).sum() < 2


def test_episodes_start_in_the_lowest_ranks_and_end_where_allowed(sampled):
    for world in sampled:
        n = world.n_states
        assert set(world.start_states) <= {0, 1, 2} and not world.terminal[world.start_states].any()
        assert world.start_probabilities.sum() == pytest.approx(1.0, abs=1e-12)
        assert world.terminal.sum() < 0.4 * n + 2
        assert max(4 * n, 100) <= world.max_steps <= max(min(8 * n, 500), max(4 * n, 100) + 1)
        assert sorted(world.symbol) == list(range(n))


def test_rewards_are_a_part_of_the_action_and_a_part_of_the_next_state(sampled):
    for world in sampled:
        dense, live = world.to_dense(), ~world.terminal
        row = np.repeat(np.arange(world.n_states * world.n_actions), np.diff(world.row_start))
        s, a = np.divmod(row, world.n_actions)
        for name, sparse in (("reward", world.reward), ("reward_noise", world.noise)):
            table = dense[name]
            np.testing.assert_array_equal(table[s, a, world.successor], sparse)
            assert (table[~live] == 0.0).all()
            whole = table[live]
            np.testing.assert_allclose(whole - whole[:1, :1], (whole - whole[:1, :1])[:, :, :1].repeat(len(table), 2),
                                       rtol=0.0, atol=1e-12 * np.abs(whole).max())  # fmt: skip
        assert (world.noise >= 0.0).all()
        pits = np.flatnonzero(world.terminal[:-1])
        assert dense["reward_noise"][np.flatnonzero(live)[0]].min() >= 0.0 and not set(pits) & set(world.start_states)


def test_values_ascend(sampled):
    for world in sampled:
        value = solve(world, 0.99).max(axis=1)
        ends = world.terminal[-1]
        assert value[-2 if ends else -1] >= value[world.start_states].max() + 2.0 - 1e-6
        assert value[~world.terminal].min() >= 1.0 - 1e-6 or world.terminal[:-1].any()


def test_the_oracle_earns_no_less_than_random_play(sampled):
    for world in sampled:
        best = np.eye(world.n_actions)[solve(world, 0.994).argmax(axis=1)]
        blind = np.full_like(best, 1.0 / world.n_actions)
        assert episode_return(world, best)[0] >= episode_return(world, blind)[0] - 1e-9


def test_min_states_draws_the_number_of_states_inside_a_vocabulary():
    drawn = worlds(12, 60, min_states=9, vocabulary=40, n_actions=4)
    assert {world.n_states for world in drawn} == {9, 10, 11, 12}
    for world in drawn:
        assert world.vocabulary == 40 and world.symbol.max() < 40
        assert len(set(world.symbol)) == world.n_states == world.n_s
    assert len({tuple(world.symbol) for world in drawn}) == 60
    assert {symbol for world in drawn for symbol in world.symbol} == set(range(40))


def test_a_world_says_where_it_comes_from_and_what_was_dropped():
    world = sample_world("anymdp", seed=5, n_states=10, n_actions=3)
    assert (world.family, world.version, world.seed) == ("anymdp", 2, 5)
    assert world.parameters == {"n_states": 10, "min_states": None, "n_actions": 3, "vocabulary": None}
    worlds(9, 3, n_actions=6)
    again = sample_world("anymdp", seed=5, **world.parameters)
    assert again.reward.tobytes() == world.reward.tobytes()
    assert again.probability.tobytes() == world.probability.tobytes()
    assert set(world.rejections) == {
        "bonus_not_ascending",
        "gain_too_small",
        "gini_too_small",
        "entropy_too_small",
        "oracle_below_random",
    }
    total = sum(sum(w.rejections.values()) for w in worlds(16, 40))
    assert 40 < total < 400


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_states": 1}, "use family bandit"),
        ({"n_states": 7}, "at least 8 states"),
        ({"n_states": 16, "min_states": 4}, "at least 8 states"),
        ({"n_states": 16, "min_states": 20}, "min_states must not be over"),
        ({"n_states": 16, "vocabulary": 15}, "vocabulary must be at least"),
        ({"n_actions": 1}, "n_actions"),
        ({"states": 16}, "settings here are n_states"),
    ],
)
def test_what_cannot_be_is_refused(parameters, message):
    with pytest.raises(UsageError, match=message):
        sample_world("anymdp", seed=0, **parameters)


def test_same_bytes_for_ever():
    total = hashlib.sha256()
    for seed in range(30):
        world = sample_world("anymdp", seed=seed, n_states=8 + 3 * seed, min_states=8, vocabulary=100, n_actions=4)
        table = world.reward_table
        for array in (*world.arrays(), world.probability, world.symbol, np.float64(world.max_steps), table.mean_next):
            total.update(np.ascontiguousarray(array).tobytes())
    assert total.hexdigest() == GOLDEN
