"""Checks a dataset: every object against its digest, every decoded row against its own, and the one digest of all."""

import hashlib
import math
from collections.abc import Callable

import numpy as np

from common.config import Settings
from common.dataset import catalog, shard_codec
from common.dataset.catalog import Footer
from common.dataset.digest import DataDigest, row_digests
from common.dataset.reader import StoredDataset, open_stored
from common.dataset.schema import TAGS
from common.errors import DataError


class Report(Settings):
    """What was found; ``python -m datagen verify --json`` prints it."""

    ok: bool
    """Everything is committed and sound."""
    sequences: int
    """In sound shards."""
    steps: int
    """Rows in sound shards."""
    shards: int
    """Sound shards."""
    digest: str | None
    """The digest of all data; None unless everything is sound."""
    faults: tuple[str, ...]
    """What is wrong, a line each, with shard, object and sequence."""


class _Fault(Exception):
    """A line of the report's faults."""


def verify(url: str, *, quick: bool = False, tick: Callable[[int, int], None] | None = None) -> Report:
    """Check a dataset.

    Args:
        url: The dataset.
        quick: Compare stored bytes with their digests only; else decode everything and compare every row too.
        tick: Called after each shard with the number done and of all.

    Raises:
        UsageError: There is no dataset, or one of another format version.
    """
    dataset = open_stored(url)
    total = DataDigest(dataset.header)
    faults: list[str] = []
    sound = 0
    try:
        dataset.check_arrays()
    except DataError as error:
        faults.append(str(error))
    for shard in range(dataset.n_shards):
        found, digests = _check_shard(dataset, shard, quick)
        faults += found
        sound += not found
        if digests is not None:
            total.update(digests)
        if tick is not None:
            tick(shard + 1, dataset.n_shards)
    sequences = sound * dataset.sequences_per_shard
    return Report(
        ok=not faults,
        sequences=sequences,
        steps=sequences * dataset.length,
        shards=sound,
        digest=None if faults else total.hexdigest(),
        faults=tuple(faults),
    )


def _check_shard(dataset: StoredDataset, shard: int, quick: bool) -> tuple[list[str], dict[str, list[bytes]] | None]:
    """Return a shard's faults, and its rows' digests as the catalog has them (None where it cannot be read)."""
    try:
        footer, table = dataset.footer(shard), dataset.catalog(shard)
        dataset.check_objects(shard)
    except DataError as error:
        return [str(error)], None
    faults = []
    expected = catalog.digests(table)
    first = shard * dataset.sequences_per_shard
    if table.column("sequence").to_pylist() != list(range(first, first + dataset.sequences_per_shard)):
        faults.append(f"shard {shard}: its catalog file does not list sequences {first} and on, one each")
    decoded = {}
    for item in footer.objects:
        try:
            decoded[item.array] = _check_object(dataset, footer, item, expected[item.array], quick)
        except _Fault as fault:
            faults.append(str(fault))
    if not quick and not faults:
        faults += _check_sums(footer, decoded, table.column("return").to_pylist())
    return faults, expected


def _check_object(
    dataset: StoredDataset, footer: Footer, item: catalog.StoredObject, expected: list[bytes], quick: bool
) -> np.ndarray | None:
    data = dataset.store.get(item.key)
    if hashlib.sha256(data).hexdigest() != item.sha256:
        raise _Fault(f"shard {footer.shard}: object {item.key} has other bytes than were committed")
    if quick:
        return None
    try:
        values = shard_codec.decode(dataset.header.arrays()[item.array], data)
    except Exception as error:
        raise _Fault(f"shard {footer.shard}: object {item.key} cannot be decoded: {error}") from error
    unequal = [
        footer.first + row
        for row, (ours, theirs) in enumerate(zip(row_digests(values), expected, strict=True))
        if ours != theirs
    ]
    if unequal:
        raise _Fault(f"shard {footer.shard}: object {item.key} differs from the catalog in sequences {unequal[:10]}")
    return values


def _check_sums(footer: Footer, decoded: dict[str, np.ndarray | None], returns: list[float]) -> list[str]:
    faults = []
    tags = decoded["tag"]
    assert tags is not None
    if tuple(np.bincount(tags.ravel(), minlength=TAGS).tolist()) != footer.tags:
        faults.append(f"shard {footer.shard}: the catalog's count of tags does not fit the rows")
    if math.fsum(returns) != footer.reward_sum:
        faults.append(f"shard {footer.shard}: the catalog's sum of rewards does not fit its rows")
    return faults
