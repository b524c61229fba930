"""One sequence of a dataset: its world, who acted when, what every episode returned, which states were seen."""

from collections.abc import Callable
from typing import Any

import numpy as np

from common.dataset.dataset import Dataset
from common.dataset.reader import open_dataset
from common.dataset.schema import Tag
from common.errors import UsageError
from common.worlds import World


def describe_sequence(
    url: str, number: int, overrides: list[str] | None = None
) -> tuple[dict[str, Any], Callable[[], Any]]:
    """Return the facts of a sequence, and what draws it (a matplotlib figure; this loads matplotlib).

    Args:
        url: A dataset, or ``recipe:NAME``.
        number: Of the sequence.
        overrides: Settings of the recipe; only with ``recipe:``.

    Raises:
        UsageError: There is no such dataset or sequence.
        DataError: Its shard is not committed, or damaged.
    """
    dataset = open_dataset(url, overrides or [])
    if not 0 <= number < len(dataset):
        raise UsageError(f"{url} has sequences 0..{len(dataset) - 1}, asked for {number}")
    rows, table = dataset.read_with_catalog(number, 1)
    row, arrays = table.to_pylist()[0], {name: array[0] for name, array in rows.arrays().items()}
    world, why = _world(dataset, number, row)
    episodes = _episodes(arrays, dataset.actions)
    facts = {
        "dataset": dataset.url,
        "sequence": number,
        "shard": number // dataset.sequences_per_shard,
        "world": {name: row[name] for name in ("family", "version", "seed", "n_s", "n_a", "parameters", "action_map")},
        "world_rebuilt": why or "yes",
        "oracle_value": row["oracle_value"],
        "random_value": row["random_value"],
        "rejections": {check: count for check, count in row["rejections"] if count},
        "behaviours": [f"{stretch['kind']} from row {stretch['start']}" for stretch in row["behaviours"]],
        "tags": {tag.name.lower(): int(n) for tag in Tag if (n := int((arrays["tag"] == tag).sum()))},
        "episodes_ended": row["episodes"],
        "episode_returns": [round(float(value), 6) for value in episodes["return"]],
        "return": row["return"],
    }

    def draw() -> Any:
        from common.plots_sequence import sequence_picture

        return sequence_picture(facts, row, arrays, episodes, world, dataset.actions)

    return facts, draw


def _world(dataset: Dataset, number: int, row: dict[str, Any]) -> tuple[World | None, str]:
    """Return the sequence's world, made again; or None and why it cannot be."""
    if dataset.header.origin != "generated":
        return None, f"no: the data were {dataset.header.origin}"
    from common.synthesis.generate import world_at
    from common.worlds.registry import families, family

    if row["family"] not in families():
        return None, f"no: this software has no family {row['family']!r}"
    if family(row["family"]).version != row["version"]:
        by = dataset.header.provenance.get("version")
        return None, f"no: omnirl {by} made it, of version {row['version']} of its family; this software has another"
    world = world_at(dataset.recipe, number)
    return (world, "") if world.seed == row["seed"] else (None, "no: the recipe gives another world")


def _episodes(arrays: dict[str, np.ndarray], actions: int) -> dict[str, np.ndarray]:
    """Return of every ended episode its first row, the row of its break, its return and how it ended."""
    ends = np.flatnonzero(arrays["action"] == actions)
    begins = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    total = np.concatenate(([0.0], np.cumsum(arrays["reward"], dtype=np.float64)))
    return {
        "begin": begins,
        "end": ends,
        "return": total[ends] - total[begins],
        "terminated": arrays["tag"][ends] == Tag.TERMINATED,
    }
