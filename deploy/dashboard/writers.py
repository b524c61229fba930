"""The status files of a dataset's writers: heartbeats, finished shards and events, each file read when it changes."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.dataset.status import FOLDER
from deploy.dashboard.models import Event, State, Writer
from deploy.dashboard.tail import read_document

SILENT_AFTER = 20.0
"""Seconds without a heartbeat after which a writer counts as silent."""
EVENTS_KEPT = 200
SET_ASIDE = "set-aside"
"""The event of a shard given up after repeated failures."""


@dataclass
class Log:
    """What one writer has reported, summed over its periods."""

    name: str
    kind: str = "writer"
    host: str | None = None
    pid: int | None = None
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

    folder: Path
    logs: dict[str, Log] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    """Oldest first."""
    failed: set[int] = field(default_factory=set)
    """Shards a writer set aside."""
    faults: dict[str, str] = field(default_factory=dict)
    _files: dict[str, tuple[tuple[int, int], dict[str, Any] | None]] = field(default_factory=dict)

    def poll(self) -> bool:
        """Read status files that are new or changed; return whether anything did."""
        found: dict[str, tuple[tuple[int, int], dict[str, Any] | None]] = {}
        for name, path, stamp in _list(self.folder / FOLDER):
            known = self._files.get(name)
            if known and known[0] == stamp:
                found[name] = known
                continue
            document = read_document(path)
            self.faults.pop(name, None)
            if document.fault:
                self.faults[name] = document.fault
            found[name] = (stamp, document.value)
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

    def _sum(self) -> None:
        self.logs, self.events, self.failed = {}, [], set()
        for name in sorted(self._files):
            value = self._files[name][1]
            if value is not None:
                self._add(value)
        self.events.sort(key=lambda event: event.time or 0.0)
        self.failed = {event.shard for event in self.events if event.kind == SET_ASIDE and event.shard is not None}
        del self.events[:-EVENTS_KEPT]

    def _add(self, value: dict[str, Any]) -> None:
        name = str(value.get("writer", "unnamed"))
        log = self.logs.setdefault(name, Log(name))
        log.kind = str(value.get("kind", log.kind))
        log.host = _text(value.get("host")) or log.host
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
                )
            )


def _list(folder: Path) -> list[tuple[str, Path, tuple[int, int]]]:
    found = []
    try:
        for writer in os.scandir(folder):
            if not writer.is_dir(follow_symlinks=False):
                continue
            for entry in os.scandir(writer.path):
                if entry.name.endswith(".json") and entry.is_file(follow_symlinks=False):
                    status = entry.stat()
                    found.append(
                        (f"{writer.name}/{entry.name}", Path(entry.path), (status.st_mtime_ns, status.st_size))
                    )
    except OSError:
        return found
    return sorted(found)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
