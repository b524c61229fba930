"""Loops over stretches of flat arrays, written so that the compiler vectorises them without reordering a sum.

Indices are unsigned: numba checks signed ones for wrap-around at every access, which costs three times the work.
"""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel

LANES = 4
_FOUR = np.uint64(LANES)
_THREE = np.uint64(3)
_TWO = np.uint64(2)
_ONE = np.uint64(1)


@kernel(inline=True)
def dot(x, x0, y, y0, count):
    """Return the sum of ``x[x0 + i] * y[y0 + i]`` for i below ``count`` rounded up to a multiple of ``LANES``.

    Four interleaved partial sums, no remainder: the entries of x past ``count`` must be 0, those of y finite.
    """
    a, b = np.uint64(x0), np.uint64(y0)
    t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0
    for i in range(np.uint64(0), np.uint64(count), _FOUR):
        t0 += x[a + i] * y[b + i]
        t1 += x[a + i + _ONE] * y[b + i + _ONE]
        t2 += x[a + i + _TWO] * y[b + i + _TWO]
        t3 += x[a + i + _THREE] * y[b + i + _THREE]
    return (t0 + t1) + (t2 + t3)


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
