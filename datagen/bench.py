"""Measures the generator on one thread: worlds sampled, solved and acted in, without storage."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from common.config import parse
from common.dataset.schema import DISCOUNTS
from common.synthesis.generate import generate
from common.synthesis.labels import reference
from common.synthesis.recipe import Recipe
from common.worlds import World, sample_world

LENGTH = 8000
"""Rows of a sequence, as in the paper's small datasets."""
BEHAVIOURS = ("random", "softmax", "least-tried", "q-learning", "oracle", "noisy-oracle", "near-optimal")
"""All there are, in equal parts."""
PARTS = ("sampling", "solving", "rollout")
REPEATS = 3
SECONDS = 2.0
"""What a repetition aims to take."""


def bench(states: Sequence[int], actions: int, seconds: float = SECONDS) -> dict[str, Any]:
    """Return the machine, and for each number of states the medians of three repetitions.

    A repetition makes fresh sequences of ``LENGTH`` rows, each in an AnyMDP world of its own. ``steps_per_second`` is
    everything: sampling with rejection, four exact solutions, the rollout, catalog rows. ``tasks_per_second`` is
    sampling alone; ``nanoseconds_per_step`` splits the whole, and rollout is what the other two leave.
    """
    results = []
    for n_states in states:
        recipe = _recipe(n_states, actions)
        generate(recipe, 0, 1)  # compiles, or loads what was compiled
        count = max(4, int(seconds / max(_seconds(lambda r=recipe: generate(r, 1, 4)) / 4, 1e-6)))  # type: ignore[misc]
        rounds = [_measure(recipe, n_states, actions, 8 + index * count, count) for index in range(REPEATS)]
        median = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        steps = count * LENGTH
        results.append(
            {
                "states": n_states,
                "actions": actions,
                "sequences": count,
                "length": LENGTH,
                "steps_per_second": steps / median["whole"],
                "tasks_per_second": count / median["sampling"],
                "nanoseconds_per_step": {
                    "sampling": 1e9 * median["sampling"] / steps,
                    "solving": 1e9 * median["solving"] / steps,
                    "rollout": 1e9 * (median["whole"] - median["sampling"] - median["solving"]) / steps,
                },
            }
        )
    return {"machine": machine(), "results": results}


def _recipe(n_states: int, actions: int) -> Recipe:
    return parse(
        Recipe,
        {
            "name": "bench",
            "sequences": 1,
            "length": LENGTH,
            "sequences_per_shard": 1,
            "vocabulary": n_states,
            "actions": actions,
            "families": [{"family": "anymdp", "parameters": {"n_states": n_states, "n_actions": actions}}],
            "behaviours": [{"kind": kind} for kind in BEHAVIOURS],
        },
        "the benchmark's recipe",
    )


def _measure(recipe: Recipe, n_states: int, actions: int, first: int, count: int) -> dict[str, float]:
    """Return the seconds of everything, of sampling and of solving for ``count`` tasks."""
    whole = _seconds(lambda: generate(recipe, first, count))
    worlds: list[World] = []
    sampling = _seconds(
        lambda: worlds.extend(
            sample_world("anymdp", seed=seed, n_states=n_states, n_actions=actions)
            for seed in range(first, first + count)
        )
    )
    solving = _seconds(lambda: _solve_all(worlds))
    return {"whole": whole, "sampling": sampling, "solving": solving}


def _solve_all(worlds: Sequence[World]) -> None:
    for world in worlds:
        reference(
            world.arrays(),
            world.probability,
            world.start_probabilities,
            world.n_actions,
            world.episode_limit,
            np.array(DISCOUNTS),
            np.empty((len(DISCOUNTS), world.n_states), dtype=np.uint64),
        )


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def machine() -> dict[str, Any]:
    """Return what a figure depends on: processor, cores, Python, numba, numpy."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in ("numba", "numpy")},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def table(facts: dict[str, Any]) -> str:
    """Return the results as lines of text."""
    known = facts["machine"]
    lines = [
        f"{known['processor']}, 1 of {known['cores']} cores, python {known['python']}, numba {known['numba']}",
        f"{'states':>6} {'actions':>7} {'M steps/s':>9} {'tasks/s':>8}   ns a step: sampling, solving, rollout",
    ]
    for row in facts["results"]:
        split = row["nanoseconds_per_step"]
        lines.append(
            f"{row['states']:>6} {row['actions']:>7} {row['steps_per_second'] / 1e6:>9.2f} "
            f"{row['tasks_per_second']:>8,.0f}   " + ", ".join(f"{split[part]:.1f}" for part in PARTS)
        )
    return "\n".join(lines)
