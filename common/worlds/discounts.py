"""Optimal values at several discounts together: rows and discounts in, Q* and optimal actions at each out.

Policy iteration goes on at up to ``LANES`` discounts side by side: sweeps and backups read every row once for all of
them, so four discounts cost little more than one; what remains is an exact evaluation or two for each.
"""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common import lanes
from common.kernels import kernel
from common.lanes import LANES
from common.worlds.evaluate import envelope, solve_choice

SWEEPS = 8
"""Value sweeps before the first exact evaluation."""
TIE = 1e-9
"""Actions within TIE * max(1, max |Q|) of the best are optimal too."""
SWITCH = 1e-14
"""A policy leaves its action only for one that is better by this part of max |Q|: rounding must not make it cycle."""
_LANES, _ZERO, _ONE = np.uint64(LANES), np.uint64(0), np.uint64(1)


@kernel
def solve_discounts(
    row_start, successor, probability, expected, terminal, n_actions, discounts, known, known_at, q, bits
):
    """Solve for several discounts.

    Args:
        row_start: (n * a + 1,), with the next two the rows, as ``World`` has them.
        successor: (entries,).
        probability: (entries,) float64.
        expected: (n * a,) float64, mean reward of each row.
        terminal: (n,) bool.
        n_actions: Number of actions a.
        discounts: (D,) float64, each in [0, 1).
        known: (n,) int64, a policy that may be optimal at discount ``known_at``, where to start there; or empty.
        known_at: Its discount.
        q: (D, n * a) float64, out: Q*; terminal rows 0.
        bits: (D, n) uint64, out: bit a is set where action a is optimal by the tie rule; 0 at terminal states.
    """
    which, count = np.zeros(LANES, dtype=np.int64), 0
    for d in range(discounts.shape[0]):
        if discounts[d] == 0.0:
            q[d] = expected
        else:
            which[count] = d
            count += 1
        if count == LANES or (count > 0 and d == discounts.shape[0] - 1):
            _solve_lanes(
                row_start, successor, probability, expected, terminal, n_actions, discounts, known, known_at,
                which[:count], q,
            )  # fmt: skip
            count = 0
    for d in range(discounts.shape[0]):
        optimal_bits(q[d], terminal, n_actions, bits[d])


@kernel
def _solve_lanes(
    row_start, successor, probability, expected, terminal, n_actions, discounts, known, known_at, which, q
):
    """Solve for the discounts of index ``which``, at most ``LANES``."""
    n, rows = terminal.shape[0], expected.shape[0]
    gamma, value, together = np.zeros(LANES), np.zeros(n * LANES), np.empty(rows * LANES)
    for lane in range(which.shape[0]):
        gamma[lane] = discounts[which[lane]]
    for _ in range(SWEEPS):
        _sweep(row_start, successor, probability, expected, terminal, n_actions, gamma, value)
    _back_up(row_start, successor, probability, expected, gamma, value, together)
    policy, reached = np.zeros((which.shape[0], n), dtype=np.int64), np.full(which.shape[0], -np.inf)
    for lane in range(which.shape[0]):
        if known.shape[0] > 0 and gamma[lane] == known_at:
            policy[lane] = known
        else:
            _take_out(together, lane, q[which[lane]])
            improve(q[which[lane]], n_actions, policy[lane])
    paid, room, left = np.zeros(n + LANES), envelope(n), which.shape[0]
    while left > 0:
        for lane in range(which.shape[0]):
            if reached[lane] < np.inf:
                solve_choice(
                    row_start, successor, probability, expected, terminal, n_actions, gamma[lane], policy[lane],
                    *room, paid,
                )  # fmt: skip
                for s in range(n):
                    value[s * LANES + lane] = paid[s]
        _back_up(row_start, successor, probability, expected, gamma, value, together)
        for lane in range(which.shape[0]):
            if reached[lane] < np.inf:
                total = 0.0
                for s in range(n):
                    total += value[s * LANES + lane]
                _take_out(together, lane, q[which[lane]])
                # the sum of values is a function of the policy: while it grows, no policy comes twice
                if total > reached[lane] and improve(q[which[lane]], n_actions, policy[lane]):
                    reached[lane] = total
                else:
                    reached[lane] = np.inf
                    left -= 1


@kernel(allocates=False)
def _take_out(together, lane, q):
    """Write one lane of ``together`` (rows * LANES,) to ``q`` (rows,)."""
    for row in range(np.uint64(q.shape[0])):
        q[row] = together[row * _LANES + np.uint64(lane)]


@kernel(inline=True)
def _expect(row, row_start, successor, probability, value):
    """Return the mean value of a row's successors, in lanes."""
    sums = lanes.zeros()
    for k in range(np.uint64(row_start[row]), np.uint64(row_start[row + _ONE])):
        sums = lanes.add_scaled(sums, probability[k], value, np.uint64(successor[k]) * _LANES)
    return sums


@kernel(allocates=False)
def _sweep(row_start, successor, probability, expected, terminal, n_actions, gamma, value):
    """Improve ``value`` (n * LANES,), the lanes of a state together, by one sweep from the last state to the first."""
    discount = lanes.load(gamma, _ZERO)
    for s in range(terminal.shape[0] - 1, -1, -1):
        if not terminal[s]:
            best = lanes.splat(-np.inf)
            for row in range(np.uint64(s * n_actions), np.uint64((s + 1) * n_actions)):
                ahead = lanes.multiply(discount, _expect(row, row_start, successor, probability, value))
                best = lanes.maximum(best, lanes.add(lanes.splat(expected[row]), ahead))
            lanes.store(value, np.uint64(s) * _LANES, best)


@kernel(allocates=False)
def _back_up(row_start, successor, probability, expected, gamma, value, q):
    """Write Q = r + discount P value, (n * a * LANES,), the lanes of a row together; ``value`` 0 at terminal states."""
    discount = lanes.load(gamma, _ZERO)
    for row in range(np.uint64(expected.shape[0])):
        ahead = lanes.multiply(discount, _expect(row, row_start, successor, probability, value))
        lanes.store(q, row * _LANES, lanes.add(lanes.splat(expected[row]), ahead))


@kernel(allocates=False)
def improve(q, n_actions, policy):
    """Switch every state to its best action where that is better beyond rounding; return whether any was."""
    scale = 0.0
    for row in range(q.shape[0]):
        scale = max(scale, abs(q[row]))
    changed = False
    for s in range(policy.shape[0]):
        best = q[s * n_actions + policy[s]] + SWITCH * scale
        for a in range(n_actions):
            if q[s * n_actions + a] > best:
                best = q[s * n_actions + a]
                policy[s] = a
                changed = True
    return changed


@kernel(allocates=False)
def optimal_bits(q, terminal, n_actions, bits):
    """Write to ``bits``, uint64 (n,), bit a set where action a is optimal by the tie rule; 0 at terminal states."""
    for s in range(terminal.shape[0]):
        bits[s] = np.uint64(0)
        if not terminal[s]:
            best, scale = -np.inf, 1.0
            for a in range(n_actions):
                best = max(best, q[s * n_actions + a])
                scale = max(scale, abs(q[s * n_actions + a]))
            for a in range(n_actions):
                if q[s * n_actions + a] >= best - TIE * scale:
                    bits[s] |= np.uint64(1) << np.uint64(a)
