"""A store that fails for a while: told from a shard that fails by asking the store itself, and waited for."""

import time
from collections.abc import Callable

from common.errors import DataError

PATIENCE = 900.0
"""Seconds a store may be down before a run gives up."""
_FIRST, _MOST = 0.5, 5.0
"""Seconds between two questions, at first and at most."""


class Outage:
    """Knows whether the store is down. While it is, nothing is leased and no failure counts.

    Args:
        probe: Writes something small to the store, or raises ``DataError``.
        patience: Seconds after which a run gives up.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(
        self, probe: Callable[[], object], patience: float = PATIENCE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._probe, self._patience, self._clock = probe, patience, clock
        self._since: float | None = None
        self._next = 0.0
        self._pause = _FIRST

    @property
    def down(self) -> bool:
        """Whether the store was down when it was last asked."""
        return self._since is not None

    @property
    def seconds(self) -> float:
        """Seconds since it was found down; 0 where it is not."""
        return 0.0 if self._since is None else self._clock() - self._since

    def suspect(self) -> bool:
        """Ask the store, after a worker could not use it; True: it is down, and that failure counts for nothing."""
        if not self.down and not self._answers():
            self._since, self._pause = self._clock(), _FIRST
            self._next = self._since + self._pause
        return self.down

    def check(self) -> bool:
        """Ask again where it is time to; return True where the store has come back.

        Raises:
            DataError: It has been down for too long; the message is what it said last.
        """
        if self._since is None or self._clock() < self._next:
            return False
        try:
            self._probe()
        except DataError as error:
            if self.seconds > self._patience:
                raise DataError(
                    f"the store has been down for {self.seconds:.0f} s; the last it said: {error}"
                ) from error
            self._pause = min(2.0 * self._pause, _MOST)
            self._next = self._clock() + self._pause
            return False
        self._since = None
        return True

    def _answers(self) -> bool:
        try:
            self._probe()
        except DataError:
            return False
        return True
