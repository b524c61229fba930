"""Banded transitions: each live state's successors are an interval of ranks, shared out among the actions.

Kept is the core of each row, outside of which every entry is under ``NEGLIGIBLE``: the probability of rank j in
[first[s * n_actions + a], last[..]) is ``core[base[s * n_actions + a] + j]``; a multiple of ``LANES`` entries is
stored, the last of them 0. Whole rows, five times as long in large worlds, are drawn again by ``whole_rows`` where
somebody wants to see them. Source: the AnyMDP specification, "Transitions" 3 to 5.
"""
# mypy: disable-error-code="no-untyped-def"

import math

import numpy as np

from common import lanes
from common.kernels import kernel
from common.maths import exp
from common.random import below, between, exponential, normal
from common.worlds.linear import LANES, add_scaled, fill

NEGLIGIBLE = 2.0**-54
"""Entries below this leave the sum of their row as it is and are never drawn by a uniform number of 53 bits."""
_REACH = 9.6
"""Distance from its centre, in sigmas, where a weight is under 1e-40 and comes to nothing: a share is a weight over at
least 1e-10, and a row's largest over 1e-12."""
_LEAST_REACH = 2.5
"""In ranks: the last state moves to another rank, though its centre can be 2 from the nearest and sigma .2."""
_REACH_OF_SIGHT = 26.5
"""Distance where a weight is under 1e-304, for whole rows; denormals would cost 20 times."""
_UNCLAIMED = 1e-10
_LOWEST, _HIGHEST = 0.1, 1.0


@kernel
def draw_transitions(rng, n_actions, terminal, base, core, first, last):
    """Draw every live state's rows.

    Args:
        rng: Generator state.
        n_actions: Number of actions.
        terminal: (n,) bool.
        base: (n * n_actions,) int64, out: where each core begins, less ``first``.
        core: (n + n * n_actions * (n + LANES),) float64, out: cores.
        first: (n * n_actions,) int64, out: first rank of each core.
        last: (n * n_actions,) int64, out: one past the last.
    """
    n = terminal.shape[0]
    row, factor, mean = np.empty(n_actions * n + LANES), np.empty(n + LANES), np.empty(n)
    low, high, order = (
        np.empty(n_actions, dtype=np.int64),
        np.empty(n_actions, dtype=np.int64),
        np.empty(n_actions, dtype=np.int64),
    )
    centre, scale = np.empty(n_actions), np.empty(n_actions)
    # a base must not be negative, and first < n
    place = n
    for s in range(n):
        if terminal[s]:
            for index in range(s * n_actions, (s + 1) * n_actions):
                base[index], first[index], last[index] = place - s, s, s
            continue
        start, end = _draw_state(
            rng, s, n_actions, terminal, _REACH, row, low, high, scale, factor, mean, centre, order
        )
        for a in range(n_actions):
            index, shift = s * n_actions + a, a * (end - start)
            i, j = low[a], high[a]
            while row[shift + i] * (scale[a] * factor[i]) < NEGLIGIBLE:
                i += 1
            while row[shift + j - 1] * (scale[a] * factor[j - 1]) < NEGLIGIBLE:
                j -= 1
            first[index], last[index], base[index] = start + i, start + j, place - (start + i)
            _write_core(row, np.uint64(shift + i), factor, np.uint64(i), scale[a], np.uint64(j - i), core, place)
            place += (j - i + LANES - 1) // LANES * LANES


@kernel(inline=True)
def _write_core(row, from_row, factor, from_factor, scale, count, core, place):
    """Write ``count`` products, and 0 up to a multiple of ``LANES``."""
    to, step, sides = np.uint64(place), np.uint64(LANES), lanes.splat(scale)
    for k in range(np.uint64(0), count, step):
        share = lanes.multiply(sides, lanes.load(factor, from_factor + k))
        lanes.store(core, to + k, lanes.multiply(lanes.load(row, from_row + k), share))
    for k in range(count, (count + step - np.uint64(1)) & ~(step - np.uint64(1))):
        core[to + k] = 0.0


@kernel
def whole_rows(rng, n_actions, terminal):
    """Return every row with all its entries, (n, n_actions, n) float64, from the generator the cores were drawn from.

    The entries of the cores are the same but for rounding.
    """
    n = terminal.shape[0]
    dense = np.zeros((n, n_actions, n))
    row, factor, mean = np.empty(n_actions * n + LANES), np.empty(n + LANES), np.empty(n)
    low, high, order = (
        np.empty(n_actions, dtype=np.int64),
        np.empty(n_actions, dtype=np.int64),
        np.empty(n_actions, dtype=np.int64),
    )
    centre, scale = np.empty(n_actions), np.empty(n_actions)
    for s in range(n):
        if not terminal[s]:
            start, end = _draw_state(
                rng, s, n_actions, terminal, _REACH_OF_SIGHT, row, low, high, scale, factor, mean, centre, order,
            )  # fmt: skip
            for a in range(n_actions):
                for j in range(end - start):
                    dense[s, a, start + j] = row[a * (end - start) + j] * (scale[a] * factor[j])
    return dense


