"""What the service itself costs: the driver's bookkeeping alone, and the same shards with and without Ray.

``bookkeeping`` feeds the driver's loop from workers that are no processes; ``throughput`` makes real shards, by two
inline processes and by two actors in turn, and compares the rates between the first and the last commit of each.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from common.dataset.status import StatusWriter, read_status
from common.dataset.store import LocalStore, open_store
from common.dataset.writer import Receipt
from common.errors import DataError
from datagen.drive import Driver, Outcome
from datagen.ledger import Ledger
from datagen.outage import Outage
from datagen.progress import Progress
from datagen.work import Made

WORKERS = 1000
SHARDS = 1_000_000
RECIPE = ("--recipe", "d-small", "--set", "sequences_per_shard=256")
"""Sixteen states, sequences of 8,192 rows, two million rows a shard."""
_EACH = 12
"""Shards each of two makers makes in a round."""


class InstantPool:
    """Workers in this process that have made a shard when they are next asked."""

    def __init__(self, workers: int) -> None:
        self._outbox = [Outcome(f"w{number}", "ready", message="here") for number in range(workers)]
        self._new: list[Outcome] = []

    def demand(self, shards: int) -> None:
        """Do nothing."""

    def submit(self, worker: str, shard: int) -> None:
        """Make a shard of nothing."""
        receipt = Receipt(shard=shard, sequences=1, steps=1, stored_bytes=1, seconds=1.0, new=True)
        self._new.append(Outcome(worker, "done", shard=shard, made=Made(receipt, None)))

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """Return what was made since."""
        outcomes, self._outbox, self._new = [*self._outbox, *self._new], [], []
        return outcomes

    def discard(self, worker: str) -> None:
        """Do nothing: nobody is late."""

    def release(self, worker: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def bookkeeping(workers: int = WORKERS, shards: int = SHARDS) -> dict[str, Any]:
    """Run the driver's loop over ``shards`` shards; return its rate by wall and CPU time, and this process's memory."""
    with tempfile.TemporaryDirectory() as folder, open("/dev/null", "w") as silent:
        store = LocalStore(Path(folder))
        wall, cpu = time.perf_counter(), time.process_time()
        with StatusWriter(store, "driver") as status, Progress(shards, 0, silent) as progress:
            Driver(Ledger(range(shards)), InstantPool(workers), status, progress, Outage(lambda: None)).run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "workers": workers,
        "shards": shards,
        "shards_per_second": shards / wall,
        "shards_per_cpu_second": shards / cpu,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def throughput(rounds: int = 3) -> dict[str, Any]:
    """Return rows a second of two inline processes and of two actors, medians of interleaved rounds, and the ratio.

    Raises:
        DataError: A run failed; its log is the message.
    """
    inline, actors = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            outs = [f"{folder}/{number}" for number in range(2)]
            _run([_command(out, _EACH, "--executor", "inline") for out in outs])
            inline.append(sum(_rate(out) for out in outs))
        with tempfile.TemporaryDirectory() as folder:
            _run([_command(f"{folder}/d", 2 * _EACH, "--actors", "2", "--address", "local")])
            actors.append(_rate(f"{folder}/d"))
    return {
        "inline_steps_per_second": median(inline),
        "actors_steps_per_second": median(actors),
        "ratio": median(a / i for a, i in zip(actors, inline, strict=True)),
        "ratios": [a / i for a, i in zip(actors, inline, strict=True)],
    }


def _command(out: str, shards: int, *arguments: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "datagen",
        "run",
        *RECIPE,
        "--set",
        f"sequences={256 * shards}",
        "--out",
        out,
        *arguments,
    ]


def _run(commands: list[list[str]]) -> None:
    """Run commands beside each other to their ends."""
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for command in commands
    ]
    texts = [process.communicate()[0] for process in running]
    for process, text in zip(running, texts, strict=True):
        if process.returncode:
            raise DataError(f"a run of the comparison failed:\n{text}")


def _rate(url: str) -> float:
    """Return rows a second between each maker's first and last commit, summed: starting up counts in none."""
    total = 0.0
    for file in read_status(open_store(url)):
        records = sorted(file.shards, key=lambda record: record.time)
        if len(records) > 1:
            total += sum(record.steps for record in records[1:]) / (records[-1].time - records[0].time)
    return total
