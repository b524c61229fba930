"""A pool of Ray actors, one core each: grows to its size, replaces what it loses, and reports outcomes."""

import itertools
from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from common.dataset.writer import Conflict, Receipt
from common.errors import DataError
from datagen.cluster.actor import ShardActor
from datagen.drive import Outcome

STILLBORN = 5
"""Actors in a row that die before they are ready, after which the run stops."""
CLOSING = 5.0
"""Seconds actors get to end in order."""


class RayPool:
    """``size`` actors for one dataset. Those that the cluster has no core for yet wait for one and cost nothing."""

    def __init__(self, url: str, identity: str, recipe: dict[str, Any], size: int) -> None:
        self._actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(ShardActor)
        self._arguments = (url, identity, recipe)
        self._names = (f"actor-{number}" for number in itertools.count())
        self._handles: dict[str, Any] = {}
        self._ready: list[str] = []
        self._pending: dict[Any, tuple[str, int | None]] = {}
        self._stillborn = 0
        for _ in range(size):
            self._start()

    def ready(self) -> Sequence[str]:
        """Return the actors that run."""
        return list(self._ready)

    def submit(self, worker: str, shard: int) -> None:
        """Give a shard to an actor."""
        self._pending[self._handles[worker].make.remote(shard)] = (worker, shard)

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """Return what happened, after at most ``seconds`` where nothing did.

        Raises:
            Conflict: What is stored contradicts the recipe.
            DataError: Actors die as they start, one after the other.
        """
        references = list(self._pending)
        finished, _ = ray.wait(references, num_returns=1, timeout=seconds)
        if finished:
            finished, _ = ray.wait(references, num_returns=len(references), timeout=0)
        outcomes = [self._outcome(reference) for reference in finished if reference in self._pending]
        return [outcome for outcome in outcomes if outcome is not None]

    def close(self) -> None:
        """Let the actors end in order, then end those that did not."""
        closing = [self._handles[worker].close.remote() for worker in self._ready]
        if closing and not any(shard is not None for _, shard in self._pending.values()):
            ray.wait(closing, num_returns=len(closing), timeout=CLOSING)
        for handle in self._handles.values():
            ray.kill(handle)
        self._handles, self._ready, self._pending = {}, [], {}

    def _start(self) -> None:
        worker = next(self._names)
        handle: Any = self._actor.remote(*self._arguments)
        self._handles[worker] = handle
        self._pending[handle.ready.remote()] = (worker, None)

    def _outcome(self, reference: Any) -> Outcome | None:
        worker, shard = self._pending[reference]
        try:
            value = ray.get(reference)
        except RayTaskError as error:
            del self._pending[reference]
            if isinstance(error.cause, Conflict):
                raise Conflict(str(error.cause)) from error
            return Outcome(worker, "failed", shard=shard, message=str(error))
        except RayError as error:
            return self._lost(worker, error)
        del self._pending[reference]
        if shard is None:
            self._stillborn = 0
            self._ready.append(worker)
            return Outcome(worker, "ready", message=value)
        return Outcome(worker, "done", shard=shard, receipt=Receipt(**value))

    def _lost(self, worker: str, error: RayError) -> Outcome:
        """Forget a dead actor with all it had, and start another in its place."""
        handle = self._handles.pop(worker)
        self._pending = {r: item for r, item in self._pending.items() if item[0] != worker}
        ray.kill(handle)
        if worker in self._ready:
            self._ready.remove(worker)
        else:
            self._stillborn += 1
            if self._stillborn >= STILLBORN:
                raise DataError(f"{self._stillborn} actors in a row died as they started; the last: {error}") from error
        self._start()
        return Outcome(worker, "lost", message=str(error))


def cluster_cores() -> int:
    """Return the cores of the whole cluster."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))
