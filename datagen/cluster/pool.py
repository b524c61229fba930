"""A pool of Ray actors, one core each: follows the cluster's size, replaces what it loses, and reports outcomes."""

import itertools
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from common.dataset.store import environment
from common.dataset.writer import Conflict
from common.errors import DataError
from datagen.cluster import nodes
from datagen.cluster.actor import ShardActor, ShardFailed
from datagen.drive import NODE_LOST, Outcome

CLOSING = 1.5
"""Seconds actors get to end in order: a stopped job is killed after three."""
_TEND = 1.0
"""Seconds between two looks at the cluster."""
_SPARE = 4
"""Actors asked for beyond the cores there are, at least: nodes that join find them waiting, an autoscaler sees them."""
_MOST_SPARE = 256
_AT_ONCE = 100
"""Actors started between two looks."""
_WAITING = 30.0
"""Seconds without any actor that is ready, after which that is said; doubled each time."""
_PAUSE = 1.0
_LONGEST_PAUSE = 15.0
"""Seconds before another actor is started after one that failed as it started; doubled each time."""


@dataclass
class _Worker:
    """One actor."""

    handle: Any
    node: str | None = None
    """Where it runs, once it is ready."""
    leaving: bool = False


class RayPool:
    """Actors for one dataset. Those that the cluster has no core for yet wait for one and cost nothing.

    Args:
        url: The dataset.
        identity: Its identity.
        recipe: Its resolved recipe.
        limit: The most actors there may be; None for as many as the cluster has cores, now and later.
        memory: Bytes an actor declares, so that a node takes no more of them than it can hold.
        grows: Whether nodes may join: then some more actors are asked for than there are cores.
        actor: The class of the actors.
    """

    def __init__(
        self,
        url: str,
        identity: str,
        recipe: dict[str, Any],
        *,
        limit: int | None = None,
        memory: int = 0,
        grows: bool = True,
        actor: type = ShardActor,
    ) -> None:
        self._actor: Any = ray.remote(num_cpus=1, memory=memory, max_restarts=0, max_task_retries=0)(actor)
        self._arguments = (url, identity, recipe, environment(url))
        self._limit, self._grows, self._memory = limit, grows, memory
        self._names = (f"actor-{number}" for number in itertools.count())
        self._workers: dict[str, _Worker] = {}
        self._pending: dict[Any, tuple[str, int | None]] = {}
        """What is awaited: a shard of a worker, or (None) that it is ready."""
        self._closing: dict[Any, tuple[Any, float]] = {}
        """Calls of ``close`` under way, with the actor's handle and a deadline."""
        self._outbox: deque[Outcome] = deque()
        self._demand = 0
        self._tended = self._not_before = 0.0
        self._pause = _PAUSE
        self._alone, self._patience = time.monotonic(), _WAITING
        """Since when no actor is ready, and for how long more nothing is said about it."""

    def demand(self, shards: int) -> None:
        """Hear how many shards are still to be made.

        Raises:
            ClusterLost: The cluster's head does not answer.
        """
        self._demand = shards
        now = time.monotonic()
        if now - self._tended >= _TEND:
            self._tended = now
            self._tend(now)

    def submit(self, worker: str, shard: int) -> None:
        """Give a shard to an actor."""
        self._pending[self._workers[worker].handle.make.remote(shard)] = (worker, shard)

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """Return what happened, after at most ``seconds`` where nothing did.

        Raises:
            Conflict: What is stored contradicts the recipe.
        """
        if not self._outbox:
            references = list(self._pending)
            if not references:
                time.sleep(min(seconds, 0.2))
            else:
                finished, _ = ray.wait(references, num_returns=1, timeout=seconds)
                if finished:
                    finished, _ = ray.wait(references, num_returns=len(references), timeout=0)
                for reference in finished:
                    if reference in self._pending:
                        self._outbox.append(self._outcome(reference))
        outcomes = list(self._outbox)
        self._outbox.clear()
        return outcomes

    def discard(self, worker: str) -> None:
        """End an actor at once; nothing is heard of it any more."""
        ray.kill(self._drop(worker))

    def release(self, worker: str) -> None:
        """End an actor in order, after the shard it is at; nothing is heard of it any more."""
        handle = self._drop(worker)
        self._closing[handle.close.remote()] = (handle, time.monotonic() + CLOSING)

    def close(self) -> None:
        """Let the actors end in order, busy ones after the shard they are at; then end those that did not."""
        for name in list(self._workers):
            if self._workers[name].node is not None:
                self.release(name)
        deadline = time.monotonic() + CLOSING
        if self._closing:
            ray.wait(list(self._closing), num_returns=len(self._closing), timeout=CLOSING)
        for handle in [*(worker.handle for worker in self._workers.values()), *(h for h, _ in self._closing.values())]:
            if time.monotonic() > deadline + CLOSING:
                break  # what is left dies with this job
            ray.kill(handle)
        self._workers, self._pending, self._closing = {}, {}, {}

    def _tend(self, now: float) -> None:
        """Follow the cluster: start what is missing, take back what is too much, leave nodes that go."""
        for reference, (handle, deadline) in list(self._closing.items()):
            if now > deadline or ray.wait([reference], timeout=0)[0]:
                del self._closing[reference]
                ray.kill(handle)
        leaving = nodes.draining()
        for name, worker in self._workers.items():
            if worker.node in leaving and not worker.leaving:
                worker.leaving = True
                self._outbox.append(Outcome(name, "leaving", message="its node is being drained", cause="drained"))
        self._explain(now)
        staying = [worker for worker in self._workers.values() if not worker.leaving]
        wanted = self._wanted(nodes.cores(leaving), sum(worker.node is not None for worker in staying))
        for _ in range(min(wanted - len(staying), _AT_ONCE) if now >= self._not_before else 0):
            self._start()
        starting = [name for name, worker in self._workers.items() if worker.node is None]
        for name in starting[: max(0, len(staying) - wanted)]:
            self.discard(name)

    def _explain(self, now: float) -> None:
        """Say why nothing happens, where no actor is ready for long."""
        if any(worker.node is not None for worker in self._workers.values()):
            self._alone, self._patience = now, _WAITING
        elif now - self._alone >= self._patience:
            message = f"no actor is ready after {now - self._alone:.0f} s: {nodes.room(self._memory)}"
            self._outbox.append(Outcome("", "waiting", message=message))
            self._patience *= 2.0

    def _wanted(self, cores: int, running: int) -> int:
        """Return how many actors there should be, those that wait for a core included."""
        size = max(cores, running)
        if self._grows:
            size += min(max(_SPARE, running // 2), _MOST_SPARE)
        limits = [size, self._demand] if self._limit is None else [size, self._demand, self._limit]
        return min(limits)

    def _start(self) -> None:
        worker = next(self._names)
        handle: Any = self._actor.remote(*self._arguments)
        self._workers[worker] = _Worker(handle)
        self._pending[handle.ready.remote()] = (worker, None)

    def _drop(self, worker: str) -> Any:
        """Forget a worker with all it had; return its handle."""
        self._pending = {reference: item for reference, item in self._pending.items() if item[0] != worker}
        return self._workers.pop(worker).handle

    def _outcome(self, reference: Any) -> Outcome:
        worker, shard = self._pending[reference]
        try:
            value = ray.get(reference)
        except RayTaskError as error:
            return self._refused(reference, error)
        except RayError as error:
            cause = nodes.cause_of(error)
            if shard is None:
                return self._stillborn(worker, str(error), cause, store=False)
            ray.kill(self._drop(worker))
            return Outcome(worker, "lost", message=str(error), cause=cause)
        del self._pending[reference]
        if shard is None:
            self._pause = _PAUSE
            self._workers[worker].node = value.node
            return Outcome(worker, "ready", message=str(value))
        return Outcome(worker, "done", shard=shard, made=value)

    def _refused(self, reference: Any, error: RayTaskError) -> Outcome:
        """Return what an exception inside an actor means."""
        worker, shard = self._pending[reference]
        cause = error.cause
        if isinstance(cause, Conflict):
            raise Conflict(str(cause)) from error
        store = isinstance(cause, DataError)
        message = str(cause) if store or isinstance(cause, ShardFailed) else str(error)
        if shard is None:
            return self._stillborn(worker, message, "failed to start", store=store)
        if isinstance(cause, MemoryError):  # its process is not worth much any more
            ray.kill(self._drop(worker))
            return Outcome(worker, "lost", message=message, cause="out of memory")
        del self._pending[reference]
        return Outcome(worker, "failed", shard=shard, message=message, store=store)

    def _stillborn(self, worker: str, message: str, cause: str, *, store: bool) -> Outcome:
        """Forget an actor that never was ready, and wait a little longer each time before the next is started."""
        ray.kill(self._drop(worker))
        if cause != NODE_LOST:
            self._not_before = time.monotonic() + self._pause
            self._pause = min(2.0 * self._pause, _LONGEST_PAUSE)
        return Outcome(worker, "stillborn", message=message, cause=cause, store=store)
