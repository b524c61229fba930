"""Whether a candidate is worth learning: its best policy gains enough and keeps visiting several states.

Source: the AnyMDP specification, "Acceptance". Work ends where the verdict is certain: a step of a chain never moves
more probability than the step before, which bounds all that is still to come, and values of the uniform policy are
bounded from above by sweeps that begin at the optimal ones.
"""
# mypy: disable-error-code="no-untyped-def, assignment"

import math

import numpy as np

from common.kernels import kernel
from common.maths import exp, log
from common.worlds.anymdp.values import action_value, optimal_values
from common.worlds.chain import BLOCK, advance, clear, difference, follow, pack_chain, stride
from common.worlds.evaluate import place, solve_envelope, unit_row
from common.worlds.linear import LANES, add_scaled, add_whole, dot, fill

LEAST_GAIN = 2.0
LEAST_GINI = 0.7
LEAST_ENTROPY = 0.35
ORACLE_DISCOUNT = 0.994
ACCEPTED, LOW_GINI, LOW_ENTROPY, LOW_GAIN = 0, 1, 2, 3
_SWEEPS = 0
"""Value sweeps before policy iteration: the discount has changed only a little."""
_BOUNDS = 12
"""Sweeps that may show that the uniform policy is worse by enough before its values are solved for."""
_CERTAIN = 1.0 + 1e-9
"""Part by which a bound must be over a threshold, for rounding."""
_UNCERTAIN = -1
_EVERY = 8
"""Steps between attempts to end early."""


@kernel
def judge(n_actions, cap, start, terminal, base, core, first, last, reward, value, policy, table, chain, blind):
    """Return ACCEPTED or the first test that failed: spread of the visits, then gain over the uniform policy.

    Args:
        n_actions: Number of actions.
        cap: T_E.
        start: (START_RANKS,) float64, probability of starting in each rank.
        terminal: (n,) bool.
        base: (n * n_actions,) int64; with the next three, the rows' cores, as ``transitions`` says.
        core: The entries.
        first: (n * n_actions,) int64.
        last: (n * n_actions,) int64.
        reward: (n * n_actions,) float64, expected reward of (s, a).
        value: (n + LANES,) float64, in: V* at a nearby discount; out: V* at 2^(-1/n).
        policy: (n,) int64, in and out likewise.
        table: (n * (n + LANES),) float64, scratch.
        chain: ``chain_room(n)``, scratch.
        blind: ``chain_room(n)``, out, where accepted: the chain of the uniform policy, in the table.
    """
    n = terminal.shape[0]
    discount = exp(-0.6931471805599453 / n)
    optimal_values(n_actions, discount, _SWEEPS, terminal, base, core, first, last, reward, value, policy, table)
    write_greedy(n_actions, start, terminal, base, core, first, last, policy, *chain[0])
    pack_chain(n, *chain[0], *chain[1])
    verdict = _judge_visits(n, cap, start, chain[1])
    if verdict != ACCEPTED:
        return verdict
    paid = np.empty(n)
    write_uniform(n_actions, terminal, base, core, first, last, reward, paid, *blind[0])
    bound = value.copy()
    for _ in range(_BOUNDS):
        _sweep_uniform(n, discount, terminal, paid, *blind[0], bound)
        if _gains(n_actions, discount, cap, start, base, core, first, last, reward, value, bound, _CERTAIN):
            return ACCEPTED
    _solve_uniform(n, discount, paid, *blind[0], table, bound)
    if _gains(n_actions, discount, cap, start, base, core, first, last, reward, value, bound, 1.0):
        return ACCEPTED
    return LOW_GAIN


@kernel(inline=True)
def _gains(n_actions, discount, cap, start, base, core, first, last, reward, value, blind, part):
    """Return whether from every start the optimal values (n + LANES,) are over ``blind`` by ``part`` of enough."""
    enough = True
    for s in range(start.shape[0]):
        if start[s] > 0.0:
            best = -np.inf
            for index in range(s * n_actions, (s + 1) * n_actions):
                best = max(best, action_value(index, discount, base, core, first, last, reward, blind))
            enough = enough and (value[s] - best) * (1.0 - discount) * cap >= LEAST_GAIN * part
    return enough


@kernel(allocates=False)
def write_greedy(n_actions, start, terminal, base, core, first, last, policy, table, begin, end):
    """Write the chain of a policy (n,); terminal states lead to ``start``, if that is not empty.

    The last three are the table of ``chain_room(n)``.
    """
    n = terminal.shape[0]
    for s in range(n):
        index = s * n_actions + policy[s]
        begin[s], end[s] = first[index], last[index]
        if terminal[s]:
            begin[s], end[s] = 0, start.shape[0]
    clear(n, table, begin, end)
    for s in range(n):
        row = s * stride(n)
        if terminal[s]:
            for i in range(start.shape[0]):
                table[row + i] = start[i]
        else:
            shift = base[s * n_actions + policy[s]]
            add_whole(table, row + begin[s], core, shift + begin[s], end[s] - begin[s], 1.0)


