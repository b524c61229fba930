"""Arrays to and from the bytes of shard objects, through Zarr's own codecs and a store in memory.

Encoding in memory makes a shard's bytes before anything is written, so an object can be created whole and exclusively.
Every inner chunk carries a checksum, so reading a damaged object raises instead of returning other data.
"""

import functools
import threading
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from common.dataset.layout import ArraySpec, Layout
from common.dataset.store import zarr_store

METADATA = "zarr.json"
DEFAULT_PIPELINE = "zarr.core.codec_pipeline.BatchedCodecPipeline"
FAST_PIPELINE = "zarrs.ZarrsCodecPipeline"
"""Reads local files several times faster; it writes in place, so it never writes here."""


def metadata_objects(layout: Layout, attributes: Mapping[str, Any]) -> dict[str, bytes]:
    """Return every ``zarr.json`` of a dataset by key; the group's comes first and repeats the arrays'."""
    objects: dict[str, Any] = {}
    with zarr.config.set({"codec_pipeline.path": DEFAULT_PIPELINE}):
        store = MemoryStore(objects)
        group = zarr.create_group(store=store, attributes=dict(attributes))
        for spec in layout.arrays().values():
            _create(group, spec, spec.shape)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "consolidated metadata is not in the specification": it is optional there
            zarr.consolidate_metadata(store)
    return {key: value.to_bytes() for key, value in objects.items() if key.endswith(METADATA)}


def encode(spec: ArraySpec, values: np.ndarray) -> bytes:
    """Return the stored bytes of one shard of an array; the same bytes for the same values.

    Args:
        spec: The array.
        values: (sequences per shard, ...) of the array's type.
    """
    with _WORKBENCH:
        objects, array = _workbench(spec)
        array[...] = values
        return objects.pop(spec.key(0)).to_bytes()


def decode(spec: ArraySpec, data: bytes) -> np.ndarray:
    """Return the values of one stored shard, (sequences per shard, ...), padding left out.

    Raises:
        Exception: Whatever Zarr raises for bytes that are damaged; the caller names the object.
    """
    with _WORKBENCH:
        objects, array = _workbench(spec)
        objects[spec.key(0)] = default_buffer_prototype().buffer.from_bytes(data)
        try:
            return np.asarray(array[...])
        finally:
            del objects[spec.key(0)]


def open_array(url: str, name: str) -> zarr.Array:
    """Open one stored array for reading, by the fast pipeline; the process's own Zarr settings stay as they are."""
    with zarr.config.set({"codec_pipeline.path": FAST_PIPELINE}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Successfully reconstructed a store")  # zarrs has a client of its own
        return zarr.open_array(zarr_store(url), path=name, mode="r")


_WORKBENCH = threading.Lock()


@functools.lru_cache(maxsize=64)
def _workbench(spec: ArraySpec) -> tuple[dict[str, Any], zarr.Array]:
    """Return an array of one shard in memory, and the objects behind it; made once: that costs milliseconds."""
    objects: dict[str, Any] = {}
    with zarr.config.set({"codec_pipeline.path": DEFAULT_PIPELINE}):
        group = zarr.create_group(store=MemoryStore(objects))
        return objects, _create(group, spec, (spec.shard[0], *spec.shape[1:]))


def _create(group: zarr.Group, spec: ArraySpec, shape: tuple[int, ...]) -> zarr.Array:
    return group.create_array(
        spec.name,
        shape=shape,
        dtype=spec.dtype,
        shards=spec.shard,
        chunks=spec.chunk,
        filters=None,
        compressors=ZstdCodec(level=1, checksum=True),
        fill_value=0,
        dimension_names=spec.dimensions,
        config={"write_empty_chunks": True},
    )
