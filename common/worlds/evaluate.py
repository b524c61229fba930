"""Exact value of a policy: sparse rows and a policy in, the solution of (I - discount P) v = r out.

The matrix is diagonally dominant for discount < 1, so Gaussian elimination needs no pivoting, and elimination within
the envelope (each row from its first entry, no fill beyond the furthest row above it) costs what the band of the
policy's own rows costs: about n * back * forward multiplications. No BLAS.
"""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel
from common.worlds.linear import fill


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
    matrix = np.empty(n * n)
    first, last = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    for s in range(n):
        first[s], last[s] = s, s
        value[s] = 0.0
        row = s * n_actions + policy[s]
        begin, end = row_start[row], row_start[row + 1]
        if not terminal[s]:
            _widen(successor, terminal, begin, end, s, first, last)
            value[s] = expected[row]
        _unit_row(matrix, n, s, first[s], last[s])
        if not terminal[s]:
            _add_row(matrix, successor, probability, terminal, begin, end, s * n, -discount)
    solve_envelope(matrix, first, last, value)


@kernel
def evaluate_mixture(row_start, successor, probability, expected, terminal, n_actions, discount, weight, value):
    """Write to ``value``, float64 (n,), the value of the policy that takes a in s with probability weight[s * a + a].

    ``weight`` is flat, float64 (n * a,).
    """
    n = terminal.shape[0]
    matrix = np.empty(n * n)
    first, last = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    for s in range(n):
        first[s], last[s] = s, s
        value[s] = 0.0
        if not terminal[s]:
            for row in range(s * n_actions, (s + 1) * n_actions):
                if weight[row] > 0.0:
                    _widen(successor, terminal, row_start[row], row_start[row + 1], s, first, last)
                    value[s] += weight[row] * expected[row]
        _unit_row(matrix, n, s, first[s], last[s])
        if not terminal[s]:
            for row in range(s * n_actions, (s + 1) * n_actions):
                if weight[row] > 0.0:
                    share = -discount * weight[row]
                    _add_row(matrix, successor, probability, terminal, row_start[row], row_start[row + 1], s * n, share)
    solve_envelope(matrix, first, last, value)


@kernel(inline=True)
def _widen(successor, terminal, begin, end, s, first, last):
    """Widen the envelope of row s to the live successors in entries begin..end-1."""
    low, high = first[s], last[s]
    for k in range(np.uint64(begin), np.uint64(end)):
        j = successor[k]
        if not terminal[j]:
            low, high = min(low, np.int64(j)), max(high, np.int64(j))
    first[s], last[s] = low, high


@kernel(inline=True)
def _unit_row(matrix, n, s, first, last):
    fill(matrix, s * n + first, last + 1 - first, 0.0)
    matrix[s * n + s] = 1.0


@kernel(inline=True)
def _add_row(matrix, successor, probability, terminal, begin, end, base, factor):
    row = np.uint64(base)
    for k in range(np.uint64(begin), np.uint64(end)):
        j = successor[k]
        if not terminal[j]:
            matrix[row + j] += factor * probability[k]


@kernel(inline=True)
def _subtract(matrix, target, source, count, factor):
    # unsigned indices: signed ones cost numba a wrap-around test that keeps this loop from being vectorised
    for j in range(count):
        matrix[target + j] -= factor * matrix[source + j]


@kernel(allocates=False)
def solve_envelope(matrix, first, last, value):
    """Solve matrix x = value in place; row i has its entries in columns first[i]..last[i] (``last`` grows by fill)."""
    n = value.shape[0]
    for i in range(n):
        base = i * n
        total = value[i]
        for k in range(first[i], i):
            factor = matrix[np.uint64(base + k)]
            if factor != 0.0:
                factor *= matrix[k * n + k]
                for j in range(base + last[i] + 1, base + last[k] + 1):
                    matrix[j] = 0.0
                last[i] = max(last[i], last[k])
                _subtract(matrix, np.uint64(base + k + 1), np.uint64(k * n + k + 1), np.uint64(last[k] - k), factor)
                total -= factor * value[k]
        value[i] = total
        # the pivot's place holds its inverse from here on
        matrix[base + i] = 1.0 / matrix[base + i]
    for i in range(n - 1, -1, -1):
        total = value[i]
        base = i * n
        for j in range(np.uint64(i + 1), np.uint64(last[i] + 1)):
            total -= matrix[np.uint64(base) + j] * value[j]
        value[i] = total * matrix[base + i]
