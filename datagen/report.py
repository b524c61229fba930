"""How a dataset stands: what is committed, who is at work, how fast, and what happened."""

import time
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from common.config import Settings
from common.dataset.reader import StoredDataset, open_stored
from common.dataset.status import STALE, Event, StatusFile, read_status

RECENT = 60.0
"""Seconds over which the rate is taken."""
EVENTS = 10
"""Newest events shown."""


class Standing(Settings):
    """A dataset and its writers at one moment."""

    url: str
    recipe: str
    shards: int
    committed: int
    sequences: int
    """Committed."""
    steps: int
    """Rows committed."""
    writers: tuple[str, ...]
    """Writers heard of within half a minute that did not end in order."""
    steps_per_second: float
    """Over the last minute, all writers together; 0 where nobody is at work."""
    seconds_left: float | None
    """At that rate; None where nobody is at work."""
    events: tuple[Event, ...]
    """The newest, oldest first."""


def standing(dataset: StoredDataset, now: float | None = None) -> Standing:
    """Return how a dataset stands, from its catalog folder and its status files."""
    now = time.time() if now is None else now
    committed = len(dataset.committed())
    files = list(read_status(dataset.store))
    newest: dict[str, StatusFile] = {file.writer: file for file in files}
    alive = tuple(sorted(w for w, file in newest.items() if not file.finished and now - file.end < STALE))
    rate = _rate([file for file in files if file.writer in alive], now)
    per_shard = dataset.sequences_per_shard * dataset.length
    left = (dataset.n_shards - committed) * per_shard
    return Standing(
        url=dataset.url,
        recipe=str(dataset.header.recipe.get("name")),
        shards=dataset.n_shards,
        committed=committed,
        sequences=committed * dataset.sequences_per_shard,
        steps=committed * per_shard,
        writers=alive,
        steps_per_second=rate,
        seconds_left=left / rate if rate else None,
        events=tuple(sorted((e for file in files for e in file.events), key=lambda e: e.time)[-EVENTS:]),
    )


def _rate(files: list[StatusFile], now: float) -> float:
    """Return rows a second over the newest periods of writers at work."""
    recent = [file for file in files if file.end > now - RECENT]
    if not recent:
        return 0.0
    seconds = now - min(file.begin for file in recent)
    return sum(record.steps for file in recent for record in file.shards) / max(seconds, 1e-9)


def show(url: str, watch: bool, interval: float = 2.0) -> None:
    """Print how a dataset stands; with ``watch``, again and again until it is complete."""
    dataset = open_stored(url)
    console = Console()
    if not watch:
        console.print(_table(standing(dataset)))
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            now = standing(dataset)
            live.update(_table(now), refresh=True)
            if now.committed == now.shards:
                return
            time.sleep(interval)


def _table(now: Standing) -> Table:
    table = Table(show_header=False, box=None)
    rows: dict[str, Any] = {
        "dataset": now.url,
        "recipe": now.recipe,
        "shards": f"{now.committed:,} of {now.shards:,} committed",
        "sequences": f"{now.sequences:,}",
        "steps": f"{now.steps:,}",
        "at work": ", ".join(now.writers) or "nobody",
        "rate": f"{now.steps_per_second:,.0f} steps/s",
    }
    if now.seconds_left:
        rows["left"] = f"{now.seconds_left / 60:,.1f} min"
    for name, value in rows.items():
        table.add_row(name, str(value))
    for event in now.events:
        moment = time.strftime("%H:%M:%S", time.localtime(event.time))
        table.add_row(moment, f"{event.kind}: {event.message.strip().splitlines()[0]}")
    return table
