"""Exact value of a policy: sparse rows and a policy in, the solution of (I - discount P) v = r out.

The matrix is diagonally dominant for discount < 1, so Gaussian elimination needs no pivoting, and elimination within
the envelope (each row from its first entry, no fill beyond the furthest row above it) costs what the band of the
policy's own rows costs: about n * back * forward multiplications. No BLAS.
"""
# mypy: disable-error-code="no-untyped-def, assignment"

import numpy as np

from common.kernels import kernel
from common.worlds.linear import LANES, add_whole, dot, fill

_LANES, _ONE = np.uint64(LANES), np.uint64(1)


@kernel
def expected_rewards(row_start, probability, reward):
    """Return r(s, a), float64 (n * a,): the mean reward of each row; 0 for empty rows."""
    rows = row_start.shape[0] - 1
    expected = np.zeros(rows)
    for row in range(rows):
        total = 0.0
        for k in range(np.uint64(row_start[row]), np.uint64(row_start[row + 1])):
            total += probability[k] * reward[k]
        expected[row] = total
    return expected


@kernel(allocates=False)
def backup(row_start, successor, probability, expected, discount, value, q):
    """Write Q = r + discount P value to q, float64 (n * a,); ``value`` is 0 at terminal states."""
    for row in range(expected.shape[0]):
        total = 0.0
        for k in range(np.uint64(row_start[row]), np.uint64(row_start[row + 1])):
            total += probability[k] * value[successor[k]]
        q[row] = expected[row] + discount * total


@kernel
def evaluate_choice(row_start, successor, probability, expected, terminal, n_actions, discount, policy, value):
    """Write to ``value``, float64 (n,), the value of the policy that takes action policy[s] in s."""
    n = terminal.shape[0]
    solution, room = np.zeros(n + LANES), envelope(n)
    solve_choice(row_start, successor, probability, expected, terminal, n_actions, discount, policy, *room, solution)
    for s in range(n):
        value[s] = solution[s]


@kernel
def evaluate_mixture(row_start, successor, probability, expected, terminal, n_actions, discount, weight, value):
    """Write to ``value``, float64 (n,), the value of the policy that takes a in s with probability weight[s * a + a].

    ``weight`` is flat, float64 (n * a,).
    """
    n = terminal.shape[0]
    solution = np.zeros(n + LANES)
    matrix, first, last, reach = envelope(n)
    top = 0
    for s in range(n):
        first[s], last[s] = s, s
        if not terminal[s]:
            for row in range(s * n_actions, (s + 1) * n_actions):
                if weight[row] > 0.0:
                    _widen(successor, row_start[row], row_start[row + 1], s, first, last)
                    solution[s] += weight[row] * expected[row]
        top = max(top, last[s])
        unit_row(matrix, n, s, first[s], top)
        if not terminal[s]:
            for row in range(s * n_actions, (s + 1) * n_actions):
                if weight[row] > 0.0:
                    share = -discount * weight[row]
                    _add_row(matrix, successor, probability, row_start[row], row_start[row + 1], place(n, s), share)
    solve_envelope(matrix, first, last, reach, solution)
    for s in range(n):
        value[s] = solution[s]


@kernel
def envelope(n):
    """Return room for ``solve_envelope``: a matrix of n rows, ``first``, ``last`` and ``reach``, not initialised."""
    return np.empty(n * (n + LANES)), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)


@kernel(inline=True)
def place(n, s):
    """Return where row s of an n-row matrix begins."""
    return s * (n + LANES)


@kernel(allocates=False)
def solve_choice(
    row_start, successor, probability, expected, terminal, n_actions, discount, policy,
    matrix, first, last, reach, value,
):  # fmt: skip
    """As ``evaluate_choice``, in the given room: ``envelope(n)``, and ``value`` (n + LANES,), 0 past n.

    Entries of terminal columns stay in the rows: the value there is 0.
    """
    n = terminal.shape[0]
    top = 0
    for s in range(n):
        first[s], last[s], value[s] = s, s, 0.0
        if terminal[s]:
            top = max(top, s)
            unit_row(matrix, n, s, s, top)
            continue
        row = s * n_actions + policy[s]
        begin, end = row_start[row], row_start[row + 1]
        _widen(successor, begin, end, s, first, last)
        top = max(top, last[s])
        value[s] = expected[row]
        unit_row(matrix, n, s, first[s], top)
        _add_row(matrix, successor, probability, begin, end, place(n, s), -discount)
    solve_envelope(matrix, first, last, reach, value)


@kernel(inline=True)
def _widen(successor, begin, end, s, first, last):
    """Widen the envelope of row s to the successors in entries begin..end-1."""
    low, high = first[s], last[s]
    for k in range(np.uint64(begin), np.uint64(end)):
        j = np.int64(successor[k])
        low, high = min(low, j), max(high, j)
    first[s], last[s] = low, high


@kernel(inline=True)
def unit_row(matrix, n, s, first, top):
    """Write row s of the identity, in the columns that elimination can touch if no row up to s reaches past ``top``."""
    fill(matrix, place(n, s) + first, top + LANES + 1 - first, 0.0)
    matrix[np.uint64(place(n, s) + s)] = 1.0


@kernel(inline=True)
def _add_row(matrix, successor, probability, begin, end, base, factor):
    row = np.uint64(base)
    for k in range(np.uint64(begin), np.uint64(end)):
        matrix[row + np.uint64(successor[k])] += factor * probability[k]


@kernel(allocates=False)
def solve_envelope(matrix, first, last, reach, value):
    """Solve matrix x = value in place, by elimination of one column after another below the diagonal.

    Rows below a pivot do not depend on each other, so a processor works at several at once.

    Args:
        matrix: (n * (n + LANES),) float64. Row i has its entries in columns first[i]..last[i], which include i, and
            zeros from there to ``LANES`` past the furthest ``last`` of all rows up to i (``unit_row`` writes them).
        first: (n,) int64.
        last: (n,) int64; grows by fill.
        reach: (n,) int64, scratch.
        value: (n + LANES,) float64, 0 past n.
    """
    n = np.uint64(first.shape[0])
    stride = n + _LANES
    for k in range(n):
        reach[k] = k
    for i in range(n):
        reach[np.uint64(first[i])] = i
    lowest = np.uint64(0)
    for k in range(n):
        base, width = k * stride, np.uint64(last[k]) - k
        # the pivot's place holds its inverse from here on
        inverse = 1.0 / matrix[base + k]
        matrix[base + k] = inverse
        known = value[k]
        lowest = max(lowest, np.uint64(reach[k]))
        for i in range(k + _ONE, lowest + _ONE):
            if np.uint64(first[i]) <= k:
                row = i * stride + k
                factor = matrix[row] * inverse
                value[i] -= factor * known
                add_whole(matrix, row + _ONE, matrix, base + k + _ONE, width, -factor)
                last[i] = max(last[i], last[k])
    for r in range(n):
        i = n - _ONE - r
        base = i * stride + i
        total = dot(matrix, base + _ONE, value, i + _ONE, np.uint64(last[i]) - i)
        value[i] = (value[i] - total) * matrix[base]
