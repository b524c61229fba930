"""Random numbers for kernels: an explicit generator state in, draws out; the same bits on every machine.

The state is a ``uint64[1]`` array holding a splitmix64 counter. Nothing here uses libm (see ``common.maths``).
"""

# mypy: disable-error-code="no-untyped-def"
import numpy as np

from common.kernels import kernel
from common.maths import log, square_root

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLY_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLY_2 = np.uint64(0x94D049BB133111EB)
_S11, _S27, _S30, _S31, _S32 = (np.uint64(n) for n in (11, 27, 30, 31, 32))
_TO_UNIT = 1.0 / 9007199254740992.0
_LOW_32 = np.uint64(0xFFFFFFFF)


def generator(seed: int) -> np.ndarray:
    """Return a fresh generator state, ``uint64[1]``, for ``seed`` in [0, 2**64)."""
    return np.array([seed], dtype=np.uint64)


@kernel(inline=True)
def next_bits(rng):
    """Return 64 random bits (uint64) and advance ``rng``."""
    rng[0] += GOLDEN
    z = rng[0]
    z = (z ^ (z >> _S30)) * _MULTIPLY_1
    z = (z ^ (z >> _S27)) * _MULTIPLY_2
    return z ^ (z >> _S31)


@kernel(inline=True)
def uniform(rng):
    """Return a float64 in [0, 1)."""
    return np.float64(next_bits(rng) >> _S11) * _TO_UNIT


@kernel
def between(rng, low, high):
    """Return a float64 uniform in [low, high)."""
    return low + (high - low) * uniform(rng)


@kernel(inline=True)
def below(rng, n):
    """Return an int64 uniform in [0, n), 1 <= n < 2**31 (the bias, n / 2**32, is not corrected)."""
    return np.int64(((next_bits(rng) >> _S32) * np.uint64(n)) >> _S32)


@kernel
def normal(rng):
    """Return a standard normal float64 (Marsaglia's polar method, one of the pair)."""
    while True:
        u = 2.0 * uniform(rng) - 1.0
        v = 2.0 * uniform(rng) - 1.0
        s = u * u + v * v
        if 0.0 < s < 1.0:
            return u * square_root(-2.0 * log(s) / s)


@kernel
def exponential(rng, mean):
    """Return an exponential float64 of the given mean."""
    return -mean * log(1.0 - uniform(rng))


@kernel
def shuffle(rng, values):
    """Permute a one-dimensional array in place, uniformly (Fisher-Yates)."""
    for i in range(values.shape[0] - 1, 0, -1):
        j = below(rng, i + 1)
        values[i], values[j] = values[j], values[i]


@kernel
def choose(rng, weights):
    """Return an index with probability proportional to ``weights`` (non-negative, not all 0)."""
    total = 0.0
    for i in range(weights.shape[0]):
        total += weights[i]
    point = uniform(rng) * total
    last = 0
    for i in range(weights.shape[0]):
        if weights[i] > 0.0:
            last = i
            point -= weights[i]
            if point < 0.0:
                return i
    return last
