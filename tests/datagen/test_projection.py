"""The plan's projection against what a run really makes: files, bytes, time, memory."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from common.synthesis.recipe import load
from datagen.__main__ import main
from datagen.plan import make_plan
from datagen.projection import project
from tests.conftest import CHECKOUT, SMALL, datagen_command

MEMORY = 1.5e9
"""Bytes that no process of ours exceeds."""


def measured(out: Path, *words: str, overrides: tuple[str, ...]) -> tuple[float, int]:
    """Run a command to its end; return its CPU seconds and the most memory it had."""
    command = datagen_command(*words, overrides=overrides)
    child = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def stored(out: Path) -> dict[str, int]:
    """The sizes of a dataset's files, status aside."""
    found = {str(path.relative_to(out)): path.stat().st_size for path in out.rglob("*") if path.is_file()}
    return {name: size for name, size in found.items() if not name.startswith("status/")}


def test_plan_prints_files_bytes_and_core_minutes(tiny_dataset, capsys):
    sets = [word for override in SMALL for word in ("--set", override)]
    assert main(["plan", "--recipe", "tiny", "--json", *sets]) == 0
    facts = json.loads(capsys.readouterr().out)
    files = stored(Path(tiny_dataset))
    assert facts["files"] == len(files) and facts["sampled_sequences"] == 96
    shards = sum(size for name, size in files.items() if not name.endswith(".json"))
    assert 0.9 < facts["stored_bytes_about"] / shards < 1.1
    assert facts["stored_bytes_at_most_about"] > sum(files.values())
    assert facts["core_minutes"] >= 0.0 and facts["nanoseconds_per_step"] > 10.0
    assert main(["plan", "--recipe", "d-long", "--no-sample"]) == 0
    out = capsys.readouterr().out
    assert "steps: 6,442,450,944" in out and "core minutes" not in out


@pytest.mark.parametrize("name", ["d-small", "d-large", "d-long"])
def test_the_papers_sizes(name):
    plan = make_plan(load(name))
    steps = {"d-small": 1.07e9, "d-large": 6.4e9, "d-long": 6.4e9}[name]
    assert 1.0 <= plan.steps / steps < 1.02 and plan.actor_bytes() < MEMORY
    assert plan.header.raw_bytes() < 64e6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["d-small", "d-large", "d-long"])
def test_a_slice_of_a_hundredth_checks_the_projection(name, tmp_path):
    whole = load(name)
    overrides = (f"sequences={-(-whole.sequences // 100)}",)
    plan = make_plan(load(name, overrides))
    sample = project(plan)
    run = ("run", "--recipe", name, "--executor", "inline", "--out")
    one = ("sequences=1", "sequences_per_shard=1")
    start, _ = measured(tmp_path, *run, str(tmp_path / "one"), overrides=one)
    seconds, memory = measured(tmp_path, *run, str(tmp_path / "d"), overrides=overrides)
    files = stored(tmp_path / "d")
    assert len(files) == plan.files
    assert 0.93 < sample.stored_bytes / sum(files.values()) < 1.07
    assert sum(files.values()) < plan.shards * plan.shard_bytes()
    assert 0.5 < (seconds - start) / (60.0 * sample.core_minutes) < 2.0  # other work disturbs both
    assert memory < MEMORY
    seconds, memory = measured(tmp_path, "verify", str(tmp_path / "d"), overrides=())
    assert memory < MEMORY
