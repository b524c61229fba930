"""The driver's loop, fed by workers that are no processes."""

import re
import time

import pytest

from common.dataset.status import read_status
from common.dataset.store import LocalStore
from common.errors import DataError
from datagen.drive import IN_FLIGHT, Limits, Outcome, set_aside_error
from tests.datagen.fakes import FakePool, drive


def events(folder):
    return [event for file in read_status(LocalStore(folder)) for event in file.events]


def test_every_shard_is_made_once_by_a_thousand_workers_of_which_some_die_and_some_deliver_twice(tmp_path):
    def fate(rng, shard):
        return rng.choices(["done", "lost", "failed", "twice"], [94, 2, 2, 2])[0]

    pool = FakePool(1000, fate)
    ledger, _ = drive(tmp_path, pool, 5000)
    assert sorted(pool.made) == list(range(5000)) and pool.most <= IN_FLIGHT
    assert ledger.done == 5000 and not ledger.set_aside and not ledger.open
    made = [record.shard for file in read_status(LocalStore(tmp_path)) for record in file.shards]
    assert sorted(made) == list(range(5000)), "nothing is counted twice"


@pytest.mark.parametrize("fate", ["failed", "lost"])
def test_a_shard_that_fails_five_times_is_set_aside_and_the_rest_is_made(tmp_path, fate):
    tries = []

    def decide(rng, shard):
        tries.extend([shard] if shard == 3 else [])
        return fate if shard == 3 else "done"

    pool = FakePool(2, decide)
    ledger, _ = drive(tmp_path, pool, 20)
    assert sorted(pool.made) == [shard for shard in range(20) if shard != 3]
    assert len(tries) == 5 and set(ledger.set_aside) == {3}
    assert re.search(r"shards 3 of /data were set aside", str(set_aside_error(ledger, "/data")))
    found = events(tmp_path)
    causes = [event for event in found if event.kind == fate] + [e for e in found if e.kind == "set-aside"]
    assert len(causes) in (5, 6) and all(event.shard == 3 for event in causes)
    assert all(event.cause == "process died" for event in found if event.kind == "lost")


def test_a_run_stops_where_nothing_succeeds(tmp_path):
    with pytest.raises(DataError, match=r"nothing succeeds any more.*Oops: no"):
        drive(tmp_path, FakePool(4, lambda rng, shard: "failed"), 1000)


def test_a_lost_node_with_all_its_workers_is_no_reason_to_stop(tmp_path):
    first = set()

    def fate(rng, shard):
        if shard < 100 and shard not in first:
            first.add(shard)
            return "lost"
        return "done"

    ledger, lines = drive(tmp_path, FakePool(100, fate), 500)
    assert ledger.done == 500 and len(first) == 100
    assert lines.count("lost w") == 20, "a flood of losses is not a flood of lines"
    assert sum(event.kind == "lost" for event in events(tmp_path)) <= 200
    assert sum(file.counts.get("lost", 0) for file in read_status(LocalStore(tmp_path))) == 100


def test_a_frozen_worker_loses_its_shards_when_its_lease_is_over(tmp_path):
    clock = [0.0]
    tries = []

    def fate(rng, shard):
        clock[0] += 0.05
        if shard == 5:
            tries.append(clock[0])
            return "frozen" if len(pool.discarded) == 0 else "done"
        return "done"

    pool = FakePool(3, fate)
    ledger, lines = drive(tmp_path, pool, 40, clock=lambda: clock[0], limits=Limits(lease=3.0))
    assert ledger.done == 40 and sorted(pool.made) == list(range(40))
    assert len(pool.discarded) == 1 and "its lease is over" in lines
    (lost,) = [event for event in events(tmp_path) if event.kind == "lost"]
    assert lost.cause == "lease over" and lost.shard == 5


def test_no_more_are_in_flight_than_asked_for(tmp_path):
    pool = FakePool(50, lambda rng, shard: "done")
    drive(tmp_path, pool, 200, limits=Limits(in_flight=7))
    assert pool.most_in_flight == 7 and len(pool.made) == 200


