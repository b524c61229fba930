"""What a dataset has committed: catalog files in, sums over shards out, each file opened once."""

from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa

from common.dataset import catalog
from common.dataset.schema import Tag
from deploy.dashboard.files import Files, Stamp, parquet_footer

TAG_NAMES = {
    Tag.ORACLE_0: "oracle, discount 0",
    Tag.ORACLE_05: "oracle, discount .5",
    Tag.ORACLE_093: "oracle, discount .93",
    Tag.ORACLE_0994: "oracle, discount .994",
    Tag.MODEL_BASED: "model-based learner",
    Tag.Q_LEARNING: "Q-learning",
    Tag.RANDOM: "random, or noise",
    Tag.UNKNOWN: "unknown",
    Tag.TERMINATED: "break: terminated",
    Tag.TRUNCATED: "break: truncated",
}
READ_AT_ONCE = 500
"""Catalog files opened in one poll; the next poll goes on, so that a large dataset shows at once."""


@dataclass
class Shards:
    """All committed shards of a dataset folder."""

    files: Files
    identity: str | None = None
    """Of the dataset; a catalog file of another one is a fault."""
    commits: list[tuple[float, int]] = field(default_factory=list)
    """Commit time and shard of every shard read, by time."""
    sequences: int = 0
    steps: int = 0
    episodes: int = 0
    stored_bytes: int = 0
    tags: Counter[str] = field(default_factory=Counter)
    behaviours: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)
    """By file name."""
    caught_up: bool = True
    _folder: float | None = None
    """When something last came to, or went from, the folder of catalog files, where that can be told cheaply."""
    _known: set[str] = field(default_factory=set)
    _bad: dict[str, Stamp] = field(default_factory=dict)

    def poll(self) -> bool:
        """Read catalog files that are new; return whether anything changed."""
        folder = self.files.folder_stamp(catalog.FOLDER)
        if folder is not None and folder == self._folder and self.caught_up and not self._bad:
            return False
        self._folder = folder
        names = {name for name in self.files.list(catalog.FOLDER) if catalog.shard_of(name) is not None}
        if self._known - names:
            self._forget()
        new = sorted(names - self._known)
        self.caught_up = len(new) <= READ_AT_ONCE
        before = (len(self._known), len(self.faults))
        for name in new[:READ_AT_ONCE]:
            self._take(name)
        self.commits.sort()
        return before != (len(self._known), len(self.faults))

    def _forget(self) -> None:
        """Start anew: a catalog file was removed, by a repair or with the whole dataset."""
        fresh = Shards(self.files, self.identity)
        for name, value in vars(fresh).items():
            setattr(self, name, value)

    def _take(self, name: str) -> None:
        key = f"{catalog.FOLDER}/{name}"
        stamp = self.files.stamp(key)
        if stamp is None or self._bad.get(name) == stamp:
            return
        self._bad[name] = stamp
        try:
            footer = catalog.decode_footer(parquet_footer(self.files, key, stamp[1]))
            if self.identity is not None and footer.identity != self.identity:
                raise ValueError(f"belongs to another dataset, {footer.identity[:12]}")
        except FileNotFoundError:
            return
        except (OSError, ValueError, pa.ArrowException) as error:
            self.faults[name] = f"cannot be read (half written or corrupt): {str(error)[:200]}"
            return
        self._bad.pop(name, None)
        self.faults.pop(name, None)
        self._known.add(name)
        self._add(footer, stamp[0])

    def _add(self, footer: catalog.Footer, time: float) -> None:
        self.commits.append((time, footer.shard))
        self.sequences += footer.sequences
        self.steps += footer.steps
        self.episodes += footer.episodes
        self.stored_bytes += sum(item.size for item in footer.objects)
        self.tags.update({TAG_NAMES[Tag(tag)]: count for tag, count in enumerate(footer.tags) if count})
        self.behaviours.update(footer.behaviours)
        self.families.update(footer.families)
        self.rejections.update(footer.rejections)


def ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Return first and last number of every unbroken stretch of sorted numbers."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
