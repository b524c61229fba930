"""The real chain, made small: Ray job, torchrun, evaluation, report; and nothing left running."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = ("--data-set", "sequences=64", "--data-set", "sequences_per_shard=8", "--data-set", "length=128")
SMALL += ("--train-set", "steps=4", "--train-set", "batch=4", "--train-set", "validation.sequences=4")
SMALL += ("--suite", "small", "--worlds", "4")


def start(out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "deploy.demo", "--out", str(out), *SMALL]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ray_folders() -> set[str]:
    return {path.name for path in Path("/tmp").glob("omnirl-ray-*")}


def using(folders: set[str]) -> list[str]:
    """Return the command lines of processes that name one of these folders."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if int(path.parent.name) != os.getpid() and any(folder in line for folder in folders):
            found.append(line[:100])
    return found


@pytest.mark.slow
def test_it_goes_all_the_way_and_says_that_four_steps_teach_nothing(tmp_path: Path) -> None:
    before = ray_folders()
    text, _ = start(tmp_path / "demo").communicate(timeout=500)
    process = start(tmp_path / "demo")
    again, _ = process.communicate(timeout=300)
    assert process.returncode == 1, again
    for part in ("=== data", "=== train", "=== evaluation", "=== report", "8 of 8 shards"):
        assert part in text, text
    assert "gate  missed: 256 worlds must count, got 4" in again
    assert "is complete" in again
    assert "holds the results of this very model" in again
    report = (tmp_path / "demo" / "report.html").read_text()
    assert "steps/s through Ray into Zarr" in report
    assert report.count("data:image/png;base64,") == 2
    assert ray_folders() == before


@pytest.mark.slow
def test_an_interrupt_leaves_no_ray_behind(tmp_path: Path) -> None:
    before = ray_folders()
    process = start(tmp_path / "demo")
    assert process.stdout
    with process.stdout:
        begin = time.monotonic()
        while not (mine := ray_folders() - before) or len(using(mine)) < 4:
            assert process.poll() is None
            assert time.monotonic() - begin < 120
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(90) == 130
    assert using(mine) == []
    assert ray_folders() == before
