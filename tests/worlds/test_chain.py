"""The kernels under all exact values: elimination in an envelope, and chains followed step by step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.worlds.chain import advance, chain_room, clear, difference, follow, pack_chain, stride
from common.worlds.evaluate import envelope, solve_envelope, unit_row
from common.worlds.linear import LANES


def banded(rng, n, back, forward, empty=0.0):
    """Return random rows (n, n) of a chain within a band, where each row begins and ends, and which are empty."""
    rows, begin, end = np.zeros((n, n)), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    terminal = rng.random(n) < empty
    for s in range(n):
        begin[s] = rng.integers(max(0, s - back), s + 1)
        end[s] = begin[s] if terminal[s] else rng.integers(s, min(n, s + forward + 1)) + 1
        rows[s, begin[s] : end[s]] = rng.random(end[s] - begin[s]) * (rng.random(end[s] - begin[s]) < 0.8)
        rows[s] /= max(rows[s].sum(), 1e-300)
    rows[terminal] = 0.0
    return rows, begin, end, terminal


def packed_chain(rows, begin, end):
    """Return the chain as kernels take it, out of room that was full of something else."""
    n = len(rows)
    (table, first, last), packed = chain_room(n)
    table[:], packed[0][:], first[:], last[:] = np.nan, np.nan, begin, end
    clear(n, table, first, last)
    for s in range(n):
        table[s * stride(n) + begin[s] : s * stride(n) + end[s]] = rows[s, begin[s] : end[s]]
    pack_chain(n, table, first, last, *packed)
    return packed


@given(st.integers(0, 10**6), st.integers(1, 70), st.integers(0, 40), st.integers(0, 40), st.sampled_from([0.5, 0.999]))
@settings(max_examples=60, deadline=None)
def test_elimination_solves_what_lapack_solves(seed, n, back, forward, discount):
    rng = np.random.default_rng(seed)
    rows, begin, end, _ = banded(rng, n, back, forward)
    matrix, first, last, reach = envelope(n)
    matrix[:] = np.nan
    first[:], last[:], top = np.minimum(begin, np.arange(n)), np.maximum(end - 1, np.arange(n)), 0
    whole = np.eye(n) - discount * rows
    for s in range(n):
        top = max(top, int(last[s]))
        unit_row(matrix, n, s, int(first[s]), top)
        matrix[s * (n + LANES) :][first[s] : last[s] + 1] = whole[s, first[s] : last[s] + 1]
    value = np.zeros(n + LANES)
    value[:n] = rng.normal(size=n)
    exact = np.linalg.solve(whole, value[:n])
    solve_envelope(matrix, first, last, reach, value)
    np.testing.assert_allclose(value[:n], exact, rtol=0.0, atol=1e-11 * np.abs(exact).max())


@given(st.integers(0, 10**6), st.integers(1, 70), st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_a_step_is_a_product_with_the_matrix(seed, n, back, forward):
    rng = np.random.default_rng(seed)
    rows, begin, end, _ = banded(rng, n, back, forward, 0.2)
    packed = packed_chain(rows, begin, end)
    mass, moved = np.zeros((len(packed[2]) - 1) * LANES), np.full((len(packed[2]) - 1) * LANES, np.nan)
    mass[:n] = rng.random(n)
    advance(*packed, mass, moved)
    np.testing.assert_allclose(moved[:n], mass[:n] @ rows, rtol=0.0, atol=1e-13 * n)
    assert (moved[n:] == 0.0).all()
    assert difference(moved, mass, 0.3) == pytest.approx(np.abs(moved - 0.3 * mass).sum(), rel=1e-13)


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(0, 40), st.sampled_from([0.0, 0.3]), st.integers(0, 600))
@settings(max_examples=60, deadline=None)
def test_an_episode_is_followed_to_its_end(seed, n, band, ends, steps):
    rng = np.random.default_rng(seed)
    rows, begin, end, terminal = banded(rng, n, band, band, ends)
    paid = rng.normal(size=n) * ~terminal
    start = rng.random(min(n, 3))
    start /= start.sum()
    total, length = follow(packed_chain(rows, begin, end), terminal, paid, start, steps)
    mass, slow_total, slow_length = np.zeros(n), 0.0, 0.0
    mass[: len(start)] = start * ~terminal[: len(start)]
    for _ in range(steps):
        slow_total, slow_length, mass = slow_total + mass @ paid, slow_length + mass.sum(), (mass @ rows) * ~terminal
    assert total == pytest.approx(slow_total, rel=0.0, abs=1e-11 * max(1, steps))
    assert length == pytest.approx(slow_length, rel=0.0, abs=1e-11 * max(1, steps))
