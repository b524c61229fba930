"""The parts of the AnyMDP sampler against slow references: weights, rows, values, verdicts."""

import numpy as np
import pytest
from scipy.stats import norm

from common.random import generator
from common.worlds.anymdp.acceptance import ACCEPTED, episode_returns, judge
from common.worlds.anymdp.ends import draw_starts, draw_terminals
from common.worlds.anymdp.rewards import adjust_bonus, draw_rewards, expected_rewards
from common.worlds.anymdp.sampler import pack
from common.worlds.anymdp.transitions import clipped_normals, draw_transitions, gaussian, whole_rows
from common.worlds.chain import chain_room
from common.worlds.linear import LANES
from common.worlds.solve import solve
from common.worlds.world import NEVER_DRAWN, RewardTable, World


class Candidate:
    """One candidate, drawn as the sampler draws it, before any test; ``world`` is what it would become."""

    def __init__(self, rng, n, n_actions):
        size = n * n_actions
        self.rng, self.n, self.n_actions = rng, n, n_actions
        self.start, self.terminal = np.empty(3), np.empty(n, dtype=bool)
        core = np.empty(n + size * (n + LANES))
        base, first, last = (np.empty(size, dtype=np.int64) for _ in range(3))
        self.reward_parts = np.empty(size), np.empty(size), np.zeros(n + LANES), np.empty(n)
        self.expected, self.pit, self.goal, self.reward = (np.empty(size) for _ in range(4))
        self.value, self.policy = np.empty(n + LANES), np.empty(n, dtype=np.int64)
        self.table, self.bonus = np.empty(n * (n + LANES)), np.empty(2)
        self.chains = chain_room(n), chain_room(n)
        for table, packed in self.chains:
            table[0][:] = np.nan  # whatever was there before must not matter
            packed[0][:] = np.nan
        draw_starts(rng, self.start)
        self.goal_ends = draw_terminals(rng, self.start, self.terminal)
        self.before = rng.copy()
        draw_transitions(rng, n_actions, self.terminal, base, core, first, last)
        self.cores = base, core, first, last
        draw_rewards(rng, n_actions, self.terminal, self.goal_ends, *self.reward_parts)
        mean, _, mean_next, _ = self.reward_parts
        expected_rewards(n_actions, self.terminal, *self.cores, mean, mean_next, self.expected, self.pit, self.goal)

    def adjust(self):
        """Return whether values ascend after at most four adjustments."""
        return adjust_bonus(
            self.rng, self.n_actions, self.start, self.terminal, self.goal_ends, *self.cores, self.expected, self.pit,
            self.goal, self.reward, self.value, self.policy, self.table, self.bonus,
        )  # fmt: skip

    def ask(self, kernel, cap):
        """Return the answer of ``judge`` or ``episode_returns``, which goes on from what ``judge`` left."""
        return kernel(
            self.n_actions,
            cap,
            self.start,
            self.terminal,
            *self.cores,
            self.reward,
            self.value,
            self.policy,
            self.table,
            *self.chains,
        )

    def world(self, cap):
        mean, noise, mean_next, noise_next = self.reward_parts
        mean_next = mean_next[: self.n] + np.where(self.terminal, self.bonus[0], 0.0)
        mean_next[-1] += self.bonus[1] - (self.bonus[0] if self.terminal[-1] else 0.0)
        shape = (self.n, self.n_actions, 1)
        rows = pack(self.n_actions, *self.cores, mean, noise, mean_next, noise_next)
        names = ("row_start", "successor", "probability", "cumulative", "reward", "noise")
        starts = np.flatnonzero(self.start)
        return World(
            n_states=self.n,
            n_actions=self.n_actions,
            **dict(zip(names, rows, strict=True)),
            start_states=starts.astype(np.int32),
            start_probabilities=self.start[starts],
            terminal=self.terminal.copy(),
            max_steps=cap,
            symbol=np.arange(self.n, dtype=np.uint16),
            vocabulary=self.n,
            reward_table=RewardTable(mean.reshape(shape), noise.reshape(shape), mean_next, noise_next),
        )


def candidates(n, n_actions, count):
    rng = generator(11)
    return [candidate for candidate in (Candidate(rng, n, n_actions) for _ in range(count)) if candidate.adjust()]


def test_clipped_normals_have_their_distribution():
    rng, draws = generator(3), 100_000
    x = np.empty(draws)
    clipped_normals(rng, x, draws)
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 5.0 / np.sqrt(draws)
    for point in (0.1, 0.3, 0.5, 0.7, 0.9, 0.999999):
        assert abs((x <= point).mean() - norm.cdf(point)) < 5.0 * 0.5 / np.sqrt(draws)
    assert x.min() == 0.1 and x.max() == 1.0


def test_rows_leave_out_only_what_is_never_drawn():
    rng, dropped = generator(5), 0
    for candidate in (Candidate(rng, 60, 4) for _ in range(10)):
        whole, cores = whole_rows(candidate.before, 4, candidate.terminal).reshape(240, 60), np.zeros((240, 60))
        base, core, first, last = candidate.cores
        for index in range(240):
            cores[index, first[index] : last[index]] = core[base[index] + first[index] : base[index] + last[index]]
        np.testing.assert_allclose(whole.sum(axis=1), np.repeat(~candidate.terminal, 4), rtol=0.0, atol=1e-14)
        np.testing.assert_allclose(cores[cores > 0.0], whole[cores > 0.0], rtol=1e-14)
        assert whole[cores == 0.0].max() < NEVER_DRAWN
        dropped += ((whole > 0.0) & (cores == 0.0)).sum()
    assert dropped > 1000


