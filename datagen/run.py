"""The command ``run``: a recipe becomes a dataset; the same command again goes on where it was left."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from common.dataset.reader import StoredDataset, committed
from common.dataset.status import FOLDER, Hole, Queue, StatusWriter, read_holes, write_holes
from common.dataset.store import Store, open_store
from common.dataset.writer import DatasetWriter, check_target, create_dataset
from common.errors import UsageError
from common.synthesis.recipe import Recipe
from datagen import holding
from datagen.check import Depth
from datagen.cluster.session import where
from datagen.drive import ClusterLost, Driver, Limits, Pool, set_aside_error
from datagen.holding import Holding, TakenOver
from datagen.inline import InlinePool
from datagen.ledger import Ledger
from datagen.outage import Outage
from datagen.plan import Plan, make_plan
from datagen.progress import Progress
from datagen.repair import repair

RETURN = 900.0
"""Seconds a cluster that went away has to come back."""
_PROBE = f"{FOLDER}/probe.json"


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How a dataset is made; nothing of it shows in the data."""

    executor: str = "ray"
    """``ray`` or ``inline``."""
    actors: int | None = None
    """The most actors; None for as many as the cluster has cores, now and later."""
    address: str | None = None
    """The Ray cluster; see ``cluster.session``."""
    limits: Limits = field(default_factory=Limits)
    takeover: bool = False
    """Take the dataset from a command that holds it and lives."""
    wait: float = 0.0
    """Seconds to wait for such a one to end."""
    patience: float = 0.0
    """Seconds to wait for a cluster that does not answer."""

    @property
    def shared(self) -> bool:
        """Whether the cluster is one that others started."""
        return self.executor == "ray" and where(self.address) != "local"

    trust: bool = False
    """Compare only the sizes of what is committed before going on, not its bytes."""


def run(recipe: Recipe, out: str, **how: Any) -> None:
    """Make the dataset of a recipe, or what is missing or damaged of it.

    Where another command takes the dataset over, this one makes no more, ends its actors and waits for that one's end;
    should it leave something to do, this one goes on.

    Args:
        recipe: What to make.
        out: The dataset's URL.
        how: The fields of ``Execution``, by name.

    Raises:
        UsageError: ``out`` holds something else, the dataset does not fit, or another command holds it; nothing was
            touched.
        DataError: Shards were set aside (named), or what is stored contradicts the recipe.
    """
    execution = Execution(**how)
    _check_place(out)
    if execution.executor == "ray":
        where(execution.address)
    plan = make_plan(recipe)
    store = open_store(out)
    check_target(store, plan.header)
    holding.check_free(store, takeover=execution.takeover, wait=execution.wait)
    plan.check_space(store, plan.shards - len(committed(store)))
    writer = create_dataset(out, plan.header)
    takeover = execution.takeover
    with contextlib.closing(writer):
        while True:
            try:
                with Holding(writer.store, "run", takeover=takeover, wait=execution.wait) as hold:
                    _make_missing(plan, writer, execution, hold)
                return
            except ClusterLost as lost:
                if not execution.shared:
                    raise
                print(f"{lost}; waiting for it for up to {RETURN:.0f} s", file=sys.stderr, flush=True)
                execution = replace(execution, patience=RETURN)
            except TakenOver as other:
                print(f"{other}; waiting for its end, making nothing meanwhile", file=sys.stderr, flush=True)
                holding.wait_until_free(writer.store)
                takeover = False


def _make_missing(plan: Plan, writer: DatasetWriter, execution: Execution, hold: Holding) -> None:
    """Make what is missing or damaged of a dataset that this process holds.

    Raises:
        TakenOver: Another command holds it now.
        DataError: Shards were set aside, or what is stored contradicts the recipe.
    """
    store = writer.store
    store.sweep()
    depth = Depth.SIZES if execution.trust else Depth.OBJECTS
    repair(StoredDataset(store, writer.header), depth, hold.check, lambda line: print(line, flush=True))
    done = committed(store)
    missing = [shard for shard in range(plan.shards) if shard not in done]
    ledger = Ledger(missing)
    remote = execution.executor == "ray"
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(Progress(plan.shards, plan.shards - len(missing)))
        if missing:
            status = stack.enter_context(StatusWriter(store, "driver" if remote else "inline"))
            if hold.before is not None:
                progress.note(f"taken over from {hold.before}")
                status.event("taken-over", None, f"from {hold.before}")
            if remote:
                progress.note("connecting to Ray")
            pool, watch = stack.enter_context(_pool(plan, writer, execution))

            def look(queue: Queue) -> None:
                hold.check()
                watch(queue)

            outage = Outage(lambda: store.put(_PROBE, b"{}"))
            driver = Driver(
                ledger, pool, status, progress, outage, limits=execution.limits, records=not remote, watch=look
            )
            try:
                driver.run()
            finally:
                _record_holes(store, ledger)
        progress.note(progress.summary())
    store.sweep()
    if ledger.set_aside:
        raise set_aside_error(ledger, store.url)


def _record_holes(store: Store, ledger: Ledger) -> None:
    """Name the shards set aside for readers, and forget those that were made since."""
    before = read_holes(store)
    if before or ledger.set_aside:
        done = committed(store)
        holes = {shard: hole for shard, hole in before.items() if shard not in done}
        for shard, cause in ledger.set_aside.items():
            holes[shard] = Hole(attempts=ledger.attempts(shard), cause=cause, time=time.time())
        write_holes(store, holes)


@contextlib.contextmanager
def _pool(plan: Plan, writer: DatasetWriter, execution: Execution) -> Iterator[tuple[Pool, Callable[[Queue], None]]]:
    """Yield who makes shards, and who else watches the driver."""
    if execution.executor == "inline":
        yield InlinePool(writer, plan.recipe), lambda queue: None
        return
    from datagen.cluster.session import session

    with session(execution.address, execution.actors, execution.patience) as shared:
        from datagen.cluster.metrics import Metrics
        from datagen.cluster.pool import RayPool

        url = writer.store.url
        recipe = plan.recipe.model_dump(mode="json")
        pool = RayPool(
            url, writer.header.identity, recipe, limit=execution.actors, memory=plan.actor_bytes(), grows=shared
        )
        try:
            yield pool, Metrics(url)
        finally:
            pool.close()


def _check_place(out: str) -> None:
    """Refuse a file, and a relative path in a submitted job: its working directory is a copy that Ray deletes.

    Raises:
        UsageError: It is one.
    """
    if "://" in out:
        return
    if os.path.exists(out) and not os.path.isdir(out):
        raise UsageError(f"--out is a folder, and {out} is a file; give another, or remove it")
    if not os.path.isabs(out) and "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ:
        raise UsageError(
            f"in a submitted job --out is an absolute path, got {out!r}: the job's working directory is a copy "
            "that Ray removes; give the full path of a folder that every node sees"
        )
