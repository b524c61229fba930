"""A Markov chain on ranks, followed step by step: rows of a policy in, expected return and length of an episode out.

A chain is written as a table, a row for each state, ``stride(n)`` apart, and then packed: the places with entries, in
blocks of ``BLOCK`` columns of one row, those of the same columns together. A step costs a multiplication for each place
of these blocks, eight of them at once. Rows of terminal states are empty, or say where the next episode starts.
"""
# mypy: disable-error-code="no-untyped-def, assignment"

import numpy as np

from common import lanes
from common.kernels import kernel
from common.lanes import LANES
from common.worlds.linear import dot, fill

BLOCK = LANES
_STILL = 2e-15
"""The distribution has its final form when a step only shrinks it, but for this part (sum of absolute differences)."""
_EVERY = 4
"""Steps between tests for it."""
_NOTHING = 1e-25
"""Probability mass that counts as none."""
_BLOCK, _ONE, _TWO = np.uint64(BLOCK), np.uint64(1), np.uint64(2)


@kernel(inline=True)
def stride(n):
    """Return the distance between rows: whole blocks, and one more, lest rows fall on the same places of a cache."""
    return (n + 2 * BLOCK - 1) // BLOCK * BLOCK


@kernel
def chain_room(n):
    """Return room for a chain of n states, not initialised: (table, begin, end), (entries, rows, starts).

    ``begin`` and ``end`` are where the entries of each row of the table begin and (one past) end, (n,) int64. Block k
    of the packed chain has ``entries[k * BLOCK : (k + 1) * BLOCK]`` and belongs to the state ``rows[k]``; blocks
    ``starts[b]`` to ``starts[b + 1] - 1`` are of columns ``b * BLOCK`` and on.
    """
    blocks = (n + BLOCK - 1) // BLOCK
    table = np.empty(n * stride(n)), np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    packed = np.empty(n * blocks * BLOCK), np.empty(n * blocks, dtype=np.int32), np.empty(blocks + 1, dtype=np.int32)
    return table, packed


@kernel(allocates=False)
def clear(n, table, begin, end):
    """Write 0 to the blocks of the table in which each row has its entries."""
    for s in range(n):
        low, high = begin[s] // BLOCK * BLOCK, (end[s] + BLOCK - 1) // BLOCK * BLOCK
        if begin[s] < end[s]:
            fill(table, s * stride(n) + low, high - low, 0.0)


@kernel(allocates=False)
def pack_chain(n, table, begin, end, entries, rows, starts):
    """Pack the chain that is in the table."""
    k = np.uint64(0)
    for b in range(starts.shape[0] - 1):
        starts[b] = k
        for s in range(n):
            if begin[s] < end[s] and begin[s] < (b + 1) * BLOCK and end[s] > b * BLOCK:
                lanes.store(entries, k * _BLOCK, lanes.load(table, np.uint64(s * stride(n) + b * BLOCK)))
                rows[k] = s
                k += _ONE
    starts[starts.shape[0] - 1] = k


@kernel(allocates=False)
def advance(entries, rows, starts, mass, moved):
    """Write to ``moved`` where one step leads from ``mass``; both (blocks * BLOCK,) float64."""
    for b in range(np.uint64(starts.shape[0] - 1)):
        sums, others = lanes.zeros(), lanes.zeros()
        k, end = np.uint64(starts[b]), np.uint64(starts[b + _ONE])
        if (end - k) & _ONE:
            others = lanes.add_scaled(others, mass[np.uint64(rows[k])], entries, k * _BLOCK)
            k += _ONE
        while k < end:
            sums = lanes.add_scaled(sums, mass[np.uint64(rows[k])], entries, k * _BLOCK)
            others = lanes.add_scaled(others, mass[np.uint64(rows[k + _ONE])], entries, (k + _ONE) * _BLOCK)
            k += _TWO
        lanes.store(moved, b * _BLOCK, lanes.add(sums, others))


@kernel
def follow(packed, terminal, paid, start, steps):
    """Return (expected return, expected length) of an episode cut after ``steps``.

    It stops early where nothing is left alive or a step only shrinks the distribution; what is left is then known, to
    some 1e-13 of the largest sum there can be.

    Args:
        packed: The chain; rows of terminal states empty.
        terminal: (n,) bool.
        paid: (n,) float64, mean reward of a step in each state; 0 in terminal states.
        start: (starts,) float64, probability of starting in states 0, 1, ...
        steps: Steps at most.
    """
    n, size = terminal.shape[0], (packed[2].shape[0] - 1) * BLOCK
    mass, moved, live, pay = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    for s in range(n):
        live[s] = 0.0 if terminal[s] else 1.0
        pay[s] = paid[s]
    for s in range(start.shape[0]):
        mass[s] = start[s] * live[s]
    total, length = 0.0, 0.0
    for t in range(steps):
        gain, alive = dot(pay, 0, mass, 0, size), dot(live, 0, mass, 0, size)
        if alive < _NOTHING:
            break
        advance(*packed, mass, moved)
        if t % _EVERY == 0:
            kept = min(dot(live, 0, moved, 0, size) / alive, 1.0)
            if difference(moved, mass, kept) < _STILL * alive:
                # from here on every step keeps the same part of what the one before it had
                for _ in range(t, steps):
                    total, length = total + gain, length + alive
                    gain, alive = kept * gain, kept * alive
                break
        total += gain
        length += alive
        mass, moved = moved, mass
    return total, length


@kernel(allocates=False)
def difference(x, y, factor):
    """Return the sum of absolute differences between ``x`` and ``factor * y``, whole blocks long."""
    sums, minus = lanes.zeros(), lanes.splat(-factor)
    for i in range(np.uint64(0), np.uint64(x.shape[0]), _BLOCK):
        off = lanes.add(lanes.load(x, i), lanes.multiply(minus, lanes.load(y, i)))
        sums = lanes.add(sums, lanes.maximum(off, lanes.multiply(lanes.splat(-1.0), off)))
    return lanes.total(sums)
