"""How a dataset stands: shards by state, who is at work, how fast by node and by size, what was lost and why."""

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from common.config import Settings
from common.dataset.reader import StoredDataset, open_stored
from common.dataset.status import STALE, Event, InFlight, Queue, ShardRecord, StatusFile, read_holes, read_status
from datagen.holding import holder

RECENT = 60.0
"""Seconds over which rates are taken."""
EVENTS = 10
"""Newest events shown."""


class NodeRate(Settings):
    """What the writers of one node do."""

    node: str
    """Host name, and the first digits of Ray's number where there is one."""
    writers: int
    steps_per_second: float


class SizeRate(Settings):
    """What one core does with worlds of about one size, writing left out."""

    states: int
    """At most so many states, more than half of it."""
    steps_per_second: float


class Standing(Settings):
    """A dataset and its writers at one moment."""

    url: str
    recipe: str
    shards: int
    committed: int
    waiting: int | None
    """As the driver last said; None where none is at work."""
    in_flight: int | None
    set_aside: tuple[int, ...]
    """Shards given up, not made since."""
    sequences: int
    """Committed."""
    steps: int
    """Rows committed."""
    held_by: str | None
    """The command that writes, and since when; None where nobody does."""
    writers: tuple[str, ...]
    """Writers heard of within half a minute that did not end in order."""
    steps_per_second: float
    """Over the last minute, all writers together; 0 where nobody is at work."""
    seconds_left: float | None
    """At that rate; None where nobody is at work."""
    nodes: tuple[NodeRate, ...]
    sizes: tuple[SizeRate, ...]
    """From the newest files of every writer."""
    rejections: dict[str, float]
    """Candidate worlds dropped per sequence made, by check; from the same files."""
    losses: dict[str, int]
    """Workers lost, by cause, since the dataset was begun."""
    oldest: tuple[InFlight, ...]
    """Shards at work the longest."""
    events: tuple[Event, ...]
    """The newest, oldest first."""


def standing(dataset: StoredDataset, now: float | None = None) -> Standing:
    """Return how a dataset stands, from its catalog folder and its status files."""
    now = time.time() if now is None else now
    committed = dataset.committed()
    files = list(read_status(dataset.store, newest=2))
    newest: dict[str, StatusFile] = {file.writer: file for file in files}
    alive = {w: file for w, file in newest.items() if not file.finished and now - file.end < STALE}
    queue = _queue(alive.values())
    recent = [file for file in files if file.writer in alive]
    rate = _rate(recent, now)
    per_shard = dataset.sequences_per_shard * dataset.length
    held = holder(dataset.store)
    records = [record for file in files for record in file.shards]
    return Standing(
        url=dataset.url,
        recipe=str(dataset.header.recipe.get("name")),
        shards=dataset.n_shards,
        committed=len(committed),
        waiting=queue.waiting if queue else None,
        in_flight=queue.in_flight if queue else None,
        set_aside=tuple(sorted(set(read_holes(dataset.store)) - committed)),
        sequences=len(committed) * dataset.sequences_per_shard,
        steps=len(committed) * per_shard,
        held_by=str(held) if held else None,
        writers=tuple(sorted(alive)),
        steps_per_second=rate,
        seconds_left=(dataset.n_shards - len(committed)) * per_shard / rate if rate else None,
        nodes=_nodes(recent, now),
        sizes=_sizes(records),
        rejections=_rejections(records),
        losses=_losses(files),
        oldest=queue.oldest if queue else (),
        events=tuple(sorted((e for file in files for e in file.events), key=lambda e: e.time)[-EVENTS:]),
    )


def _queue(files: Iterable[StatusFile]) -> Queue | None:
    """Return the newest driver's view."""
    drivers = sorted((file for file in files if file.queue is not None), key=lambda file: file.end)
    return drivers[-1].queue if drivers else None


