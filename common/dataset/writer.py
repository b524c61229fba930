"""Writing a dataset: arrays and catalog rows of a shard in, committed objects out. Any number of writers may race."""

import resource
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from common.config import Settings
from common.dataset import arrays as coding
from common.dataset import catalog, shard_codec
from common.dataset.header import Header, attributes_of, differences
from common.dataset.reader import existing_header
from common.dataset.schema import Tag
from common.dataset.store import Store, open_store
from common.errors import DataError, UsageError

SLEPT = 60.0
"""Seconds after which a writer looks once more at the objects it placed before it commits their shard."""


class Conflict(DataError):
    """What is stored for a shard contradicts what the recipe gives: trying again cannot help."""


class Receipt(Settings):
    """What a writer reports of a shard it committed, or found committed."""

    shard: int
    sequences: int
    steps: int
    """Rows."""
    stored_bytes: int
    seconds: float
    """Wall time spent on it, making the data included where the caller adds it."""
    new: bool
    """False where another writer committed the shard first, with the same data."""
    peak_bytes: int = 0
    """The most memory the writer's process has used so far; 0 where it did nothing."""


class DatasetWriter:
    """Writes shards of one dataset; stateless but for its staging folder."""

    def __init__(self, store: Store, header: Header) -> None:
        self.store = store
        self.header = header
        self.specs = header.arrays()

    def committed(self, shard: int) -> bool:
        """Say whether a shard's catalog file exists."""
        return self.store.size(catalog.name(shard)) is not None

    def write_shard(
        self,
        shard: int,
        arrays: Mapping[str, np.ndarray],
        rows: Sequence[Mapping[str, Any]],
        started: float | None = None,
    ) -> Receipt:
        """Commit one shard: its objects, then its catalog file, each created exclusively.

        Args:
            shard: Number of the shard, from 0.
            arrays: By name, (sequences per shard, ...) each, as ``schema.array_types`` names and types them.
            rows: One mapping a sequence, see ``catalog``.
            started: ``time.perf_counter()`` at which work on the shard began; now, where None.

        Raises:
            Conflict: Something stored for this shard is damaged or holds other data.
            DataError: The store cannot be written.
            ValueError: The arrays or rows break the schema: a bug in what made them.
        """
        started = time.perf_counter() if started is None else started
        self._check(shard, arrays, rows)
        ordered = {name: arrays[name] for name in self.specs}
        placing = time.monotonic()
        objects = [self._place(name, shard, values) for name, values in ordered.items()]
        footer = catalog.summarise(self.header.identity, shard, ordered, rows, objects)
        data = catalog.encode(footer, ordered, rows)
        key = catalog.name(shard)
        if time.monotonic() - placing > SLEPT:
            self._check_placed(shard, objects)
        new = self.store.put_new(key, data)
        if not new:
            self._compare_catalog(key, data)
        return Receipt(
            shard=shard,
            sequences=footer.sequences,
            steps=footer.steps,
            stored_bytes=sum(item.size for item in objects) + len(data),
            seconds=time.perf_counter() - started,
            new=new,
            peak_bytes=peak_bytes(),
        )

    def close(self) -> None:
        """Remove this writer's staging folder."""
        self.store.close()

    def _place(self, name: str, shard: int, values: np.ndarray) -> catalog.StoredObject:
        """Create an array's object, or keep the one that an earlier attempt left and that decodes to the same.

        One that is damaged is replaced, at once and whole: without a catalog file nobody trusts it.
        """
        spec = self.specs[name]
        key = spec.key(shard)
        data = shard_codec.encode(spec, values)
        if not self.store.put_new(key, data):
            stored = self.store.get(key)
            if stored != data:
                try:
                    theirs = shard_codec.decode(spec, stored)
                except ValueError as error:
                    self._replace(shard, key, data, error)
                else:
                    self._compare(shard, key, theirs, values)
                    data = stored
        return catalog.StoredObject.of(name, key, data)

    def _replace(self, shard: int, key: str, data: bytes, error: Exception) -> None:
        if self.committed(shard):
            raise Conflict(
                f"shard {shard}: object {key} of {self.store.url} is damaged ({error}) though its shard is committed; "
                "give the same command again: it checks what is committed and repairs it"
            ) from error
        self.store.put(key, data, durable=True)

    def _compare(self, shard: int, key: str, theirs: np.ndarray, ours: np.ndarray) -> None:
        if theirs.tobytes() != ours.tobytes():
            raise Conflict(
                f"shard {shard}: object {key} of {self.store.url} holds other data than this recipe gives; "
                "the dataset was written by other software: write to another --out"
            )

    def _check_placed(self, shard: int, objects: Sequence[catalog.StoredObject]) -> None:
        """Make sure that nobody removed an object of a shard whose writer slept for long before it commits it.

        Raises:
            DataError: Somebody did; trying again helps.
        """
        for item in objects:
            if self.store.size(item.key) != item.size:
                raise DataError(
                    f"shard {shard}: object {item.key} of {self.store.url} was removed before its shard was committed"
                )

    def _compare_catalog(self, key: str, data: bytes) -> None:
        try:
            theirs, ours = (catalog.digests(catalog.decode(d)[1]) for d in (self.store.get(key), data))
        except Exception as error:
            raise Conflict(f"catalog file {key} of {self.store.url} is damaged: {error}") from error
        if theirs != ours:
            raise Conflict(f"catalog file {key} of {self.store.url} describes other data than this recipe gives")

    def _check(self, shard: int, arrays: Mapping[str, np.ndarray], rows: Sequence[Mapping[str, Any]]) -> None:
        header = self.header
        if not 0 <= shard < header.shards:
            raise ValueError(f"shard must be in 0..{header.shards - 1}, got {shard}")
        types = header.types()
        if arrays.keys() != types.keys():
            raise ValueError(f"a shard has the arrays {', '.join(types)}, got {', '.join(arrays)}")
        for name, dtype in types.items():
            shape = header.shard_shape(name)
            if arrays[name].shape != shape or arrays[name].dtype != dtype:
                raise ValueError(f"{name} must be {dtype} {shape}, got {arrays[name].dtype} {arrays[name].shape}")
        first = shard * header.sequences_per_shard
        if [row["sequence"] for row in rows] != list(range(first, first + header.sequences_per_shard)):
            raise ValueError(f"rows of shard {shard} must be sequences {first} and on, one each")
        limits = {"observation": header.vocabulary - 1, "action": header.actions, "tag": int(Tag.TRUNCATED)}
        if header.hidden_state:
            limits["state"] = header.vocabulary - 1
        for name, limit in limits.items():
            if int(arrays[name].max()) > limit:
                raise ValueError(f"{name} must be at most {limit}, got {int(arrays[name].max())}")
        if not np.isfinite(arrays["reward"]).all():
            raise ValueError("reward must be finite")


