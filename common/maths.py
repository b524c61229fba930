"""Elementary functions for kernels in plain IEEE operations: the same bits on every CPU, which libm does not promise.

Relative errors stay under 4e-16 for ``log`` and ``exp`` and under 4e-16 absolute for ``sin`` and ``cos`` (tests).
"""

# mypy: disable-error-code="no-untyped-def"
import math
from decimal import Decimal, localcontext

import numpy as np

from common.kernels import kernel

LN2_HIGH = 6.93147180369123816490e-01
"""ln 2 with the low 32 bits of the mantissa zero, so that multiples up to 2**20 are exact."""
LN2_LOW = 1.90821492927058770002e-10
_PI_2_HIGH = 1.57079632673412561417e00
_PI_2_MIDDLE = 6.07710050630396597660e-11
_PI_2_LOW = 2.02226624879595063154e-21
_EXPONENT = np.int64(52)
_SQRT_HALF = np.float64(0.7071067811865476).view(np.int64)
_LEAST_NORMAL = 2.2250738585072014e-308
_ROUND = 6755399441055744.0
"""1.5 * 2**52: adding it to |x| < 2**51 leaves the nearest integer in the low bits of the mantissa."""
_PARTS = 64
"""exp takes powers of two at multiples of 1 / _PARTS from a table."""
_PART, _PART_BITS = np.uint64(_PARTS - 1), np.int64(6)
_INVERSE_FACTORIAL = tuple(1.0 / math.factorial(n) for n in range(19))
_ARTANH = tuple(2.0 / (2.0 * n + 1.0) for n in range(11))
"""Coefficients of (2 artanh(s) - 2 s) / s and more: 2 / (2 n + 1) belongs to s**(2 n)."""


def _roots_of_two() -> np.ndarray:
    """Return the bits of 2 ** (i / _PARTS), int64 (_PARTS,), correctly rounded: decimal arithmetic, not libm."""
    with localcontext() as context:
        context.prec = 30
        return np.array([float(Decimal(2) ** (Decimal(i) / _PARTS)) for i in range(_PARTS)]).view(np.int64)


_ROOTS = _roots_of_two()


@kernel(inline=True)
def square_root(x):
    """Return the square root (IEEE 754 rounds it correctly everywhere)."""
    return math.sqrt(x)


@kernel(inline=True)
def log(x):
    """Return the natural logarithm; -inf at 0, nan below. Without a branch, so loops over it are vectorised."""
    small = x < _LEAST_NORMAL
    bits = np.float64(x * 18014398509481984.0 if small else x).view(np.int64)
    # x = 2**k m, m in [sqrt(1/2), sqrt(2)); log m = 2 artanh(s), s = (m - 1) / (m + 1), |s| <= .1716
    whole = np.int64(bits - _SQRT_HALF) >> _EXPONENT
    m = np.int64(bits - (whole << _EXPONENT)).view(np.float64)
    k = np.float64(whole) - (54.0 if small else 0.0)
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    z2 = z * z
    z4 = z2 * z2
    c = _ARTANH
    low = (c[1] + c[2] * z) + z2 * (c[3] + c[4] * z)
    high = ((c[5] + c[6] * z) + z2 * (c[7] + c[8] * z)) + z4 * (c[9] + c[10] * z)
    # 2 s = f - s f exactly in mathematics; this form keeps the leading term f unrounded
    value = k * LN2_HIGH + ((f - s * (f - z * (low + z4 * high))) + k * LN2_LOW)
    special = np.inf if x > 0.0 else (-np.inf if x == 0.0 else np.nan)
    return value if 0.0 < x < np.inf else special


@kernel(inline=True)
def exp(x):
    """Return e ** x: 0 below -707, inf above 709.7. Without a branch, so loops over it are vectorised."""
    shifted = x * (_PARTS * 1.4426950408889634) + _ROUND
    k = shifted - _ROUND
    # x = k ln 2 / _PARTS + r, |r| <= ln 2 / (2 _PARTS)
    r = (x - k * (LN2_HIGH / _PARTS)) - k * (LN2_LOW / _PARTS)
    bits = np.float64(shifted).view(np.int64)
    # half of 2 ** (k / _PARTS): the whole of the largest is beyond float64
    root = _ROOTS[np.uint64(bits) & _PART]
    half = np.int64(root + (((bits >> _PART_BITS) - 1) << _EXPONENT)).view(np.float64)
    z = r * r
    c = _INVERSE_FACTORIAL
    series = r + z * ((c[2] + c[3] * r) + z * (c[4] + c[5] * r))
    value = (half + half * series) * 2.0
    return np.inf if x > 709.7 else (0.0 if x < -707.0 else value)


@kernel
def sin(x):
    """Return the sine of x in radians, |x| < 1e5."""
    return _sine_at(x, 0)


@kernel
def cos(x):
    """Return the cosine of x in radians, |x| < 1e5."""
    return _sine_at(x, 1)


@kernel
def _sine_at(x, quarter):
    """Return sin(x + quarter pi / 2): reduce to [-pi/4, pi/4], then a Taylor series of degree 17 or 18."""
    k = math.floor(x * 0.6366197723675814 + 0.5)
    r = ((x - k * _PI_2_HIGH) - k * _PI_2_MIDDLE) - k * _PI_2_LOW
    z = r * r
    quadrant = (np.int64(k) + quarter) & 3
    value = 0.0
    if quadrant & 1 == 0:
        for n in range(17, 1, -2):
            value = _INVERSE_FACTORIAL[n] - z * value
        value = r - r * z * value
    else:
        for n in range(18, 0, -2):
            value = _INVERSE_FACTORIAL[n] - z * value
        value = 1.0 - z * value
    return -value if quadrant & 2 else value
