"""The driver's loop: leases shards to the workers of a pool, takes back what they lose, until none is left."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from common.dataset.status import ShardRecord, StatusWriter
from common.dataset.writer import Receipt
from common.errors import DataError
from datagen import interrupt
from datagen.ledger import Ledger
from datagen.progress import Progress

IN_FLIGHT = 2
"""Shards a worker has at once: one at work, one behind it, so that it never waits for the driver."""

HOPELESS = 25
"""Failures without a success in between after which a run stops instead of setting everything aside."""


@dataclass(frozen=True)
class Outcome:
    """Something a pool reports of one of its workers."""

    worker: str
    kind: Literal["ready", "done", "failed", "lost"]
    shard: int | None = None
    receipt: Receipt | None = None
    message: str = ""


class Pool(Protocol):
    """Workers that make shards. It replaces lost ones itself."""

    def ready(self) -> Sequence[str]:
        """Return the workers that can take shards."""

    def submit(self, worker: str, shard: int) -> None:
        """Give a shard to a worker; returns at once."""

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """Return what happened, after at most about ``seconds`` where nothing did.

        Raises:
            DataError: Going on makes no sense.
        """

    def close(self) -> None:
        """End the workers."""


def drive(ledger: Ledger, pool: Pool, status: StatusWriter, progress: Progress, *, records: bool = True) -> None:
    """Run until every shard of the ledger is done or set aside.

    Args:
        ledger: The shards to make.
        pool: Who makes them.
        status: Where events go.
        progress: What the user sees.
        records: Record finished shards in ``status`` here, because the workers keep none of their own.

    Raises:
        DataError: What is stored contradicts the recipe, or no worker can be had; the message says.
        KeyboardInterrupt: The run was told to stop.
    """
    while ledger.open:
        interrupt.check()
        for worker in pool.ready():
            while ledger.leased(worker) < IN_FLIGHT and (shard := ledger.lease(worker)) is not None:
                progress.begin()
                pool.submit(worker, shard)
        for outcome in pool.wait(1.0):
            _account(outcome, ledger, status, progress, records)
        progress.tick()

        if ledger.failures_in_a_row >= HOPELESS:
            raise DataError(
                f"nothing succeeds any more: the last {ledger.failures_in_a_row} attempts failed, the last with "
                f"{_last_line(ledger.last_cause)!r}; mend that and give the same command again"
            )


def _account(outcome: Outcome, ledger: Ledger, status: StatusWriter, progress: Progress, records: bool) -> None:
    if outcome.kind == "ready":
        status.event("joined", None, f"{outcome.worker}: {outcome.message}")
    elif outcome.kind == "lost":
        shards = ledger.lose(outcome.worker, outcome.message)
        progress.note(f"lost {outcome.worker}, shards {shards} go back: {_first_line(outcome.message)}")
        status.event("lost", None, f"{outcome.worker} with shards {shards}: {outcome.message}")
    elif outcome.kind == "failed":
        assert outcome.shard is not None
        last = ledger.fail(outcome.worker, outcome.shard, outcome.message)
        kind = "set-aside" if last else "failed"
        progress.note(f"shard {outcome.shard} {kind} on {outcome.worker}: {_last_line(outcome.message)}")
        status.event(kind, outcome.shard, f"{outcome.worker}: {outcome.message}")
    else:
        receipt = outcome.receipt
        assert receipt is not None
        ledger.finish(outcome.worker, receipt.shard)
        progress.done(receipt)
        if records:
            status.shard_done(
                ShardRecord(
                    shard=receipt.shard, seconds=receipt.seconds, sequences=receipt.sequences, steps=receipt.steps
                )
            )


def raise_for_set_aside(ledger: Ledger, url: str) -> None:
    """Raise a ``DataError`` that names the shards set aside, with the last cause of the first few."""
    if ledger.set_aside:
        shards = sorted(ledger.set_aside)
        causes = "\n".join(f"shard {shard}: {ledger.set_aside[shard].rstrip()}" for shard in shards[:3])
        raise DataError(
            f"shards {', '.join(map(str, shards))} of {url} were set aside after repeated failures, "
            f"the rest is committed; mend the cause and give the same command again\n{causes}"
        )


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]


def _last_line(text: str) -> str:
    return text.strip().rsplit("\n", 1)[-1]
