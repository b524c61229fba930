"""Training runs as users start them: real processes, and what they leave behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MAIN = ROOT / "trainer" / "main.py"
RENDEZVOUS = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
CLOCK = ("time", "steps_per_second", "loader_wait", "cpu_cores", "memory_bytes")


def start(
    run: Path, data: str, train: Path | str, ranks: int = 2, sets: Sequence[str] = (), torchrun: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Start training; ``ranks`` 0: without torchrun."""
    launch = [sys.executable, "-m", "trainer.launch", "--nproc-per-node", str(ranks), *RENDEZVOUS, *torchrun]
    options = ["--recipe", str(train), "--data", data, "--run", str(run)]
    changes = [word for one in sets for word in ("--set", one)]
    return subprocess.Popen(
        [*(launch if ranks else [sys.executable]), str(MAIN), *options, *changes],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Return all that it printed, once it has ended."""
    out, _ = process.communicate(timeout=240)
    return out


def lines(run: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """Return the lines of metrics there are by now, of one kind or all."""
    path = run / "metrics.jsonl"
    if not path.exists():
        return []
    found = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return [line for line in found if kind in (None, line["kind"])]


def numbers(run: Path) -> list[dict[str, Any]]:
    """Return the lines of training and validation without what a clock decides."""
    kept = [line for line in lines(run) if line["kind"] in ("train", "validation")]
    return [{key: value for key, value in line.items() if key not in CLOCK} for line in kept]


def losses(run: Path) -> list[float]:
    """Return the training loss of every line."""
    return [line["loss"] for line in lines(run, "train")]


def wait_for(process: subprocess.Popen[str], run: Path, step: int) -> None:
    """Wait until the run has done ``step`` steps, or has ended."""
    deadline = time.monotonic() + 200
    while process.poll() is None and time.monotonic() < deadline:
        if any(line["step"] >= step for line in lines(run, "train")):
            return
        time.sleep(0.005)


def stop_at(process: subprocess.Popen[str], run: Path, step: int) -> str:
    """Send SIGTERM when the run has done ``step`` steps; return what it printed."""
    wait_for(process, run, step)
    process.send_signal(signal.SIGTERM)
    return finish(process)


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
        except OSError:
            continue
    return found
