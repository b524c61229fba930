"""A dataset's arrays as Zarr knows them: their metadata, made in memory, and opening them to read.

What lies in a shard's object is ``shard_codec``'s: it makes a shard's bytes in memory, so that an object can be created
whole and exclusively. Every inner chunk carries a checksum: reading a damaged object raises instead of returning other
data.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import zarr
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

from common.dataset.layout import ArraySpec, Layout
from common.dataset.shard_codec import LEVEL
from common.dataset.store import is_local, zarr_store

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


def open_array(url: str, name: str) -> zarr.Array:
    """Open one stored array for reading, a local one by the fast pipeline; Zarr's settings stay as they are.

    Those in an object store are read by ``remote``; here they are opened for what their metadata say.
    """
    with zarr.config.set({"codec_pipeline.path": FAST_PIPELINE if is_local(url) else DEFAULT_PIPELINE}):
        return zarr.open_array(zarr_store(url), path=name, mode="r")


def _create(group: zarr.Group, spec: ArraySpec, shape: tuple[int, ...]) -> zarr.Array:
    return group.create_array(
        spec.name,
        shape=shape,
        dtype=spec.dtype,
        shards=spec.shard,
        chunks=spec.chunk,
        filters=None,
        compressors=ZstdCodec(level=LEVEL, checksum=True),
        fill_value=0,
        dimension_names=spec.dimensions,
        config={"write_empty_chunks": True},
    )
