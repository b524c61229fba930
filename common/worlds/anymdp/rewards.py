"""Rewards of a candidate: mean A[s,a] + B[s'], noise likewise, before and after the terminal bonus is adjusted.

Source: the AnyMDP specification, "Rewards: mean and noise".
"""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel
from common.maths import cos, sin, square_root
from common.random import below, between, exponential, normal, uniform
from common.worlds.anymdp.values import optimal_values
from common.worlds.linear import LANES, dot

DISCOUNT = 0.99
"""The bonus is adjusted to values at this discount."""
TESTS = 5
"""The fifth failing test drops the candidate."""
_SWEEPS, _SWEEPS_AGAIN = 4, 0
"""Value sweeps before policy iteration, in the first test and after a change of bonus."""


@kernel
def draw_rewards(rng, n_actions, terminal, goal_ends, mean, noise, mean_next, noise_next):
    """Draw everything but the terminal bonus.

    Args:
        rng: Generator state.
        n_actions: Number of actions.
        terminal: (n,) bool.
        goal_ends: Whether the last state is a terminal goal.
        mean: (n * n_actions,) float64, out: potential of s, action cost and step reward; 0 in terminal states.
        noise: (n * n_actions,) float64, out: standard deviation of the action cost's noise.
        mean_next: (n + LANES,) float64, out: position reward of s' less its potential.
        noise_next: (n,) float64, out: standard deviation of the position's noise.
    """
    n = terminal.shape[0]
    potential = np.zeros(n)
    _draw_potential(rng, n, potential)
    _draw_position(rng, n, terminal, mean_next, noise_next)
    step = _draw_step(rng, n, terminal, goal_ends)
    cost = min(exponential(rng, 0.05), 0.1)
    for s in range(n):
        mean_next[s] -= potential[s]
        for a in range(n_actions):
            index = s * n_actions + a
            mean[index], noise[index] = 0.0, 0.0
            if terminal[s]:
                continue
            mean[index] = potential[s] + step
            if between(rng, -0.7, 0.3) > 0.0:
                mean[index] += cost * normal(rng)
                noise[index] = 0.3 * cost * max(normal(rng), 0.0)


@kernel(allocates=False)
def _draw_potential(rng, n, potential):
    """Add a random sum of sinusoids of s / (2n) to ``potential`` (n,), in three of four worlds nothing."""
    base = 0.0
    if uniform(rng) >= 0.5:
        base = min(max(exponential(rng, 1.0), 0.2), 5.0)
    box = max(between(rng, -base, base), 0.0)
    terms = 1 + below(rng, 3)
    if box == 0.0:
        return
    spread = box / square_root(np.float64(terms))
    for term in range(terms + 1):
        order = 0.0
        if term > 0:
            order = 1.0 + below(rng, 5) + normal(rng)
        along_sin = normal(rng) * exponential(rng, spread)
        along_cos = normal(rng) * exponential(rng, spread)
        for s in range(n):
            x = order * (s / (2.0 * n))
            potential[s] += along_sin * sin(x) + along_cos * cos(x)


@kernel(allocates=False)
def _draw_position(rng, n, terminal, mean_next, noise_next):
    """Write the reward that grows with the rank reached and its noise; both are 0 at terminal states."""
    base = exponential(rng, 0.2)
    total = 0.0
    for s in range(n):
        total += base * (max(normal(rng), 0.0) + (0.2 if s == n - 1 else 0.0))
        mean_next[s] = total
        noise_next[s] = max(between(rng, -0.3, 0.3), 0.0) * base
    shift = between(rng, 0.1, 0.9) * total
    for s in range(n):
        mean_next[s] = 0.0 if terminal[s] else mean_next[s] - shift
        if terminal[s]:
            noise_next[s] = 0.0


@kernel(allocates=False)
def _draw_step(rng, n, terminal, goal_ends):
    """Return the reward of every step: at most 0 where a goal ends episodes, at least 0 where only pitfalls do."""
    if goal_ends:
        return 0.01 * min(normal(rng), 0.0)
    for s in range(n):
        if terminal[s]:
            return 0.01 * max(normal(rng), 0.0)
    return 0.0


