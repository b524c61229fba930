"""What writers of a dataset are doing: small JSON files under ``status/``, one per writer and period.

A writer renews the file of the running period every few seconds (its heartbeat) and begins a new one when the period is
over, so the number of files is bounded by writers and minutes, not by heartbeats. Status is for people: nothing that
decides about data reads it.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from common.config import Settings
from common.dataset.store import Store, attempt_name
from common.errors import DataError

FOLDER = "status"
PERIOD = 60.0
"""Seconds a file covers."""
HEARTBEAT = 2.0
"""Seconds between renewals."""
STALE = 30.0
"""Seconds without a heartbeat after which a writer counts as gone."""


class ShardRecord(Settings):
    """A shard a writer finished."""

    shard: int
    seconds: float
    sequences: int
    steps: int


class Event(Settings):
    """Something that happened: started, lost, failed, set-aside, finished, stopped."""

    time: float
    """Unix seconds."""
    kind: str
    shard: int | None
    message: str


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

    def text(self) -> str:
        """Return the file's content."""
        values = self.model_dump(mode="json")
        return json.dumps({"from": values.pop("begin"), "to": values.pop("end"), **values})


class StatusWriter:
    """Keeps one writer's status files; a thread of its own sends the heartbeats. Safe to call from any thread."""

    def __init__(self, store: Store, kind: str) -> None:
        self.writer = f"{kind}~{attempt_name()}"
        self._store, self._kind = store, kind
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._period = 0
        self._begin = time.time()
        self._shards: list[ShardRecord] = []
        self._events: list[Event] = []
        self._thread = threading.Thread(target=self._beat, name="status", daemon=True)

    def __enter__(self) -> "StatusWriter":
        self.event("started", None, f"{self._kind} on {socket.gethostname()}")
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def event(self, kind: str, shard: int | None, message: str) -> None:
        """Record an event; it is in the store with the next heartbeat."""
        with self._lock:
            self._events.append(Event(time=time.time(), kind=kind, shard=shard, message=message))

    def shard_done(self, record: ShardRecord) -> None:
        """Record a finished shard."""
        with self._lock:
            self._shards.append(record)

    def close(self) -> None:
        """Stop the heartbeats and write what is left."""
        if not self._stop.is_set():
            self._stop.set()
            if self._thread.is_alive():
                self._thread.join()
            self._write(finished=True)

    def _beat(self) -> None:
        self._write()
        while not self._stop.wait(HEARTBEAT):
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
            )
            key = f"{FOLDER}/{self.writer}/{self._period:06d}.json"
            try:
                self._store.put(key, file.text().encode())
            except DataError:
                return  # the data path meets the same trouble and names it; the next heartbeat tries again
            if now - self._begin > PERIOD:
                self._period, self._begin = self._period + 1, now
                self._shards, self._events = [], []


def read_status(store: Store) -> Iterator[StatusFile]:
    """Yield every status file, by writer and period.

    Raises:
        DataError: A file is none.
    """
    for writer in store.list(FOLDER):
        for name in store.list(f"{FOLDER}/{writer}"):
            key = f"{FOLDER}/{writer}/{name}"
            try:
                values: dict[str, Any] = json.loads(store.get(key))
                yield StatusFile(begin=values.pop("from"), end=values.pop("to"), **values)
            except (ValueError, KeyError) as error:
                raise DataError(f"status file {key} of {store.url} is damaged: {error}; it may be removed") from error
