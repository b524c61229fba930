"""Reading sequences of a shard from an object store: two ranges of its object, the index of chunks and the chunks.

The fast Zarr pipeline would do it too, but it holds Python's lock while it waits for the network, and its own settings
decide how long: here the store's limits hold, and its errors.
"""

import functools

import numpy as np

from common.dataset import shard_codec
from common.dataset.layout import ArraySpec
from common.dataset.store import Store

_KEPT = 4096
"""Indices of chunks kept: a few kilobytes each."""


class RemoteShards:
    """The shards of one dataset in an object store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._index = functools.lru_cache(maxsize=_KEPT)(self._read_index)

    def read(self, spec: ArraySpec, shard: int, size: int, first: int, stop: int) -> np.ndarray:
        """Return sequences ``first`` to ``stop - 1`` of a shard, counted in it.

        Args:
            spec: The array.
            shard: Which shard.
            size: Bytes of its object, as committed.
            first: Sequence in the shard, from 0.
            stop: The sequence after the last one.

        Raises:
            ValueError: The object is damaged.
            DataError: The store does not answer.
        """
        index = self._index(spec, shard, size)
        wanted = shard_codec.chunks_of(spec, first, stop)
        begin = int(index[wanted, 0].min())
        end = int(index[wanted].sum(axis=1).max())
        data = self._store.get_range(spec.key(shard), begin, end - begin)
        return shard_codec.decode_chunks(spec, index, wanted, data, begin, first, stop)

    def _read_index(self, spec: ArraySpec, shard: int, size: int) -> np.ndarray:
        length = shard_codec.index_bytes(spec)
        tail = self._store.get_range(spec.key(shard), max(0, size - length), length)
        return shard_codec.read_index(spec, memoryview(tail), size)
