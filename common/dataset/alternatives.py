"""Other ways to store a shard than ours, to be measured beside it: codecs, and Zarr's own pipelines."""

from pathlib import Path
from typing import Any

import zarr
from zarr.codecs.blosc import Blosc  # numcodecs', which Zarr brings along
from zarr.codecs.zstd import Zstd

from common.dataset import arrays, shard_codec
from common.dataset.layout import Layout

CODECS: dict[str, Any] = {
    "raw": None,
    "zstd-1": Zstd(level=shard_codec.LEVEL, checksum=True),
    "zstd-3": Zstd(level=3, checksum=True),
    "zstd-1 bitshuffle": Blosc("zstd", clevel=1, shuffle=Blosc.BITSHUFFLE),
    "lz4": Blosc("lz4", clevel=5, shuffle=Blosc.NOSHUFFLE),
    "lz4 bitshuffle": Blosc("lz4", clevel=5, shuffle=Blosc.BITSHUFFLE),
}
"""What can encode an inner chunk, by name; None stores it as it is. ``zstd-1`` is what is stored."""
PIPELINES = {"zarr-python": arrays.DEFAULT_PIPELINE, "zarrs": arrays.FAST_PIPELINE}
"""Zarr's own ways to write and read an array."""


def open_for_writing(layout: Layout, folder: Path, pipeline: str) -> dict[str, Any]:
    """Make an empty dataset in a new folder and return its Zarr arrays by name, to be written and read by a pipeline.

    Raises:
        FileExistsError: The folder exists.
    """
    folder.mkdir(parents=True)
    for key, data in arrays.metadata_objects(layout, {}).items():
        (folder / key).parent.mkdir(exist_ok=True)
        (folder / key).write_bytes(data)
    with zarr.config.set({"codec_pipeline.path": PIPELINES[pipeline]}):
        group = zarr.open_group(str(folder), mode="r+")
        return {name: group[name] for name in layout.arrays()}
