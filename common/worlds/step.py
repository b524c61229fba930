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
