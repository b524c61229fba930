"""Exact values of banded candidates: policy iteration on rows that are intervals of ranks.

Work starts from the values and policy handed in, which a small change of bonus or discount leaves nearly right. The
rows are those of ``transitions``; entries outside of their stretches are taken as 0.
"""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel
from common.worlds.evaluate import place, solve_envelope, unit_row
from common.worlds.linear import add_whole, dot

_ROUNDS = 1000
_GAIN = 1e-11
"""An action replaces the policy's where it is better by this, relative to the largest value: rounding cannot cycle."""


@kernel
def optimal_values(n_actions, discount, sweeps, terminal, base, core, first, last, reward, value, policy, table):
    """Find V* and a policy that attains it.

    Args:
        n_actions: Number of actions.
        discount: In [0, 1).
        sweeps: Value sweeps before the first exact evaluation; each costs as much as a third of one.
        terminal: (n,) bool.
        base: (n * n_actions,) int64; with the next three, the rows' cores, as ``transitions`` says.
        core: The entries.
        first: (n * n_actions,) int64.
        last: (n * n_actions,) int64.
        reward: (n * n_actions,) float64, expected reward of (s, a).
        value: (n + LANES,) float64, in: where to start, 0 in terminal states and past n; out: V*.
        policy: (n,) int64, in: where to start; out: an optimal policy.
        table: (n * (n + LANES),) float64, scratch.
    """
    n = terminal.shape[0]
    begin, end, reach = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    for _ in range(sweeps):
        _improve(n_actions, discount, terminal, base, core, first, last, reward, value, policy, True)
    for _ in range(_ROUNDS):
        _write_system(n_actions, discount, terminal, base, core, first, last, reward, policy, table, begin, end, value)
        solve_envelope(table, begin, end, reach, value)
        if not _improve(n_actions, discount, terminal, base, core, first, last, reward, value, policy, False):
            break


@kernel(allocates=False)
def _write_system(n_actions, discount, terminal, base, core, first, last, reward, policy, table, begin, end, value):
    """Write the rows of I - discount P of a policy, their envelope, and its rewards to ``value``."""
    n = terminal.shape[0]
    top = 0
    for s in range(n):
        begin[s], end[s], value[s] = s, s, 0.0
        if terminal[s]:
            top = max(top, s)
            unit_row(table, n, s, s, top)
            continue
        index = s * n_actions + policy[s]
        low, count = first[index], last[index] - first[index]
        begin[s], end[s], value[s] = min(s, low), max(s, low + count - 1), reward[index]
        top = max(top, end[s])
        unit_row(table, n, s, begin[s], top)
        # terminal columns stay: the value there is 0
        add_whole(table, place(n, s) + low, core, base[index] + low, count, -discount)


@kernel(inline=True)
def action_value(index, discount, base, core, first, last, reward, value):
    """Return the reward of row ``index`` and the discounted value that follows."""
    low = first[index]
    return reward[index] + discount * dot(core, base[index] + low, value, low, last[index] - low)


@kernel(allocates=False)
def _improve(n_actions, discount, terminal, base, core, first, last, reward, value, policy, update):
    """Make the policy greedy, if ``update`` the values too (in place, last rank first); return whether it changed."""
    n = terminal.shape[0]
    largest = 1.0
    for s in range(n):
        largest = max(largest, abs(value[s]))
    changed = False
    for s in range(n - 1, -1, -1):
        if terminal[s]:
            continue
        best, held, action = -np.inf, 0.0, 0
        for a in range(n_actions):
            q = action_value(s * n_actions + a, discount, base, core, first, last, reward, value)
            if q > best:
                best, action = q, a
            if a == policy[s]:
                held = q
        if best > held + _GAIN * largest:
            policy[s] = action
            changed = True
        if update:
            value[s] = best
    return changed
