"""Where sequences come from: a stored dataset, or a data recipe generated on the fly; the same rows from both."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from common.dataset import Dataset, open_dataset
from common.errors import DataError, UsageError
from trainer.tokens import Rows

VIRTUAL = "recipe:"
"""Data named ``recipe:NAME`` are generated while training."""


class Source(Protocol):
    """Numbered sequences, in shards."""

    recipe: Any
    """The data recipe (``common.synthesis.recipe.Recipe``)."""
    identity: str
    """Digest of what the sequences are; not how many, nor where they are kept."""
    vocabulary: int
    actions: int
    observation_tokens: int
    """Symbols of an observation."""
    label: str
    length: int
    """Rows of a sequence."""
    shards: int
    sequences_per_shard: int

    def gather(self, numbers: np.ndarray) -> Rows:
        """Return the sequences of these numbers, in this order."""


class StoredSource:
    """A dataset; whole shards are kept decoded, the least recently used ones dropped."""

    def __init__(self, dataset: Dataset, cache_bytes: int, window: int) -> None:
        self.dataset, self.recipe, self.identity = dataset, dataset.recipe, dataset.identity
        self.vocabulary, self.actions, self.label = dataset.vocabulary, dataset.actions, dataset.label
        self.observation_tokens = dataset.observation_tokens
        self.length, self.shards = dataset.length, dataset.n_shards
        self.sequences_per_shard = dataset.sequences_per_shard
        self._kept: OrderedDict[int, Rows] = OrderedDict()
        self._cache_bytes, self._window = cache_bytes, window
        self._check()

    def _check(self) -> None:
        missing = sorted(set(range(self.shards)) - self.dataset.committed())
        if missing:
            named = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
            raise DataError(
                f"{self.dataset.url} has {len(missing)} of {self.shards} shards not committed: {named}; "
                "run datagen to its end"
            )
        for shard in range(self.shards):
            self.dataset.read(shard * self.sequences_per_shard, 1)

    def gather(self, numbers: np.ndarray) -> Rows:
        """Return the sequences of these numbers.

        Raises:
            DataError: A shard cannot be read; it is named.
        """
        shards, places = np.divmod(numbers, self.sequences_per_shard)
        parts: list[Any] = [None] * len(numbers)
        for shard in np.unique(shards):
            rows = self._shard(int(shard))
            for at in np.flatnonzero(shards == shard):
                parts[at] = rows.pick(slice(places[at], places[at] + 1))
        return Rows.join(parts)

    def _shard(self, shard: int) -> Rows:
        if shard not in self._kept:
            read = self.dataset.read(shard * self.sequences_per_shard, self.sequences_per_shard)
            rows = Rows.of(read.arrays())
            most = max(self._window + 1, self._cache_bytes // max(1, sum(a.nbytes for a in rows if a is not None)))
            while len(self._kept) >= most:
                self._kept.popitem(last=False)
            self._kept[shard] = rows
        self._kept.move_to_end(shard)
        return self._kept[shard]


class VirtualSource:
    """A data recipe; sequences are generated when they are asked for."""

    def __init__(self, recipe: Any) -> None:
        from common.synthesis.recipe import identity_digest

        self.recipe, self.identity = recipe, identity_digest(recipe)
        self.vocabulary, self.actions, self.label = recipe.vocabulary, recipe.actions, recipe.label
        self.observation_tokens = recipe.observation_tokens
        self.length, self.shards = recipe.length, recipe.shards
        self.sequences_per_shard = recipe.sequences_per_shard

    def gather(self, numbers: np.ndarray) -> Rows:
        """Return the sequences of these numbers."""
        from common.synthesis.generate import generate

        return Rows.join([Rows.of(generate(self.recipe, int(number), 1).arrays()) for number in numbers])


def open_source(data: str, overrides: Sequence[str] = (), cache_bytes: int = 1 << 30, window: int = 8) -> Source:
    """Open ``data``: the URL of a dataset, or ``recipe:NAME``.

    Args:
        data: What to open.
        overrides: ``--data-set`` settings of the data recipe; only with ``recipe:NAME``.
        cache_bytes: Decoded shards kept, per rank.
        window: Shards needed at once; kept whatever ``cache_bytes`` says.

    Raises:
        UsageError: There is no such data, or overrides were given for stored data.
        DataError: A shard is missing or damaged; it is named.
    """
    if data.startswith(VIRTUAL):
        from common.synthesis.recipe import load

        return VirtualSource(load(data.removeprefix(VIRTUAL), overrides))
    if overrides:
        raise UsageError(f"--data-set changes a data recipe and needs --data recipe:NAME, got --data {data}")
    return StoredSource(open_dataset(data), cache_bytes, window)
