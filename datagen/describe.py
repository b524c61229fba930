"""The command ``describe``: what is in a dataset, as facts; exact where the catalog sums it up, else from a sample."""

from collections import defaultdict
from typing import Any

import numpy as np

from common.dataset.dataset import Dataset, Table
from common.dataset.reader import StoredDataset, open_dataset
from common.dataset.schema import Tag
from common.errors import DataError
from datagen.describe_sample import Sample, entropy, parts
from datagen.describe_sums import Sums

ROWS = 4_000_000
"""Rows looked at, unless told otherwise."""
CATALOGS = 64
"""Catalog files whose rows are read for what is known of the worlds."""
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
POINTS = 600
"""Worlds drawn as points."""


def describe(url: str, overrides: list[str] | None = None, rows: int = ROWS) -> dict[str, Any]:
    """Return the facts of a dataset; memory does not grow with its size.

    Args:
        url: A dataset, finished or not, or ``recipe:NAME``.
        overrides: Settings of the recipe; only with ``recipe:``.
        rows: About how many rows are looked at.

    Raises:
        UsageError: There is no such dataset.
        DataError: Nothing of it is committed, or a shard that is looked at cannot be read.
    """
    dataset = open_dataset(url, overrides or [])
    committed = sorted(dataset.committed())
    if not committed:
        raise DataError(f"{url} has no committed shard yet: there is nothing to describe; wait, or run datagen")
    tables = min(CATALOGS, len(committed)) if dataset.stored else 1
    sample, worlds = Sample(dataset), _Worlds(-(-POINTS // tables))
    for first, count in parts(dataset, committed, rows):
        seen, table = dataset.read_with_catalog(first, count)
        sample.add(seen, table)
        if not dataset.stored:
            worlds.add(table)
    sums = None
    if isinstance(dataset, StoredDataset):
        sums = Sums.of(dataset, committed)
        for place in range(tables):
            worlds.add(dataset.catalog(committed[place * len(committed) // tables]))
    return {
        "dataset": _identity(dataset),
        "size": _size(dataset, committed, sums),
        "exact": sums is not None,
        "sampled": {"sequences": sample.sequences, "steps": sample.sequences * dataset.length, "worlds": worlds.count},
        "families": _shares(sums.families if sums else worlds.families),
        "tags": _tags(sums.tags if sums else sample.tags.tolist()),
        "behaviours": _behaviours(sample, sums),
        "episodes": _episodes(sample, sums),
        "rewards": _rewards(sample, sums),
        "worlds": worlds.facts(),
        "rejections": worlds.rejections(sums),
        "labels": _labels(sample, dataset),
        "coverage": _coverage(sample),
        "points": worlds.points,
    }


def _identity(dataset: Dataset) -> dict[str, Any]:
    header = dataset.header
    return {
        "url": dataset.url,
        "name": header.recipe.get("name"),
        "origin": header.origin,
        "identity": header.identity,
        "label": header.label,
        "vocabulary": header.vocabulary,
        "actions": header.actions,
        "length": header.length,
        "made": header.provenance.get("created"),
        "version": header.provenance.get("version"),
    }


def _size(dataset: Dataset, committed: list[int], sums: Sums | None) -> dict[str, Any]:
    sequences = len(committed) * dataset.sequences_per_shard
    steps = sequences * dataset.length
    facts: dict[str, Any] = {
        "shards": dataset.n_shards,
        "committed": len(committed),
        "holes": sorted(dataset.holes),
        "sequences": sequences,
        "steps": steps,
        "raw_bytes": len(committed) * dataset.header.raw_bytes(),
    }
    if sums is not None:
        stored = sum(sums.stored_bytes.values())
        facts |= {
            "stored_bytes": stored,
            "bytes_per_step": stored / steps,
            "bytes_per_step_by_array": {name: size / steps for name, size in sums.stored_bytes.items()},
        }
    return facts


def _shares(counts: dict[str, int]) -> dict[str, Any]:
    total = sum(counts.values())
    return {name: {"count": count, "share": count / total} for name, count in counts.items()}


def _tags(counts: Any) -> dict[str, Any]:
    return _shares({tag.name.lower(): int(counts[tag]) for tag in Tag})


def _behaviours(sample: Sample, sums: Sums | None) -> dict[str, Any]:
    rows = sum(sample.kind_rows.values())
    facts: dict[str, Any] = {}
    for kind, count in sorted(sample.kind_rows.items(), key=lambda item: -item[1]):
        scores = sample.scores.get(kind, [])
        facts[kind] = {
            "share_of_rows": count / rows,
            "stretches": sums.behaviours.get(kind) if sums else None,
            "score": _quantiles(np.array(scores)) if scores else None,
        }
    return facts


def _episodes(sample: Sample, sums: Sums | None) -> dict[str, Any]:
    lengths = np.concatenate(sample.lengths)
    tags = sums.tags if sums else sample.tags.tolist()
    ended = tags[Tag.TERMINATED] + tags[Tag.TRUNCATED]
    return {
        "ended": ended,
        "terminated_share": tags[Tag.TERMINATED] / ended if ended else None,
        "length": _quantiles(lengths) | {"histogram": _histogram(lengths, 40)} if len(lengths) else None,
    }


def _rewards(sample: Sample, sums: Sums | None) -> dict[str, Any]:
    rewards = np.concatenate(sample.rewards).astype(np.float64)
    live = None if sums is None else sums.steps - sums.tags[Tag.TERMINATED] - sums.tags[Tag.TRUNCATED]
    folded = np.sign(rewards) * np.log1p(np.abs(rewards))
    return _quantiles(rewards) | {
        "mean": sums.reward_sum / live if sums and live else float(rewards.mean()),
        "zero_share": float((rewards == 0.0).mean()),
        "largest": float(np.abs(rewards).max()),
        "symlog_histogram": _histogram(folded, 80),
    }


def _labels(sample: Sample, dataset: Dataset) -> dict[str, Any]:
    labelled, ids = sample.ties[1:].sum(), np.arange(1, 65)
    live = sample.tags[: Tag.TERMINATED].sum()
    if not labelled:
        return {"labelled_share": 0.0}
    return {
        "labelled_share": float(labelled / live),
        "optimal_ids": {str(n): float(c / labelled) for n, c in enumerate(sample.ties.tolist()) if n and c},
        "tie_entropy_bits": float((sample.ties[1:] * np.log2(ids)).sum() / labelled),
        "sequence_entropy_bits": float(np.mean(sample.sequence_entropy)),
        "marginal_entropy_bits": entropy(sample.targets),
        "uniform_entropy_bits": float(np.log2(dataset.actions)),
        "right_by_tag": {
            tag.name.lower(): float(sample.right[tag] / sample.labelled[tag]) for tag in Tag if sample.labelled[tag]
        },
    }


def _coverage(sample: Sample) -> dict[str, Any] | None:
    if not sample.coverage:
        return None
    seen = np.stack(sample.coverage)
    low, middle, high = np.quantile(seen, (0.1, 0.5, 0.9), axis=0)
    return {
        "rows": sample.steps.tolist(),
        "mean": seen.mean(axis=0).tolist(),
        "p10": low.tolist(),
        "p50": middle.tolist(),
        "p90": high.tolist(),
    }


class _Worlds:
    """What catalog rows say of the worlds."""

    def __init__(self, points: int) -> None:
        self.count = 0
        self._few = points
        self.families: dict[str, int] = defaultdict(int)
        self.points: list[tuple[str, float, float]] = []
        self._values: dict[str, list[np.ndarray]] = defaultdict(list)
        self._dropped: dict[str, int] = defaultdict(int)

    def add(self, table: Table) -> None:
        self.count += len(table)
        families = table.column("family").to_numpy(zero_copy_only=False)
        columns = ("n_s", "n_a", "random_value", "oracle_value")
        values = np.stack([np.array(table.column(name).to_pylist(), dtype=np.float64) for name in columns], axis=1)
        for family in np.unique(families):
            mine = families == family
            self.families[str(family)] += int(mine.sum())
            self._values[str(family)].append(values[mine])
        for pairs in table.column("rejections").to_pylist():
            for check, count in pairs:
                self._dropped[check] += count
        few = np.linspace(0, len(table) - 1, num=min(len(table), self._few), dtype=np.int64)
        self.points += [(str(families[i]), *values[i, 2:].tolist()) for i in few if np.isfinite(values[i, 2:]).all()]
        self.points = self.points[:POINTS]

    def rejections(self, sums: Sums | None) -> dict[str, Any]:
        """Return the candidates dropped, by check, and their share of all candidates."""
        dropped = sums.rejections if sums else dict(sorted(self._dropped.items()))
        dropped = {check: count for check, count in dropped.items() if count}
        accepted = sums.sequences if sums else self.count
        total = sum(dropped.values())
        return {"dropped": dropped, "accepted": accepted, "rate": total / (total + accepted)}

    def facts(self) -> dict[str, Any]:
        """Return quantiles of sizes and values, by family."""
        found = {}
        for family in sorted(self._values):
            n_s, n_a, random, oracle = np.concatenate(self._values[family]).T
            columns = {"n_s": n_s, "n_a": n_a, "random_value": random, "oracle_value": oracle, "gap": oracle - random}
            found[family] = {name: _quantiles(v[np.isfinite(v)]) for name, v in columns.items() if np.isfinite(v).any()}
        return found


def _quantiles(values: np.ndarray) -> dict[str, Any]:
    found = np.quantile(values, QUANTILES)
    return {
        "mean": float(values.mean()),
        **{f"p{100 * q:02.0f}": float(v) for q, v in zip(QUANTILES, found, strict=True)},
    }


def _histogram(values: np.ndarray, bins: int) -> dict[str, Any]:
    counts, edges = np.histogram(values, bins=bins)
    return {"edges": edges.tolist(), "counts": counts.tolist()}
