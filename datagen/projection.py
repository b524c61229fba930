"""What a recipe will cost: a few of its sequences are made and encoded in memory, and the whole is told from them."""

import time
from dataclasses import dataclass

from common.dataset import catalog, shard_codec
from common.dataset.catalog import StoredObject
from common.synthesis.generate import generate
from datagen.plan import Plan

SECONDS = 3.0
"""What the sample aims to take, loading or compiling kernels aside."""
_STEPS = 1 << 20
"""Steps made at a time."""


@dataclass(frozen=True, kw_only=True)
class Projection:
    """The whole dataset, from a sample of its sequences on this machine."""

    sequences: int
    """Of the sample."""
    bytes_per_step: float
    """Stored bytes, catalog included."""
    stored_bytes: int
    nanoseconds_per_step: float
    """CPU time of everything: sampling, solving, acting, encoding, digests."""
    core_minutes: float
    """CPU time of the whole on cores like this one; waiting for the disk or the network comes on top."""


def project(plan: Plan, seconds: float = SECONDS) -> Projection:
    """Return what a plan will cost; nothing is touched.

    Every sequence has a world and behaviours of its own, so the first ones are a fair sample.

    Args:
        plan: What to make.
        seconds: CPU seconds the sample aims to take.
    """
    header = plan.header
    count = max(1, min(header.sequences_per_shard, _STEPS // header.length))
    empty = _cost(plan, 0, 1, rows=0)  # compiles kernels, or loads them; the catalog file's frame
    made = stored = 0
    begun = time.process_time()
    while made < header.sequences and (not made or time.process_time() - begun < seconds):
        stored += _cost(plan, made, count, rows=count) - empty
        made += count
    spent = time.process_time() - begun
    steps = made * header.length
    return Projection(
        sequences=made,
        bytes_per_step=stored / steps,
        stored_bytes=int(stored / steps * plan.steps) + plan.shards * empty,
        nanoseconds_per_step=1e9 * spent / steps,
        core_minutes=spent / steps * plan.steps / 60.0,
    )


def _cost(plan: Plan, first: int, count: int, rows: int) -> int:
    """Make and encode ``count`` sequences as a shard of their own; return the bytes of ``rows`` of them."""
    header = plan.header.model_copy(update={"sequences": count, "sequences_per_shard": count})
    made = generate(plan.recipe, first, count)
    arrays = made.arrays()
    objects = [
        StoredObject.of(name, spec.key(0), shard_codec.encode(spec, arrays[name]))
        for name, spec in header.arrays().items()
    ]
    footer = catalog.summarise(header.identity, 0, arrays, made.rows, objects)
    some = {name: array[:rows] for name, array in arrays.items()}
    size = len(catalog.encode(footer, some, made.rows[:rows]))
    return size + sum(item.size for item in objects) if rows else size
