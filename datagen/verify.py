"""Checks a dataset: every object against its digest, every decoded row against its own, and the one digest of all."""

import time
from collections.abc import Callable

from common.config import Settings
from common.dataset.digest import DataDigest
from common.dataset.reader import StoredDataset, open_stored
from common.errors import DataError
from datagen.check import Depth, Findings, check_shard
from datagen.in_order import in_order, spans
from datagen.replay import check_replayable, choose, replay


class Report(Settings):
    """What was found; ``python -m datagen verify --json`` prints it."""

    ok: bool
    """Everything is committed and sound."""
    sequences: int
    """In sound shards."""
    steps: int
    """Rows in sound shards."""
    shards: int
    """Sound shards."""
    digest: str | None
    """The digest of all data; None unless everything is sound."""
    faults: tuple[str, ...]
    """What is wrong, a line each, with shard, object, array and sequences."""
    quick: bool
    """Whether stored bytes were compared only."""
    replayed: int
    """Sequences made again from their seeds and compared."""
    replay_seed: int | None
    """Where their numbers come from: give it as ``--replay-seed`` to replay the same ones."""
    stored_bytes: int
    """Bytes read, replays aside."""
    seconds: float
    """Wall time of the check, replays aside."""
    cpu_seconds: float
    """Time all threads together spent on it."""
    megabytes_per_second: float
    """Stored megabytes a second of wall time."""
    megabytes_per_cpu_second: float
    """Stored megabytes a second and core."""


def verify(
    url: str,
    *,
    quick: bool = False,
    replays: int = 0,
    replay_seed: int | None = None,
    threads: int | None = None,
    tick: Callable[[int, int, int], None] | None = None,
) -> Report:
    """Check a dataset.

    Args:
        url: The dataset.
        quick: Compare stored bytes with their digests only; else decode everything and compare every row too.
        replays: How many sequences, chosen at random, to make again from their seeds and compare.
        replay_seed: What chooses them; drawn anew, where None.
        threads: How many shards to check at a time; see ``in_order``.
        tick: Called after each shard or replay with the number done, the number of all, and the bytes read.

    Raises:
        UsageError: There is no dataset, one of another format version, or one that cannot be replayed here.
        DataError: The store does not answer.
    """
    dataset = open_stored(url)
    recipe = check_replayable(dataset) if replays else None
    chosen, seed = choose(dataset, replays, replay_seed) if replays else ([], None)
    wall, cpu = time.perf_counter(), time.process_time()
    total = dataset.n_shards + len(chosen)
    check = _Check(dataset, Depth.OBJECTS if quick else Depth.ROWS)
    for found in in_order(check.shard, range(dataset.n_shards), threads):
        check.add(found)
        if tick is not None:
            tick(found.shard + 1, total, check.stored_bytes)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    faults = check.faults()
    for done, index in enumerate(chosen):
        assert recipe is not None
        faults += replay(dataset, recipe, index)
        if tick is not None:
            tick(dataset.n_shards + done + 1, total, check.stored_bytes)
    sequences = check.sound * dataset.sequences_per_shard
    return Report(
        ok=not faults,
        sequences=sequences,
        steps=sequences * dataset.length,
        shards=check.sound,
        digest=None if faults else check.digest.hexdigest(),
        faults=tuple(faults),
        quick=quick,
        replayed=len(chosen),
        replay_seed=seed,
        stored_bytes=check.stored_bytes,
        seconds=wall,
        cpu_seconds=cpu,
        megabytes_per_second=check.stored_bytes / 1e6 / max(wall, 1e-9),
        megabytes_per_cpu_second=check.stored_bytes / 1e6 / max(cpu, 1e-9),
    )


class _Check:
    """What was found so far."""

    def __init__(self, dataset: StoredDataset, depth: Depth) -> None:
        self._dataset, self._depth = dataset, depth
        self._faults: list[str] = []
        self._missing: list[int] = []
        self.digest = DataDigest(dataset.header)
        self.sound = 0
        self.stored_bytes = 0
        try:
            dataset.check_arrays()
        except DataError as error:
            self._faults.append(str(error))

    def shard(self, shard: int) -> Findings:
        """Look at a shard; safe in any thread."""
        return check_shard(self._dataset, shard, self._depth)

    def add(self, found: Findings) -> None:
        """Take in the findings of the next shard."""
        self._faults += found.faults
        self.stored_bytes += found.stored_bytes
        if not found.committed:
            self._missing.append(found.shard)
        elif not found.faults:
            self.sound += 1
        if found.digests is not None:
            self.digest.update(found.digests)

    def faults(self) -> list[str]:
        """Return what is wrong, holes by name and cause, all other missing shards in one line."""
        holes = self._dataset.holes if self._missing else {}
        lines = [
            f"shard {shard} was set aside after {hole.attempts} failed attempts: {hole.cause.strip().splitlines()[-1]}"
            for shard, hole in holes.items()
        ]
        rest = [shard for shard in self._missing if shard not in holes]
        if rest:
            verb = "shard {} is" if len(rest) == 1 else "shards {} are"
            lines.append(f"{verb.format(spans(rest))} not committed; run datagen to its end")
        return [*self._faults, *lines]
