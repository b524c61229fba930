"""What writers of a dataset are doing: small JSON files under ``status/``, one per writer and period.

A writer renews the file of the running period every few seconds (its heartbeat) and begins a new one when the period is
over. Periods grow longer the longer a writer is at work, and a file keeps so many events and no more, so that a day's
run leaves some 170 files a writer, whatever happens in it. Status is for people: nothing that decides about data reads
it. The fields are described in docs/scaling.md.
"""

import json
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from common.config import Settings
from common.dataset.store import Store, attempt_name
from common.errors import DataError

FOLDER = "status"
HOLES = f"{FOLDER}/holes.json"
"""The shards set aside, see ``Hole``."""
PERIOD = 60.0
"""Seconds the first ten files of a writer cover each; the next ten cover twice as much, and so on."""
HEARTBEAT = 2.0
"""Seconds between renewals."""
STALE = 30.0
"""Seconds without a heartbeat after which a writer counts as gone."""
RECORDS = 2000
"""Finished shards a file holds; then the next period begins early."""
EVENTS = 200
"""Events a file holds; further ones are counted only."""
MESSAGE = 4000
"""Characters of a message; of a longer one the middle is left out."""


class SizeRecord(Settings):
    """What was made of worlds of about one size."""

    sequences: int
    steps: int
    seconds: float


class ShardRecord(Settings):
    """A shard a writer finished."""

    shard: int
    seconds: float
    sequences: int
    steps: int
    time: float = 0.0
    """Unix seconds at which it was committed; filled in where 0."""
    sizes: dict[int, SizeRecord] = Field(default_factory=dict)
    """By number of states, rounded up to a power of two."""
    rejections: dict[str, int] = Field(default_factory=dict)
    """Candidate worlds dropped, by check."""


class Event(Settings):
    """Something that happened."""

    time: float
    """Unix seconds."""
    kind: str
    """started, joined, lost, failed, set-aside, leaving, taken-over, store-down, store-up."""
    shard: int | None
    message: str
    cause: str | None = None
    """Of a loss, in a few words that can be counted."""


class InFlight(Settings):
    """A shard somebody is at work on."""

    shard: int
    worker: str
    seconds: float
    """Since it was begun."""


class Queue(Settings):
    """The driver's view of the whole dataset at one moment."""

    shards: int
    committed: int
    waiting: int
    in_flight: int
    set_aside: int
    workers: int
    steps_per_second: float
    seconds_left: float | None
    oldest: tuple[InFlight, ...] = ()
    """The longest at work, ten at most."""


class StatusFile(Settings):
    """What one writer did in one period; ``from`` and ``to`` in the file."""

    writer: str
    kind: str
    """``driver``, ``actor`` or ``inline``."""
    host: str
    pid: int
    begin: float
    """Unix seconds."""
    end: float
    """Unix seconds of the last heartbeat."""
    finished: bool
    """The writer ended in order and will write no more."""
    shards: tuple[ShardRecord, ...]
    events: tuple[Event, ...]
    counts: dict[str, int] = Field(default_factory=dict)
    """Events of the period by kind, those left out of ``events`` included."""
    node: str | None = None
    """The writer's node in its cluster."""
    queue: Queue | None = None
    """Of a driver."""

    def text(self) -> str:
        """Return the file's content."""
        values = self.model_dump(mode="json")
        return json.dumps({"from": values.pop("begin"), "to": values.pop("end"), **values})


