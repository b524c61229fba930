"""The bookkeeping of shards: every one in one place, counted once, whoever delivers it how often."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.ledger import Ledger


def test_a_lost_worker_gives_back_all_it_had_and_only_the_first_counts():
    ledger = Ledger(range(4), attempts=2)
    assert [ledger.lease("a") for _ in range(3)] == [0, 1, 2]
    assert ledger.lose("a", "gone") == [0, 1, 2]
    assert [ledger.lease("b") for _ in range(5)] == [1, 2, 3, 0, None]
    assert ledger.finish("b", 1)
    assert ledger.fail("b", 2, "no") is False and ledger.fail("b", 0, "no") is True
    assert ledger.set_aside == {0: "no"} and ledger.waiting == 1 and ledger.leased("b") == 1
    assert ledger.attempts(0) == 2 and ledger.lose("never seen", "gone") == []


def test_a_shard_delivered_twice_or_late_counts_once():
    ledger = Ledger(range(3))
    assert ledger.lease("slow") == 0 and ledger.lose("slow", "lease over", counts=False) == [0]
    assert ledger.lease("a") == 1
    assert ledger.finish("slow", 0), "the frozen worker woke up and delivers what waits again"
    assert ledger.waiting == 1 and ledger.done == 1
    assert ledger.lease("b") == 2 and ledger.lease("b") is None
    assert ledger.finish("stranger", 2) and not ledger.finish("b", 2) and not ledger.finish("b", 2)
    assert ledger.finish("a", 1) and ledger.done == 3 and ledger.open == 0 and ledger.in_flight == 0
    assert not ledger.fail("a", 1, "late failure") and ledger.done == 3


def test_leases_run_from_the_moment_a_shard_is_begun():
    ledger = Ledger(range(4))
    ledger.lease("a", 0.0)
    ledger.lease("a", 1.0)
    ledger.lease("b", 5.0)
    assert ledger.overdue(8.0, 7.0) == ["a"] and ledger.overdue(8.0, 10.0) == []
    ledger.finish("a", 0, 8.0)
    assert ledger.overdue(14.0, 7.0) == ["b"], "the second of a's shards was begun at 8"
    assert ledger.oldest(14.0, 5) == [(2, "b", 9.0), (1, "a", 6.0)]


@given(st.lists(st.tuples(st.sampled_from("LFXKD"), st.integers(0, 3), st.integers(0, 5)), max_size=80))
def test_every_shard_is_in_one_place_whatever_happens(steps):
    ledger = Ledger(range(6), attempts=3)
    finished = set()
    for what, worker, shard in steps:
        name = f"w{worker}"
        if what == "L":
            ledger.lease(name)
        elif what == "F":
            assert ledger.finish(name, shard) == (shard not in finished)
            finished.add(shard)
        elif what == "X":
            ledger.fail(name, shard, "no")
        elif what == "K":
            ledger.lose(name, "gone")
        else:
            ledger.fail(name, shard, "store", counts=False)
        assert ledger.done == len(finished) and not finished & set(ledger.set_aside)
        assert ledger.in_flight == sum(ledger.leased(f"w{number}") for number in range(4))
        assert ledger.open == 6 - len(finished) - len(ledger.set_aside) >= ledger.waiting
    while (shard := ledger.lease("last")) is not None:
        ledger.finish("last", shard)
    for number in range(4):
        ledger.lose(f"w{number}", "end", counts=False)
    while (shard := ledger.lease("last")) is not None:
        ledger.finish("last", shard)
    assert ledger.open == 0 and ledger.waiting == 0 and ledger.in_flight == 0


def test_a_million_shards_take_little_memory():
    import tracemalloc

    tracemalloc.start()
    ledger = Ledger(range(1_000_000))
    for number in range(2000):
        ledger.lease(f"w{number % 1000}")
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < 100e6 and ledger.waiting == 998_000


def test_a_foreign_shard_is_no_lease():
    with pytest.raises(IndexError):
        Ledger([0, 1]).finish("a", 7)
