"""Where sequences come from: a dataset, stored or generated on the fly; the same rows from both."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.dataset.dataset import Dataset
from common.errors import DataError, UsageError
from trainer.data.config import DataConfig
from trainer.tokens import Rows

VIRTUAL = "recipe:"
"""Data named ``recipe:NAME`` are generated while training."""


class Source:
    """Numbered sequences, in shards. Whole shards are kept decoded, the least recently used ones dropped.

    Args:
        dataset: Opened for reading.
        config: How much is kept, what to do about holes, whether to wait.
    """

    def __init__(self, dataset: Dataset, config: DataConfig) -> None:
        self.dataset, self._config = dataset, config
        self.url, self.identity, self.label = dataset.url, dataset.identity, dataset.label
        self.vocabulary, self.actions = dataset.vocabulary, dataset.actions
        self.observation_tokens, self.length = dataset.observation_tokens, dataset.length
        self.shards, self.sequences_per_shard = dataset.n_shards, dataset.sequences_per_shard
        self._holes: set[int] = set()
        self._kept: OrderedDict[int, Rows] = OrderedDict()

    @property
    def recipe(self) -> Any:
        """The data recipe (``common.synthesis.recipe.Recipe``).

        Raises:
            UsageError: The dataset was imported and has none.
        """
        return self.dataset.recipe

    def check(self) -> list[str]:
        """Look whether all that is needed is there; return what a user should know (holes trained around).

        Raises:
            DataError: A shard is missing, set aside or damaged; it is named.
        """
        if self._config.follow:
            return []
        skips = self._config.holes == "skip"
        self.dataset.numbers(skip_holes=skips)
        self._holes = set(self.dataset.holes) if skips else set()
        looks = getattr(self.dataset, "check_objects", None)
        if looks is not None:
            for shard in sorted(set(range(self.shards)) - self._holes):
                looks(shard)
        return [self._stands_in(hole) for hole in sorted(self._holes)]

    def _stands_in(self, hole: int) -> str:
        return f"shard {hole} of {self.url} was set aside: shard {self._instead(hole)} stands in for it"

    def _instead(self, shard: int) -> int:
        """Return the shard whose sequences are read where ``shard``'s are asked for."""
        for step in range(self.shards):
            if (shard + step) % self.shards not in self._holes:
                return (shard + step) % self.shards
        raise DataError(f"every shard of {self.url} was set aside; mend the cause and run datagen again")

    def resolve(
        self, numbers: np.ndarray, say: Callable[[str], None], stop: Callable[[], bool] = lambda: False
    ) -> np.ndarray | None:
        """Wait until these sequences can be read; return the numbers to read (others for holes), None if told to stop.

        Raises:
            HoleError: A shard was set aside and holes are refused.
            DataError: Waiting took longer than patience allows.
        """
        shards, places = np.divmod(numbers, self.sequences_per_shard)
        while self._config.follow:
            wanted = {self._instead(int(shard)) for shard in shards}
            got = self.dataset.wait_for(
                wanted, skip_holes=self._config.holes == "skip", timeout=self._config.patience, say=say, stop=stop
            )
            if got == wanted:
                break
            if stop():
                return None
            for hole in sorted(wanted - got):
                self._holes.add(hole)
                say(self._stands_in(hole))
        instead = np.array([self._instead(int(shard)) for shard in shards], dtype=np.int64)
        return instead * self.sequences_per_shard + places

    def gather(self, numbers: np.ndarray, whole_shards: bool = True) -> Rows:
        """Return the sequences of these numbers, in this order.

        Args:
            numbers: (B,) sequences.
            whole_shards: Read and keep all of a shard, where its other sequences will be wanted soon.

        Raises:
            DataError: A shard cannot be read; it is named.
        """
        if not self.dataset.stored or not (whole_shards or self._fits()):
            parts = [Rows.of(self.dataset.read(int(number), 1).arrays()) for number in numbers]
            return Rows.join(parts)
        shards, places = np.divmod(numbers, self.sequences_per_shard)
        picked: list[Any] = [None] * len(numbers)
        for shard in np.unique(shards):
            rows = self._shard(int(shard))
            for at in np.flatnonzero(shards == shard):
                picked[at] = rows.pick(slice(places[at], places[at] + 1))
        return Rows.join(picked)

    def _fits(self) -> bool:
        """Return whether all shards may be kept; unknown before the first is read."""
        size = max((_bytes(rows) for rows in self._kept.values()), default=0)
        return size * self.shards <= self._config.cache_megabytes << 20

    def _shard(self, shard: int) -> Rows:
        if shard not in self._kept:
            read = self.dataset.read(shard * self.sequences_per_shard, self.sequences_per_shard)
            rows = Rows.of(read.arrays())
            most = max(self._config.window_shards + 1, (self._config.cache_megabytes << 20) // max(1, _bytes(rows)))
            while len(self._kept) >= most:
                self._kept.popitem(last=False)
            self._kept[shard] = rows
        self._kept.move_to_end(shard)
        return self._kept[shard]


def _bytes(rows: Rows) -> int:
    return sum(array.nbytes for array in rows if array is not None)


def open_source(data: str, overrides: Sequence[str] = (), config: DataConfig | None = None) -> Source:
    """Open ``data``: the URL of a dataset, or ``recipe:NAME``.

    Args:
        data: What to open.
        overrides: ``--data-set`` settings of the data recipe; only with ``recipe:NAME``.
        config: How it is read.

    Raises:
        UsageError: There is no such data, or overrides were given for stored data.
        DataError: Its ``zarr.json`` is damaged.
    """
    if overrides and not data.startswith(VIRTUAL):
        raise UsageError(f"--data-set changes a data recipe and needs --data recipe:NAME, got --data {data}")
    if data.startswith(VIRTUAL):
        from common.dataset.virtual import VirtualDataset  # needs the generator, which compiles

        return Source(VirtualDataset.of(data.removeprefix(VIRTUAL), overrides), config or DataConfig())
    from common.dataset import open_dataset  # needs Zarr, which data generated on the fly do without

    return Source(open_dataset(data if "://" in data else str(Path(data).absolute())), config or DataConfig())
