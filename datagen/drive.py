"""The driver's loop: leases shards to the workers of a pool, takes back what they lose, until none is left."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from common.dataset.status import InFlight, Queue, StatusWriter
from common.errors import DataError
from datagen import interrupt
from datagen.ledger import Ledger
from datagen.outage import Outage
from datagen.progress import Progress
from datagen.work import Made

IN_FLIGHT = 2
"""Shards a worker has at once: one at work, one behind it, so that it never waits for the driver."""
HOPELESS = 25
"""Failures without a success in between after which a run stops instead of setting everything aside; or three times
as many as there were workers, where that is more: a lost node takes all of its workers at once."""
STILLBORN = 5
"""Workers in a row that fail before they are ready, after which a run stops."""
NODE_LOST = "node lost"
"""The cause of losses that are no worker's own."""
LEASE_UNKNOWN = 900.0
"""Seconds a worker may be at its first shard while nobody knows yet how long one takes."""
LEASE_LEAST = 60.0
LEASE_FACTOR = 10.0
"""Afterwards: so many times the longest a shard took, and not less than ``LEASE_LEAST`` seconds."""
_LOOK = 0.5
"""Seconds between two looks at what happens by time alone."""
_OLDEST = 10


class ClusterLost(DataError):
    """The workers' cluster is gone as a whole; what is committed stays."""


@dataclass(frozen=True)
class Outcome:
    """Something a pool reports of one of its workers."""

    worker: str
    kind: Literal["ready", "done", "failed", "lost", "leaving", "stillborn", "waiting"]
    """``leaving``: it takes no more shards, its node goes. ``stillborn``: it died before it was ready. ``waiting``: of
    no worker, there is none for a reason that the message says."""
    shard: int | None = None
    made: Made | None = None
    message: str = ""
    cause: str | None = None
    """Of a loss, in a few words that can be counted."""
    store: bool = False
    """It failed because it could not use the store."""


class Pool(Protocol):
    """Workers that make shards. It replaces lost ones itself."""

    def demand(self, shards: int) -> None:
        """Hear how many shards are still to be made: more workers than that have nothing to do."""

    def submit(self, worker: str, shard: int) -> None:
        """Give a shard to a worker; returns at once."""

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """Return what happened, after at most about ``seconds`` where nothing did.

        Raises:
            DataError: Going on makes no sense.
        """

    def discard(self, worker: str) -> None:
        """End a worker that is not to be waited for; nothing is heard of it any more. The pool replaces it."""

    def release(self, worker: str) -> None:
        """End an idle worker in order; nothing is heard of it any more. The pool need not replace it."""

    def close(self) -> None:
        """End the workers."""


@dataclass(frozen=True)
class Limits:
    """How much is given out, and for how long."""

    per_worker: int = IN_FLIGHT
    in_flight: int | None = None
    """Shards in flight over all workers; no limit where None."""
    lease: float | None = None
    """Seconds a worker may be at one shard; derived from how long shards take where None."""


