"""Exact sums of a stored dataset, from the metadata of its catalog files: no data are read."""

from collections import Counter
from typing import Any

from common.config import Settings
from common.dataset.reader import StoredDataset
from common.dataset.schema import TAGS


class Sums(Settings):
    """What all committed shards add up to."""

    shards: int
    sequences: int
    steps: int
    """Rows, break rows included."""
    episodes: int
    """That ended."""
    reward_sum: float
    tags: tuple[int, ...]
    """Rows by tag, 0..9."""
    behaviours: dict[str, int]
    """Stretches by kind."""
    families: dict[str, int]
    """Sequences by family."""
    rejections: dict[str, int]
    """Candidate worlds dropped, by check."""
    stored_bytes: dict[str, int]
    """By array."""

    @classmethod
    def of(cls, dataset: StoredDataset, shards: list[int]) -> "Sums":
        """Add up the catalog files of ``shards``; memory does not grow with their number.

        Raises:
            DataError: One cannot be read; it is named.
        """
        total: dict[str, Any] = {"sequences": 0, "steps": 0, "episodes": 0, "reward_sum": 0.0}
        counts: dict[str, Counter[str]] = {
            name: Counter() for name in ("behaviours", "families", "rejections", "stored_bytes")
        }
        tags = [0] * TAGS
        for shard in shards:
            footer = dataset.footer(shard)
            for name in total:
                total[name] += getattr(footer, name)
            for name in ("behaviours", "families", "rejections"):
                counts[name].update(getattr(footer, name))
            counts["stored_bytes"].update({item.array: item.size for item in footer.objects})
            tags = [a + b for a, b in zip(tags, footer.tags, strict=True)]
        plain = {name: dict(sorted(counter.items())) for name, counter in counts.items()}
        plain["stored_bytes"] = {name: counts["stored_bytes"][name] for name in dataset.header.arrays()}
        return cls(shards=len(shards), tags=tuple(tags), **total, **plain)