@kernel(allocates=False)
def write_uniform(n_actions, terminal, base, core, first, last, reward, paid, table, begin, end):
    """Write the chain of the policy that draws every action alike, and what a step pays, to ``paid`` (n,).

    Rows of terminal states are empty. The last three are the table of ``chain_room(n)``.
    """
    n = terminal.shape[0]
    share = 1.0 / n_actions
    for s in range(n):
        begin[s], end[s], paid[s] = s, s, 0.0
        if not terminal[s]:
            for index in range(s * n_actions, (s + 1) * n_actions):
                begin[s], end[s] = min(begin[s], first[index]), max(end[s], last[index])
                paid[s] += share * reward[index]
    clear(n, table, begin, end)
    for s in range(n):
        if not terminal[s]:
            for index in range(s * n_actions, (s + 1) * n_actions):
                low, count = first[index], last[index] - first[index]
                add_whole(table, s * stride(n) + low, core, base[index] + low, count, share)


@kernel(allocates=False)
def _sweep_uniform(n, discount, terminal, paid, table, begin, end, value):
    """Replace upper bounds of the uniform policy's values (n + LANES,) by better ones, last rank first."""
    for s in range(n - 1, -1, -1):
        if not terminal[s]:
            # whole blocks of the row are 0 outside its entries
            low = begin[s] // LANES * LANES
            value[s] = paid[s] + discount * dot(table, s * stride(n) + low, value, low, end[s] - low)


@kernel
def _solve_uniform(n, discount, paid, chain, begin, end, table, value):
    """Write the values (n + LANES,) of the uniform policy."""
    first, last, reach = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    top = 0
    for s in range(n):
        first[s], last[s], value[s] = min(s, begin[s]), max(s, end[s] - 1), paid[s]
        top = max(top, last[s])
        unit_row(table, n, s, first[s], top)
        add_scaled(table, place(n, s) + begin[s], chain, s * stride(n) + begin[s], end[s] - begin[s], -discount)
    solve_envelope(table, first, last, reach, value)


@kernel
def _judge_visits(n, cap, start, packed):
    """Return ACCEPTED, LOW_GINI or LOW_ENTROPY for where the policy is after 2^(floor(log2 T_E) + 1) steps."""
    steps = 1
    while steps <= cap:
        steps *= 2
    size = (packed[2].shape[0] - 1) * BLOCK
    now, later = np.empty(size), np.empty(size)
    verdict = ACCEPTED
    for s in range(start.shape[0]):
        if start[s] > 0.0:
            fill(now, 0, size, 0.0)
            now[s] = 1.0
            for left in range(steps - 1, -1, -1):
                advance(*packed, now, later)
                now, later = later, now
                if left % _EVERY == 0:
                    found = _judge_spread(n, now, difference(now, later, 1.0) * left)
                    if found == LOW_GINI:
                        return LOW_GINI
                    if found != _UNCERTAIN:
                        verdict = max(verdict, found)
                        break
    return verdict


@kernel(allocates=False)
def _judge_spread(n, p, doubt):
    """Return the verdict on every distribution within ``doubt`` of ``p`` (sum of absolute differences), or _UNCERTAIN.

    The squares of two such distributions differ by at most doubt (2 max p + doubt) in sum, their entropies by at most
    t ln(n - 1) - t ln t - (1 - t) ln(1 - t), t = doubt / 2 (Audenaert, 2007). An entropy is at least minus the
    logarithm of the sum of squares.
    """
    if doubt >= 0.5:
        return _UNCERTAIN
    squares, largest = 0.0, 0.0
    for i in range(n):
        squares += p[i] * p[i]
        largest = max(largest, p[i])
    margin = 1.0 - squares - LEAST_GINI
    slack = doubt * (2.0 * largest + doubt)
    if abs(margin) <= slack and doubt > 0.0:
        return _UNCERTAIN
    if margin <= 0.0:
        return LOW_GINI
    least = LEAST_ENTROPY * log(np.float64(n))
    if -log(squares + slack) > least * _CERTAIN:
        return ACCEPTED
    margin = _entropy(p) - least
    t = 0.5 * doubt
    slack = t * log(n - 1.0) - t * log(t) - (1.0 - t) * log(1.0 - t) if t > 0.0 else 0.0
    if abs(margin) <= slack and doubt > 0.0:
        return _UNCERTAIN
    return ACCEPTED if margin > 0.0 else LOW_ENTROPY


@kernel(allocates=False)
def _entropy(p):
    total = 0.0
    for i in range(p.shape[0]):
        if p[i] > 0.0:
            total -= p[i] * log(p[i])
    return total


@kernel
def episode_returns(
    n_actions, cap, start, terminal, base, core, first, last, reward, value, policy, table, chain, blind
):
    """Return what an episode earns under the best policy at ``ORACLE_DISCOUNT`` and under the uniform policy.

    Exact expected sums of rewards over ceil(T_E) steps. Arguments as in ``judge``; ``value`` and ``policy`` become the
    best policy's, ``blind`` is the uniform policy's chain.
    """
    n = terminal.shape[0]
    optimal_values(n_actions, ORACLE_DISCOUNT, _SWEEPS, terminal, base, core, first, last, reward, value, policy, table)
    write_greedy(n_actions, start[:0], terminal, base, core, first, last, policy, *chain[0])
    pack_chain(n, *chain[0], *chain[1])
    pack_chain(n, *blind[0], *blind[1])
    paid, paid_blind = np.zeros(n), np.zeros(n)
    for s in range(n):
        if not terminal[s]:
            paid[s] = reward[s * n_actions + policy[s]]
            for index in range(s * n_actions, (s + 1) * n_actions):
                paid_blind[s] += reward[index] / n_actions
    steps = np.int64(math.ceil(cap))
    best = follow(chain[1], terminal, paid, start, steps)[0]
    return best, follow(blind[1], terminal, paid_blind, start, steps)[0]
