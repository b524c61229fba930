"""The command ``run``: a recipe becomes a dataset; the same command again goes on where it was left."""

import contextlib
import os
from collections.abc import Iterator

from common.dataset.reader import committed
from common.dataset.status import StatusWriter
from common.dataset.store import open_store
from common.dataset.writer import DatasetWriter, check_target, create_dataset
from common.errors import UsageError
from common.synthesis.recipe import Recipe
from datagen.drive import Pool, drive, raise_for_set_aside
from datagen.inline import InlinePool
from datagen.ledger import Ledger
from datagen.plan import make_plan
from datagen.progress import Progress


def run(
    recipe: Recipe, out: str, *, executor: str = "ray", actors: int | None = None, address: str | None = None
) -> None:
    """Make the dataset of a recipe, or what is missing of it.

    Args:
        recipe: What to make.
        out: The dataset's URL.
        executor: ``ray`` or ``inline``.
        actors: How many actors; as many as the cluster has cores, where None.
        address: The Ray cluster; see ``cluster.session``.

    Raises:
        UsageError: ``out`` holds something else, or the dataset does not fit; nothing was touched.
        DataError: Shards were set aside (named), or what is stored contradicts the recipe.
    """
    _check_place(out)
    plan = make_plan(recipe)
    store = open_store(out)
    check_target(store, plan.header)
    done = committed(store)
    plan.check_space(store, plan.shards - len(done))
    missing = [shard for shard in range(plan.shards) if shard not in done]
    writer = create_dataset(out, plan.header)
    writer.store.sweep()
    ledger = Ledger(missing)
    with contextlib.ExitStack() as stack:
        stack.callback(writer.close)
        progress = stack.enter_context(Progress(plan.shards, plan.shards - len(missing)))
        if missing:
            status = stack.enter_context(StatusWriter(writer.store, "driver" if executor == "ray" else "inline"))
            if executor == "ray":
                progress.note("connecting to Ray")
            pool = stack.enter_context(_pool(executor, writer, recipe, actors, address, len(missing)))
            drive(ledger, pool, status, progress, records=executor != "ray")
        progress.note(progress.summary())
    writer.store.sweep()
    raise_for_set_aside(ledger, writer.store.url)


@contextlib.contextmanager
def _pool(
    executor: str, writer: DatasetWriter, recipe: Recipe, actors: int | None, address: str | None, shards: int
) -> Iterator[Pool]:
    if executor == "inline":
        yield InlinePool(writer, recipe)
        return
    from datagen.cluster.session import session

    with session(address, actors):
        from datagen.cluster.pool import RayPool, cluster_cores

        size = min(actors or cluster_cores(), shards)
        pool = RayPool(writer.store.url, writer.header.identity, recipe.model_dump(mode="json"), size)
        try:
            yield pool
        finally:
            pool.close()


def _check_place(out: str) -> None:
    """Refuse a relative path in a submitted job: its working directory is a copy that Ray deletes.

    Raises:
        UsageError: It is one.
    """
    if "://" not in out and not os.path.isabs(out) and "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ:
        raise UsageError(
            f"in a submitted job --out is an absolute path, got {out!r}: the job's working directory is a copy "
            "that Ray removes; give the full path of a folder that every node sees"
        )
