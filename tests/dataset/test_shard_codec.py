"""Shards written and read without Zarr are Zarr's shards, and damage anywhere in one is noticed."""

import warnings

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from common.dataset import arrays, shard_codec
from tests.dataset import made_up

LAYOUTS = {
    "small": {},
    "wide": {"vocabulary": 300, "actions": 33},
    "several-chunks": {"length": 700, "sequences": 400, "sequences_per_shard": 200},
    "cut-and-padded": {"length": 20_000, "sequences": 4, "sequences_per_shard": 2},
}


def by_zarr(head, values) -> dict[str, bytes]:
    """The same shard as zarr-python's own pipeline writes it, from the dataset's metadata alone."""
    store = MemoryStore()
    from zarr.core.buffer import default_buffer_prototype

    for key, data in arrays.metadata_objects(head, {}).items():
        store._store_dict[key] = default_buffer_prototype().buffer.from_bytes(data)
    group = zarr.open_group(store, mode="r+")
    for name, array in values.items():
        group[name][: head.sequences_per_shard] = array
    return {key: item.to_bytes() for key, item in store._store_dict.items() if "/c/" in key}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bytes_are_those_of_zarr(layout):
    head = made_up.header(**LAYOUTS[layout])
    values = made_up.shard_arrays(head, 0)
    theirs = by_zarr(head, values)
    for name, spec in head.arrays().items():
        ours = shard_codec.encode(spec, values[name])
        if layout == "cut-and-padded" and name != "oracle":  # Zarr puts the chunks of a grid in another order
            assert len(ours) == len(theirs[spec.key(0)])
        else:
            assert ours == theirs[spec.key(0)]
        for data in (ours, theirs[spec.key(0)]):
            np.testing.assert_array_equal(shard_codec.decode(spec, data), values[name])


@pytest.mark.parametrize("layout", ["small", "cut-and-padded"])
def test_every_flipped_byte_and_every_truncation_is_noticed(layout):
    head = made_up.header(**LAYOUTS[layout])
    spec = head.arrays()["tag"]
    values = made_up.shard_arrays(head, 0)["tag"]
    data = shard_codec.encode(spec, values)
    rng = np.random.default_rng(0)
    places = range(len(data)) if layout == "small" else np.concatenate([rng.integers(0, len(data), 200), [-1, -30]])
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1 << int(rng.integers(8))
        try:
            read = shard_codec.decode(spec, bytes(damaged))
        except ValueError:
            continue
        np.testing.assert_array_equal(read, values)  # a bit that means nothing
    for size in (0, 3, 30, len(data) // 2, len(data) - 1):
        with pytest.raises(ValueError, match=r"index|chunk"):
            shard_codec.decode(spec, data[:size])


def test_metadata_say_what_the_codec_does():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        head = made_up.header()
        objects = arrays.metadata_objects(head, {})
    assert b'"level":1' in objects["tag/zarr.json"].replace(b" ", b"").replace(b"\n", b"")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("by", ["ours", "zarr"])
def test_parts_of_a_shard_are_read_from_ranges_of_its_object(layout, by):
    from common.dataset.remote import RemoteShards

    class Ranges:
        """A store of one object that counts what it gives away."""

        def __init__(self, data: bytes) -> None:
            self.data, self.given = data, 0

        def get_range(self, key, start, length):
            self.given += length
            return self.data[start : start + length]

    head = made_up.header(**LAYOUTS[layout])
    values = made_up.shard_arrays(head, 0)
    rng = np.random.default_rng(0)
    count = head.sequences_per_shard
    for name, spec in head.arrays().items():
        data = shard_codec.encode(spec, values[name]) if by == "ours" else by_zarr(head, values)[spec.key(0)]
        shards = RemoteShards(Ranges(data))
        for first, stop in [
            (0, count),
            (count - 1, count),
            (0, 1),
            *np.sort(rng.integers(0, count + 1, (6, 2))).tolist(),
        ]:
            if first < stop:
                part = shards.read(spec, 0, len(data), first, stop)
                np.testing.assert_array_equal(part, values[name][first:stop])
        few = Ranges(data)
        RemoteShards(few).read(spec, 0, len(data), 0, 1)
        assert few.given <= len(data)
        if layout == "several-chunks":
            assert few.given < len(data)
        flipped = bytearray(data)
        flipped[len(data) // 2] ^= 1
        with pytest.raises(ValueError, match=r"damaged|outside"):
            RemoteShards(Ranges(bytes(flipped))).read(spec, 0, len(data), 0, count)
