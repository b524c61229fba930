"""Drivers on real Ray clusters, disturbed from outside, and what must be true of every one of them in the end."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from common.dataset import open_dataset
from common.dataset.status import Event, read_status
from common.dataset.store import STAGING, open_store
from datagen.holding import holder
from tests.conftest import CHECKOUT, datagen_command

FAULTS = ("sequences=110592", "sequences_per_shard=2304")
"""Overrides of ``tiny``: 48 shards of about half a second."""
SHARDS = 48
NOTICE = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}
"""Ray's own settings: a dead node is noticed after 2 s instead of 13."""
STORE = 80 * 1024 * 1024
"""Bytes of a node's object store."""


@dataclass
class Undisturbed:
    """A run that nobody disturbed: what all others are measured by."""

    digest: str
    seconds: float


class Run:
    """A driver in a process of its own."""

    def __init__(
        self, out: Path, address: str, *arguments: str, overrides=FAULTS, environment=None, prefix=(), log=None
    ):
        self.out = out
        self.begin = time.monotonic()
        command = datagen_command(
            "run", "--recipe", "tiny", "--out", str(out), "--address", address, *arguments, overrides=overrides
        )
        self.log = log or Path(f"{out}.log")
        environment = {**os.environ, **(environment or {})}
        with self.log.open("a") as log:
            self.process = subprocess.Popen([*prefix, *command], cwd=CHECKOUT, env=environment, stdout=log, stderr=log)

    def text(self) -> str:
        """Return what the driver has printed."""
        return self.log.read_text()

    def until(self, shards: int, seconds: float = 120.0) -> None:
        """Return when so many shards are committed, and no sooner."""
        self.wait_for(lambda: len(committed(self.out)) >= shards, f"{shards} shards", seconds)

    def wait_for(self, condition, what: str, seconds: float = 120.0) -> None:
        """Return when ``condition()`` holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"the driver ended before {what}:\n{self.text()}"
            if time.monotonic() >= deadline:
                self.process.kill()  # it would wait for a cluster that the failing test takes away
                self.process.wait()
                raise AssertionError(f"{what} never came:\n{self.text()}")
            time.sleep(0.02)

    def end(self, code: int = 0, seconds: float = 240.0) -> float:
        """Wait for the driver's end; return the seconds it took."""
        try:
            self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        assert self.process.returncode == code, self.text()
        return time.monotonic() - self.begin


def committed(out: Path) -> list[str]:
    """Return the names of the catalog files there are."""
    return [path.name for path in (out / "catalog").glob("*.parquet")]


def files(out: Path):
    """Return every status file."""
    return list(read_status(open_store(str(out))))


def events(out: Path, *kinds: str) -> list[Event]:
    """Return the events of some kinds, oldest first."""
    found = [event for file in files(out) for event in file.events if event.kind in kinds]
    return sorted(found, key=lambda event: event.time)


def actors(out: Path) -> list[int]:
    """Return the process numbers of the actors that run."""
    numbers = [int(path.name.split("~")[2]) for path in (out / "status").glob("actor~*")]
    return [number for number in numbers if _runs(number)]


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def restarts(out: Path) -> float:
    """Return the seconds between losses and the next actor that was ready, summed."""
    lost = [event.time for event in events(out, "lost", "leaving") if "before it was ready" not in event.message]
    joined = [event.time for event in events(out, "joined")]
    return sum(min((moment for moment in joined if moment > time_), default=time_) - time_ for time_ in lost)


def check(out: Path, undisturbed: Undisturbed, seconds: float, *, extra: float = 0.0, swept: bool = True) -> None:
    """Check a run that ended: complete, byte-identical, in time, nothing counted twice, nothing left behind.

    Args:
        out: The dataset.
        undisturbed: The same without faults.
        seconds: How long it took.
        extra: Seconds of the outage and of its detection.
        swept: Whether nobody can be left who still stages something.
    """
    dataset = open_dataset(str(out))
    assert dataset.committed() == set(range(dataset.n_shards))
    assert dataset.digest() == undisturbed.digest
    made = [record.shard for file in files(out) for record in file.shards]
    assert len(made) == len(set(made)), "a shard is counted twice"
    assert holder(open_store(str(out))) is None
    limit = 2.0 * undisturbed.seconds + restarts(out) + extra
    assert seconds <= limit, f"{seconds:.1f} s, allowed were {limit:.1f}"
    assert not swept or not (out / STAGING).exists() or not any((out / STAGING).iterdir())
