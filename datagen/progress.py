"""What a run shows: a bar with rate and time left on a terminal, a plain line now and then elsewhere."""

import sys
import time
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from common.dataset.writer import Receipt, peak_bytes

FIRST_LINE = 5.0
"""Seconds to the first plain line; each later one waits a little longer, up to ``LAST_LINE``."""
LAST_LINE = 60.0
NOTES = 20
"""Lines about losses and failures a minute; the rest are counted, and are in the status files."""


class Progress:
    """Shows a run's progress on ``stream``; a context manager."""

    def __init__(self, total: int, committed: int, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self.total, self.committed = total, committed
        self._steps = self._made = 0
        self._started = time.monotonic()
        """When the first shard was begun: starting workers counts in no rate."""
        self._begun = False
        self._interval = FIRST_LINE
        self._next = self._started + FIRST_LINE
        self._bar: RichProgress | None = None
        self._task = TaskID(0)
        self._minute = self._started
        self._notes = self._unsaid = 0
        self._peak = 0

    def __enter__(self) -> "Progress":
        if self._stream.isatty():
            self._bar = RichProgress(
                TextColumn("shards"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(file=self._stream),
            )
            self._bar.start()
            self._task = self._bar.add_task("shards", total=self.total, completed=self.committed, rate="")
        elif self.committed:
            self.note(f"{self.committed} of {self.total} shards are committed already")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self) -> None:
        """Start the clock of the rate, once: a worker took its first shard."""
        if not self._begun:
            self._begun = True
            self._started = time.monotonic()

    @property
    def rate(self) -> float:
        """Rows made a second, since the first shard was begun."""
        return self._steps / max(time.monotonic() - self._started, 1e-9)

    def done(self, receipt: Receipt) -> None:
        """Count a committed shard; one that others committed counts in no rate."""
        self.committed += 1
        self._peak = max(self._peak, receipt.peak_bytes)
        if receipt.new:
            self._made += 1
            self._steps += receipt.steps
        if self._bar is not None:
            self._bar.update(self._task, completed=self.committed, rate=f"{self.rate:,.0f} steps/s")

    def tick(self) -> None:
        """Print a plain line where one is due."""
        now = time.monotonic()
        if self._bar is None and now >= self._next and self.committed < self.total:
            self._interval = min(self._interval * 1.5, LAST_LINE)
            self._next = now + self._interval
            self.note(self._line())

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end at this run's pace; None before its first shard."""
        if not self._made:
            return None
        return (self.total - self.committed) * (time.monotonic() - self._started) / self._made

    def note(self, text: str, *, limited: bool = False) -> None:
        """Print a line above the bar; of ``limited`` ones only so many a minute."""
        if limited and not self._may_say():
            return
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self._stream, flush=True)

    def summary(self) -> str:
        """Return the last line of a run."""
        seconds = time.monotonic() - self._started
        return (
            f"{self.committed} of {self.total} shards committed; {self._made} made here, {self._steps:,} steps "
            f"in {seconds:.1f} s, {self.rate:,.0f} steps/s; memory at most {peak_bytes() / 1e6:,.0f} MB here"
            + (f", {self._peak / 1e6:,.0f} MB in a worker" if self._peak else "")
        )

    def _line(self) -> str:
        line = f"{self.committed} of {self.total} shards, {self.rate:,.0f} steps/s"
        if (left := self.seconds_left) is not None:
            line += f", {_duration(left)} left"
        return line

    def _may_say(self) -> bool:
        now = time.monotonic()
        if now - self._minute >= 60.0:
            unsaid, self._minute, self._notes, self._unsaid = self._unsaid, now, 0, 0
            if unsaid:
                self.note(f"{unsaid} more lines like these were left out; `python -m datagen status` counts them")
        self._notes += 1
        self._unsaid += self._notes > NOTES
        return self._notes <= NOTES


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"
