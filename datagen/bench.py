"""Measures the generator on one thread: worlds sampled, solved and acted in, without storage."""

import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from common.config import parse
from common.dataset.schema import DISCOUNTS
from common.errors import UsageError
from common.synthesis.generate import generate
from common.synthesis.labels import reference
from common.synthesis.recipe import Recipe, load
from common.worlds import World, sample_world
from common.worlds.vector import WorldVectorEnv

STATES = (16, 32, 64, 128, 256, 512)
LENGTH = 8000
"""Rows of a sequence, as in the paper's small datasets."""
MIXTURE = "dpd"
"""The recipe whose behaviours act: the released mixture."""
PARTS = ("sampling", "solving", "rollout")
REPEATS = 3
WORLDS = 32
"""So many are made at a time: more would measure how fast the system hands out memory."""
SECONDS = 2.0
"""What a repetition aims to take."""
GROWTH = (16, 128)
"""The growth of sampling is fitted over the sizes measured from here to here."""
ENVIRONMENTS, ENVIRONMENT_STEPS = 1024, 300
START = """
from common.synthesis.generate import generate
from datagen.bench import bench_recipe
generate(bench_recipe(16, {actions}), 0, 1)
"""


def bench(states: Sequence[int], actions: int, seconds: float = SECONDS) -> dict[str, Any]:
    """Return the machine, and for each number of states the medians of three repetitions.

    A repetition makes fresh sequences of ``LENGTH`` rows, each in an AnyMDP world of its own. ``steps_per_second`` is
    everything: sampling with rejection, four exact solutions, the rollout of the released mixture, catalog rows.
    ``tasks_per_second`` is sampling alone; ``nanoseconds_per_step`` splits the whole, and rollout is what the other
    two leave. All in CPU time, so that other work on the machine counts little. Beside them the exponent by which the
    time of sampling grows, the steps of the vector environment, and the wall time in which a process of its own,
    kernels compiled before, makes one sequence.

    Raises:
        UsageError: A number of states or actions is not one that AnyMDP worlds can have.
    """
    recipes = [bench_recipe(n_states, actions) for n_states in states]
    results = [_result(recipe, n_states, actions, seconds) for recipe, n_states in zip(recipes, states, strict=True)]
    return {
        "machine": machine(),
        "results": results,
        "sampling_growth_exponent": growth(results),
        "vector_environment": {"worlds": ENVIRONMENTS, "states": 16, "steps_per_second": _vector_steps(actions)},
        "second_process_seconds": _start(actions),
    }


def bench_recipe(n_states: int, actions: int) -> Recipe:
    """Return the released mixture in AnyMDP worlds of one size.

    Raises:
        UsageError: There are no such worlds.
    """
    settings = {
        **load(MIXTURE).model_dump(mode="json", exclude={"families"}),
        "name": "bench",
        "length": LENGTH,
        "vocabulary": n_states,
        "actions": actions,
        "families": [{"family": "anymdp", "parameters": {"n_states": n_states, "n_actions": actions}}],
    }
    return parse(Recipe, settings, f"the benchmark of {n_states} states and {actions} actions")


def _result(recipe: Recipe, n_states: int, actions: int, seconds: float) -> dict[str, Any]:
    generate(recipe, 0, 1)  # compiles, or loads what was compiled
    count = max(4, int(seconds / max(_seconds(lambda: generate(recipe, 1, 4)) / 4, 1e-6)))
    rounds = [_measure(recipe, n_states, actions, 8 + index * count, count) for index in range(REPEATS)]
    median = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
    steps = count * LENGTH
    return {
        "states": n_states,
        "actions": actions,
        "steps_per_second": steps / median["whole"],
        "tasks_per_second": count / median["sampling"],
        "nanoseconds_per_step": {
            "sampling": 1e9 * median["sampling"] / steps,
            "solving": 1e9 * median["solving"] / steps,
            "rollout": 1e9 * (median["whole"] - median["sampling"] - median["solving"]) / steps,
        },
    }


