"""One shard of work, the same on every executor: generate its sequences, write and commit them."""

import time
from dataclasses import dataclass, replace
from typing import Any

from common.dataset.status import ShardRecord, SizeRecord
from common.dataset.writer import DatasetWriter, Receipt
from common.synthesis.generate import Synthesis
from common.synthesis.recipe import Recipe
from common.synthesis.sequences import Sequences


@dataclass(frozen=True)
class Made:
    """A shard that is committed now."""

    receipt: Receipt
    record: ShardRecord | None
    """For the status files; None where another worker had committed it."""


def make_shard(writer: DatasetWriter, recipe: Recipe, shard: int) -> Made:
    """Make and commit one shard, unless it is committed already.

    Raises:
        DataError: The store cannot be written, or holds other data for this shard (``Conflict``).
    """
    started = time.perf_counter()
    count = writer.header.sequences_per_shard
    if writer.committed(shard):
        steps = count * recipe.length
        return Made(Receipt(shard=shard, sequences=count, steps=steps, stored_bytes=0, seconds=0.0, new=False), None)
    sequences, sizes = _generate(recipe, shard * count, count)
    receipt = writer.write_shard(shard, sequences.arrays(), sequences.rows, started)
    return Made(receipt, _record(receipt, sequences.rows, sizes) if receipt.new else None)


def _generate(recipe: Recipe, first: int, count: int) -> tuple[Sequences, dict[int, SizeRecord]]:
    """Return sequences as ``common.synthesis.generate`` does, and what each size of world cost."""
    synthesis = _ready(recipe)
    out = _room(synthesis, count)
    spent: dict[int, list[float]] = {}
    before = time.perf_counter()
    for place in range(count):
        row = synthesis.write(first + place, out, place)
        out.rows.append(row)
        now = time.perf_counter()
        sums = spent.setdefault(size_class(int(row["n_s"])), [0, 0.0])
        sums[0] += 1
        sums[1] += now - before
        before = now
    sizes = {
        size: SizeRecord(sequences=int(number), steps=int(number) * recipe.length, seconds=seconds)
        for size, (number, seconds) in sorted(spent.items())
    }
    return out, sizes


def size_class(states: int) -> int:
    """Return a number of states rounded up to a power of two."""
    return 1 << max(states - 1, 0).bit_length()


def _record(receipt: Receipt, rows: list[dict[str, Any]], sizes: dict[int, SizeRecord]) -> ShardRecord:
    rejections: dict[str, int] = {}
    for row in rows:
        for check, number in row["rejections"].items():
            rejections[check] = rejections.get(check, 0) + int(number)
    return ShardRecord(
        shard=receipt.shard,
        seconds=receipt.seconds,
        sequences=receipt.sequences,
        steps=receipt.steps,
        sizes=sizes,
        rejections={check: number for check, number in sorted(rejections.items()) if number},
    )


_ROOM: list[tuple[Synthesis, Sequences]] = []
"""Where this worker's last shard was made, written since: fresh memory would cost a tenth of making the next one."""


def _room(synthesis: Synthesis, count: int) -> Sequences:
    if not _ROOM or _ROOM[0][0] is not synthesis or len(_ROOM[0][1]) != count:
        _ROOM[:] = [(synthesis, synthesis.room(count))]
    return replace(_ROOM[0][1], rows=[])


_LAST: list[Synthesis] = []
"""The recipe made ready last: a worker makes shards of one."""


def _ready(recipe: Recipe) -> Synthesis:
    if not _LAST or _LAST[0].recipe is not recipe:
        _LAST[:] = [Synthesis(recipe)]
    return _LAST[0]