def test_a_store_that_is_down_is_waited_for_and_costs_no_shard_an_attempt(tmp_path):
    clock = [0.0]
    down = [10.0, 45.0]

    def broken():
        return down[0] <= clock[0] < down[1]

    def probe():
        if broken():
            raise DataError("no store")

    def fate(rng, shard):
        clock[0] += 0.1
        return "store" if broken() else "done"

    class Pool(FakePool):
        def wait(self, seconds):
            clock[0] += 0.01
            return super().wait(seconds)

    pool = Pool(8, fate)
    ledger, lines = drive(tmp_path, pool, 400, probe=probe, clock=lambda: clock[0])
    assert ledger.done == 400 and not ledger.set_aside and sum(ledger.attempts(shard) for shard in range(400)) == 0
    kinds = [event.kind for event in events(tmp_path)]
    assert kinds.count("store-down") == 1 and kinds.count("store-up") == 1 and "failed" not in kinds
    assert "the store is down" in lines and "the store is back" in lines


def test_a_store_that_never_comes_back_ends_the_run(tmp_path):
    clock = [0.0]

    def probe():
        clock[0] += 1.0
        raise DataError("no store")

    class Pool(FakePool):
        def wait(self, seconds):
            clock[0] += 1.0
            return super().wait(seconds)

    with pytest.raises(DataError, match=r"the store has been down for \d+ s; the last it said: no store"):
        drive(tmp_path, Pool(2, lambda *_: "store"), 10, probe=probe, clock=lambda: clock[0], patience=60.0)
    assert 60.0 < clock[0] < 90.0


def test_a_shard_that_alone_cannot_be_written_is_set_aside_though_the_store_works(tmp_path):
    pool = FakePool(3, lambda rng, shard: "store" if shard == 2 else "done")
    ledger, _ = drive(tmp_path, pool, 10)
    assert set(ledger.set_aside) == {2} and ledger.done == 9


def test_workers_that_die_as_they_start_stop_the_run_with_the_reason(tmp_path):
    pool = FakePool(0, lambda *_: "done")
    pool.outbox = [Outcome(f"w{n}", "stillborn", message="no module", cause="process died") for n in range(5)]
    with pytest.raises(DataError, match="5 workers in a row failed as they started; the last: no module"):
        drive(tmp_path, pool, 3)


def test_a_worker_whose_node_goes_gets_no_more_and_is_released(tmp_path):
    announced = []

    def fate(rng, shard):
        if shard == 20 and not announced:
            announced.append("w0")
            pool.outbox.append(Outcome("w0", "leaving", message="its node is being drained", cause="drained"))
        return "done"

    pool = FakePool(4, fate)
    submitted = []
    submit = pool.submit
    pool.submit = lambda worker, shard: (submitted.append((worker, shard)), submit(worker, shard))
    ledger, _ = drive(tmp_path, pool, 200)
    assert ledger.done == 200 and "w0" in pool.released
    assert max(shard for worker, shard in submitted if worker == "w0") < 60
    assert "leaving" in [event.kind for event in events(tmp_path)]


def test_workers_with_nothing_to_do_are_released_and_the_demand_is_told(tmp_path):
    def fate(rng, shard):
        time.sleep(0.02)
        waited = len(pool.released) == 5 or time.monotonic() > begin + 60.0
        return "done" if shard != 7 or waited else "frozen"

    begin = time.monotonic()
    pool = FakePool(6, fate)
    drive(tmp_path, pool, 12)
    assert len(pool.released) == 5 and pool.demands[0] == 12 and pool.demands[-1] == 1


def test_the_drivers_view_adds_up(tmp_path):
    views = []
    drive(tmp_path, FakePool(5, lambda rng, shard: "failed" if shard == 1 else "done"), 50, watch=views.append)
    last = views[-1]
    assert (last.shards, last.committed, last.set_aside, last.waiting, last.in_flight) == (50, 49, 1, 0, 0)
    for view in views:
        assert view.committed + view.set_aside + view.waiting + view.in_flight == 50
    (file,) = read_status(LocalStore(tmp_path))
    assert file.queue == last


def test_why_there_is_no_worker_is_said_and_recorded(tmp_path):
    pool = FakePool(1, lambda rng, shard: "done")
    pool.outbox.insert(0, Outcome("", "waiting", message="no actor is ready after 30 s"))
    drive(tmp_path, pool, 3)
    assert sorted(pool.made) == [0, 1, 2]
    assert [event.message for event in events(tmp_path) if event.kind == "waiting"] == ["no actor is ready after 30 s"]
