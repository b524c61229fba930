from collections import Counter
from itertools import permutations

import numba
import numpy as np
import pytest
from scipy import stats

from common import random, ziggurat
from common.seeding import splitmix64

N = 20_000


def draws(function, *arguments, seed=1, n=N):
    rng = random.generator(seed)
    return np.array([function(rng, *arguments) for _ in range(n)])


def test_bits_are_those_of_splitmix64():
    rng = random.generator(0)
    assert [int(random.next_bits(rng)) for _ in range(2)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]
    for seed in (0, 1, 2**64 - 1):
        assert int(random.next_bits(random.generator(seed))) == splitmix64(seed)


def test_state_is_explicit():
    one, other = random.generator(5), random.generator(5)
    first = [random.uniform(one) for _ in range(10)]
    assert [random.uniform(other) for _ in range(10)] == first
    later = one.copy()
    assert random.normal(one) == random.normal(later)


def test_uniform_fills_the_unit_interval_evenly():
    values = draws(random.uniform)
    assert 0.0 <= values.min() < values.max() < 1.0
    counts = np.histogram(values, bins=50, range=(0, 1))[0]
    # chi-squared with 49 degrees of freedom: 94.6 has p = 1e-4
    assert ((counts - N / 50) ** 2 / (N / 50)).sum() < 94.6


def test_between_keeps_its_bounds():
    values = draws(random.between, -2.0, 3.0)
    assert -2.0 <= values.min() < -1.99
    assert 2.99 < values.max() < 3.0


def test_below_gives_every_integer_equally_often():
    counts = Counter(draws(random.below, 7).tolist())
    assert sorted(counts) == list(range(7))
    assert max(abs(count - N / 7) for count in counts.values()) < 5 * np.sqrt(N / 7)
    assert set(draws(random.below, 1, n=10).tolist()) == {0}


def test_normal_has_the_normal_moments():
    values = draws(random.normal)
    assert values.mean() == pytest.approx(0.0, abs=5 / np.sqrt(N))
    assert values.std() == pytest.approx(1.0, abs=5 / np.sqrt(2 * N))
    assert (values**4).mean() == pytest.approx(3.0, abs=5 * np.sqrt(96 / N))
    assert (np.abs(values) > 1.959964).mean() == pytest.approx(0.05, abs=5 * np.sqrt(0.0475 / N))


@numba.njit
def fill_with_normals(rng, values):
    for i in range(values.shape[0]):
        values[i] = random.normal(rng)


@pytest.fixture(scope="module")
def normals():
    values = np.empty(2_000_000)
    fill_with_normals(random.generator(7), values)
    return values


def test_normals_are_distributed_as_scipys(normals):
    assert stats.kstest(normals[:200_000], "norm").pvalue > 1e-3
    # chi-squared over 1000 cells of equal probability: finer than the layers, so that no seam between them shows
    counts = np.histogram(stats.norm.cdf(normals), bins=1000, range=(0, 1))[0]
    assert stats.chisquare(counts).pvalue > 1e-4
    for power, moment in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0), (6, 15.0)):
        spread = np.sqrt((normals ** (2 * power)).mean() / normals.size)
        assert abs((normals**power).mean() - moment) < 5.0 * spread
    assert abs(np.corrcoef(normals[1:], normals[:-1])[0, 1]) < 5.0 / np.sqrt(normals.size)


def test_tails_of_normals_are_those_of_the_distribution(normals):
    for side in (normals, -normals):
        beyond = side[side > ziggurat.TAIL]
        expected = normals.size * stats.norm.sf(ziggurat.TAIL)
        assert abs(beyond.size - expected) < 5.0 * np.sqrt(expected)
        given = 1.0 - stats.norm.sf(beyond) / stats.norm.sf(ziggurat.TAIL)
        assert stats.kstest(given, "uniform").pvalue > 1e-3


def test_layers_of_the_ziggurat_have_equal_areas():
    width, inner, density, rise = ziggurat.WIDTH * 2.0**52, ziggurat.INNER, ziggurat.DENSITY, ziggurat.RISE
    area = width[1:] * rise[1:]
    assert area == pytest.approx(np.full(ziggurat.LAYERS - 1, area[0]), rel=1e-12)
    # the lowest has the tail too, and is drawn as a rectangle of its area
    tail = np.sqrt(2.0 * np.pi) * stats.norm.sf(ziggurat.TAIL)
    assert width[1] * density[1] + tail == pytest.approx(area[0], rel=1e-12)
    assert width[0] * density[1] == pytest.approx(area[0], rel=1e-12)
    assert np.array_equal(inner[:-1], width[1:]) and inner[-1] == 0.0
    assert density[1:] + rise[1:] == pytest.approx(np.exp(-0.5 * inner[1:] ** 2), rel=1e-14)
    assert density[-1] + rise[-1] == 1.0


def test_exponential_has_the_given_mean():
    values = draws(random.exponential, 0.3)
    assert values.min() >= 0.0
    assert values.mean() == pytest.approx(0.3, abs=5 * 0.3 / np.sqrt(N))
    assert (values > 0.3).mean() == pytest.approx(np.exp(-1), abs=5 * np.sqrt(0.24 / N))


def test_shuffle_gives_every_order_equally_often():
    rng, counts = random.generator(3), Counter()
    for _ in range(6000):
        values = np.arange(3)
        random.shuffle(rng, values)
        counts[tuple(values.tolist())] += 1
    assert set(counts) == set(permutations(range(3)))
    assert max(abs(count - 1000) for count in counts.values()) < 5 * np.sqrt(1000)


def test_choose_follows_the_weights_and_never_takes_a_zero():
    weights = np.array([0.0, 1.0, 0.0, 3.0, 0.0])
    counts = Counter(draws(random.choose, weights).tolist())
    assert set(counts) == {1, 3}
    assert counts[3] / N == pytest.approx(0.75, abs=5 * np.sqrt(0.1875 / N))
