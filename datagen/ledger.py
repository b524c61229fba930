"""Which shard is whose: waiting, leased, done or set aside. Pure bookkeeping, without clocks, stores or processes."""

from collections import Counter, deque
from collections.abc import Iterable

ATTEMPTS = 5
"""Failures after which a shard is set aside."""


class Ledger:
    """The shards still to be made, and who has leased which.

    Every shard is in exactly one place: waiting, leased to one worker, done, or set aside.
    """

    def __init__(self, shards: Iterable[int], attempts: int = ATTEMPTS) -> None:
        self._attempts = attempts
        self._waiting: deque[int] = deque(shards)
        self._leased: dict[str, list[int]] = {}
        self._failures: Counter[int] = Counter()
        self.total = len(self._waiting)
        self.done = 0
        self.failures_in_a_row = 0
        """Failures since a shard was last done."""
        self.last_cause = ""
        """Cause of the newest failure."""
        self.set_aside: dict[int, str] = {}
        """Cause of the last failure by shard."""

    @property
    def waiting(self) -> int:
        """Number of shards nobody has."""
        return len(self._waiting)

    @property
    def open(self) -> bool:
        """Whether a shard is waiting or leased."""
        return self.done + len(self.set_aside) < self.total

    def leased(self, worker: str) -> int:
        """Return how many shards a worker has."""
        return len(self._leased.get(worker, ()))

    def lease(self, worker: str) -> int | None:
        """Lease the next waiting shard to a worker; None where none waits."""
        if not self._waiting:
            return None
        shard = self._waiting.popleft()
        self._leased.setdefault(worker, []).append(shard)
        return shard

    def finish(self, worker: str, shard: int) -> None:
        """Take a shard back as done."""
        self._take(worker, shard)
        self.done += 1
        self.failures_in_a_row = 0

    def fail(self, worker: str, shard: int, cause: str) -> bool:
        """Take a shard back as failed: to the end of the queue, or set aside (True) after too many failures."""
        self._take(worker, shard)
        self._failures[shard] += 1
        self.failures_in_a_row += 1
        self.last_cause = cause
        if self._failures[shard] >= self._attempts:
            self.set_aside[shard] = cause
            return True
        self._waiting.append(shard)
        return False

    def lose(self, worker: str, cause: str) -> list[int]:
        """Take all shards of a lost worker back, to the front of the queue; return them.

        The first, which it was at work on, counts a failure: it may be what kills workers.
        """
        shards = list(self._leased.get(worker, ()))
        if shards:
            self.fail(worker, shards[0], cause)
            self._waiting.extendleft(reversed(shards[1:]))
        self._leased.pop(worker, None)
        return shards

    def _take(self, worker: str, shard: int) -> None:
        self._leased[worker].remove(shard)
