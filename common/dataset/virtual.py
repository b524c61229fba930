"""A dataset that lies nowhere: a recipe's sequences, generated when they are read, the bytes that would be stored."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from common.dataset import catalog as catalogs
from common.dataset.dataset import Dataset, Rows
from common.dataset.digest import DataDigest, row_digests
from common.dataset.header import header_of
from common.dataset.status import Hole

if TYPE_CHECKING:
    from common.synthesis.recipe import Recipe

_AT_ONCE = 256
"""Sequences generated together where a digest of all is asked for."""


class VirtualDataset(Dataset):
    """The dataset of a recipe, every shard of which is always there."""

    stored = False

    def __init__(self, recipe: "Recipe", url: str) -> None:
        self.recipe = recipe
        self.url = url
        self.header = header_of(recipe)

    @classmethod
    def of(cls, recipe: str, overrides: Sequence[str] = ()) -> "VirtualDataset":
        """Return the dataset of a recipe by name or file. Errors as of ``common.synthesis.recipe.load``."""
        from common.synthesis.recipe import load

        return cls(load(recipe, overrides), f"recipe:{recipe}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.header.recipe, self.url)

    def committed(self) -> set[int]:
        """Return all shards."""
        return set(range(self.n_shards))

    def refresh(self) -> set[int]:
        """Return nothing: there is nothing new, ever."""
        return set()

    @property
    def holes(self) -> dict[int, Hole]:
        """None."""
        return {}

    def _known(self) -> set[int]:
        return self.committed()

    def read(self, first: int, count: int) -> Rows:
        """Return sequences ``first`` to ``first + count - 1``, made now.

        Raises:
            IndexError: The recipe has no such sequences.
        """
        self._check_range(first, count)
        return Rows(**self._generate(first, count)[0])

    def catalog(self, shard: int) -> pa.Table:
        """Return a shard's catalog as it would be stored; this generates the shard."""
        if not 0 <= shard < self.n_shards:
            raise IndexError(f"shards 0..{self.n_shards - 1} exist, asked for {shard}")
        count = self.sequences_per_shard
        return catalogs.table(*self._generate(shard * count, count))

    def read_with_catalog(self, first: int, count: int) -> tuple[Rows, pa.Table]:
        """Return sequences and their catalog rows, made once. Errors as of ``read``."""
        self._check_range(first, count)
        arrays, rows = self._generate(first, count)
        return Rows(**arrays), catalogs.table(arrays, rows)

    def digest(self) -> str:
        """Return the digest of all data; this generates all of them, a part at a time."""
        total = DataDigest(self.header)
        for first in range(0, len(self), _AT_ONCE):
            arrays, _ = self._generate(first, min(_AT_ONCE, len(self) - first))
            total.update({name: row_digests(array) for name, array in arrays.items()})
        return total.hexdigest()

    def _generate(self, first: int, count: int) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
        from common.synthesis.generate import generate

        made = generate(self.recipe, first, count)
        return made.arrays(), made.rows


def _again(recipe: dict[str, Any], url: str) -> VirtualDataset:
    from common.config import parse
    from common.synthesis.recipe import Recipe

    return VirtualDataset(parse(Recipe, recipe, url), url)
