"""Measures reading: a recipe's sequences from Zarr, in several orders, beside generating them on the fly."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from common.dataset import Dataset, open_dataset
from common.dataset.virtual import VirtualDataset
from common.dataset.writer import create_dataset
from common.synthesis.recipe import Recipe, load
from datagen.work import make_shard

REPEATS = 3
_SHARDS = 2
_ALONE = 64
"""Sequences read one at a time."""


def bench_reading(recipe: str, overrides: list[str] | None = None) -> dict[str, Any]:
    """Make two shards of a recipe in a temporary folder, read them, and make them again; medians of 3.

    Args:
        recipe: A shipped recipe's name, or a TOML file.
        overrides: Settings of it; the number of sequences is two shards whatever they say.

    Raises:
        UsageError: There is no such recipe.
    """
    chosen = load(recipe, overrides or [])
    chosen = chosen.model_copy(update={"sequences": _SHARDS * chosen.sequences_per_shard})
    virtual = VirtualDataset(chosen, f"recipe:{recipe}")
    with tempfile.TemporaryDirectory() as folder:
        _make(chosen, virtual, folder)
        stored = open_dataset(folder)
        size = sum(path.stat().st_size for path in Path(folder).glob("*/c/**/*") if path.is_file())
        shuffled = np.random.Generator(np.random.PCG64(0)).permutation(len(stored))
        ways: dict[str, tuple[Dataset, Callable[[Dataset], int]]] = {
            "generated on the fly": (virtual, _in_order),
            "Zarr, shards in order": (stored, _in_order),
            "Zarr, shuffled, 64 at once": (stored, lambda d: _gathered(d, shuffled[: 16 * _ALONE], _ALONE)),
            "Zarr, shuffled, one at a time": (stored, lambda d: _gathered(d, shuffled[:_ALONE], 1)),
        }
        results = [{"way": way, **_measure(read, dataset)} for way, (dataset, read) in ways.items()]
    steps = len(stored) * stored.length
    return {
        "recipe": chosen.name,
        "length": chosen.length,
        "steps": steps,
        "stored_bytes_per_step": size / steps,
        "raw_bytes_per_step": stored.n_shards * stored.header.raw_bytes() / steps,
        "results": results,
    }


def table(results: dict[str, Any]) -> str:
    """Return the measurements as text."""
    lines = [
        f"recipe {results['recipe']}: {results['steps']:,} steps in sequences of {results['length']:,}, "
        f"{results['stored_bytes_per_step']:.2f} B a step stored, {results['raw_bytes_per_step']:.2f} raw; local files",
        f"{'':30}  {'steps/s':>13}  {'steps/CPU s':>13}  {'raw MB/s':>9}",
    ]
    for row in results["results"]:
        raw = row["steps_per_second"] * results["raw_bytes_per_step"] / 1e6
        lines.append(
            f"{row['way']:30}  {row['steps_per_second']:13,.0f}  {row['steps_per_cpu_second']:13,.0f}  {raw:9,.0f}"
        )
    return "\n".join(lines)


def _make(recipe: Recipe, virtual: VirtualDataset, folder: str) -> None:
    writer = create_dataset(folder, virtual.header)
    for shard in range(_SHARDS):
        make_shard(writer, recipe, shard)
    writer.close()


def _in_order(dataset: Dataset) -> int:
    for shard in range(dataset.n_shards):
        dataset.read(shard * dataset.sequences_per_shard, dataset.sequences_per_shard)
    return len(dataset)


def _gathered(dataset: Dataset, numbers: np.ndarray, at_once: int) -> int:
    for first in range(0, len(numbers), at_once):
        dataset.gather(numbers[first : first + at_once])
    return len(numbers)


def _measure(read: Callable[[Dataset], int], dataset: Dataset) -> dict[str, float]:
    walls, cpus = [], []
    for repeat in range(REPEATS + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        rows = read(dataset) * dataset.length
        if repeat:  # the first opens and compiles
            walls.append(rows / (time.perf_counter() - wall))
            cpus.append(rows / (time.process_time() - cpu))
    return {"steps_per_second": statistics.median(walls), "steps_per_cpu_second": statistics.median(cpus)}
