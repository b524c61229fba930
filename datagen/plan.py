"""A recipe turned into work: which shards there are, what they will weigh, whether they fit."""

from dataclasses import dataclass

from common.dataset.header import Header, header_of
from common.dataset.store import Store
from common.errors import UsageError
from common.synthesis.recipe import Recipe

_STORED_PER_RAW = 0.6
"""Stored bytes per raw byte, on the safe side: random rewards compress worst and are most of what is left."""
_CATALOG_ROW = 700
"""Bytes of a catalog row, on the safe side."""
_ACTOR = 400_000_000
"""Bytes of an actor before its first shard: Python, Ray, numba and loaded kernels."""
_SHARD_COPIES = 3.0
"""Raw arrays, their encoded form, and what encoding takes meanwhile."""
_WORLD_ARRAYS = 8
"""Dense (state, action, state) arrays of float64 that sampling and solving a world come to, at most."""
_BLOCK = 4096
"""Bytes a file is rounded up to."""


@dataclass(frozen=True)
class Plan:
    """A recipe's dataset before it exists."""

    recipe: Recipe
    header: Header

    @property
    def shards(self) -> int:
        """Number of shards."""
        return self.header.shards

    @property
    def steps(self) -> int:
        """Rows of the whole dataset."""
        return self.header.sequences * self.header.length

    @property
    def files(self) -> int:
        """Files of the whole dataset, status aside."""
        arrays = len(self.header.arrays())
        return self.shards * (arrays + 1) + arrays + 1

    def shard_bytes(self) -> int:
        """Return the estimated bytes of one shard on disk, on the safe side."""
        rows = self.header.sequences_per_shard * _CATALOG_ROW
        return int(self.header.raw_bytes() * _STORED_PER_RAW) + rows + _BLOCK * (len(self.header.arrays()) + 1)

    def actor_bytes(self) -> int:
        """Return the memory one actor needs, on the safe side: interpreter, kernels, a shard and its worlds."""
        header = self.header
        worlds = _WORLD_ARRAYS * 8 * header.vocabulary**2 * header.actions
        return _ACTOR + int(_SHARD_COPIES * header.raw_bytes()) + worlds

    def check_space(self, store: Store, shards: int) -> None:
        """Refuse a run that cannot fit.

        Args:
            store: Where the dataset is to lie.
            shards: How many shards are still to be written.

        Raises:
            UsageError: The store has fewer bytes free than they need.
        """
        free, needed = store.free_bytes(), shards * self.shard_bytes()
        if free is not None and free < needed:
            raise UsageError(
                f"{shards} shards need about {needed / 1e9:.2f} GB and {store.url} has {free / 1e9:.2f} GB free; "
                "free some, choose another --out, or ask for fewer with --set sequences=N"
            )


def make_plan(recipe: Recipe) -> Plan:
    """Return the plan of a recipe; nothing is touched."""
    return Plan(recipe, header_of(recipe))
