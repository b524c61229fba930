"""Server-sent events: one watcher polls the sources, every listener hears what changed.

A slow listener costs nothing: what it has not fetched yet is kept as a set of names, not as a queue.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable

from deploy.dashboard.models import Change
from deploy.dashboard.sources import Sources

POLL_SECONDS = 1.0
KEEP_ALIVE_SECONDS = 10.0
HURRY = 0.05
"""Seconds between polls while something that lies there was not read yet."""
REST = 3.0
"""A poll that took long is followed by a pause of so many times its length, so that polling stays a small load."""


class Listener:
    """One open page."""

    def __init__(self) -> None:
        """Start with nothing to tell."""
        self._pending: dict[tuple[str, str | None], Change] = {}
        self._wake = asyncio.Event()

    def tell(self, changes: Iterable[Change]) -> None:
        """Note what changed; what was noted and not fetched yet is told once."""
        for change in changes:
            self._pending[change.kind, change.id] = change
        self._wake.set()

    async def stream(self) -> AsyncIterator[str]:
        """Yield the event stream's text; a comment every few seconds where nothing happens."""
        yield "retry: 2000\n\n"
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), KEEP_ALIVE_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            self._wake.clear()
            changes, self._pending = list(self._pending.values()), {}
            for change in changes:
                yield f"event: change\ndata: {change.model_dump_json()}\n\n"


class Watcher:
    """Polls the sources for as long as the server runs."""

    def __init__(self, sources: Sources, seconds: float = POLL_SECONDS) -> None:
        """Watch ``sources`` every ``seconds`` seconds."""
        self.sources = sources
        self.started = time.time()
        self.error: str | None = None
        """Why the last poll failed; None where it did not."""
        self.listeners: set[Listener] = set()
        self._seconds = seconds

    async def run(self) -> None:
        """Poll until cancelled. A poll that fails is reported by ``/healthz`` and tried again."""
        while True:
            try:
                changes = await asyncio.to_thread(self.sources.poll)
                self.error = None
            except Exception as error:
                self.error = f"{type(error).__name__}: {error}"
                changes = []
            for listener in self.listeners if changes else ():
                listener.tell(changes)
            rest = max(self._seconds, REST * (self.sources.seconds or 0.0))
            await asyncio.sleep(HURRY if self.sources.behind() and not self.error else rest)

    async def listen(self) -> AsyncIterator[str]:
        """Yield one listener's event stream until its connection closes."""
        listener = Listener()
        self.listeners.add(listener)
        try:
            async for text in listener.stream():
                yield text
        finally:
            self.listeners.discard(listener)