def _measure(recipe: Recipe, n_states: int, actions: int, first: int, count: int) -> dict[str, float]:
    """Return the seconds of everything, of sampling and of solving for ``count`` tasks."""
    sizes = {"n_states": n_states, "n_actions": actions}
    whole = sampling = solving = 0.0
    for begin in range(first, first + count, WORLDS):
        worlds: list[World] = []
        seeds = range(begin, min(begin + WORLDS, first + count))
        whole += _seconds(lambda: generate(recipe, seeds.start, len(seeds)))  # noqa: B023
        sampling += _seconds(lambda: worlds.extend(sample_world("anymdp", seed=s, **sizes) for s in seeds))  # noqa: B023
        solving += _seconds(lambda: _solve_all(worlds))  # noqa: B023
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
            world.hints(),
            np.empty((len(DISCOUNTS), world.n_states), dtype=np.uint64),
        )


def growth(results: Sequence[dict[str, Any]]) -> float | None:
    """Return e of the fit time per task ~ states**e over the sizes in ``GROWTH``; None of fewer than two."""
    low, high = GROWTH
    chosen = [row for row in results if low <= row["states"] <= high]
    if len({row["states"] for row in chosen}) < 2:
        return None
    x = [math.log(row["states"]) for row in chosen]
    y = [-math.log(row["tasks_per_second"]) for row in chosen]
    return statistics.linear_regression(x, y).slope


def _vector_steps(actions: int) -> float:
    """Return the steps a second of ``ENVIRONMENTS`` worlds in one vector environment, random actions, median of 3."""
    environments = WorldVectorEnv(family="anymdp", num_envs=ENVIRONMENTS, n_states=16, n_actions=actions)
    environments.reset(seed=0)
    chosen = np.random.default_rng(0).integers(0, actions, (ENVIRONMENT_STEPS, ENVIRONMENTS))

    def play() -> None:
        for action in chosen:
            environments.step(action)

    play()
    return chosen.size / statistics.median(_seconds(play) for _ in range(REPEATS))


def _start(actions: int) -> float:
    """Return the seconds in which a fresh process makes a sequence, the kernels being compiled."""
    command = [sys.executable, "-c", START.format(actions=actions)]
    root = str(Path(__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    subprocess.run(command, check=True, env=environment)
    started = time.perf_counter()
    subprocess.run(command, check=True, env=environment)
    return time.perf_counter() - started


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


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


def check(states: Sequence[int], actions: int) -> None:
    """Refuse sizes that AnyMDP worlds cannot have, before anything runs.

    Raises:
        UsageError: There are no such worlds.
    """
    if not states:
        raise UsageError("bench takes at least one number of states, such as --states 16,128")
    for n_states in states:
        bench_recipe(n_states, actions)


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
    if facts["sampling_growth_exponent"] is not None:
        power = facts["sampling_growth_exponent"]
        lines.append(f"sampling a task takes time ~ states^{power:.2f} from {GROWTH[0]} to {GROWTH[1]}")
    vector = facts["vector_environment"]
    lines.append(
        f"vector environment: {vector['steps_per_second'] / 1e6:.1f} M steps/s, {vector['worlds']:,} worlds of "
        f"{vector['states']} states"
    )
    lines.append(f"a second process makes its first sequence after {facts['second_process_seconds']:.1f} s")
    for row in facts.get("xenoverse", {}).get("results", []):
        lines.append(
            f"xenoverse {facts['xenoverse']['version']}, {row['states']} states: {row['tasks_per_second']:.2f} tasks/s "
            f"(here {row['tasks_ratio']:,.0f} times), {row['steps_per_second']:,.0f} steps/s with random actions "
            f"(here, with oracles and the mixture, {row['steps_ratio']:,.0f} times)"
        )
    return "\n".join(lines)
