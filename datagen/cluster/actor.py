"""An actor: makes the shards it is told to, writes them itself, and returns receipts. It keeps no state of the data."""

import os
import platform
import traceback
from typing import Any

from common.config import Settings
from common.dataset.status import StatusWriter
from common.dataset.writer import DatasetWriter, join_dataset
from common.errors import DataError
from common.synthesis.recipe import Recipe
from datagen.cluster.warm import warm
from datagen.work import Made, make_shard

HEARTBEAT = 5.0
"""Seconds between an actor's heartbeats: there may be a thousand of them."""


class Place(Settings):
    """Where an actor runs."""

    host: str
    pid: int
    node: str
    """Ray's number of the node, hexadecimal."""
    compiled: float | None
    """Seconds it spent on compiling kernels; None where another had."""

    def __str__(self) -> str:
        kernels = "kernels were compiled" if self.compiled is None else f"compiled kernels in {self.compiled:.1f} s"
        return f"pid {self.pid} on {self.host}, node {self.node[:8]}, {kernels}"


class ShardFailed(RuntimeError):
    """The code that makes a shard raised; the argument is its traceback."""


class ShardActor:
    """One core's worth of work; wrapped by Ray in ``pool``. Nothing is touched before ``ready`` is called.

    Args:
        url: The dataset.
        identity: Its identity digest.
        recipe: What to make.
        environment: Variables with which the driver reaches the dataset: this node need not have credentials.
    """

    def __init__(self, url: str, identity: str, recipe: dict[str, Any], environment: dict[str, str]) -> None:
        os.environ.update(environment)
        self._url, self._identity = url, identity
        self._recipe = Recipe.model_validate(recipe)
        self._writer: DatasetWriter | None = None
        self._status: StatusWriter | None = None

    def ready(self) -> Place:
        """Open the dataset, compile or load the kernels, and return where this actor runs.

        Raises:
            DataError: This node does not see the dataset.
        """
        import ray

        self._writer = join_dataset(self._url, self._identity)
        compiled = warm(self._recipe)
        node = ray.get_runtime_context().get_node_id()
        self._status = StatusWriter(self._writer.store, "actor", node=node, heartbeat=HEARTBEAT).__enter__()
        return Place(host=platform.node(), pid=os.getpid(), node=node, compiled=compiled)

    def make(self, shard: int) -> Made:
        """Make and commit a shard.

        Raises:
            DataError: The store cannot be written, or holds other data for this shard.
            MemoryError: There is not enough.
            ShardFailed: Anything else went wrong.
        """
        assert self._writer is not None and self._status is not None, "ready comes first"
        try:
            made = make_shard(self._writer, self._recipe, shard)
        except (DataError, MemoryError):
            raise
        except Exception:
            raise ShardFailed(traceback.format_exc()) from None
        if made.record is not None:
            self._status.shard_done(made.record)
        return made

    def close(self) -> None:
        """End in order: the last status file, and no staging folder left."""
        if self._status is not None:
            self._status.close()
        if self._writer is not None:
            self._writer.close()
