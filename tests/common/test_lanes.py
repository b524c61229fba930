import numba
import numpy as np

from common import lanes
from common.worlds.linear import LANES, add_whole, dot

RNG = np.random.default_rng(3)
STEP = np.uint64(lanes.LANES)


@numba.njit
def everything(x, y, out):
    one, zero = lanes.load(x, np.uint64(1)), np.uint64(0)
    other = lanes.load(y, np.uint64(2))
    results = (
        lanes.zeros(),
        lanes.splat(3.5),
        lanes.add(one, other),
        lanes.multiply(one, other),
        lanes.maximum(one, other),
        lanes.add_scaled(one, 0.1, y, np.uint64(2)),
        lanes.add_product(one, x, zero, y, np.uint64(2)),
    )
    place = zero
    for result in results:
        lanes.store(out, place, result)
        place += STEP
    return lanes.total(one)


def test_every_operation_is_numpys_lane_by_lane():
    x, y, out = RNG.normal(size=20), RNG.normal(size=20), np.full(7 * LANES + 1, np.nan)
    one, other = x[1 : 1 + LANES], y[2 : 2 + LANES]
    total = everything(x, y, out)
    expected = [
        np.zeros(LANES),
        np.full(LANES, 3.5),
        one + other,
        one * other,
        np.maximum(one, other),
        one + 0.1 * other,
        one + x[:LANES] * other,
    ]
    assert np.array_equal(out[:-1].reshape(-1, LANES), expected)
    assert np.isnan(out[-1])
    halves = one[:4] + one[4:]
    assert total == (halves[0] + halves[2]) + (halves[1] + halves[3])


@numba.njit
def call_dot(x, x0, y, y0, count):
    return dot(x, x0, y, y0, count)


@numba.njit
def call_add_whole(x, x0, y, y0, count, factor):
    add_whole(x, x0, y, y0, count, factor)


def test_stretches_of_any_length():
    for count in range(30):
        x, y = np.zeros(50), RNG.normal(size=50)
        x[3 : 3 + count] = RNG.normal(size=count)
        exact = np.dot(x[3 : 3 + count].astype(np.longdouble), y[5 : 5 + count].astype(np.longdouble))
        assert abs(call_dot(x, 3, y, 5, count) - exact) < 1e-14 * max(1, count)
        z = y.copy()
        call_add_whole(z, 5, x, 3, count, -0.3)
        y[5 : 5 + count] += -0.3 * x[3 : 3 + count]
        assert np.array_equal(z, y)
