"""One dataset: zarr.json attributes, catalog and status files in, what the API answers out."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.dataset import catalog, header, status
from common.dataset.header import Header
from common.errors import DataError, UsageError
from deploy.dashboard.files import Files, LocalFiles, Stamp, document
from deploy.dashboard.models import DatasetDetail, DatasetSummary, Fault, Progress, Share, State
from deploy.dashboard.shards import TAG_NAMES, Shards, ranges
from deploy.dashboard.writers import SILENT_AFTER, Writers

DESCRIPTION = "zarr.json"
RATE_WINDOW = 120.0
"""Seconds before the newest commit over which the rate is taken."""
RATE_COMMITS = 20
EVENTS_SHOWN = 50
ERRORS = frozenset({"failed", "lost", "set-aside", "store-down"})
"""Kinds of events that tell of something that went wrong."""
POINTS = 400
"""Of the curve of committed shards."""
FAULTS_SHOWN = 10


@dataclass
class DatasetSource:
    """Reads one dataset incrementally; ``detail`` is the newest answer."""

    id: str
    name: str
    place: Files | Path
    """A folder, or what reads one elsewhere."""
    detail: DatasetDetail | None = None

    def __post_init__(self) -> None:
        """Prepare the readers of the dataset's files."""
        self.files: Files = LocalFiles(self.place) if isinstance(self.place, Path) else self.place
        self._shards = Shards(self.files)
        self._writers = Writers(self.files)
        self._told = False
        self._header: Header | None = None
        self._fault: str | None = "does not exist"
        self._stamp: Stamp | None = None
        self._looked = False
        self._last: tuple[Any, ...] | None = None
        self._silent: str | None = None

    def poll(self, now: float | None = None) -> set[str]:
        """Read what is new; return ``{"dataset"}`` if the answer changed."""
        now = time.time() if now is None else now
        self._silent, new = None, False
        try:
            new = self._read_description()
            new |= self._shards.poll()
            new |= self._writers.poll()
        except OSError as error:
            self._silent = f"does not answer: {error}"
        moment = self._moment(now)
        changed = new or moment != self._last
        if changed:  # a look at ten thousand shards that did not change costs nothing
            self._last, self.detail = moment, self._describe(now)
        self._told = self._shards.caught_up  # only now do answers have it
        return {"dataset"} if changed else set()

    def _moment(self, now: float) -> tuple[Any, ...]:
        """Return what of the answer depends on the time alone."""
        writers = self._writers
        alive = [log.alive(now) for log in writers.logs.values()]
        return self._silent, self._state(now), alive, writers.queue(now) is None, writers.holder(now) is None

    @property
    def caught_up(self) -> bool:
        """Whether every catalog file was read."""
        return self._told

    def summary(self) -> DatasetSummary | None:
        """Return the dataset at a glance, None before the first poll."""
        detail = self.detail
        if detail is None:
            return None
        return DatasetSummary.model_construct(**{name: getattr(detail, name) for name in _SUMMARY})

    def _read_description(self) -> bool:
        """Read zarr.json where it is another than before; return whether it was."""
        stamp = self.files.stamp(DESCRIPTION)
        if stamp == self._stamp and self._looked:
            return False
        self._looked, self._stamp, self._header = True, stamp, None
        found = document(self.files, DESCRIPTION)
        self._fault = found.fault
        if found.value is not None:
            attributes = found.value.get("attributes")
            try:
                self._header = header.read(attributes if isinstance(attributes, dict) else {}, "this folder")
            except (DataError, UsageError) as error:
                self._fault = str(error)
        identity = self._header.identity if self._header else None
        if identity != self._shards.identity:
            self._shards = Shards(self.files, identity)
        return True

    def _describe(self, now: float) -> DatasetDetail:
        about, shards, writers = self._header, self._shards, self._writers
        committed = len(shards.commits)
        total = about.shards if about else None
        first, last = (shards.commits[0][0], shards.commits[-1][0]) if committed else (None, None)
        done = {shard for _, shard in shards.commits}
        failed = sorted(self._failed() - done)
        queue = writers.queue(now) if committed < (total or 0) else None
        started = min((t for t in (first, writers.first()) if t), default=None)
        state = self._state(now)
        pace = _pace(shards.commits) if state is State.RUNNING else None
        events = writers.events[::-1][:EVENTS_SHOWN]
        return DatasetDetail(
            id=self.id,
            name=self.name,
            location=self.files.location,
            state=state,
            recipe=str(about.recipe.get("name", "")) or None if about else None,
            shards=total,
            committed=committed,
            sequences=shards.sequences,
            steps=shards.steps,
            total_steps=about.sequences * about.length if about else None,
            steps_per_second=shards.steps / committed / pace if pace else None,
            eta=last + (total - committed) * pace if pace and last and total else None,
            started=started,
            updated=self._updated(),
            last_event=events[0] if events else None,
            last_error=next((event for event in writers.events[::-1] if event.kind in ERRORS), None),
            faults=self._faults(),
            identity=about.identity if about else None,
            format_version=about.format_version if about else None,
            length=about.length if about else None,
            sequences_per_shard=about.sequences_per_shard if about else None,
            vocabulary=about.vocabulary if about else None,
            actions=about.actions if about else None,
            label=about.label if about else None,
            episodes=shards.episodes,
            stored_bytes=shards.stored_bytes or None,
            tags=_shares(shards.tags, list(TAG_NAMES.values())),
            behaviours=_shares(shards.behaviours),
            families=_shares(shards.families),
            rejections=_shares(shards.rejections),
            writers=[writers.logs[name].answer(now) for name in sorted(writers.logs)],
            by_node=writers.by_node(),
            sizes=writers.sizes(),
            losses=_shares(writers.losses),
            queue=queue,
            holder=writers.holder(now),
            holes=[writers.holes[shard] for shard in failed if shard in writers.holes],
            projected_bytes=round(shards.stored_bytes / committed * total) if committed and total else None,
            events=events,
            committed_ranges=ranges(sorted(shard for _, shard in shards.commits)),
            failed_shards=failed,
            progress=_progress(shards.commits, started),
            settings=about.recipe if about else {},
            provenance=about.provenance if about else {},
        )

    def _failed(self) -> set[int]:
        return self._writers.failed | self._writers.holes.keys()

    def _updated(self) -> float | None:
        """Return the newest sign of life."""
        commits = self._shards.commits
        return max((t for t in (commits[-1][0] if commits else None, self._writers.last()) if t), default=None)

    def _state(self, now: float) -> State:
        if self._header is None:
            return State.BROKEN
        if len(self._shards.commits) >= self._header.shards:
            return State.DONE
        updated = self._updated()
        if updated is None:
            return State.WAITING
        if self._writers.alive(now) or (not self._writers.logs and now - updated <= SILENT_AFTER):
            return State.RUNNING
        if self._failed() - {shard for _, shard in self._shards.commits}:
            return State.FAILED
        return State.STOPPED if self._writers.ended() else State.STALLED

    def _faults(self) -> list[Fault]:
        faults = [Fault(path="", message=self._silent)] if self._silent else []
        faults += [Fault(path=DESCRIPTION, message=self._fault)] if self._fault else []
        for folder, found in ((catalog.FOLDER, self._shards.faults), (status.FOLDER, self._writers.faults)):
            faults += [Fault(path=f"{folder}/{name}", message=why) for name, why in sorted(found.items())]
        more = len(faults) - FAULTS_SHOWN
        if more > 0:
            faults[FAULTS_SHOWN:] = [Fault(path="", message=f"and {more} more files that cannot be read")]
        return faults


