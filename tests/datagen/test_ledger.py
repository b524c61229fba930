"""The bookkeeping of shards and the driver's loop, fed by workers that are no processes."""

import random

import pytest

from common.dataset.status import StatusWriter, read_status
from common.dataset.store import LocalStore
from common.dataset.writer import Receipt
from common.errors import DataError
from datagen.drive import IN_FLIGHT, Outcome, drive, raise_for_set_aside
from datagen.ledger import Ledger
from datagen.progress import Progress


def receipt(shard, new=True):
    return Receipt(shard=shard, sequences=1, steps=10, stored_bytes=1, seconds=0.1, new=new)


class FakePool:
    """Any number of workers that finish, fail or die as told; it checks that nobody gets too much."""

    def __init__(self, workers, fate, seed=0):
        self._random = random.Random(seed)
        self._fate = fate
        self._names = iter(range(10**9))
        self._queues = {}
        self.made = []
        self.most = 0
        for _ in range(workers):
            self._join()

    def _join(self):
        self._queues[f"w{next(self._names)}"] = []

    def ready(self):
        return list(self._queues)

    def submit(self, worker, shard):
        self._queues[worker].append(shard)
        self.most = max(self.most, len(self._queues[worker]))

    def wait(self, seconds):
        outcomes = []
        busy = [worker for worker, queue in self._queues.items() if queue]
        assert busy, "the driver waits while nobody is at work"
        for worker in self._random.sample(busy, max(1, len(busy) // 2)):
            shard = self._queues[worker][0]
            fate = self._fate(self._random, shard)
            if fate == "lost":
                del self._queues[worker]
                self._join()
                outcomes.append(Outcome(worker, "lost", message="killed"))
            else:
                self._queues[worker].pop(0)
                self.made += [shard] if fate == "done" else []
                outcomes.append(Outcome(worker, fate, shard=shard, receipt=receipt(shard), message="Trace\nOops: no"))
        return outcomes

    def close(self):
        pass


def run(tmp_path, pool, shards):
    ledger = Ledger(range(shards))
    with StatusWriter(LocalStore(tmp_path), "driver") as status, Progress(shards, 0) as progress:
        drive(ledger, pool, status, progress)
    return ledger


def test_every_shard_is_made_once_by_a_thousand_workers_of_which_some_die(tmp_path):
    def fate(rng, shard):
        return "lost" if rng.random() < 0.02 else "failed" if rng.random() < 0.02 else "done"

    pool = FakePool(1000, fate)
    ledger = run(tmp_path, pool, 5000)
    assert sorted(pool.made) == list(range(5000)) and pool.most <= IN_FLIGHT
    assert ledger.done == 5000 and not ledger.set_aside and not ledger.open


@pytest.mark.parametrize("fate", ["failed", "lost"])
def test_a_shard_that_fails_five_times_is_set_aside_and_the_rest_is_made(tmp_path, fate):
    tries = []

    def decide(rng, shard):
        tries.extend([shard] if shard == 3 else [])
        return fate if shard == 3 else "done"

    pool = FakePool(2, decide)
    ledger = run(tmp_path, pool, 20)
    assert sorted(pool.made) == [shard for shard in range(20) if shard != 3]
    assert len(tries) == 5 and set(ledger.set_aside) == {3}
    with pytest.raises(DataError, match=r"shards 3 of /data were set aside"):
        raise_for_set_aside(ledger, "/data")
    (file,) = read_status(LocalStore(tmp_path))
    causes = [event for event in file.events if event.kind in ("failed", "set-aside", "lost")]
    assert len(causes) == 5 and sorted(record.shard for record in file.shards) == sorted(pool.made)


def test_a_run_stops_where_nothing_succeeds(tmp_path):
    with pytest.raises(DataError, match=r"nothing succeeds any more.*Oops: no"):
        run(tmp_path, FakePool(4, lambda rng, shard: "failed"), 1000)


def test_a_lost_worker_gives_back_all_it_had_and_only_the_first_counts():
    ledger = Ledger(range(4), attempts=2)
    assert [ledger.lease("a") for _ in range(3)] == [0, 1, 2]
    assert ledger.lose("a", "gone") == [0, 1, 2]
    assert [ledger.lease("b") for _ in range(5)] == [1, 2, 3, 0, None]
    ledger.finish("b", 1)
    assert ledger.fail("b", 2, "no") is False and ledger.fail("b", 0, "no") is True
    assert ledger.set_aside == {0: "no"} and ledger.waiting == 1 and ledger.leased("b") == 1
    assert ledger.lose("never seen", "gone") == []
