"""Runs xenoverse, the original of AnyMDP, beside ours: a Python that has it in, its tasks and steps a second out.

In a process of its own, as it registers the same names with Gymnasium (and is licensed and installed apart:
``pip install omnirl[compare]``). Its figure leaves out what ours includes, oracles, learners and labels.
"""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.errors import DataError, UsageError

BUDGET = 20.0
"""Seconds of sampling at each size; a task that is begun is finished (8 s on average at 128 states, up to 30)."""
LARGEST = 128
"""Larger worlds take it minutes each."""
_CHECK = "import importlib.metadata, xenoverse.anymdp; print(importlib.metadata.version('xenoverse'))"
_SCRIPT = """
import contextlib, io, json, random, sys, time
import gymnasium, numpy
with contextlib.redirect_stdout(io.StringIO()):
    from xenoverse.anymdp import AnyMDPTaskSampler
states, actions, length, budget = json.loads(sys.argv[1])
results = []
for n in states:
    sampling = stepping = 0.0
    tasks = steps = 0
    env = gymnasium.make("anymdp-v0", max_steps=10**9).unwrapped
    while sampling < budget and tasks < 50:
        with contextlib.redirect_stdout(io.StringIO()):
            started = time.process_time()
            task = AnyMDPTaskSampler(state_space=n, action_space=actions, min_state_space=n, seed=tasks)
            sampling += time.process_time() - started
        tasks += 1
        started = time.process_time()
        env.set_task(task)
        env.reset()
        for _ in range(length):
            _, _, terminated, truncated, _ = env.step(random.randrange(actions))
            if terminated or truncated:
                env.reset()
        stepping += time.process_time() - started
        steps += length
    whole = sampling + stepping
    results.append({"states": n, "tasks_per_second": tasks / sampling, "steps_per_second": steps / whole})
print(json.dumps(results))
"""


def find(python: str | None) -> tuple[str, str] | None:
    """Return (Python, version of xenoverse); None where no Python is named and this one does not have it.

    Raises:
        UsageError: The Python that is named cannot be run or does not have it.
    """
    if python is None:
        if importlib.util.find_spec("xenoverse") is None:
            return None
        python = sys.executable
    try:
        done = subprocess.run([python, "-c", _CHECK], capture_output=True, text=True, check=False, cwd=Path.home())
    except OSError as error:
        raise UsageError(f"--xenoverse takes a Python to run, got {python!r}: {error}") from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise UsageError(f"{python} must have xenoverse, got {reason!r}; pip install 'omnirl[compare]' there")
    return python, done.stdout.split()[-1]


def compare(where: tuple[str, str], facts: dict[str, Any], length: int) -> dict[str, Any]:
    """Return xenoverse's tasks and steps a second for each size of ``facts`` up to ``LARGEST``, and ours over them.

    Raises:
        DataError: It failed.
    """
    rows = [row for row in facts["results"] if row["states"] <= LARGEST]
    states: Sequence[int] = [row["states"] for row in rows]
    request = json.dumps([states, rows[0]["actions"] if rows else 0, length, BUDGET])
    done = subprocess.run(
        [where[0], "-c", _SCRIPT, request], capture_output=True, text=True, check=False, cwd=Path.home()
    )
    if done.returncode:
        raise DataError(f"xenoverse {where[1]} in {where[0]} must run, it ended with:\n{done.stderr.strip()[-2000:]}")
    theirs = json.loads(done.stdout.splitlines()[-1])
    for ours, row in zip(rows, theirs, strict=True):
        row["tasks_ratio"] = ours["tasks_per_second"] / row["tasks_per_second"]
        row["steps_ratio"] = ours["steps_per_second"] / row["steps_per_second"]
    return {"version": where[1], "results": theirs}