_SUMMARY = set(DatasetSummary.model_fields)


def _pace(commits: list[tuple[float, int]]) -> float | None:
    """Return seconds a shard over the newest commits; None before there are two moments to compare."""
    newest = [moment for moment, _ in commits[-RATE_COMMITS:] if moment >= commits[-1][0] - RATE_WINDOW]
    if len(newest) < 2 or newest[-1] <= newest[0]:
        return None
    return (newest[-1] - newest[0]) / (len(newest) - 1)


def _progress(commits: list[tuple[float, int]], started: float | None) -> Progress:
    """Return the curve of committed shards, from nothing at the start on, thinned to about ``POINTS``."""
    size = 1
    while len(commits) // size > POINTS:
        size *= 2
    kept = [(commits[at - 1][0], at) for at in range(size, len(commits) + 1, size)]
    if commits and (not kept or kept[-1][1] != len(commits)):
        kept.append((commits[-1][0], len(commits)))
    if kept and started is not None and started < kept[0][0]:
        kept.insert(0, (started, 0))
    return Progress(time=[moment for moment, _ in kept], shards=[count for _, count in kept])


def _shares(counts: Mapping[str, int], order: list[str] | None = None) -> list[Share]:
    """Return parts of a whole in a given order, or the largest first."""
    total = sum(counts.values())
    names = order or sorted(counts, key=lambda name: (-counts[name], name))
    return [Share(name=name, count=counts[name], share=counts[name] / total) for name in names if counts.get(name)]
