"""Random numbers for kernels: an explicit generator state in, draws out; the same bits on every machine.

The state is a ``uint64[1]`` array holding a splitmix64 counter. Nothing here uses libm (see ``common.maths``).
"""

# mypy: disable-error-code="no-untyped-def"
import numpy as np

from common.kernels import kernel
from common.maths import exp, log
from common.ziggurat import DENSITY, INNER, LAYERS, RISE, TAIL, WIDTH

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLY_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLY_2 = np.uint64(0x94D049BB133111EB)
_S11, _S27, _S30, _S31, _S32 = (np.uint64(n) for n in (11, 27, 30, 31, 32))
_S11_SIGNED, _LAYER = np.int64(11), np.uint64(LAYERS - 1)
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


@kernel(inline=True)
def normal(rng):
    """Return a standard normal float64, by the ziggurat of ``common.ziggurat``; 64 bits are mostly enough for one."""
    bits = next_bits(rng)
    layer = bits & _LAYER
    x = np.float64(np.int64(bits) >> _S11_SIGNED) * WIDTH[layer]
    if abs(x) < INNER[layer]:
        return x
    return _outside(rng, layer, x)


@kernel(allocates=False)
def _outside(rng, layer, x):
    """Return a normal from a draw outside its layer's core, 1 in 80: under the curve it is one, else all is redrawn."""
    while True:
        if layer == np.uint64(0):
            return _tail(rng, x)
        if DENSITY[layer] + RISE[layer] * uniform(rng) < exp(-0.5 * x * x):
            return x
        bits = next_bits(rng)
        layer = bits & _LAYER
        x = np.float64(np.int64(bits) >> _S11_SIGNED) * WIDTH[layer]
        if abs(x) < INNER[layer]:
            return x


@kernel(allocates=False)
def _tail(rng, sign):
    """Return a normal beyond ``TAIL`` on the side of ``sign`` (Marsaglia, 1964: an exponential, accepted)."""
    while True:
        beyond = -log(1.0 - uniform(rng)) / TAIL
        if -2.0 * log(1.0 - uniform(rng)) > beyond * beyond:
            return TAIL + beyond if sign > 0.0 else -TAIL - beyond


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
