"""Whether a candidate is worth learning: its best policy gains enough and keeps visiting several states.

Source: the AnyMDP specification, "Acceptance". Chains are followed only until the verdict is certain: a step of a
chain never moves more probability than the step before, which bounds all that is still to come.
"""
# mypy: disable-error-code="no-untyped-def"

import math

import numpy as np

from common.kernels import kernel
from common.maths import exp, log
from common.worlds.anymdp.values import action_value, optimal_values, uniform_chain, uniform_values
from common.worlds.linear import LANES, add_scaled, fill

LEAST_GAIN = 2.0
LEAST_GINI = 0.7
LEAST_ENTROPY = 0.35
ORACLE_DISCOUNT = 0.994
ACCEPTED, LOW_GINI, LOW_ENTROPY, LOW_GAIN = 0, 1, 2, 3
_SWEEPS = 0
"""Value sweeps before policy iteration: the discount has changed only a little."""
_UNCERTAIN = -1
_EVERY = 8
"""Steps between attempts to end early."""
_NOTHING = 1e-14
"""Probability mass under this is not carried on."""


@kernel
def judge(n_actions, cap, start, terminal, base, core, first, last, reward, value, policy, table):
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
        table: (n * n,) float64, scratch.
    """
    n = terminal.shape[0]
    discount = exp(-0.6931471805599453 / n)
    optimal_values(n_actions, discount, _SWEEPS, terminal, base, core, first, last, reward, value, policy, table)
    verdict = _judge_visits(n_actions, cap, start, terminal, base, core, first, last, policy)
    if verdict != ACCEPTED:
        return verdict
    blind = np.zeros(n + LANES)
    uniform_values(n_actions, discount, terminal, base, core, first, last, reward, blind, table)
    for s in range(start.shape[0]):
        if start[s] > 0.0:
            best = -np.inf
            for index in range(s * n_actions, (s + 1) * n_actions):
                best = max(best, action_value(index, discount, base, core, first, last, reward, blind))
            if (value[s] - best) * (1.0 - discount) * cap < LEAST_GAIN:
                return LOW_GAIN
    return ACCEPTED


@kernel
def _judge_visits(n_actions, cap, start, terminal, base, core, first, last, policy):
    """Return ACCEPTED, LOW_GINI or LOW_ENTROPY for where the policy is after 2^(floor(log2 T_E) + 1) steps."""
    n = terminal.shape[0]
    steps = 1
    while steps <= cap:
        steps *= 2
    now, later = np.empty(n), np.empty(n)
    verdict = ACCEPTED
    for s in range(start.shape[0]):
        if start[s] > 0.0:
            fill(now, 0, n, 0.0)
            now[s] = 1.0
            for left in range(steps - 1, -1, -1):
                _advance_greedy(n_actions, start, terminal, base, core, first, last, policy, now, later)
                now, later = later, now
                if left % _EVERY == 0:
                    found = _judge_spread(now, _moved(now, later) * left)
                    if found == LOW_GINI:
                        return LOW_GINI
                    if found != _UNCERTAIN:
                        verdict = max(verdict, found)
                        break
    return verdict


@kernel(allocates=False)
def _judge_spread(p, doubt):
    """Return the verdict on every distribution within ``doubt`` of ``p`` (sum of absolute differences), or _UNCERTAIN.

    The squares of two such distributions differ by at most doubt (2 max p + doubt) in sum, their entropies by at most
    t ln(n - 1) - t ln t - (1 - t) ln(1 - t), t = doubt / 2 (Audenaert, 2007).
    """
    if doubt >= 0.5:
        return _UNCERTAIN
    n = p.shape[0]
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
    margin = _entropy(p) - LEAST_ENTROPY * log(np.float64(n))
    t = 0.5 * doubt
    slack = t * log(n - 1.0) - t * log(t) - (1.0 - t) * log(1.0 - t) if t > 0.0 else 0.0
    if abs(margin) <= slack and doubt > 0.0:
        return _UNCERTAIN
    return ACCEPTED if margin > 0.0 else LOW_ENTROPY


@kernel(allocates=False)
def _advance_greedy(n_actions, start, terminal, base, core, first, last, policy, now, later):
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
            add_scaled(later, low, core, base[index] + low, last[index] - low, now[s])
    for s in range(start.shape[0]):
        later[s] += ended * start[s]


@kernel(allocates=False)
def _advance_chain(terminal, table, begin, end, now, later):
    """Write where one step of ``uniform_chain`` leads from ``now`` (n,); the mass of terminal states is lost."""
    n = now.shape[0]
    fill(later, 0, n, 0.0)
    for s in range(n):
        if not terminal[s] and now[s] > _NOTHING:
            add_scaled(later, begin[s], table, s * n + begin[s], end[s] + 1 - begin[s], now[s])


@kernel(allocates=False)
def _moved(x, y):
    total = 0.0
    for i in range(x.shape[0]):
        total += abs(x[i] - y[i])
    return total


@kernel(allocates=False)
def _entropy(p):
    total = 0.0
    for i in range(p.shape[0]):
        if p[i] > 0.0:
            total -= p[i] * log(p[i])
    return total


@kernel
def oracle_earns_less(n_actions, cap, start, terminal, base, core, first, last, reward, value, policy, table):
    """Return whether the best policy at ``ORACLE_DISCOUNT`` earns less in an episode than the uniform policy.

    Exact expected sums of rewards over ceil(T_E) steps. Arguments as in ``judge``; ``value`` and ``policy`` become the
    oracle's.
    """
    n = terminal.shape[0]
    optimal_values(n_actions, ORACLE_DISCOUNT, _SWEEPS, terminal, base, core, first, last, reward, value, policy, table)
    paid, paid_blind = np.empty(n), np.empty(n)
    begin, end = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    uniform_chain(n_actions, 1.0, terminal, base, core, first, last, reward, table, begin, end, paid_blind)
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
        gain_best, gain_blind = _product(now, paid), _product(blind, paid_blind)
        lead += gain_best - gain_blind
        _advance_greedy(n_actions, nowhere, terminal, base, core, first, last, policy, now, later)
        _advance_chain(terminal, table, begin, end, blind, blind_later)
        if left % _EVERY == 0:
            ahead, doubt = _still_to_come(now, later, gain_best, left)
            ahead_blind, doubt_blind = _still_to_come(blind, blind_later, gain_blind, left)
            if abs(lead + ahead - ahead_blind) > doubt * largest + doubt_blind * largest_blind:
                return lead + ahead - ahead_blind < 0.0
        now, later, blind, blind_later = later, now, blind_later, blind
    return lead < 0.0


@kernel(allocates=False)
def _still_to_come(now, later, gain, left):
    """Return the sum of gains in the ``left - 1`` steps after one that gained ``gain``, and how far off it may be.

    Gains shrink as the mass does in this step. k steps on, the distribution is off by at most k times the sum of
    absolute differences between ``later`` and ``now`` so shrunk; the second value is the sum of that over the steps.
    """
    before, after = 0.0, 0.0
    for i in range(now.shape[0]):
        before += now[i]
        after += later[i]
    kept = min(after / before, 1.0) if before > 0.0 else 0.0
    off = 0.0
    for i in range(now.shape[0]):
        off += abs(later[i] - kept * now[i])
    total = 0.0
    for _ in range(left - 1):
        gain *= kept
        total += gain
    return total, 0.5 * left * left * off


@kernel(allocates=False)
def _product(x, y):
    total = 0.0
    for i in range(x.shape[0]):
        total += x[i] * y[i]
    return total
