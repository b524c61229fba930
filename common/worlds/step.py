"""Kernels that move a world on by one step; everything that steps a world calls these two.

Their arguments are ``World.arrays()``'s. A reset takes one uniform; a step takes one uniform and then, only where the
reward is noisy, one normal, so whoever steps the same world with the same generator sees the same numbers.
"""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel
from common.random import normal, uniform

_ONE = np.uint64(1)


@kernel(inline=True)
def reset(rng, start_states, start_cumulative):
    """Return a start state (int64)."""
    point = uniform(rng)
    k = np.uint64(0)
    while point >= start_cumulative[k]:
        k += _ONE
    return np.int64(start_states[k])


@kernel(inline=True)
def step(rng, state, action, n_actions, row_start, successor, cumulative, reward, noise):
    """Return (next state int64, reward float64) of a live state; a terminal one has no row and must not be stepped.

    The linear search is short: rows are sorted by falling probability, and the last cumulative is exactly 1.
    """
    point = uniform(rng)
    k = np.uint64(row_start[state * n_actions + action])
    while point >= cumulative[k]:
        k += _ONE
    paid = reward[k]
    if noise[k] > 0.0:
        paid += noise[k] * normal(rng)
    return np.int64(successor[k]), paid


@kernel(inline=True)
def take(rng, state, action, n_atoms, tokens, row_start, successor, cumulative, reward, noise, terminal):
    """Return (next state, reward) of a whole step: ``tokens`` actions one after another, or usually the only one.

    The rows are those of ``World.atomic()``, which has ``n_atoms`` actions; ``action`` is the world's own.
    """
    if tokens == 1:
        return step(rng, state, action, n_atoms, row_start, successor, cumulative, reward, noise)
    return _take_several(rng, state, action, n_atoms, tokens, row_start, successor, cumulative, reward, noise, terminal)


@kernel(allocates=False)
def _take_several(rng, state, action, n_atoms, tokens, row_start, successor, cumulative, reward, noise, terminal):
    """Take the atoms of action sum_k a_k n_atoms**(tokens - 1 - k) in order; none after a terminal state."""
    place = 1
    for _ in range(tokens - 1):
        place *= n_atoms
    total = 0.0
    for _ in range(tokens):
        state, paid = step(rng, state, action // place, n_atoms, row_start, successor, cumulative, reward, noise)
        total += paid
        action %= place
        place = max(place // n_atoms, 1)
        if terminal[state]:
            break
    return state, total