def peak_bytes() -> int:
    """Return the most memory this process has used so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def create_dataset(url: str, header: Header) -> DatasetWriter:
    """Create a dataset's metadata, or join the same dataset where it exists already.

    Raises:
        UsageError: ``url`` holds something else; the message names what differs. Nothing is touched.
    """
    store = open_store(url)
    header = check_target(store, header) or header
    objects = coding.metadata_objects(header, attributes_of(header))
    if not store.put_new(coding.METADATA, objects[coding.METADATA]):
        header = check_target(store, header) or header  # created since: by whom, and what?
    for key, data in objects.items():
        store.put_new(key, data)
    return DatasetWriter(store, header)


def join_dataset(url: str, identity: str) -> DatasetWriter:
    """Open an existing dataset to write shards of it.

    Raises:
        DataError: There is no dataset, or one of another identity.
    """
    store = open_store(url)
    header = existing_header(store)
    if header is None or header.identity != identity:
        raise DataError(f"{url} does not hold the dataset {identity[:12]} that is to be written")
    return DatasetWriter(store, header)


def check_target(store: Store, header: Header) -> Header | None:
    """Return the header of the same dataset at this place, or None where the place is free.

    Raises:
        UsageError: The place holds something else, or a dataset of another format version.
    """
    there = existing_header(store)
    if there is not None:
        lines = differences(header, there)
        if lines:
            raise UsageError(
                f"{store.url} holds another dataset; choose another --out, or ask for the same:\n  "
                + "\n  ".join(lines)
            )
        return there
    foreign = [name for name in store.list("") if name != ".staging"]
    if foreign:
        raise UsageError(
            f"--out takes a new or empty folder or a dataset of the same recipe; {store.url} holds "
            f"{', '.join(foreign[:5])}{' and more' if len(foreign) > 5 else ''} and no zarr.json"
        )
    return None