class Driver:
    """One run of the loop.

    Args:
        ledger: The shards to make.
        pool: Who makes them.
        status: Where events go.
        progress: What the user sees.
        outage: Whether the store is down.
        limits: How much is given out.
        records: Record finished shards in ``status`` here, because the workers keep none of their own.
        watch: Called about twice a second with the driver's view; may raise to end the run.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        ledger: Ledger,
        pool: Pool,
        status: StatusWriter,
        progress: Progress,
        outage: Outage,
        *,
        limits: Limits | None = None,
        records: bool = True,
        watch: Callable[[Queue], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger, self._pool, self._status, self._progress = ledger, pool, status, progress
        self._outage, self._limits, self._records, self._watch = outage, limits or Limits(), records, watch
        self._clock = clock
        self._idle: dict[str, None] = {}
        """Workers that have nothing, in the order in which they came."""
        self._partly: dict[str, None] = {}
        """Workers that have something and may have more."""
        self._workers: set[str] = set()
        self._leaving: set[str] = set()
        self._stillborn = self._most = 0
        self._longest = 0.0
        self._look = 0.0

    def run(self) -> None:
        """Run until every shard of the ledger is done or set aside.

        Raises:
            DataError: What is stored contradicts the recipe, or no worker can be had; the message says.
            KeyboardInterrupt: The run was told to stop.
        """
        self._pool.demand(self._ledger.open)
        while self._ledger.open:
            interrupt.check()
            self._hand_out()
            for outcome in self._pool.wait(_LOOK):
                self._account(outcome)
            if self._clock() >= self._look:
                self._look_around()
            if self._ledger.failures_in_a_row >= max(HOPELESS, 3 * self._most):
                raise DataError(
                    f"nothing succeeds any more: the last {self._ledger.failures_in_a_row} attempts failed, the last "
                    f"with {_last_line(self._ledger.last_cause)!r}; mend that and give the same command again"
                )
        self._show()

    def _hand_out(self) -> None:
        """Give waiting shards to workers that may have some: first to those that have none."""
        ledger, limit = self._ledger, self._limits.in_flight
        while ledger.waiting and not self._outage.down and (limit is None or ledger.in_flight < limit):
            source = self._idle or self._partly
            if not source:
                return
            worker = next(iter(source))
            del source[worker]
            shard = ledger.lease(worker, self._clock())
            if shard is not None:
                self._progress.begin()
                self._pool.submit(worker, shard)
            self._seat(worker)

    def _seat(self, worker: str) -> None:
        """Put a worker where its number of shards belongs."""
        if worker not in self._workers:
            return
        has = self._ledger.leased(worker)
        self._idle.pop(worker, None)
        self._partly.pop(worker, None)
        if worker in self._leaving:
            if not has:
                self._forget(worker)
                self._pool.release(worker)
        elif not has:
            self._idle[worker] = None
        elif has < self._limits.per_worker:
            self._partly[worker] = None

    def _forget(self, worker: str) -> None:
        self._workers.discard(worker)
        self._leaving.discard(worker)
        self._idle.pop(worker, None)
        self._partly.pop(worker, None)

    def _account(self, outcome: Outcome) -> None:
        worker, now = outcome.worker, self._clock()
        if outcome.kind == "done":
            self._done(outcome, now)
        elif outcome.kind == "ready":
            self._stillborn = 0
            self._workers.add(worker)
            self._most = max(self._most, len(self._workers))
            self._status.event("joined", None, f"{worker}: {outcome.message}")
        elif outcome.kind == "failed":
            self._failed(outcome, now)
        elif outcome.kind == "leaving":
            self._leaving.add(worker)
            self._progress.note(f"{worker} leaves: {outcome.message}", limited=True)
            self._status.event("leaving", None, f"{worker}: {outcome.message}", outcome.cause)
        elif outcome.kind == "lost":
            self._lose(worker, outcome.message, outcome.cause)
        elif outcome.kind == "waiting":
            self._progress.note(outcome.message)
            self._status.event("waiting", None, outcome.message)
        else:
            self._stillbirth(outcome)
        self._seat(worker)

    def _done(self, outcome: Outcome, now: float) -> None:
        assert outcome.made is not None
        receipt = outcome.made.receipt
        if self._ledger.finish(outcome.worker, receipt.shard, now):
            self._longest = max(self._longest, receipt.seconds)
            self._progress.done(receipt)
            if self._records and outcome.made.record is not None:
                self._status.shard_done(outcome.made.record)

    def _failed(self, outcome: Outcome, now: float) -> None:
        assert outcome.shard is not None
        counts = not (outcome.store and self._suspect(outcome.message))
        last = self._ledger.fail(outcome.worker, outcome.shard, outcome.message, now, counts=counts)
        if not counts:
            return
        kind = "set-aside" if last else "failed"
        line = f"shard {outcome.shard} {kind} on {outcome.worker}: {_last_line(outcome.message)}"
        self._progress.note(line, limited=True)
        self._status.event(kind, outcome.shard, f"{outcome.worker}: {outcome.message}", outcome.cause)

    def _lose(self, worker: str, message: str, cause: str | None) -> None:
        shards = self._ledger.lose(worker, message)
        self._forget(worker)
        line = f"lost {worker}, shards {shards} go back: {cause or ''} {_first_line(message)}"
        self._progress.note(line, limited=True)
        self._status.event("lost", shards[0] if shards else None, f"{worker} with shards {shards}: {message}", cause)
        for shard in shards:
            if shard in self._ledger.set_aside:
                self._progress.note(f"shard {shard} set-aside: it lost every worker that had it", limited=True)
                self._status.event("set-aside", shard, message, cause)

    def _stillbirth(self, outcome: Outcome) -> None:
        if outcome.store and self._suspect(outcome.message):
            return
        self._status.event("lost", None, f"{outcome.worker} before it was ready: {outcome.message}", outcome.cause)
        if outcome.cause == NODE_LOST:
            return  # so go workers that only waited for a core there
        self._stillborn += 1
        self._progress.note(f"{outcome.worker} failed as it started: {_last_line(outcome.message)}", limited=True)
        if self._stillborn >= STILLBORN:
            raise DataError(f"{self._stillborn} workers in a row failed as they started; the last: {outcome.message}")

    def _suspect(self, message: str) -> bool:
        """Say whether the store is down; note it where that is news."""
        before = self._outage.down
        down = self._outage.suspect()
        if down and not before:
            self._progress.note(f"the store is down, waiting for it: {_last_line(message)}")
            self._status.event("store-down", None, message)
        return down

    def _look_around(self) -> None:
        """Do what time alone asks for: end overdue leases, ask a store that is down, show how things stand."""
        now = self._clock()
        self._look = now + _LOOK
        if self._outage.check():
            self._progress.note("the store is back")
            self._status.event("store-up", None, "the store answers again")
        lease = self.lease()
        for worker in self._ledger.overdue(now, lease):
            self._pool.discard(worker)
            self._lose(worker, f"nothing heard of a shard for {lease:.0f} s, its lease is over", "lease over")
        open_ = self._ledger.open
        self._pool.demand(open_)
        while self._idle and len(self._workers) > max(open_, 1) and not self._ledger.waiting:
            worker = next(iter(self._idle))
            self._forget(worker)
            self._pool.release(worker)
        self._progress.tick()
        self._show()

    def lease(self) -> float:
        """Return the seconds a worker may be at one shard."""
        if self._limits.lease is not None:
            return self._limits.lease
        return max(LEASE_LEAST, LEASE_FACTOR * self._longest) if self._longest else LEASE_UNKNOWN

    def _show(self) -> None:
        ledger, progress = self._ledger, self._progress
        oldest = ledger.oldest(self._clock(), _OLDEST)
        queue = Queue(
            shards=progress.total,
            committed=progress.committed,
            waiting=ledger.waiting,
            in_flight=ledger.in_flight,
            set_aside=len(ledger.set_aside),
            workers=len(self._workers),
            steps_per_second=progress.rate,
            seconds_left=progress.seconds_left,
            oldest=tuple(InFlight(shard=shard, worker=worker, seconds=age) for shard, worker, age in oldest),
        )
        self._status.show(queue)
        if self._watch is not None:
            self._watch(queue)


def set_aside_error(ledger: Ledger, url: str) -> DataError:
    """Return the error that names the shards set aside, with the last cause of the first few."""
    shards = sorted(ledger.set_aside)
    causes = "\n".join(f"shard {shard}: {ledger.set_aside[shard].rstrip()}" for shard in shards[:3])
    return DataError(
        f"shards {', '.join(map(str, shards))} of {url} were set aside after repeated failures, "
        f"the rest is committed; mend the cause and give the same command again\n{causes}"
    )


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]


def _last_line(text: str) -> str:
    return text.strip().rsplit("\n", 1)[-1]
