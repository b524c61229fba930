"""One shard of work, the same on every executor: generate its sequences, write and commit them."""

import time

from common.dataset.writer import DatasetWriter, Receipt
from common.synthesis.generate import generate
from common.synthesis.recipe import Recipe


def make_shard(writer: DatasetWriter, recipe: Recipe, shard: int) -> Receipt:
    """Make and commit one shard, unless it is committed already.

    Raises:
        DataError: The store cannot be written, or holds other data for this shard (``Conflict``).
    """
    started = time.perf_counter()
    count = writer.header.sequences_per_shard
    if writer.committed(shard):
        return Receipt(
            shard=shard, sequences=count, steps=count * recipe.length, stored_bytes=0, seconds=0.0, new=False
        )
    sequences = generate(recipe, shard * count, count)
    return writer.write_shard(shard, sequences.arrays(), sequences.rows, started)
