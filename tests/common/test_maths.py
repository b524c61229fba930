import math

import numpy as np
import pytest

from common.maths import cos, exp, log, sin, square_root

RNG = np.random.default_rng(0)


def on_each(function, values):
    return np.array([function(float(x)) for x in values])


def test_log_is_right_to_4e16():
    values = np.concatenate(
        [
            np.exp(RNG.uniform(-700.0, 700.0, 4000)),
            RNG.uniform(0.5, 2.0, 4000),
            1.0 + RNG.uniform(-1e-6, 1e-6, 500),
            2.0 ** np.arange(-1000, 1000, 37.0),
        ]
    )
    exact = np.log(values.astype(np.longdouble))
    off = np.abs(on_each(log, values) - exact)
    assert (off[exact == 0] == 0).all()
    assert (off[exact != 0] / np.abs(exact[exact != 0])).max() < 4e-16


def test_exp_is_right_to_4e16():
    values = np.concatenate([RNG.uniform(-707.0, 709.0, 4000), RNG.uniform(-2.0, 2.0, 4000)])
    exact = np.exp(values.astype(np.longdouble))
    assert (np.abs(on_each(exp, values) - exact) / exact).max() < 4e-16


@pytest.mark.parametrize(("ours", "theirs"), [(sin, np.sin), (cos, np.cos)])
def test_sine_and_cosine_are_right_to_4e16(ours, theirs):
    multiples = np.arange(-64, 65) * (math.pi / 4)
    values = np.concatenate([RNG.uniform(-10.0, 10.0, 4000), RNG.uniform(-1e4, 1e4, 4000), multiples])
    assert np.abs(on_each(ours, values) - theirs(values.astype(np.longdouble))).max() < 4e-16


def test_special_values():
    assert log(1.0) == 0.0
    assert log(0.0) == -math.inf
    assert log(math.inf) == math.inf
    assert math.isnan(log(-1.0))
    assert math.isnan(log(math.nan))
    assert log(5e-324) == pytest.approx(math.log(5e-324), rel=1e-15)
    assert exp(0.0) == 1.0
    assert exp(800.0) == math.inf
    assert exp(-800.0) == 0.0
    assert math.isnan(exp(math.nan))
    assert exp(-math.inf) == 0.0
    assert exp(math.inf) == math.inf
    assert exp(709.6) == pytest.approx(math.exp(709.6), rel=1e-15)
    assert exp(-706.9) == pytest.approx(math.exp(-706.9), rel=1e-15)
    assert exp(-1e300) == 0.0
    assert sin(0.0) == 0.0
    assert cos(0.0) == 1.0
    assert square_root(2.0) == math.sqrt(2.0)
