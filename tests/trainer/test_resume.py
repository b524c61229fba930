"""A run that is stopped, damaged and started again ends as an undisturbed one: real torchrun on two ranks."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAIN = ROOT / "trainer" / "main.py"
LAUNCH = [sys.executable, "-m", "trainer.launch", "--nproc-per-node", "2"]
RENDEZVOUS = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]


def start(run: Path, data: Path, train: Path) -> subprocess.Popen[str]:
    options = ["--recipe", str(train), "--data", f"recipe:{data}", "--run", str(run)]
    return subprocess.Popen(
        [*LAUNCH, *RENDEZVOUS, str(MAIN), *options],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=240)
    return out


def lines(run: Path) -> list[dict[str, Any]]:
    path = run / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def numbers(run: Path) -> list[dict[str, Any]]:
    """Return the lines of training and validation without what a clock decides."""
    clock = ("time", "steps_per_second", "loader_wait")
    kept = [line for line in lines(run) if line["kind"] in ("train", "validation")]
    return [{key: value for key, value in line.items() if key not in clock} for line in kept]


def stop_at(process: subprocess.Popen[str], run: Path, step: int) -> str:
    """Send SIGTERM when the run has done ``step`` steps."""
    deadline = time.monotonic() + 200
    while process.poll() is None and time.monotonic() < deadline:
        if any(line["kind"] == "train" and line["step"] >= step for line in lines(run)):
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    return finish(process)


@pytest.fixture
def recipes(data_recipe: Path, train_recipe: Path) -> tuple[Path, Path]:
    train_recipe.write_text(train_recipe.read_text().replace("steps = 40", "steps = 150"))
    return data_recipe, train_recipe


def test_stopped_damaged_and_resumed_it_sees_what_an_undisturbed_run_sees(recipes, tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    out = finish(start(whole, *recipes))
    assert "finished: 150 steps" in out, out
    out = stop_at(start(stopped, *recipes), stopped, 25)
    done = max(line["step"] for line in lines(stopped))
    assert "told to stop: saved at step" in out and 25 <= done < 150, out
    newest = stopped / "checkpoints" / (stopped / "latest").read_text().strip()
    assert newest.name == f"step-{done:08d}"
    if done % 10:
        # a damaged checkpoint: the one before is used, and it says so
        shard = next(newest.glob("*.distcp"))
        content = bytearray(shard.read_bytes())
        content[len(content) // 2] ^= 1
        shard.write_bytes(content)
    out = finish(start(stopped, *recipes))
    assert "finished: 150 steps" in out, out
    if done % 10:
        assert f"{shard.name} is not as it was committed; going back" in out
        assert f"resumed at step {done // 10 * 10} of 150" in out, out
    assert numbers(stopped) == numbers(whole)
    assert [line["step"] for line in numbers(whole) if line["kind"] == "train"] == list(range(1, 151))
    kept = {path.name for path in (whole / "checkpoints").iterdir()}
    best = (whole / "best").read_text().strip()
    assert kept == {"step-00000140", "step-00000150", best}, "the newest two and the best"