def test_no_row_is_lost():
    # 1 in 3000 last states has an action whose centre lies on the state itself, narrowly: it moves all the same
    rng = generator(8)
    for candidate in (Candidate(rng, 8, 5) for _ in range(6000)):
        base, core, first, last = candidate.cores
        total = [core[base[i] + first[i] : base[i] + last[i]].sum() for i in range(40)]
        np.testing.assert_allclose(total, np.repeat(~candidate.terminal, 5), rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("sigma", [0.2, 0.7, 1.6])
@pytest.mark.parametrize("centre", [2.0, 2.4, 2.6, 20.3, 41.7, 42.999])
@pytest.mark.parametrize("reach", [9.6, 26.5])
def test_gaussian_weights(centre, sigma, reach):
    row = np.full(60, 7.0)
    low, high = gaussian(row, 5, 40, centre - 3.0, 1.0 / sigma**2, reach * sigma)
    distance = centre - np.arange(3, 43)
    seen = np.abs(distance) <= reach * sigma
    np.testing.assert_allclose(row[5:45], np.where(seen, np.exp(-(distance**2) / sigma**2), 0.0), rtol=1e-12)
    assert seen.any() and seen[low:high].all() and seen.sum() == high - low
    assert np.exp(-(reach**2)) < (1e-40 if reach < 10.0 else 1e-304)
    assert (row[:5] == 7.0).all() and (row[45:] == 7.0).all()


@pytest.mark.parametrize(("n", "n_actions"), [(8, 2), (16, 5), (40, 3), (128, 5)])
def test_adjusted_values_are_optimal_and_ascend(n, n_actions):
    found = candidates(n, n_actions, 40)
    assert found
    for candidate in found:
        value = solve(candidate.world(100.0), 0.99).max(axis=1)
        np.testing.assert_allclose(candidate.value[:n], value, rtol=0.0, atol=1e-8 * max(1.0, np.abs(value).max()))
        live, starts = ~candidate.terminal, candidate.start > 0.0
        assert candidate.bonus[0] <= 0.0 and candidate.bonus[1] >= 1.0
        lowest = candidate.bonus[0] if candidate.terminal[:-1].any() else 0.0
        assert value[live].min() >= lowest + 1.0 - 1e-6
        last_valid = value[-2] if candidate.goal_ends else value[-1]
        assert last_valid - value[:3][starts].max() >= 2.0 - 1e-6


@pytest.mark.parametrize(("n", "count", "cap"), [(16, 300, 128.7), (16, 150, 25.3), (48, 80, 128.7), (48, 40, 9.0)])
def test_verdicts_are_those_of_whole_matrix_powers(n, count, cap):
    verdicts = []
    for candidate in candidates(n, 5, count):
        verdicts.append(candidate.ask(judge, cap))
        assert verdicts[-1] == slow_verdict(candidate.world(cap), cap)
    # in few steps little can be gained
    assert set(verdicts) >= ({0, 1} if cap > 100.0 else {0, 1, 3})


def slow_verdict(world, cap):
    """The acceptance tests in numpy: 0 accepted, 1 Gini, 2 entropy, 3 gain."""
    n, discount = world.n_states, 2.0 ** (-1.0 / world.n_states)
    dense = world.to_dense()
    p, expected = dense["transition"], (dense["transition"] * dense["reward"]).sum(axis=2)
    q, starts = solve(world, discount), world.start_states
    value = np.linalg.solve(np.eye(n) - discount * p.mean(axis=1), expected.mean(axis=1))
    blind = expected + discount * p @ value
    low_gain = ((q.max(axis=1) - blind.max(axis=1))[starts] * (1.0 - discount) * cap).min() < 2.0
    chain = p[np.arange(n), q.argmax(axis=1)]
    chain[world.terminal] = 0.0
    chain[np.ix_(world.terminal, starts)] = world.start_probabilities
    visited = np.linalg.matrix_power(chain, 2 ** (int(np.log2(cap)) + 1))[starts]
    if (1.0 - (visited**2).sum(axis=1)).min() <= 0.70:
        return 1
    entropy = -(visited * np.log(np.where(visited > 0.0, visited, 1.0))).sum(axis=1) / np.log(n)
    if entropy.min() <= 0.35:
        return 2
    return 3 if low_gain else 0


def slow_return(world, policy, steps):
    """The expected return of an episode of so many steps, by a product of matrices for each."""
    dense = world.to_dense()
    chain = np.einsum("sa,sat->st", policy, dense["transition"])
    paid = (policy * (dense["transition"] * dense["reward"]).sum(axis=2)).sum(axis=1)
    mass, total = np.zeros(world.n_states), 0.0
    mass[world.start_states] = world.start_probabilities
    for _ in range(steps):
        total, mass = total + mass @ paid, mass @ chain
    return total


def test_returns_of_an_episode_are_exact():
    # short episodes end before the oracle's detours pay, so that either policy can earn more
    better = []
    for candidate in candidates(16, 3, 150):
        if candidate.ask(judge, 1e6) != ACCEPTED:
            continue
        for cap in (1.0, 2.5, 6.0, 20.0, 113.4):
            best, blind = candidate.ask(episode_returns, cap)
            world, steps = candidate.world(cap), int(np.ceil(cap))
            scale = 1e-11 * steps * max(1.0, np.abs(candidate.reward).max())
            assert abs(best - slow_return(world, np.eye(3)[candidate.policy], steps)) < scale
            assert abs(blind - slow_return(world, np.full((16, 3), 1 / 3), steps)) < scale
            better.append(best >= blind)
    assert 5 < sum(better) < len(better) - 5
