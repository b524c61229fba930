"""Which shard is whose: waiting, leased, done or set aside. Pure bookkeeping, without clocks, stores or processes.

Times are seconds of any one clock, handed in. Every operation costs the same however many shards there are, and a
shard takes some 40 bytes.
"""

import heapq
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

ATTEMPTS = 5
"""Failures after which a shard is set aside."""
_FOREIGN, _WAITING, _LEASED, _DONE, _ASIDE = range(5)


@dataclass
class _Hand:
    """What one worker has: shards in the order in which it was given them."""

    shards: list[int] = field(default_factory=list)
    since: float = 0.0
    """When it began the first of them."""


class Ledger:
    """The shards still to be made, and who has leased which.

    Every shard is in exactly one place: waiting, leased, done, or set aside. A shard may be delivered by a worker whose
    lease is over, or by two: it counts once, whoever comes first.
    """

    def __init__(self, shards: Sequence[int], attempts: int = ATTEMPTS) -> None:
        self._attempts = attempts
        self._queue = deque(shards)
        self._state = bytearray(max(shards, default=-1) + 1)
        for shard in shards:
            self._state[shard] = _WAITING
        self._hands: dict[str, _Hand] = {}
        self._failures: Counter[int] = Counter()
        self.total = len(self._queue)
        self.waiting = self.total
        """Number of shards nobody has."""
        self.in_flight = 0
        """Number of leases."""
        self.done = 0
        self.failures_in_a_row = 0
        """Failures since a shard was last done."""
        self.last_cause = ""
        """Cause of the newest failure."""
        self.set_aside: dict[int, str] = {}
        """Cause of the last failure by shard."""

    @property
    def open(self) -> int:
        """Number of shards that are waiting or leased."""
        return self.total - self.done - len(self.set_aside)

    def leased(self, worker: str) -> int:
        """Return how many shards a worker has."""
        hand = self._hands.get(worker)
        return len(hand.shards) if hand else 0

    def attempts(self, shard: int) -> int:
        """Return how often a shard has failed."""
        return self._failures[shard]

    def lease(self, worker: str, now: float = 0.0) -> int | None:
        """Lease the next waiting shard to a worker; None where none waits."""
        while self._queue:
            shard = self._queue.popleft()
            if self._state[shard] == _WAITING:  # not delivered late while it waited
                break
        else:
            return None
        hand = self._hands.setdefault(worker, _Hand())
        if not hand.shards:
            hand.since = now
        hand.shards.append(shard)
        self._state[shard] = _LEASED
        self.waiting -= 1
        self.in_flight += 1
        return shard

    def finish(self, worker: str, shard: int, now: float = 0.0) -> bool:
        """Take a shard back as done, from whoever delivers it; False where it was done already."""
        self._take(worker, shard, now)
        state = self._state[shard]
        if state == _DONE:
            return False
        if state == _WAITING:
            self.waiting -= 1
        self.set_aside.pop(shard, None)
        self._state[shard] = _DONE
        self.done += 1
        self.failures_in_a_row = 0
        return True

    def fail(self, worker: str, shard: int, cause: str, now: float = 0.0, *, counts: bool = True) -> bool:
        """Take a shard back as failed: to the end of the queue, or set aside (True) after too many failures.

        A worker that does not have the shard any more changes nothing by failing.

        Args:
            worker: Who gives it back.
            shard: Which.
            cause: Why.
            now: When.
            counts: Whether it is the shard that failed; a store that is down, say, is no shard's fault.
        """
        if not self._take(worker, shard, now) or self._state[shard] != _LEASED:
            return False
        if counts:
            self._failures[shard] += 1
            self.failures_in_a_row += 1
            self.last_cause = cause
            if self._failures[shard] >= self._attempts:
                self._state[shard] = _ASIDE
                self.set_aside[shard] = cause
                return True
        self._give_back(shard)
        self._queue.append(shard)
        return False

    def lose(self, worker: str, cause: str, *, counts: bool = True) -> list[int]:
        """Take all shards of a lost worker back, to the front of the queue; return them.

        The first, which it was at work on, counts a failure (it may be what kills workers) and goes to the end.
        """
        hand = self._hands.pop(worker, None)
        if hand is None:
            return []
        shards = list(hand.shards)
        self._hands[worker] = hand
        if shards:
            self.fail(worker, shards[0], cause, counts=counts)
        for shard in reversed(shards[1:]):
            self.in_flight -= 1
            if self._state[shard] == _LEASED:
                self._give_back(shard)
                self._queue.appendleft(shard)
        del self._hands[worker]
        return shards

    def overdue(self, now: float, lease: float) -> list[str]:
        """Return the workers that have been at one shard for longer than ``lease`` seconds."""
        return [worker for worker, hand in self._hands.items() if hand.shards and now - hand.since > lease]

    def oldest(self, now: float, count: int) -> list[tuple[int, str, float]]:
        """Return (shard, worker, seconds at work on it) of those at it the longest."""
        busy = ((hand.since, worker, hand.shards[0]) for worker, hand in self._hands.items() if hand.shards)
        return [(shard, worker, now - since) for since, worker, shard in heapq.nsmallest(count, busy)]

    def _give_back(self, shard: int) -> None:
        self._state[shard] = _WAITING
        self.waiting += 1

    def _take(self, worker: str, shard: int, now: float) -> bool:
        hand = self._hands.get(worker)
        if hand is None or shard not in hand.shards:
            return False
        hand.shards.remove(shard)
        hand.since = now
        self.in_flight -= 1
        return True
