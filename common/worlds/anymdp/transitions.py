"""Banded transitions: each live state's successors are an interval of ranks, shared out among the actions.

Rows lie one after another in a flat array: the probability of rank j after (s, a) is ``row[base[s * n_actions + a] + j]``
for j in [band_from[s], band_to[s]). Of that interval the stretch [first, last) of each row is not negligible. Source: the AnyMDP specification, "Transitions" 3 to 5.
"""
# mypy: disable-error-code="no-untyped-def"

import math

import numpy as np

from common.kernels import kernel
from common.maths import exp
from common.random import below, between, exponential, uniform
from common.worlds.anymdp.linear import scale

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
def draw_transitions(rng, n_actions, terminal, band_from, band_to, base, row, first, last):
    """Draw every live state's band and rows.

    Args:
        rng: Generator state.
        n_actions: Number of actions.
        terminal: (n,) bool.
        band_from: (n,) int64, out: first successor of each live state.
        band_to: (n,) int64, out: one past the last.
        base: (n * n_actions,) int64, out: where each row begins, less ``band_from``.
        row: (n + n * n_actions * n,) float64, out: the rows.
        first: (n * n_actions,) int64, out: first rank that is not negligible.
        last: (n * n_actions,) int64, out: one past the last such rank.
    """
    n = terminal.shape[0]
    mean, centre = np.empty(n), np.empty(n_actions)
    # a row's base must not be negative, and band_from < n
    place = n
    for s in range(n):
        start, end = s, s
        if not terminal[s]:
            start, end = _band(rng, n, s, terminal)
        band_from[s], band_to[s] = start, end
        width = end - start
        for a in range(n_actions):
            index = s * n_actions + a
            base[index], first[index], last[index] = place + a * width - start, start, end
        if terminal[s]:
            continue
        for j in range(width):
            mean[j] = clipped_normal(rng)
        mean[s - start] *= 0.0 if s == n - 1 else 0.5
        sigma = min(max(exponential(rng, 1.0), 0.2), 1.6)
        for a in range(n_actions):
            centre[a] = between(rng, start - 1.0, end)
            _gaussian(row, place + a * width, start, end, centre[a], 1.0 / (sigma * sigma))
        _share_out(n_actions, place, start, end, row, mean, centre)
        for a in range(n_actions):
            _trim(s * n_actions + a, base, row, first, last)
        place += n_actions * width


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
def clipped_normal(rng):
    """Return a standard normal clipped to [.1, 1], by its two point masses and rejection between them."""
    u = uniform(rng)
    if u < _BELOW_LOWEST:
        return _LOWEST
    if u >= _BELOW_HIGHEST:
        return _HIGHEST
    while True:
        x = between(rng, _LOWEST, _HIGHEST)
        if uniform(rng) < exp(0.5 * (_LOWEST * _LOWEST - x * x)):
            return x


@kernel
def _gaussian(row, offset, start, end, centre, precision):
    """Write exp(-(centre - j)^2 * precision) for j in [start, end), outwards from the nearest rank.

    Neighbouring values have a ratio that itself changes by a constant factor: three exponentials instead of one each.
    """
    peak = min(max(np.int64(math.floor(centre + 0.5)), start), end - 1)
    distance = peak - centre
    top = exp(-distance * distance * precision)
    bend = exp(-2.0 * precision)
    row[offset + peak - start] = top
    value, ratio = top, exp(-(1.0 + 2.0 * distance) * precision)
    for j in range(peak + 1, end):
        value = value * ratio if value > _VANISHED else 0.0
        ratio *= bend
        row[offset + j - start] = value
        if value <= _VANISHED:
            ratio = 0.0
    value, ratio = top, exp(-(1.0 - 2.0 * distance) * precision)
    for j in range(peak - 1, start - 1, -1):
        value = value * ratio if value > _VANISHED else 0.0
        ratio *= bend
        row[offset + j - start] = value
        if value <= _VANISHED:
            ratio = 0.0


@kernel
def _share_out(n_actions, place, start, end, row, mean, centre):
    """Turn the actions' Gaussian weights into rows: normalise over actions, times the mean, over successors."""
    base, width = np.uint64(place), np.uint64(end - start)
    for j in range(width):
        total = 0.0
        for a in range(np.uint64(n_actions)):
            total += row[base + a * width + j]
        if total < _UNCLAIMED:
            rank, nearest = np.float64(start) + np.float64(j), 0
            for a in range(1, n_actions):
                if abs(centre[a] - rank) < abs(centre[nearest] - rank):
                    nearest = a
            claimed = base + np.uint64(nearest) * width + j
            total += 1.0 - row[claimed]
            row[claimed] = 1.0
        factor = mean[j] / total
        for a in range(np.uint64(n_actions)):
            row[base + a * width + j] *= factor
    for a in range(np.uint64(n_actions)):
        total = 0.0
        for j in range(width):
            total += row[base + a * width + j]
        scale(row, base + a * width, width, 1.0 / total)


@kernel
def _trim(index, base, row, first, last):
    """Narrow [first, last) of a row to the stretch outside of which its entries are negligible."""
    while row[base[index] + first[index]] < NEGLIGIBLE:
        first[index] += 1
    while row[base[index] + last[index] - 1] < NEGLIGIBLE:
        last[index] -= 1
