"""The executor without Ray: one worker, this process."""

import traceback
from collections import deque
from collections.abc import Sequence

from common.dataset.writer import DatasetWriter
from common.errors import DataError
from common.synthesis.recipe import Recipe
from datagen.drive import Outcome
from datagen.work import make_shard


class InlinePool:
    """A pool of one worker that makes a shard whenever it is waited for."""

    WORKER = "inline"

    def __init__(self, writer: DatasetWriter, recipe: Recipe) -> None:
        self._writer, self._recipe = writer, recipe
        self._queue: deque[int] = deque()

    def ready(self) -> Sequence[str]:
        """Return the one worker."""
        return [self.WORKER]

    def submit(self, worker: str, shard: int) -> None:
        """Queue a shard."""
        self._queue.append(shard)

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """Make the next shard.

        Raises:
            DataError: The store cannot be written, or holds data that contradict the recipe.
        """
        shard = self._queue.popleft()
        try:
            receipt = make_shard(self._writer, self._recipe, shard)
        except DataError:
            raise
        except Exception:
            return [Outcome(self.WORKER, "failed", shard=shard, message=traceback.format_exc())]
        return [Outcome(self.WORKER, "done", shard=shard, receipt=receipt)]

    def close(self) -> None:
        """Remove the staging folder."""
        self._writer.close()
