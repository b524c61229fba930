"""Workers that are no processes: they finish, fail, die or deliver twice as told."""

import io
import random

from common.dataset.status import ShardRecord, StatusWriter
from common.dataset.store import LocalStore
from common.dataset.writer import Receipt
from datagen.drive import Driver, Limits, Outcome
from datagen.ledger import Ledger
from datagen.outage import Outage
from datagen.progress import Progress
from datagen.work import Made


def made(shard, new=True):
    receipt = Receipt(shard=shard, sequences=1, steps=10, stored_bytes=1, seconds=0.1, new=new)
    return Made(receipt, ShardRecord(shard=shard, seconds=0.1, sequences=1, steps=10) if new else None)


class FakePool:
    """Any number of workers; ``fate(random, shard)`` says what becomes of a shard."""

    def __init__(self, workers, fate, seed=0):
        self._random = random.Random(seed)
        self._fate = fate
        self._names = iter(range(10**9))
        self.queues = {}
        self.outbox = []
        self.made = []
        self.most = self.most_in_flight = 0
        self.discarded, self.released, self.demands = [], [], []
        for _ in range(workers):
            self.join()

    def join(self):
        name = f"w{next(self._names)}"
        self.queues[name] = []
        self.outbox.append(Outcome(name, "ready", message="here"))

    def demand(self, shards):
        self.demands.append(shards)

    def submit(self, worker, shard):
        self.queues[worker].append(shard)
        self.most = max(self.most, len(self.queues[worker]))
        self.most_in_flight = max(self.most_in_flight, sum(map(len, self.queues.values())))

    def wait(self, seconds):
        outcomes, self.outbox = self.outbox, []
        busy = [worker for worker, queue in self.queues.items() if queue]
        for worker in self._random.sample(busy, (len(busy) + 1) // 2):
            outcomes.extend(self._serve(worker))
        return outcomes

    def _serve(self, worker):
        shard = self.queues[worker][0]
        fate = self._fate(self._random, shard)
        if fate == "lost":
            del self.queues[worker]
            self.join()
            return [Outcome(worker, "lost", message="killed", cause="process died")]
        if fate == "frozen":
            return []
        self.queues[worker].pop(0)
        if fate in ("done", "twice"):
            self.made.append(shard)
            return [Outcome(worker, "done", shard=shard, made=made(shard))] * (1 + (fate == "twice"))
        return [Outcome(worker, "failed", shard=shard, message="Trace\nOops: no", store=fate == "store")]

    def discard(self, worker):
        self.discarded.append(worker)
        del self.queues[worker]
        self.join()

    def release(self, worker):
        self.released.append(worker)
        assert not self.queues.pop(worker)

    def close(self):
        pass


def drive(folder, pool, shards, *, probe=lambda: None, watch=None, clock=None, limits=None, patience=900.0):
    """Run the driver's loop over ``shards`` shards; return (ledger, progress lines)."""
    ledger = Ledger(range(shards))
    text = io.StringIO()
    times = {"clock": clock} if clock else {}
    with StatusWriter(LocalStore(folder), "driver") as status, Progress(shards, 0, text) as progress:
        outage = Outage(probe, patience, **times)
        Driver(ledger, pool, status, progress, outage, limits=limits or Limits(), watch=watch, **times).run()
    return ledger, text.getvalue()
