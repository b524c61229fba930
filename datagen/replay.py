"""Makes sequences again from their seeds and compares them with what is stored, byte for byte."""

import json
import secrets
from typing import Any

import numpy as np

from common.dataset.reader import StoredDataset
from common.errors import DataError, UsageError
from common.synthesis.generate import generate
from common.synthesis.recipe import Recipe, identity_digest
from common.worlds.registry import families
from datagen.in_order import spans


def choose(dataset: StoredDataset, count: int, seed: int | None = None) -> tuple[list[int], int]:
    """Return the numbers of ``count`` committed sequences, or all where there are fewer, and the seed they come from.

    Raises:
        UsageError: ``count`` is under 1.
    """
    if count < 1:
        raise UsageError(f"--replay takes a number of sequences from 1, got {count}")
    seed = secrets.randbits(32) if seed is None else seed
    per_shard = dataset.sequences_per_shard
    shards = np.array(sorted(dataset.committed()), dtype=np.int64)
    chosen = np.random.default_rng(seed).choice(shards.size * per_shard, min(count, shards.size * per_shard), False)
    return sorted((shards[chosen // per_shard] * per_shard + chosen % per_shard).tolist()), seed


def check_replayable(dataset: StoredDataset) -> Recipe:
    """Return the dataset's recipe where this software makes the same sequences from it.

    Raises:
        UsageError: It was imported; or made by other versions of families or behaviours: the release is named.
    """
    recipe: Recipe = dataset.recipe
    if identity_digest(recipe) != dataset.identity:
        release = dataset.header.provenance.get("version", "that wrote it")
        raise UsageError(
            f"{dataset.url} was made by other versions of its world families or behaviours, so it cannot be replayed "
            f"here{_other_versions(dataset)}; install omnirl {release} (commit "
            f"{dataset.header.provenance.get('commit')}) to replay it"
        )
    return recipe


def _other_versions(dataset: StoredDataset) -> str:
    here = {name: family.version for name, family in families().items()}
    for shard in sorted(dataset.committed())[:1]:
        for row in dataset.catalog(shard).select(["family", "version"]).to_pylist():
            if here.get(row["family"]) != row["version"]:
                return f" ({row['family']} is version {row['version']} there and {here.get(row['family'])} here)"
    return ""


def replay(dataset: StoredDataset, recipe: Recipe, index: int) -> list[str]:
    """Make one sequence again; return what differs, a line an array: shard, array, sequence and rows."""
    shard = index // dataset.sequences_per_shard
    made = generate(recipe, index, 1)
    try:
        stored = dataset.read(index, 1).arrays()
        row = dataset.catalog(shard).slice(index % dataset.sequences_per_shard, 1).to_pylist()[0]
    except DataError as error:
        return [f"sequence {index} cannot be replayed: {error}"]
    faults = []
    for name, array in made.arrays().items():
        if array.tobytes() != stored[name].tobytes():
            unequal = np.flatnonzero((array[0] != stored[name][0]).reshape(array.shape[1], -1).any(axis=1))
            axis = "discounts" if name == "oracle" else "rows"
            faults.append(
                f"shard {shard}: array {name}, sequence {index} differs from its replay in {axis} {spans(unequal, 3)}"
            )
    differing = [column for column, value in _plain(made.rows[0]).items() if row[column] != value]
    if differing:
        faults.append(f"shard {shard}: the catalog's row of sequence {index} differs from its replay in {differing}")
    return faults


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a generated catalog row as the catalog would give it back."""
    return {
        **row,
        "parameters": json.dumps(json.loads(row["parameters"]), sort_keys=True),
        "behaviours": [{"start": start, "kind": kind} for start, kind in row["behaviours"]],
        "rejections": sorted(row["rejections"].items()),
    }