@kernel
def expected_rewards(n_actions, terminal, base, core, first, last, mean, mean_next, expected, pit, goal):
    """Average the reward over successors, apart from the bonus.

    Args:
        n_actions: Number of actions.
        terminal: (n,) bool.
        base: (n * n_actions,) int64; with the next three, the rows' cores, as ``transitions`` says.
        core: The entries.
        first: (n * n_actions,) int64.
        last: (n * n_actions,) int64.
        mean: (n * n_actions,) float64.
        mean_next: (n + LANES,) float64, 0 past n.
        expected: (n * n_actions,) float64, out.
        pit: (n * n_actions,) float64, out: probability of a pitfall.
        goal: (n * n_actions,) float64, out: probability of the last state.
    """
    n = terminal.shape[0]
    pits = np.zeros(n + LANES)
    for s in range(n - 1):
        pits[s] = 1.0 if terminal[s] else 0.0
    for index in range(n * n_actions):
        pit[index], goal[index], expected[index] = 0.0, 0.0, 0.0
        if terminal[index // n_actions]:
            continue
        low, high = first[index], last[index]
        expected[index] = mean[index] + dot(core, base[index] + low, mean_next, low, high - low)
        pit[index] = dot(core, base[index] + low, pits, low, high - low)
        if high == n:
            goal[index] = core[base[index] + n - 1]


@kernel
def adjust_bonus(
    rng, n_actions, start, terminal, goal_ends, base, core, first, last, expected, pit, goal, reward,
    value, policy, table, bonus,
):  # fmt: skip
    """Lower pitfalls and raise the last state until values ascend; return whether that took fewer than five tests.

    Args:
        rng: Generator state.
        n_actions: Number of actions.
        start: (START_RANKS,) float64, probability of starting in each rank.
        terminal: (n,) bool.
        goal_ends: Whether the last state is a terminal goal.
        base: (n * n_actions,) int64; with the next three, the rows' cores, as ``transitions`` says.
        core: The entries.
        first: (n * n_actions,) int64.
        last: (n * n_actions,) int64.
        expected: (n * n_actions,) float64, expected reward without bonus.
        pit: (n * n_actions,) float64, probability of a pitfall.
        goal: (n * n_actions,) float64, probability of the last state.
        reward: (n * n_actions,) float64, out: expected reward under the final bonus.
        value: (n + LANES,) float64, out: V* at ``DISCOUNT``.
        policy: (n,) int64, out: a policy that attains it.
        table: (n * (n + LANES),) float64, scratch.
        bonus: (2,) float64, out: bonus of every pitfall (0 where there is none), bonus of the last state.
    """
    n = terminal.shape[0]
    bonus[0], bonus[1] = 0.0, 1.0
    value[:] = 0.0
    policy[:] = 0
    pits = np.any(terminal[: n - 1])
    last_valid = n - 2 if goal_ends else n - 1
    for test in range(TESTS):
        for index in range(reward.shape[0]):
            reward[index] = expected[index] + bonus[0] * pit[index] + bonus[1] * goal[index]
        sweeps = _SWEEPS if test == 0 else _SWEEPS_AGAIN
        optimal_values(n_actions, DISCOUNT, sweeps, terminal, base, core, first, last, reward, value, policy, table)
        lowest, highest = np.inf, -np.inf
        for s in range(n):
            if not terminal[s]:
                lowest = min(lowest, value[s])
            if s < start.shape[0] and start[s] > 0.0:
                highest = max(highest, value[s])
        pit_gap = min(bonus[0], 0.0) - lowest + 1.0
        goal_gap = highest - value[last_valid] + between(rng, 2.0, 5.0)
        if pit_gap <= 0.0 and goal_gap <= 0.0:
            return True
        if test == TESTS - 1:
            return False
        # where there are no pitfalls the gap can only be closed by what raises every value
        if pit_gap > 0.0 and pits:
            bonus[0] -= pit_gap + between(rng, 1.0, 10.0)
        if goal_gap > 0.0:
            raised = max(2.0 * goal_gap, between(rng, 1.0, 10.0))
            bonus[1] += raised if goal_ends else raised * (1.0 - DISCOUNT)
    return False


@kernel(allocates=False)
def add_bonus(terminal, bonus, mean_next):
    """Add the bonus of ``adjust_bonus`` to the part of the mean that depends on s'."""
    n = terminal.shape[0]
    for s in range(n - 1):
        if terminal[s]:
            mean_next[s] += bonus[0]
    mean_next[n - 1] += bonus[1]
