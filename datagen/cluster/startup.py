"""How the service grows with its actors on real Ray: time to the first shard, shards a second, the driver's CPU time.

The actors are real processes that make nothing: what is measured is Ray and the driver. While they start they get two
shards each and no more, as actors would that take seconds for one; the rate is taken when all are ready.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.dataset.status import StatusWriter
from common.dataset.store import LocalStore
from common.dataset.writer import Receipt
from datagen.cluster.idle import IdleActor
from datagen.cluster.pool import RayPool
from datagen.cluster.session import session
from datagen.drive import Driver, Outcome
from datagen.ledger import Ledger
from datagen.outage import Outage
from datagen.progress import Progress
from datagen.work import Made

SHARDS = 4000


class _Timed(RayPool):
    """Keeps finished shards but the first to itself until all actors are ready; remembers when that was."""

    first: float | None = None
    """When the first shard came back."""
    ready: float | None = None
    """When all actors were ready; ``cpu`` is what this process had used by then."""
    cpu = 0.0
    before = 0
    """Shards made by then."""
    _count = 0
    _kept: tuple[Outcome, ...] = ()

    def wait(self, seconds: float) -> list[Outcome]:
        outcomes = [
            replace(outcome, made=_made(outcome.shard)) if outcome.shard is not None else outcome
            for outcome in super().wait(seconds)
        ]
        if self.ready is not None:
            return outcomes
        done = [outcome for outcome in outcomes if outcome.kind == "done"]
        others = [outcome for outcome in outcomes if outcome.kind != "done"]
        now = time.monotonic()
        self._count += sum(outcome.kind == "ready" for outcome in others)
        self.before += len(done)
        if self.first is None and done:
            self.first = now
            others.append(done.pop(0))
        self._kept += tuple(done)
        if self._count == self._limit:
            self.ready, self.cpu = now, time.process_time()
            others += self._kept
        return others


def startup(actors: int, shards: int = SHARDS) -> dict[str, Any]:
    """Run a driver with so many actors on a Ray of its own; return what it cost."""
    with session("local", actors), tempfile.TemporaryDirectory() as folder, open("/dev/null", "w") as silent:
        begin = time.monotonic()
        pool = _Timed("", "", {}, limit=actors, grows=False, actor=IdleActor)
        store = LocalStore(Path(folder))
        with StatusWriter(store, "driver") as status, Progress(shards, 0, silent) as progress:
            Driver(Ledger(range(shards)), pool, status, progress, Outage(lambda: None)).run()
        end, cpu = time.monotonic(), time.process_time()
        pool.close()
    assert pool.ready is not None, "more actors than shards for them"
    shards -= pool.before
    return {
        "actors": actors,
        "seconds_to_first_shard": (pool.first or pool.ready) - begin,
        "seconds_to_all_actors": pool.ready - begin,
        "shards_per_second": shards / (end - pool.ready),
        "driver_cpu_milliseconds_per_shard": 1000.0 * (cpu - pool.cpu) / shards,
    }


def _made(shard: int) -> Made:
    return Made(Receipt(shard=shard, sequences=1, steps=1, stored_bytes=1, seconds=1.0, new=True), None)