class StatusWriter:
    """Keeps one writer's status files; a thread of its own sends the heartbeats. Safe to call from any thread."""

    def __init__(self, store: Store, kind: str, *, node: str | None = None, heartbeat: float = HEARTBEAT) -> None:
        self.writer = f"{kind}~{attempt_name()}"
        self._store, self._kind, self._node, self._heartbeat = store, kind, node, heartbeat
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._period = 0
        self._begin = time.time()
        self._shards: list[ShardRecord] = []
        self._events: list[Event] = []
        self._counts: Counter[str] = Counter()
        self._queue: Queue | None = None
        self._thread = threading.Thread(target=self._beat, name="status", daemon=True)

    def __enter__(self) -> "StatusWriter":
        self.event("started", None, f"{self._kind} on {socket.gethostname()}")
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def event(self, kind: str, shard: int | None, message: str, cause: str | None = None) -> None:
        """Record an event; it is in the store with the next heartbeat."""
        with self._lock:
            self._counts[kind] += 1
            if len(self._events) < EVENTS:
                text = _shorten(message)
                self._events.append(Event(time=time.time(), kind=kind, shard=shard, message=text, cause=cause))

    def shard_done(self, record: ShardRecord) -> None:
        """Record a finished shard."""
        with self._lock:
            self._shards.append(record if record.time else record.model_copy(update={"time": time.time()}))

    def show(self, queue: Queue) -> None:
        """Put the driver's view into the next heartbeat."""
        self._queue = queue

    def close(self) -> None:
        """Stop the heartbeats and write what is left."""
        if not self._stop.is_set():
            self._stop.set()
            if self._thread.is_alive():
                self._thread.join()
            self._write(finished=True)

    def _beat(self) -> None:
        self._write()
        while not self._stop.wait(self._heartbeat):
            self._write()

    def _write(self, finished: bool = False) -> None:
        with self._lock:
            now = time.time()
            file = StatusFile(
                writer=self.writer,
                kind=self._kind,
                host=socket.gethostname(),
                pid=os.getpid(),
                begin=self._begin,
                end=now,
                finished=finished,
                shards=tuple(self._shards),
                events=tuple(self._events),
                counts=dict(self._counts),
                node=self._node,
                queue=self._queue,
            )
            key = f"{FOLDER}/{self.writer}/{self._period:06d}.json"
            try:
                self._store.put(key, file.text().encode())
            except DataError:
                return  # the data path meets the same trouble and names it; the next heartbeat tries again
            if now - self._begin > PERIOD * (1 + self._period // 10) or len(self._shards) >= RECORDS:
                self._period, self._begin = self._period + 1, now
                self._shards, self._events, self._counts = [], [], Counter()


class Hole(Settings):
    """A shard set aside: nothing reads on until it is made."""

    attempts: int
    cause: str
    """Of the last failure."""
    time: float
    """Unix seconds at which it was given up."""


def read_holes(store: Store) -> dict[int, Hole]:
    """Return the shards set aside, by number; one that was committed since may still be named.

    Raises:
        DataError: The record is damaged.
    """
    try:
        values = json.loads(store.get(HOLES))
        return {int(shard): Hole.model_validate(hole) for shard, hole in values["shards"].items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{HOLES} of {store.url} is damaged: {error}; it may be removed") from error


def write_holes(store: Store, holes: dict[int, Hole]) -> None:
    """Replace the record of the shards set aside; nothing is written where there are none and were none.

    Raises:
        DataError: The store cannot be written.
    """
    if holes or store.size(HOLES) is not None:
        shards = {str(shard): {**hole.model_dump(), "cause": _shorten(hole.cause)} for shard, hole in holes.items()}
        store.put(HOLES, json.dumps({"shards": shards}, indent=1).encode())


def writers(store: Store) -> list[str]:
    """Return the names of all writers there ever were."""
    return [name for name in store.list(FOLDER) if not name.endswith(".json")]


def read_status(store: Store, newest: int | None = None) -> Iterator[StatusFile]:
    """Yield status files, by writer and period.

    Args:
        store: The dataset's.
        newest: How many of a writer's last files are read; all, where None. A driver's are always all read.

    Raises:
        DataError: A file is none.
    """
    for writer in writers(store):
        names = store.list(f"{FOLDER}/{writer}")
        for name in names if newest is None or writer.startswith("driver~") else names[-newest:]:
            key = f"{FOLDER}/{writer}/{name}"
            try:
                values: dict[str, Any] = json.loads(store.get(key))
                yield StatusFile(begin=values.pop("from"), end=values.pop("to"), **values)
            except FileNotFoundError:
                continue  # collected since the listing
            except (ValueError, KeyError) as error:
                raise DataError(f"status file {key} of {store.url} is damaged: {error}; it may be removed") from error


def _shorten(message: str) -> str:
    if len(message) <= MESSAGE:
        return message
    half = MESSAGE // 2
    return f"{message[:half]}\n[{len(message) - 2 * half} characters left out]\n{message[-half:]}"
