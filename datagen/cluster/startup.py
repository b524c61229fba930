"""How the service grows with its actors on real Ray: time to the first shard, shards a second, the driver's CPU time.

The actors are real processes that make nothing: what is measured is Ray and the driver.
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
    """Remembers when the first shard came back, and when all actors were ready."""

    first: float | None = None
    ready: float | None = None
    count = 0

    def wait(self, seconds: float) -> list[Outcome]:
        outcomes = [
            replace(outcome, made=_made(outcome.shard)) if outcome.shard is not None else outcome
            for outcome in super().wait(seconds)
        ]
        now = time.monotonic()
        if self.first is None and any(outcome.kind == "done" for outcome in outcomes):
            self.first = now
        self.count += sum(outcome.kind == "ready" for outcome in outcomes)
        if self.ready is None and self.count == self._limit:
            self.ready = now
        return outcomes


def startup(actors: int, shards: int = SHARDS) -> dict[str, Any]:
    """Run a driver with so many actors on a Ray of its own; return what it cost."""
    with session("local", actors), tempfile.TemporaryDirectory() as folder, open("/dev/null", "w") as silent:
        begin, cpu = time.monotonic(), time.process_time()
        pool = _Timed("", "", {}, limit=actors, grows=False, actor=IdleActor)
        store = LocalStore(Path(folder))
        with StatusWriter(store, "driver") as status, Progress(shards, 0, silent) as progress:
            Driver(Ledger(range(shards)), pool, status, progress, Outage(lambda: None)).run()
        end, cpu = time.monotonic(), time.process_time() - cpu
        pool.close()
    assert pool.first is not None
    return {
        "actors": actors,
        "seconds_to_first_shard": pool.first - begin,
        "seconds_to_all_actors": None if pool.ready is None else pool.ready - begin,
        "shards_per_second": shards / (end - pool.first),
        "driver_cpu_milliseconds_per_shard": 1000.0 * cpu / shards,
    }


def _made(shard: int) -> Made:
    return Made(Receipt(shard=shard, sequences=1, steps=1, stored_bytes=1, seconds=1.0, new=True), None)