def _rate(files: list[StatusFile], now: float) -> float:
    """Return rows a second over the last minute, or since the writers began where that is less."""
    recent = [file for file in files if file.end > now - RECENT]
    if not recent:
        return 0.0
    seconds = min(RECENT, now - min(file.begin for file in recent))
    steps = sum(record.steps for file in recent for record in file.shards if record.time > now - RECENT)
    return steps / max(seconds, 1e-9)


def _nodes(files: list[StatusFile], now: float) -> tuple[NodeRate, ...]:
    by_node: dict[str, list[StatusFile]] = {}
    for file in files:
        if file.kind != "driver":
            by_node.setdefault(f"{file.host} {file.node[:8]}" if file.node else file.host, []).append(file)
    return tuple(
        NodeRate(node=node, writers=len({file.writer for file in of}), steps_per_second=_rate(of, now))
        for node, of in sorted(by_node.items())
    )


def _sizes(records: list[ShardRecord]) -> tuple[SizeRate, ...]:
    steps: Counter[int] = Counter()
    seconds: dict[int, float] = {}
    for record in records:
        for states, size in record.sizes.items():
            steps[states] += size.steps
            seconds[states] = seconds.get(states, 0.0) + size.seconds
    return tuple(
        SizeRate(states=states, steps_per_second=steps[states] / seconds[states])
        for states in sorted(steps)
        if seconds[states] > 0.0
    )


def _rejections(records: list[ShardRecord]) -> dict[str, float]:
    dropped: Counter[str] = Counter()
    for record in records:
        dropped.update(record.rejections)
    made = sum(record.sequences for record in records)
    return {check: count / made for check, count in sorted(dropped.items())} if made else {}


def _losses(files: list[StatusFile]) -> dict[str, int]:
    """Return losses by cause; those that a file only counts have none."""
    causes: Counter[str] = Counter()
    for file in files:
        named = [event.cause or "not said" for event in file.events if event.kind == "lost"]
        causes.update(named)
        if (unnamed := file.counts.get("lost", 0) - len(named)) > 0:
            causes["only counted"] += unnamed
    return dict(sorted(causes.items()))


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


def _table(now: Standing) -> Group:
    table, events = Table(show_header=False, box=None), Table(show_header=False, box=None)
    for name, value in _rows(now).items():
        table.add_row(name, value)
    for event in now.events:
        moment = time.strftime("%H:%M:%S", time.localtime(event.time))
        lines = event.message.strip().splitlines()
        events.add_row(moment, f"{event.kind}: {lines[0] if lines else ''}")
    return Group(table, events)


def _rows(now: Standing) -> dict[str, str]:
    queue = "" if now.waiting is None else f", {now.in_flight:,} in flight, {now.waiting:,} waiting"
    rows: dict[str, Any] = {
        "dataset": now.url,
        "recipe": now.recipe,
        "shards": f"{now.committed:,} of {now.shards:,} committed{queue}",
        "set aside": ", ".join(map(str, now.set_aside)),
        "sequences": f"{now.sequences:,}",
        "steps": f"{now.steps:,}",
        "held by": now.held_by or "nobody",
        "at work": f"{len(now.writers)} writers" if len(now.writers) > 4 else ", ".join(now.writers) or "nobody",
        "rate": f"{now.steps_per_second:,.0f} steps/s",
        "left": f"{now.seconds_left / 60:,.1f} min" if now.seconds_left else "",
        "by node": "; ".join(f"{n.node} ({n.writers}): {n.steps_per_second:,.0f}" for n in now.nodes[:8]),
        "by size": "; ".join(f"to {size.states} states: {size.steps_per_second:,.0f}" for size in now.sizes),
        "rejected": "; ".join(f"{check}: {share:.2f}" for check, share in now.rejections.items()),
        "lost": "; ".join(f"{cause}: {count}" for cause, count in now.losses.items()),
        "longest": "; ".join(f"shard {one.shard}: {one.seconds:.0f} s on {one.worker}" for one in now.oldest[:3]),
    }
    return {name: str(value) for name, value in rows.items() if value}
