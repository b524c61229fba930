"""Whether a candidate is worth learning: its best policy gains enough and keeps visiting several states.

Source: the AnyMDP specification, "Acceptance". Chains are followed only until the verdict is certain: a step of a
chain never moves more probability than the step before, which bounds all that is still to come.
"""
# mypy: disable-error-code="no-untyped-def"

import math

import numpy as np

from common.kernels import kernel
from common.maths import exp, log
from common.worlds.anymdp.linear import add_scaled, fill
from common.worlds.anymdp.values import action_value, optimal_values, uniform_chain, uniform_values

LEAST_GAIN = 2.0
LEAST_GINI = 0.7
LEAST_ENTROPY = 0.35
ORACLE_DISCOUNT = 0.994
ACCEPTED, LOW_VALUE, LOW_GINI, LOW_ENTROPY = 0, 1, 2, 3
_STILL = 1e-12
_NOTHING = 1e-17
"""Probability mass under this is not carried on."""


@kernel
def judge(n_actions, cap, start, terminal, base, row, first, last, reward, value, policy, table):
    """Return ACCEPTED or the first test that failed: gain over the uniform policy, then spread of the visits.

    Args:
        n_actions: Number of actions.
        cap: T_E.
        start: (START_RANKS,) float64, probability of starting in each rank.
        terminal: (n,) bool.
        base: (n * n_actions,) int64; with the next three, the rows, as ``transitions`` says.
        row: The entries.
        first: (n * n_actions,) int64.
        last: (n * n_actions,) int64.
        reward: (n * n_actions,) float64, expected reward of (s, a).
        value: (n,) float64, in: V* at a nearby discount; out: V* at 2^(-1/n).
        policy: (n,) int64, in and out likewise.
        table: (n * n,) float64, scratch.
    """
    n = terminal.shape[0]
    discount = exp(-0.6931471805599453 / n)
    optimal_values(n_actions, discount, terminal, base, row, first, last, reward, value, policy, table)
    blind = np.empty(n)
    uniform_values(n_actions, discount, terminal, base, row, first, last, reward, blind, table)
    for s in range(start.shape[0]):
        if start[s] > 0.0:
            best = -np.inf
            for index in range(s * n_actions, (s + 1) * n_actions):
                best = max(best, action_value(index, discount, base, row, first, last, reward, blind))
            if (value[s] - best) * (1.0 - discount) * cap < LEAST_GAIN:
                return LOW_VALUE
    return _judge_visits(n_actions, cap, start, terminal, base, row, first, last, policy)


@kernel
def _judge_visits(n_actions, cap, start, terminal, base, row, first, last, policy):
    """Return ACCEPTED, LOW_GINI or LOW_ENTROPY for where the policy is after 2^(floor(log2 T_E) + 1) steps."""
    n = terminal.shape[0]
    steps = 1
    while steps <= cap:
        steps *= 2
    now, later = np.empty(n), np.empty(n)
    gini, entropy = np.inf, np.inf
    for s in range(start.shape[0]):
        if start[s] > 0.0:
            fill(now, 0, n, 0.0)
            now[s] = 1.0
            for step in range(steps):
                _advance_greedy(n_actions, start, terminal, base, row, first, last, policy, now, later)
                now, later = later, now
                if _moved(now, later) * (steps - step) < _STILL:
                    break
            gini, entropy = min(gini, _gini(now)), min(entropy, _entropy(now) / log(np.float64(n)))
    if gini <= LEAST_GINI:
        return LOW_GINI
    return ACCEPTED if entropy > LEAST_ENTROPY else LOW_ENTROPY


@kernel
def _advance_greedy(n_actions, start, terminal, base, row, first, last, policy, now, later):
    """Write where one step of the policy leads from ``now`` (n,); terminal states lead to ``start``, if that is given.

    An empty ``start`` loses the mass of terminal states.
    """
    ended = 0.0
    fill(later, 0, later.shape[0], 0.0)
    for s in range(now.shape[0]):
        if terminal[s]:
            ended += now[s]
        elif now[s] > _NOTHING:
            index = s * n_actions + policy[s]
            low = first[index]
            add_scaled(later, low, row, base[index] + low, last[index] - low, now[s])
    for s in range(start.shape[0]):
        later[s] += ended * start[s]


@kernel
def _advance_chain(terminal, table, begin, end, now, later):
    """Write where one step of a chain (``uniform_chain``) leads from ``now`` (n,); the mass of terminal states is lost."""
    n = now.shape[0]
    fill(later, 0, n, 0.0)
    for s in range(n):
        if not terminal[s] and now[s] > _NOTHING:
            add_scaled(later, begin[s], table, s * n + begin[s], end[s] + 1 - begin[s], now[s])


@kernel
def _moved(x, y):
    total = 0.0
    for i in range(x.shape[0]):
        total += abs(x[i] - y[i])
    return total


@kernel
def _gini(p):
    total = 0.0
    for i in range(p.shape[0]):
        total += p[i] * p[i]
    return 1.0 - total


@kernel
def _entropy(p):
    total = 0.0
    for i in range(p.shape[0]):
        if p[i] > 0.0:
            total -= p[i] * log(p[i])
    return total


@kernel
def oracle_earns_less(n_actions, cap, start, terminal, base, row, first, last, reward, value, policy, table):
    """Return whether the best policy at ``ORACLE_DISCOUNT`` earns less in an episode than the uniform policy.

    Exact expected sums of rewards over ceil(T_E) steps. Arguments as in ``judge``; ``value`` and ``policy`` become the
    oracle's.
    """
    n = terminal.shape[0]
    optimal_values(n_actions, ORACLE_DISCOUNT, terminal, base, row, first, last, reward, value, policy, table)
    paid, paid_blind = np.empty(n), np.empty(n)
    begin, end = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    uniform_chain(n_actions, 1.0, terminal, base, row, first, last, reward, table, begin, end, paid_blind)
    largest, largest_blind = 0.0, 0.0
    for s in range(n):
        paid[s] = 0.0 if terminal[s] else reward[s * n_actions + policy[s]]
        largest, largest_blind = max(largest, abs(paid[s])), max(largest_blind, abs(paid_blind[s]))
    nowhere = np.empty(0)
    now, later, blind, blind_later = np.zeros(n), np.empty(n), np.zeros(n), np.empty(n)
    now[: start.shape[0]] = start
    blind[: start.shape[0]] = start
    lead = 0.0
    for left in range(np.int64(math.ceil(cap)), 0, -1):
        gain = _product(now, paid) - _product(blind, paid_blind)
        lead += gain
        _advance_greedy(n_actions, nowhere, terminal, base, row, first, last, policy, now, later)
        _advance_chain(terminal, table, begin, end, blind, blind_later)
        if left % 8 == 0:
            # k steps on, gain differs by at most k times what one step moves, times the largest reward
            doubt = _moved(now, later) * largest + _moved(blind, blind_later) * largest_blind
            if abs(lead + (left - 1) * gain) > 0.5 * left * left * doubt:
                return lead + (left - 1) * gain < 0.0
        now, later, blind, blind_later = later, now, blind_later, blind
    return lead < 0.0


@kernel
def _product(x, y):
    total = 0.0
    for i in range(x.shape[0]):
        total += x[i] * y[i]
    return total
