"""How a dataset's arrays lie on disk: shapes, types, shards and inner chunks, derived from a handful of numbers."""

from dataclasses import dataclass

import numpy as np

from common.config import Settings
from common.dataset.schema import DISCOUNTS, array_types

LONGEST_CHUNK = 16_384
"""Steps after which a longer sequence is cut into several inner chunks."""
CHUNK_STEPS = 65_536
"""Steps an inner chunk of shorter sequences aims at."""


@dataclass(frozen=True)
class ArraySpec:
    """One array: its type, its whole shape, and how that is cut."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    shard: tuple[int, ...]
    """Shape of what one object holds; steps beyond ``shape`` are padding, never read."""
    chunk: tuple[int, ...]
    """Shape of what is compressed together; divides ``shard``."""
    dimensions: tuple[str, ...]

    def key(self, shard: int) -> str:
        """Return the key of the object that holds shard number ``shard``."""
        return "/".join([self.name, "c", str(shard), *["0"] * (len(self.shape) - 1)])


class Layout(Settings):
    """The numbers that fix every array's shape; all are attributes of the dataset."""

    sequences: int
    """Sequences in the dataset; a multiple of ``sequences_per_shard``."""
    length: int
    """Rows of a sequence."""
    sequences_per_shard: int
    vocabulary: int
    """Observation symbols V."""
    actions: int
    """Action ids A; id A is BREAK."""
    discounts: tuple[float, ...] = DISCOUNTS
    """Discounts of the oracles, in the order of the oracle array's second dimension."""
    observation_tokens: int = 1
    """Symbols of an observation; several are stored along an axis of their own."""
    hidden_state: bool = False
    """Whether any family hides its state: then ``state`` is stored, and ``oracle`` is indexed by it."""

    @property
    def shards(self) -> int:
        """Number of shards."""
        return self.sequences // self.sequences_per_shard

    def types(self) -> dict[str, np.dtype]:
        """Return name and type of every array."""
        return array_types(self.vocabulary, self.actions, self.hidden_state)

    def arrays(self) -> dict[str, ArraySpec]:
        """Return every array by name, in the order of ``schema.array_types``."""
        rows, length = self.sequences_per_shard, self.length
        together = largest_divisor(rows, max(1, CHUNK_STEPS // length)) if length <= LONGEST_CHUNK else 1
        width = length if length <= LONGEST_CHUNK else LONGEST_CHUNK
        padded = -(-length // width) * width
        labels: tuple[int, ...] = (len(self.discounts), self.vocabulary)
        specs = {}
        for name, dtype in self.types().items():
            if name == "oracle":
                inner = {"shape": labels, "shard": labels, "chunk": labels}
                dimensions: tuple[str, ...] = ("sequence", "discount", "symbol")
            else:
                tokens = (self.observation_tokens,) if name == "observation" and self.observation_tokens > 1 else ()
                inner = {"shape": (length, *tokens), "shard": (padded, *tokens), "chunk": (width, *tokens)}
                dimensions = ("sequence", "step", *("token" for _ in tokens))
            specs[name] = ArraySpec(
                name=name,
                dtype=dtype.name,
                shape=(self.sequences, *inner["shape"]),
                shard=(rows, *inner["shard"]),
                chunk=(together, *inner["chunk"]),
                dimensions=dimensions,
            )
        return specs

    def shard_shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of one shard's part of an array, without padding."""
        spec = self.arrays()[name]
        return (self.sequences_per_shard, *spec.shape[1:])

    def raw_bytes(self) -> int:
        """Return the bytes of one shard, all arrays together, uncompressed and without padding."""
        total = 0
        for name, dtype in self.types().items():
            size = dtype.itemsize
            for extent in self.shard_shape(name):
                size *= extent
            total += size
        return total


def largest_divisor(number: int, limit: int) -> int:
    """Return the largest divisor of ``number`` that is at most ``limit``."""
    return next(d for d in range(min(number, limit), 0, -1) if number % d == 0)