@kernel(allocates=False)
def _draw_state(
    rng, s, n_actions, terminal, reach, row, low, high, scale, factor, mean, centre, order
):  # fmt: skip
    """Draw the rows of one live state; return its band, [start, end).

    The probability of rank start + j is row[a * (end - start) + j] * scale[a] * factor[j] for j in [low[a], high[a]),
    and 0 elsewhere. ``mean`` (n,), ``centre`` (a,) and ``order`` (a,) int64 are to work in.
    Weights further than ``reach`` sigmas from the centre of their action are left out.
    """
    n = terminal.shape[0]
    start, end = _band(rng, n, s, terminal)
    width = end - start
    clipped_normals(rng, mean, width)
    mean[s - start] *= 0.0 if s == n - 1 else 0.5
    sigma = min(max(exponential(rng, 1.0), 0.2), 1.6)
    precision = 1.0 / (sigma * sigma)
    within = max(reach * sigma, _LEAST_REACH)
    fill(factor, 0, width, 0.0)
    for a in range(n_actions):
        centre[a] = between(rng, start - 1.0, end)
        low[a], high[a] = gaussian(row, a * width, width, centre[a] - start, precision, within)
        add_scaled(factor, low[a], row, a * width + low[a], high[a] - low[a], 1.0)
    _claim(row, width, centre, order, start, low, high, factor)
    # the share of every action at rank j is its weight over the sum of weights, times the mean
    for j in range(np.uint64(width)):
        factor[j] = mean[j] / factor[j]
    for a in range(n_actions):
        weight, shift = 0.0, np.uint64(a * width)
        for j in range(np.uint64(low[a]), np.uint64(high[a])):
            weight += row[shift + j] * factor[j]
        scale[a] = 1.0 / weight
    return start, end


@kernel(allocates=False)
def _claim(row, width, centre, order, start, low, high, total):
    """Give the ranks that no action weighs enough (``total`` under 1e-10) to the nearest one, with weight 1."""
    nearest = 0
    for i in range(order.shape[0]):
        k = i
        order[i] = i
        while k > 0 and centre[order[k - 1]] > centre[order[k]]:
            order[k - 1], order[k] = order[k], order[k - 1]
            k -= 1
    for j in range(width):
        if total[j] < _UNCLAIMED:
            rank = np.float64(start + j)
            while nearest + 1 < order.shape[0] and (
                abs(centre[order[nearest + 1]] - rank) < abs(centre[order[nearest]] - rank)
            ):
                nearest += 1
            a = order[nearest]
            total[j] += 1.0 - row[a * width + j]
            row[a * width + j] = 1.0
            low[a], high[a] = min(low[a], j), max(high[a], j + 1)


@kernel(allocates=False)
def _band(rng, n, s, terminal):
    """Return the interval of ranks that ``s`` can move to."""
    lowest = max(0, s - max(2, n // 2 + 1))
    highest = min(n, s + max(2, n // 4 + 1))
    start = lowest + below(rng, max(0, s - 1, lowest + 1) - lowest)
    least = min(n - 1, s + 1, highest - 1)
    end = least + below(rng, highest - least)
    above = 0
    for j in range(s + 1, end):
        above += not terminal[j]
    while end < n and above < 2:
        above += end > s and not terminal[end]
        end += 1
    return start, end


@kernel(allocates=False)
def clipped_normals(rng, x, count):
    """Fill the first ``count`` of ``x`` with standard normals clipped to [.1, 1]."""
    for j in range(np.uint64(count)):
        x[j] = min(max(normal(rng), _LOWEST), _HIGHEST)


@kernel(allocates=False)
def gaussian(row, offset, width, centre, precision, reach):
    """Write exp(-(centre - j)^2 * precision) to row[offset + j], j in [0, width); beyond ``reach`` of the centre 0.

    Returns [low, high), outside of which are the zeros.
    """
    low, high = max(0, np.int64(math.ceil(centre - reach))), min(width, np.int64(math.floor(centre + reach)) + 1)
    fill(row, offset, width, 0.0)
    begin, first = np.uint64(offset + low), low - centre
    for j in range(np.uint64(high - low)):
        distance = first + np.float64(np.int64(j))
        row[begin + j] = exp(-distance * distance * precision)
    return low, high
