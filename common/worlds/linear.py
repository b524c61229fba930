"""Loops over stretches of flat arrays, ``LANES`` numbers at a time.

Indices are unsigned: numba checks signed ones for wrap-around at every access, which costs three times the work.
"""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common import lanes
from common.kernels import kernel
from common.lanes import LANES

__all__ = ["LANES", "add_scaled", "add_whole", "dot", "fill"]
_STEP = np.uint64(LANES)


@kernel(inline=True)
def dot(x, x0, y, y0, count):
    """Return the sum of ``x[x0 + i] * y[y0 + i]`` for i below ``count`` rounded up to a multiple of ``LANES``.

    ``LANES`` interleaved partial sums, no remainder: the entries of x past ``count`` must be 0, those of y finite.
    """
    a, b = np.uint64(x0), np.uint64(y0)
    sums = lanes.zeros()
    for i in range(np.uint64(0), np.uint64(count), _STEP):
        sums = lanes.add_product(sums, x, a + i, y, b + i)
    return lanes.total(sums)


@kernel(inline=True)
def add_whole(x, x0, y, y0, count, factor):
    """Add ``factor * y[y0 + i]`` to ``x[x0 + i]`` for i below ``count`` rounded up to a multiple of ``LANES``.

    Spares short loops the remainder, one at a time; x and y may be one array, if the stretches do not overlap.
    """
    a, b = np.uint64(x0), np.uint64(y0)
    for i in range(np.uint64(0), np.uint64(count), _STEP):
        lanes.store(x, a + i, lanes.add_scaled(lanes.load(x, a + i), factor, y, b + i))


@kernel(inline=True)
def add_scaled(x, x0, y, y0, count, factor):
    """Add ``factor * y[y0 + i]`` to ``x[x0 + i]`` for i below ``count``."""
    a, b = np.uint64(x0), np.uint64(y0)
    for i in range(np.uint64(count)):
        x[a + i] += factor * y[b + i]


@kernel(inline=True)
def fill(x, x0, count, value):
    """Set ``x[x0 + i]`` to ``value`` for i below ``count``."""
    a = np.uint64(x0)
    for i in range(np.uint64(count)):
        x[a + i] = value
