"""The status files of a dataset's writers: heartbeats, finished shards and events, each file read when it changes."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from common.dataset.status import FOLDER
from deploy.dashboard.files import Files, Stamp, document
from deploy.dashboard.models import Event, Holder, Hole, NodeRate, Queue, Size, State, Writer

SILENT_AFTER = 20.0
"""Seconds without a heartbeat after which a writer counts as silent."""
EVENTS_KEPT = 200
BINS = 300
"""Of the rate over time."""
SET_ASIDE = "set-aside"
"""The event of a shard given up after repeated failures."""


@dataclass
class Log:
    """What one writer has reported, summed over its periods."""

    name: str
    kind: str = "writer"
    host: str | None = None
    pid: int | None = None
    node: str | None = None
    first: float | None = None
    last: float | None = None
    shards: set[int] = field(default_factory=set)
    steps: int = 0
    seconds: float = 0.0
    ended: bool = False

    def seen(self, *times: Any) -> None:
        """Widen the time it was alive."""
        for value in times:
            if isinstance(value, int | float) and not isinstance(value, bool):
                self.first = value if self.first is None else min(self.first, value)
                self.last = value if self.last is None else max(self.last, value)

    def alive(self, now: float) -> bool:
        """Say whether it is at work."""
        return not self.ended and self.last is not None and now - self.last <= SILENT_AFTER

    def answer(self, now: float) -> Writer:
        """Return it as the API shows it."""
        if self.ended:
            state = State.DONE
        else:
            state = State.RUNNING if self.alive(now) else State.STALLED
        return Writer(
            name=self.name,
            kind=self.kind,
            host=self.host,
            pid=self.pid,
            node=self.node,
            first=self.first,
            last=self.last,
            shards=len(self.shards),
            steps=self.steps,
            seconds=self.seconds,
            steps_per_second=self.steps / self.seconds if self.seconds > 0 else None,
            state=state,
        )


@dataclass
class Writers:
    """All writers of a dataset folder."""

    files: Files
    logs: dict[str, Log] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    """Oldest first."""
    failed: set[int] = field(default_factory=set)
    """Shards a writer set aside."""
    faults: dict[str, str] = field(default_factory=dict)
    holes: dict[int, Hole] = field(default_factory=dict)
    """By shard, as the driver recorded them; some may have been committed since."""
    losses: Counter[str] = field(default_factory=Counter)
    """Actors lost, by cause."""
    _files: dict[str, tuple[Stamp | None, dict[str, Any] | None]] = field(default_factory=dict)
    _holder: Holder | None = None
    _queue: tuple[float, Queue] | None = None
    _sizes: dict[int, list[float]] = field(default_factory=dict)
    _minutes: dict[str, Counter[int]] = field(default_factory=dict)

    def poll(self) -> bool:
        """Read status files that are new or changed; return whether anything did."""
        found: dict[str, tuple[Stamp | None, dict[str, Any] | None]] = {}
        for name, listed in sorted(self.files.list(FOLDER, depth=1).items()):
            if not name.endswith(".json"):
                continue
            stamp = listed or self.files.stamp(f"{FOLDER}/{name}")
            known = self._files.get(name)
            if known and known[0] == stamp:
                found[name] = known
                continue
            read = document(self.files, f"{FOLDER}/{name}")
            self.faults.pop(name, None)
            if read.fault:
                self.faults[name] = read.fault
            found[name] = (stamp, read.value)
        if found == self._files:
            return False
        self._files = found
        self.faults = {name: fault for name, fault in self.faults.items() if name in found}
        self._sum()
        return True

    def last(self) -> float | None:
        """Return the newest sign of life."""
        return max((log.last for log in self.logs.values() if log.last is not None), default=None)

    def first(self) -> float | None:
        """Return the oldest sign of life."""
        return min((log.first for log in self.logs.values() if log.first is not None), default=None)

    def alive(self, now: float) -> bool:
        """Say whether any writer is at work."""
        return any(log.alive(now) for log in self.logs.values())

    def ended(self) -> bool:
        """Say whether the last to be heard of ended in order."""
        newest = max(self.logs.values(), key=lambda log: log.last or 0.0, default=None)
        return newest is not None and newest.ended

    def queue(self, now: float) -> Queue | None:
        """Return the driver's newest view while it is fresh."""
        return self._queue[1] if self._queue and now - self._queue[0] <= SILENT_AFTER else None

    def holder(self, now: float) -> Holder | None:
        """Return who holds the dataset, None where nobody was heard of lately."""
        held = self._holder
        return held if held and held.heartbeat is not None and now - held.heartbeat <= SILENT_AFTER else None

    def sizes(self) -> list[Size]:
        """Return what was made of worlds of each size."""
        return [
            Size(states=states, sequences=int(n), steps=int(steps), steps_per_second=steps / took if took > 0 else None)
            for states, (n, steps, took) in sorted(self._sizes.items())
        ]

    def by_node(self) -> list[NodeRate]:
        """Return the rate over time of every node, in at most ``BINS`` bins that all share."""
        known = [minute for counts in self._minutes.values() for minute in counts]
        if not known:
            return []
        first, last = min(known), max(known)
        wide = -(-(last - first + 1) // BINS)
        answers = []
        for node, counts in sorted(self._minutes.items()):
            bins = [0] * ((last - first) // wide + 1)
            for minute, steps in counts.items():
                bins[(minute - first) // wide] += steps
            times = [60.0 * (first + wide * at) for at in range(len(bins))]
            answers.append(NodeRate(node=node, time=times, steps_per_second=[n / (60.0 * wide) for n in bins]))
        return answers

    def _sum(self) -> None:
        self.logs, self.events, self.failed = {}, [], set()
        self.losses, self._sizes, self._minutes = Counter(), {}, {}
        self._queue, self._holder, self.holes = None, None, {}
        for name in sorted(self._files):
            value = self._files[name][1]
            if value is None:
                continue
            try:
                if name == "holder.json":
                    self._holder = Holder.model_validate(value)
                elif name == "holes.json":
                    shards = value.get("shards")
                    for shard, hole in shards.items() if isinstance(shards, dict) else ():
                        self.holes[int(shard)] = Hole.model_validate({**hole, "shard": int(shard)})
                elif "/" in name:
                    self._add(value)
            except (ValueError, TypeError, KeyError) as error:
                self.faults[name] = f"is not what it should be: {str(error)[:200]}"
        self.events.sort(key=lambda event: event.time or 0.0)
        self.failed = {event.shard for event in self.events if event.kind == SET_ASIDE and event.shard is not None}
        del self.events[:-EVENTS_KEPT]

    def _add(self, value: dict[str, Any]) -> None:
        name = str(value.get("writer", "unnamed"))
        log = self.logs.setdefault(name, Log(name))
        log.kind = str(value.get("kind", log.kind))
        log.host = _text(value.get("host")) or log.host
        log.node = _text(value.get("node")) or log.node
        log.pid = value["pid"] if isinstance(value.get("pid"), int) else log.pid
        log.seen(value.get("from"), value.get("to"))
        log.ended = log.ended or value.get("finished") is True
        for part in _objects(value.get("shards")):
            number = part.get("shard")
            if not isinstance(number, int) or number in log.shards:
                continue
            log.shards.add(number)
            log.steps += part["steps"] if isinstance(part.get("steps"), int) else 0
            log.seconds += part["seconds"] if isinstance(part.get("seconds"), int | float) else 0.0
            self._add_shard(part, log.node or log.host or "unknown")
        for part in _objects(value.get("events")):
            moment, shard = part.get("time"), part.get("shard")
            log.seen(moment)
            self.events.append(
                Event(
                    time=moment if isinstance(moment, int | float) else None,
                    kind=str(part.get("kind", "event")),
                    message=str(part.get("message", "")),
                    shard=shard if isinstance(shard, int) else None,
                    writer=name,
                    cause=_text(part.get("cause")),
                )
            )
            if part.get("kind") == "lost":
                self.losses[_text(part.get("cause")) or "not recorded"] += 1
        told, moment = value.get("queue"), value.get("to")
        if isinstance(told, dict) and isinstance(moment, int | float) and (not self._queue or moment > self._queue[0]):
            self._queue = moment, Queue.model_validate(told)

    def _add_shard(self, part: dict[str, Any], node: str) -> None:
        if isinstance(part.get("time"), int | float) and isinstance(part.get("steps"), int):
            self._minutes.setdefault(node, Counter())[int(part["time"] // 60)] += part["steps"]
        sizes = part.get("sizes")
        for states, size in sizes.items() if isinstance(sizes, dict) else ():
            total = self._sizes.setdefault(int(states), [0.0, 0.0, 0.0])
            for at, key in enumerate(("sequences", "steps", "seconds")):
                total[at] += float(size[key])


def _objects(value: Any) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
