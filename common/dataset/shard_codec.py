"""One shard of an array to and from its stored bytes: Zarr's sharding layout, made without Zarr's machinery.

An object holds its inner chunks, each a zstd frame with a checksum, then their index: offset and size of every chunk
(little-endian uint64 pairs, chunks in C order) and the index's CRC-32C. Any Zarr reads it, and writes the same bytes
but for the order of chunks where sequences are cut (a test compares them); going through it costs half as much again.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np
from zarr.codecs.crc32c_ import google_crc32c  # what Zarr itself encodes with
from zarr.codecs.zstd import Zstd

from common.dataset.layout import ArraySpec

LEVEL = 1
"""Of zstd: higher ones cost more time than they save space (docs/dataset.md, "What it costs")."""
_CODEC = Zstd(level=LEVEL, checksum=True)
_CRC = 4
"""Bytes of the index's checksum."""


def encode(spec: ArraySpec, values: np.ndarray) -> bytes:
    """Return the stored bytes of one shard of an array; the same bytes for the same values.

    Args:
        spec: The array.
        values: (sequences per shard, ...) of the array's type; what padding there is, is zero.
    """
    frames: list[bytes] = []
    index = np.empty((_chunks(spec), 2), dtype="<u8")
    position = 0
    for number, place in enumerate(places(spec)):
        frame = _CODEC.encode(_chunk(spec, values[place]))
        index[number] = position, len(frame)
        position += len(frame)
        frames.append(frame)
    table = index.tobytes()
    return b"".join([*frames, table, _checksum(table)])


def decode(spec: ArraySpec, data: bytes, room: np.ndarray | None = None) -> np.ndarray:
    """Return the values of one stored shard, (sequences per shard, ...), padding left out.

    Args:
        spec: The array.
        data: The stored bytes.
        room: What an earlier call returned and nobody needs any more: fresh memory costs as much as decoding.

    Raises:
        ValueError: The bytes are no such shard, or damaged.
    """
    shape, kind = (spec.shard[0], *spec.shape[1:]), np.dtype(spec.dtype).newbyteorder("<")
    fits = room is not None and room.shape == shape and room.dtype == kind
    out = room if room is not None and fits else np.empty(shape, dtype=kind)
    view = memoryview(data)
    for place, (offset, size) in zip(places(spec), read_index(spec, view, len(view)).tolist(), strict=True):
        _decode_chunk(spec, view[offset : offset + size], out[place], offset)
    return out.astype(spec.dtype, copy=False)


def salvage(spec: ArraySpec, data: bytes) -> tuple[np.ndarray, list[int]]:
    """Return what can be read of a damaged shard, and which of its sequences cannot (zeros, in part at least).

    Raises:
        ValueError: Nothing can: its index of chunks is damaged.
    """
    out = np.zeros((spec.shard[0], *spec.shape[1:]), dtype=np.dtype(spec.dtype).newbyteorder("<"))
    view = memoryview(data)
    lost: set[int] = set()
    for place, (offset, size) in zip(places(spec), read_index(spec, view, len(view)).tolist(), strict=True):
        try:
            _decode_chunk(spec, view[offset : offset + size], out[place], offset)
        except ValueError:
            out[place] = 0
            lost.update(range(*place[0].indices(spec.shard[0])))
    return out.astype(spec.dtype, copy=False), sorted(lost)


