"""The executor without Ray: one worker, this process."""

import time
import traceback
from collections import deque
from collections.abc import Sequence

from common.dataset.writer import Conflict, DatasetWriter
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
        self._announced = False

    def demand(self, shards: int) -> None:
        """Do nothing: there is one worker."""

    def submit(self, worker: str, shard: int) -> None:
        """Queue a shard."""
        self._queue.append(shard)

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """Make the next shard; rest where there is none.

        Raises:
            Conflict: What is stored contradicts the recipe.
        """
        if not self._announced:
            self._announced = True
            return [Outcome(self.WORKER, "ready", message="this process")]
        if not self._queue:
            time.sleep(min(seconds, 0.5))
            return []
        shard = self._queue.popleft()
        try:
            made = make_shard(self._writer, self._recipe, shard)
        except Conflict:
            raise
        except DataError as error:
            return [Outcome(self.WORKER, "failed", shard=shard, message=str(error), store=True)]
        except Exception:
            return [Outcome(self.WORKER, "failed", shard=shard, message=traceback.format_exc())]
        return [Outcome(self.WORKER, "done", shard=shard, made=made)]

    def discard(self, worker: str) -> None:
        """Forget what is queued: this process cannot be replaced."""
        self._queue.clear()
        self._announced = False

    def release(self, worker: str) -> None:
        """Do nothing: this process ends with the run."""

    def close(self) -> None:
        """Remove the staging folder."""
        self._writer.close()
