"""A real datagen and a real training while the page is open: figures move by themselves, every page is whole."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.dashboard.sources import Sources
from tests.dashboard.conftest import serving
from tests.trainer import runs

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CARDS = "[...document.querySelectorAll('.card')].map((card) => card.innerText).join(' ')"
SHARDS = CARDS + ".match(/([\\d,]+) of 400 shards/)?.[1]"
STEPS = "document.querySelector('.lead')?.innerText.match(/([\\d,]+) of 60 optimiser steps/)?.[1]"


def generate(out: Path) -> subprocess.Popen[bytes]:
    sets = ("sequences=6400", "sequences_per_shard=16")
    words = [word for one in sets for word in ("--set", one)]
    command = [sys.executable, "-m", "datagen", "run", "--recipe", "tiny", "--out", str(out), "--executor", "inline"]
    with open(out.parent / "datagen.log", "wb") as log:
        return subprocess.Popen([*command, *words], cwd=ROOT, env=dict(os.environ), stdout=log, stderr=log)


def watch_move(page: Any, script: str, truth: Callable[[], int], least: int = 4) -> list[int]:
    """Return what a figure showed while it moved; it may lag behind the files by three seconds at most."""
    seen: list[int] = []
    reached: list[tuple[int, float]] = []
    limit = time.monotonic() + 240
    while len(seen) < least:
        assert time.monotonic() < limit, seen
        value, now = truth(), time.monotonic()
        if not reached or value > reached[-1][0]:
            reached.append((value, now))
        told = page.evaluate(script)
        shown = int(told.replace(",", "")) if told else 0
        if shown and (not seen or shown > seen[-1]):
            seen.append(shown)
        behind = next((time.monotonic() - moment for value, moment in reached if value > shown), 0.0)
        assert not seen or behind < 3.0, f"the page shows {shown} and the files {value} for {behind:.1f} s"
        page.wait_for_timeout(100)
    return seen


def test_figures_move_while_data_and_a_run_are_made(
    open_page: Callable[..., Any], tmp_path: Path, pictures: Path
) -> None:
    data, run = tmp_path / "data" / "live", tmp_path / "runs" / "live"
    data.parent.mkdir()
    run.parent.mkdir()
    with serving(Sources([tmp_path / "data"], [tmp_path / "runs"])) as base:
        watched = open_page(base)
        page = watched.page
        page.wait_for_selector("text=No dataset yet")
        maker = generate(data)
        try:
            page.wait_for_selector('.card a[href^="#/data/"]', timeout=120_000)
            moved = watch_move(page, SHARDS, lambda: len([*data.glob("catalog/*.parquet")]))
            assert maker.poll() is None or maker.returncode == 0, (tmp_path / "data" / "datagen.log").read_text()
            page.screenshot(path=pictures / "real-home.png", full_page=True)
        finally:
            maker.terminate()
            maker.wait(60)
        sets = ("steps=60", "log_every=1", "batch=4", "validation.every=30")
        trainer = runs.start(run, "recipe:tiny", "tiny", ranks=1, sets=sets)
        try:
            page.wait_for_selector('.card a[href^="#/run/"]', timeout=120_000)
            page.click('.card a[href^="#/run/"]')
            steps = watch_move(page, STEPS, lambda: max((row["step"] for row in runs.lines(run, "train")), default=0))
            told = runs.finish(trainer)
            assert trainer.returncode == 0, told
        finally:
            trainer.kill()
        page.wait_for_selector('.lead .badge[data-state="done"]')
        page.wait_for_selector('.plot[aria-label="cores over optimiser steps"] canvas')
        page.screenshot(path=pictures / "real-run.png", full_page=True)
        page.goto(f"{base}/#/")
        assert moved == sorted(moved) and steps == sorted(steps)
        assert watched.errors == []
        assert watched.strangers == []
