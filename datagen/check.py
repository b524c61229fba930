"""Checks one shard of a dataset against its catalog file: sizes, stored bytes, or every decoded row."""

import hashlib
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

from common.dataset import catalog, shard_codec
from common.dataset.catalog import Footer, StoredObject
from common.dataset.digest import row_digests
from common.dataset.reader import StoredDataset
from datagen.in_order import spans

_ROOM = threading.local()
"""A thread's decoded arrays of the shard before: the memory is used again."""


class Depth(IntEnum):
    """How much of a shard is looked at."""

    SIZES = 0
    """The catalog file, and that every object has the size it was committed with."""
    OBJECTS = 1
    """Every stored byte as well, against the objects' digests."""
    ROWS = 2
    """Every decoded row as well, against its own digest, and the catalog's sums."""


@dataclass
class Findings:
    """What a look at a shard found."""

    shard: int
    faults: list[str] = field(default_factory=list)
    """A line each: shard, object, array, sequences."""
    committed: bool = True
    """Whether there is a catalog file, whatever its state; without one there are no faults to speak of."""
    damaged: list[str] = field(default_factory=list)
    """Keys of objects that are there and not what was committed."""
    digests: dict[str, list[bytes]] | None = None
    """Digests of the rows by array, as the catalog has them; None where it cannot be read."""
    stored_bytes: int = 0
    """Bytes read."""


def check_shard(dataset: StoredDataset, shard: int, depth: Depth) -> Findings:
    """Look at a shard; whatever is wrong with it is in the findings.

    Raises:
        DataError: The store does not answer.
    """
    found = Findings(shard)
    try:
        footer, table = _catalog(dataset, shard, found)
    except _Unreadable as error:
        found.faults += [str(error)] if found.committed else []
        return found
    expected = catalog.digests(table)
    first = shard * dataset.sequences_per_shard
    if footer.identity != dataset.identity or footer.shard != shard:
        found.faults.append(f"shard {shard}: its catalog file belongs to another dataset or shard")
        return found
    if table.column("sequence").to_pylist() != list(range(first, first + dataset.sequences_per_shard)):
        found.faults.append(f"shard {shard}: its catalog file does not list sequences {first} and on, one each")
        return found
    found.digests = expected
    decoded: dict[str, np.ndarray] = {}
    for item in footer.objects:
        _check_object(dataset, footer, item, expected[item.array], depth, found, decoded)
    if depth == Depth.ROWS and not found.faults:
        found.faults += _check_sums(footer, decoded["tag"], table.column("return").to_pylist())
    return found


class _Unreadable(Exception):
    """The catalog file is damaged, and the text says how; empty where there is none."""


def _catalog(dataset: StoredDataset, shard: int, found: Findings) -> tuple[Footer, Any]:
    key = catalog.name(shard)
    try:
        data = dataset.store.get(key)
    except FileNotFoundError:
        found.committed = False
        raise _Unreadable("") from None
    found.stored_bytes += len(data)
    try:
        return catalog.decode(data)
    except Exception as error:
        raise _Unreadable(f"shard {shard}: catalog file {key} is damaged: {error}") from error


def _check_object(
    dataset: StoredDataset,
    footer: Footer,
    item: StoredObject,
    expected: Sequence[bytes],
    depth: Depth,
    found: Findings,
    decoded: dict[str, np.ndarray],
) -> None:
    what = f"shard {footer.shard}: object {item.key}"
    try:
        size = dataset.store.size(item.key)
        if size is None:
            raise FileNotFoundError(item.key)
        if size != item.size:
            found.damaged.append(item.key)
            found.faults.append(f"{what} has {size} bytes, committed were {item.size}")
            return
        if depth == Depth.SIZES:
            return
        data = dataset.store.get(item.key)
    except FileNotFoundError:
        found.faults.append(f"{what} is missing")
        return
    found.stored_bytes += len(data)
    if hashlib.sha256(data).hexdigest() != item.sha256:
        found.damaged.append(item.key)
        found.faults.append(
            f"{what} has other bytes than were committed: {_where(dataset, footer, item, data, expected)}"
        )
        return
    if depth == Depth.ROWS:
        _decode(dataset, footer, item, data, expected, found, decoded)


def _decode(
    dataset: StoredDataset,
    footer: Footer,
    item: StoredObject,
    data: bytes,
    expected: Sequence[bytes],
    found: Findings,
    decoded: dict[str, np.ndarray],
) -> None:
    what = f"shard {footer.shard}: object {item.key}"
    try:
        room = vars(_ROOM).setdefault("arrays", {}).get(item.array)
        values = shard_codec.decode(dataset.header.arrays()[item.array], data, room)
        _ROOM.arrays[item.array] = values
    except ValueError as error:
        found.damaged.append(item.key)
        found.faults.append(f"{what} cannot be decoded: {error}")
        return
    rows = _unequal(values, expected)
    if rows:
        found.damaged.append(item.key)
        found.faults.append(f"{what} differs from the catalog: {_sequences(footer, item, rows)}")
    decoded[item.array] = values


def _where(dataset: StoredDataset, footer: Footer, item: StoredObject, data: bytes, expected: Sequence[bytes]) -> str:
    """Say which sequences of an object with other bytes can no longer be read, or read otherwise."""
    try:
        values, lost = shard_codec.salvage(dataset.header.arrays()[item.array], data)
    except ValueError as error:
        return f"{error}, so all of {_sequences(footer, item, range(footer.sequences))}"
    rows = sorted({*lost, *_unequal(values, expected)})
    return _sequences(footer, item, rows) if rows else "what it decodes to is the same"


def _unequal(values: np.ndarray, expected: Sequence[bytes]) -> list[int]:
    pairs = zip(row_digests(values), expected, strict=True)
    return [row for row, (ours, theirs) in enumerate(pairs) if ours != theirs]


def _sequences(footer: Footer, item: StoredObject, rows: Sequence[int]) -> str:
    return f"array {item.array}, sequences {spans(footer.first + row for row in rows)}"


def _check_sums(footer: Footer, tags: np.ndarray, returns: list[float]) -> list[str]:
    faults = []
    if catalog.tag_counts(tags) != footer.tags:
        faults.append(f"shard {footer.shard}: the catalog's count of tags does not fit the rows")
    if math.fsum(returns) != footer.reward_sum:
        faults.append(f"shard {footer.shard}: the catalog's sum of rewards does not fit its rows")
    return faults
