import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.seeding import Purpose, derive_seed, splitmix64

INDEX = st.integers(0, 2**62 - 1)
RUN = st.integers(0, 2**64 - 1)


@given(RUN, RUN, INDEX, INDEX)
def test_purposes_never_share_a_seed(one_run, other_run, one, other):
    seeds = {derive_seed(one_run, purpose, one) for purpose in Purpose}
    assert len(seeds) == len(Purpose)
    for purpose in Purpose:
        mine = derive_seed(one_run, purpose, one)
        assert mine >> 62 == purpose
        assert all(mine != derive_seed(other_run, p, other) for p in Purpose if p != purpose)


@given(RUN, st.sampled_from(Purpose), INDEX, INDEX)
def test_another_index_gives_another_seed(run, purpose, one, other):
    same = derive_seed(run, purpose, one) == derive_seed(run, purpose, other)
    assert same == (one == other)


def test_a_hundred_thousand_indices_give_as_many_seeds():
    assert len({derive_seed(0, Purpose.TRAIN, index) for index in range(100_000)}) == 100_000


def test_runs_differ_and_bits_are_mixed():
    assert derive_seed(0, Purpose.TRAIN, 0) != derive_seed(1, Purpose.TRAIN, 0)
    flips = [
        bin(derive_seed(0, Purpose.TRAIN, i) ^ derive_seed(0, Purpose.TRAIN, i + 1)).count("1") for i in range(999)
    ]
    assert 30 < sum(flips) / 999 < 32


def test_seeds_are_pinned():
    assert splitmix64(0) == 0xE220A8397B1DCDAF
    assert [derive_seed(7, purpose, 3) for purpose in Purpose] == PINNED


PINNED = [2139633033105332644, 6751319051532720548, 11363005069960108452, 15974691088387496356]
"""A change here changes every dataset."""


@pytest.mark.parametrize(("run", "index"), [(-1, 0), (0, -1), (0, 2**62)])
def test_out_of_range_is_refused(run, index):
    with pytest.raises(ValueError, match=r"run seed must be >= 0 and index in \[0, 2\*\*62\)"):
        derive_seed(run, Purpose.TRAIN, index)