def chunks_of(spec: ArraySpec, first: int, stop: int) -> np.ndarray:
    """Return the numbers of the inner chunks, in C order, that hold sequences ``first`` to ``stop - 1`` of a shard."""
    a_sequence = _chunks(spec) * spec.chunk[0] // spec.shard[0]
    return np.arange(first // spec.chunk[0] * a_sequence, -(-stop // spec.chunk[0]) * a_sequence)


def decode_chunks(
    spec: ArraySpec, index: np.ndarray, wanted: np.ndarray, data: bytes, begin: int, first: int, stop: int
) -> np.ndarray:
    """Return sequences ``first`` to ``stop - 1`` of a shard from a part of its object.

    Args:
        spec: The array.
        index: (chunks, 2) offset and size of every chunk.
        wanted: Numbers of the chunks that hold those sequences, as ``chunks_of`` gives them.
        data: The part.
        begin: Where in the object it begins, in bytes.
        first: Sequence in the shard, from 0.
        stop: The sequence after the last one.

    Raises:
        ValueError: The bytes are damaged.
    """
    low = first // spec.chunk[0] * spec.chunk[0]
    high = -(-stop // spec.chunk[0]) * spec.chunk[0]
    out = np.empty((high - low, *spec.shape[1:]), dtype=np.dtype(spec.dtype).newbyteorder("<"))
    view = memoryview(data)
    cuts = list(places(spec))
    for number in wanted.tolist():
        rows, *rest = cuts[number]
        offset, size = index[number].tolist()
        target = out[(slice(rows.start - low, rows.stop - low), *rest)]
        _decode_chunk(spec, view[offset - begin : offset - begin + size], target, offset)
    return out[first - low : stop - low].astype(spec.dtype, copy=False)


def index_bytes(spec: ArraySpec) -> int:
    """Return the bytes of the index of chunks, its checksum included, at an object's end."""
    return 16 * _chunks(spec) + _CRC


def read_index(spec: ArraySpec, tail: memoryview, whole: int) -> np.ndarray:
    """Return (chunks, 2) offset and size of every chunk, in C order; each lies in the object, wherever Zarr put it.

    Args:
        spec: The array.
        tail: The object, or its end.
        whole: Bytes of the object.

    Raises:
        ValueError: There is no such index, or it is damaged.
    """
    length = index_bytes(spec)
    if len(tail) < length:
        raise ValueError(f"{len(tail)} bytes cannot hold the index of {_chunks(spec)} chunks")
    table = tail[len(tail) - length : len(tail) - _CRC]
    if _checksum(bytes(table)) != tail[len(tail) - _CRC :]:
        raise ValueError("the index of chunks is damaged")
    index = np.frombuffer(table, dtype="<u8").reshape(-1, 2)
    end = whole - length
    if (index > end).any() or (index.sum(axis=1) > end).any():
        raise ValueError("the index of chunks points outside the object")
    return index.astype(np.int64)


def _decode_chunk(spec: ArraySpec, frame: memoryview, target: np.ndarray, offset: int) -> None:
    whole = target.shape == spec.chunk and target.flags.c_contiguous
    room = target if whole else np.empty(spec.chunk, dtype=target.dtype)
    try:
        _CODEC.decode(frame, room)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"the chunk at byte {offset} is damaged: {error}") from error
    if not whole:
        target[...] = room[tuple(slice(extent) for extent in target.shape)]


def _chunks(spec: ArraySpec) -> int:
    return math.prod(extent // part for extent, part in zip(spec.shard, spec.chunk, strict=True))


def places(spec: ArraySpec) -> Iterator[tuple[slice, ...]]:
    """Yield where in the shard's values every inner chunk lies, in C order."""
    starts = (range(0, extent, part) for extent, part in zip(spec.shard, spec.chunk, strict=True))
    for corner in itertools.product(*starts):
        yield tuple(slice(start, start + part) for start, part in zip(corner, spec.chunk, strict=True))


def _chunk(spec: ArraySpec, part: np.ndarray) -> np.ndarray:
    """Return an inner chunk, contiguous and little-endian, padded with zeros where the array ends inside it."""
    kind = np.dtype(spec.dtype).newbyteorder("<")
    if part.shape == spec.chunk:
        return np.ascontiguousarray(part, dtype=kind)
    padded = np.zeros(spec.chunk, dtype=kind)
    padded[tuple(slice(extent) for extent in part.shape)] = part
    return padded


def _checksum(table: bytes) -> bytes:
    return int(google_crc32c.value(table)).to_bytes(_CRC, "little")
