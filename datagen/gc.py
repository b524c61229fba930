"""Removes what attempts left behind: staged files, and objects of shards that were never committed.

Never anything of a committed shard, and nothing of a command or worker at work. The hold of the dataset shows commands;
staging folders and status files show workers. One that cannot be told from a dead one (another machine's that fell
silent) may still commit its shard: while there are such, objects are left alone until they are old.
"""

import contextlib
import time

from common.config import Settings
from common.dataset.local_store import may_live
from common.dataset.reader import StoredDataset, committed, open_stored
from common.dataset.status import read_status, writers
from common.dataset.store import STAGING, Entry
from common.errors import DataError
from datagen.holding import Holding

YOUNG = 600.0
"""Seconds for which an uncommitted object is left alone while somebody may be at work on it."""


class Rubbish(Settings):
    """What ``gc`` found; ``python -m datagen gc --json`` prints it."""

    dry_run: bool
    """Nothing was removed: ``removed`` would be."""
    removed: tuple[str, ...]
    """Keys, staged files among them."""
    removed_bytes: int
    kept: tuple[str, ...]
    """Keys of uncommitted objects left alone for now."""
    kept_bytes: int
    maybe_alive: tuple[str, ...]
    """Workers that cannot be told from dead ones, which is why objects are kept."""


def collect(url: str, *, dry_run: bool = False, older_than: float = YOUNG, takeover: bool = False) -> Rubbish:
    """Remove what attempts left behind.

    Args:
        url: The dataset.
        dry_run: Only say what would be removed.
        older_than: Seconds after which an uncommitted object is removed though a worker may still be alive; 0: at once.
        takeover: Take the dataset from a command that holds it.

    Raises:
        UsageError: There is no dataset, or another command holds it.
        DataError: The store does not answer.
    """
    dataset = open_stored(url)
    if dry_run:
        return _collect(dataset, True, older_than)
    with contextlib.closing(dataset.store), Holding(dataset.store, "gc", takeover=takeover):
        return _collect(dataset, False, older_than)


def _collect(dataset: StoredDataset, dry_run: bool, older_than: float) -> Rubbish:
    store, now = dataset.store, time.time()
    alive = _maybe_alive(dataset)
    limit = now - older_than if alive else float("inf")
    staged = [entry for entry in store.walk(STAGING) if _is_left(entry, store.attempt, limit)]
    objects = _uncommitted(dataset)
    removed = [entry for entry in objects if entry.modified <= limit]
    kept = [entry for entry in objects if entry.modified > limit]
    if not dry_run:
        for entry in [*removed, *staged]:
            store.delete(entry.key)
        store.sweep()
    return Rubbish(
        dry_run=dry_run,
        removed=tuple(sorted(entry.key for entry in [*staged, *removed])),
        removed_bytes=sum(entry.size for entry in [*staged, *removed]),
        kept=tuple(sorted(entry.key for entry in kept)),
        kept_bytes=sum(entry.size for entry in kept),
        maybe_alive=tuple(alive),
    )


def _is_left(entry: Entry, ours: str, limit: float) -> bool:
    """Say whether a staged file is nobody's: its attempt is dead, or maybe, and the file old."""
    attempt = entry.key.split("/")[1]
    if attempt == ours:
        return False
    return entry.modified <= limit if may_live(attempt) else True


def _uncommitted(dataset: StoredDataset) -> list[Entry]:
    """Return the objects of shards without a catalog file; what is committed is asked last, after the listing."""
    found = []
    for name, spec in dataset.header.arrays().items():
        for entry in dataset.store.walk(f"{name}/c"):
            shard = entry.key.split("/")[2]
            if shard.isdigit() and entry.key == spec.key(int(shard)):
                found.append((int(shard), entry))
    done = committed(dataset.store)
    return [entry for shard, entry in found if shard not in done]


def _maybe_alive(dataset: StoredDataset) -> list[str]:
    """Return the writers that neither ended in order nor are known to be dead."""
    store = dataset.store
    staging = [name for name in store.list(STAGING) if name != store.attempt and may_live(name)]
    try:
        ended = {file.writer for file in read_status(store, newest=1) if file.finished}
    except DataError:  # a damaged status file: then nobody is known to have ended
        ended = set()
    running = [name for name in writers(store) if name not in ended and may_live(name.partition("~")[2])]
    return sorted({*staging, *running})
