"""Banded transitions: each live state's successors are an interval of ranks, shared out among the actions.

Whole rows lie one after another in a flat array, ``n_actions`` a state: (s, a) has the probabilities of the ranks from
``band_from[s]`` to ``band_to[s] - 1``. Values are computed on the core of each row, outside of which every entry is
negligible: the probability of rank j in [first[s * n_actions + a], last[..]) is ``core[base[s * n_actions + a] + j]``;
a multiple of ``LANES`` entries is stored, the last of them 0. Source: the AnyMDP specification, "Transitions" 3 to 5.
"""
# mypy: disable-error-code="no-untyped-def"

import math

import numpy as np

from common.kernels import kernel
from common.maths import exp
from common.random import below, between, exponential, uniform
from common.worlds.anymdp.linear import LANES, add_scaled, fill, scale_by

NEGLIGIBLE = 1e-13
"""Rows are kept whole, but values are computed on the stretch outside of which every entry is below this."""
_VANISHED = 1e-300
_UNCLAIMED = 1e-10
_LOWEST, _HIGHEST = 0.1, 1.0
_BELOW_LOWEST = 0.5398278372770290
"""Standard normal distribution function at .1."""
_BELOW_HIGHEST = 0.8413447460685429
"""Standard normal distribution function at 1."""


@kernel
def draw_transitions(rng, n_actions, terminal, band_from, band_to, row, base, core, first, last):
    """Draw every live state's band and rows.

    Args:
        rng: Generator state.
        n_actions: Number of actions.
        terminal: (n,) bool.
        band_from: (n,) int64, out: first successor of each live state.
        band_to: (n,) int64, out: one past the last.
        row: (n * n_actions * n,) float64, out: whole rows.
        base: (n * n_actions,) int64, out: where each core begins, less ``first``.
        core: (n + n * n_actions * (n + LANES),) float64, out: cores.
        first: (n * n_actions,) int64, out: first rank of each core.
        last: (n * n_actions,) int64, out: one past the last.
    """
    n = terminal.shape[0]
    mean, total, centre, scratch = np.empty(n), np.empty(n), np.empty(n_actions), np.empty(n, dtype=np.uint64)
    # a base must not be negative, and first < n
    place, core_place = 0, n
    for s in range(n):
        band_from[s], band_to[s] = s, s
        if terminal[s]:
            for index in range(s * n_actions, (s + 1) * n_actions):
                base[index], first[index], last[index] = core_place - s, s, s
            continue
        start, end = _band(rng, n, s, terminal)
        band_from[s], band_to[s] = start, end
        clipped_normals(rng, mean, end - start, scratch)
        mean[s - start] *= 0.0 if s == n - 1 else 0.5
        sigma = min(max(exponential(rng, 1.0), 0.2), 1.6)
        bend = exp(-2.0 / (sigma * sigma))
        for a in range(n_actions):
            centre[a] = between(rng, start - 1.0, end)
            _gaussian(row, place + a * (end - start), start, end, centre[a], 1.0 / (sigma * sigma), bend)
        _share_out(n_actions, place, start, end, row, mean, centre, total)
        for index in range(s * n_actions, (s + 1) * n_actions):
            core_place = _copy_core(index, row, place - start, start, end, base, core, core_place, first, last)
            place += end - start


@kernel
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


@kernel
def clipped_normals(rng, x, count, between_ends):
    """Fill the first ``count`` of ``x`` with standard normals clipped to [.1, 1]; ``between_ends`` (n,) is scratch.

    Most are one of the two ends, told apart without a branch; the rest are drawn by rejection from a uniform.
    """
    rest, one = np.uint64(0), np.uint64(1)
    for j in range(np.uint64(count)):
        u = uniform(rng)
        x[j] = _LOWEST if u < _BELOW_LOWEST else _HIGHEST
        between_ends[rest] = j
        rest += one if _BELOW_LOWEST <= u < _BELOW_HIGHEST else np.uint64(0)
    for k in range(rest):
        while True:
            y = _LOWEST + (_HIGHEST - _LOWEST) * uniform(rng)
            v = uniform(rng)
            # accept with probability exp(-d); 1 - d is below it and nearly always enough to know
            d = 0.5 * (y * y - _LOWEST * _LOWEST)
            if v < 1.0 - d or (v < 1.0 - d + 0.5 * d * d and v < exp(-d)):
                x[between_ends[k]] = y
                break


@kernel
def _gaussian(row, offset, start, end, centre, precision, bend):
    """Write exp(-(centre - j)^2 * precision) for j in [start, end), outwards from the nearest rank.

    Neighbouring values have a ratio that itself changes by the factor ``bend`` = exp(-2 * precision): two exponentials
    instead of one for each rank.
    """
    peak = min(max(np.int64(math.floor(centre + 0.5)), start), end - 1)
    distance = peak - centre
    top = exp(-distance * distance * precision)
    here, one = np.uint64(offset + peak - start), np.uint64(1)
    row[here] = top
    right = exp(-(1.0 + 2.0 * distance) * precision)
    value, ratio = top, right
    place, stop = here + one, np.uint64(offset + end - start)
    while place < stop and value > _VANISHED:
        value *= ratio
        ratio *= bend
        row[place] = value
        place += one
    fill(row, place, stop - place, 0.0)
    value, ratio = top, bend / right
    place, stop = here, np.uint64(offset)
    while place > stop and value > _VANISHED:
        value *= ratio
        ratio *= bend
        place -= one
        row[place] = value
    fill(row, stop, place - stop, 0.0)


@kernel
def _share_out(n_actions, place, start, end, row, mean, centre, total):
    """Turn the actions' Gaussian weights into rows: normalise over actions, times the mean, over successors."""
    width = end - start
    fill(total, 0, width, 0.0)
    for a in range(n_actions):
        add_scaled(total, 0, row, place + a * width, width, 1.0)
    for j in range(width):
        if total[j] < _UNCLAIMED:
            nearest = 0
            for a in range(1, n_actions):
                if abs(centre[a] - (start + j)) < abs(centre[nearest] - (start + j)):
                    nearest = a
            claimed = place + nearest * width + j
            total[j] += 1.0 - row[claimed]
            row[claimed] = 1.0
    # from here on total is the factor common to all actions
    for j in range(width):
        total[j] = mean[j] / total[j]
    for a in range(n_actions):
        offset = place + a * width
        weight = 0.0
        for j in range(np.uint64(width)):
            weight += row[np.uint64(offset) + j] * total[j]
        scale_by(row, offset, total, width, 1.0 / weight)


@kernel
def _copy_core(index, row, shift, start, end, base, core, place, first, last):
    """Copy the core of a whole row (rank j at ``row[shift + j]``) to ``place``; return where the next goes."""
    low, high = start, end
    while row[shift + low] < NEGLIGIBLE:
        low += 1
    while row[shift + high - 1] < NEGLIGIBLE:
        high -= 1
    first[index], last[index], base[index] = low, high, place - low
    for j in range(np.uint64(high - low)):
        core[np.uint64(place) + j] = row[np.uint64(shift + low) + j]
    place += high - low
    while (place - base[index] - low) % LANES != 0:
        core[place] = 0.0
        place += 1
    return place
