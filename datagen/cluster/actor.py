"""An actor: makes the shards it is told to, writes them itself, and returns receipts. It keeps no state of the data."""

import os
import platform
from typing import Any

from common.dataset.status import ShardRecord, StatusWriter
from common.dataset.writer import join_dataset
from common.synthesis.recipe import Recipe
from datagen.work import make_shard


class ShardActor:
    """One core's worth of work; wrapped by Ray in ``pool``."""

    def __init__(self, url: str, identity: str, recipe: dict[str, Any]) -> None:
        self._recipe = Recipe.model_validate(recipe)
        self._writer = join_dataset(url, identity)
        self._status = StatusWriter(self._writer.store, "actor").__enter__()

    def ready(self) -> str:
        """Return where this actor runs."""
        return f"pid {os.getpid()} on {platform.node()}"

    def make(self, shard: int) -> dict[str, Any]:
        """Make and commit a shard; return its receipt.

        Raises:
            DataError: The store cannot be written, or holds other data for this shard.
        """
        receipt = make_shard(self._writer, self._recipe, shard)
        if receipt.new:
            self._status.shard_done(
                ShardRecord(
                    shard=receipt.shard, seconds=receipt.seconds, sequences=receipt.sequences, steps=receipt.steps
                )
            )
        return receipt.model_dump()

    def close(self) -> None:
        """End in order: the last status file, and no staging folder left."""
        self._status.close()
        self._writer.close()
