"""Reading a stored dataset: sequence numbers in, arrays out; only from committed shards, and never silently wrong."""

import functools
import json
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from common.dataset import arrays as coding
from common.dataset import catalog as catalogs
from common.dataset import header as headers
from common.dataset.dataset import Dataset, HoleError, Rows, hole_message
from common.dataset.digest import DataDigest
from common.dataset.header import Header
from common.dataset.remote import RemoteShards
from common.dataset.status import Hole, read_holes
from common.dataset.store import Store, is_local, open_store
from common.errors import DataError, UsageError

__all__ = [
    "Dataset",
    "HoleError",
    "Rows",
    "StoredDataset",
    "committed",
    "existing_header",
    "open_dataset",
    "open_stored",
]

T = TypeVar("T")
VIRTUAL = "recipe:"
"""A dataset named ``recipe:NAME`` or ``recipe:FILE.toml`` is generated when it is read."""


class StoredDataset(Dataset):
    """A dataset in a store, opened for reading. It may still be being written."""

    stored = True
    _skip_rows = 200_000

    def __init__(self, store: Store, header: Header) -> None:
        self.store = store
        self.header = header
        self.url = store.url
        self._sound: dict[int, dict[str, int]] = {}
        self._remote = None if is_local(store.url) else RemoteShards(store)
        self._committed: set[int] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        return open_stored, (self.url,)

    def check_arrays(self) -> None:
        """Open every array.

        Raises:
            DataError: One cannot be opened, or is laid out otherwise than the attributes say.
        """
        assert self._arrays

    def forget_arrays(self) -> None:
        """Open the arrays anew at the next read: their metadata were written again."""
        for name in ("_arrays", "_specs"):
            self.__dict__.pop(name, None)

    @functools.cached_property
    def _specs(self) -> dict[str, coding.ArraySpec]:
        return self.header.arrays()

    @functools.cached_property
    def _arrays(self) -> dict[str, Any]:
        """The arrays, opened at the first read: while a dataset is being created they may not be there yet."""
        _check_fork(self.url)
        opened = {}
        for name, spec in self._specs.items():
            try:
                opened[name] = coding.open_array(self.url, name)
            except Exception as error:
                raise DataError(f"array {name} of {self.url} cannot be opened: {error}") from error
            array = opened[name]
            found = (array.shape, array.dtype.name, array.shards, array.chunks)
            # `extend` grows the arrays first and the attributes last
            grown = (array.shape[0] // spec.shard[0] * spec.shard[0], *spec.shape[1:])
            longer = array.shape == grown and array.shape[0] >= spec.shape[0]
            if not longer or found[1:] != (spec.dtype, spec.shard, spec.chunk):
                raise DataError(f"array {name} of {self.url} is laid out otherwise than its attributes say: {found}")
        return opened

    def committed(self) -> set[int]:
        """Return the shards committed by now."""
        self._committed = {number for number in committed(self.store) if number < self.n_shards}
        return set(self._committed)

    def refresh(self) -> set[int]:
        """Look again; return the shards that were committed since the last look.

        Raises:
            DataError: What lies there now is another dataset, or none.
        """
        header = existing_header(self.store)
        if header is None or header.identity != self.identity or header.sequences < len(self):
            raise DataError(f"{self.url} holds no longer the dataset that was opened there; open it again")
        if header.sequences > len(self):
            self.header = header
            self.forget_arrays()
        before = set(self._committed)
        return self.committed() - before

    @property
    def holes(self) -> dict[int, Hole]:
        """Shards set aside and not committed since, by number."""
        recorded = read_holes(self.store)
        open_ = recorded.keys() - (self.committed() if recorded else set())
        return {shard: recorded[shard] for shard in sorted(open_) if shard < self.n_shards}

    def _known(self) -> set[int]:
        return self._committed

    def read(self, first: int, count: int) -> Rows:
        """Return sequences ``first`` to ``first + count - 1``.

        Raises:
            IndexError: The dataset has no such sequences.
            HoleError: A shard they lie in was set aside.
            DataError: A shard they lie in is not committed, or an object of it is missing or damaged.
        """
        self._check_range(first, count)
        out = {name: np.empty((count, *spec.shape[1:]), dtype=spec.dtype) for name, spec in self._specs.items()}
        position = first
        while position < first + count:
            shard = position // self.sequences_per_shard
            stop = min(first + count, (shard + 1) * self.sequences_per_shard)
            self.check_objects(shard)
            for name in self._specs:
                out[name][position - first : stop - first] = self._read_array(name, shard, position, stop)
            position = stop
        return Rows(**out)

    def footer(self, shard: int) -> catalogs.Footer:
        """Return a committed shard's sums and objects. Errors as of ``catalog``."""
        return self._catalog_file(shard, catalogs.decode_footer)

    def catalog(self, shard: int) -> pa.Table:
        """Return a committed shard's catalog, a row a sequence.

        Raises:
            HoleError: It was set aside.
            DataError: It is not committed, or its catalog file is damaged.
        """
        return self._catalog_file(shard, catalogs.decode)[1]

    def digest(self) -> str:
        """Return the digest of all data, as the catalog has it.

        Raises:
            DataError: A shard is not committed.
        """
        total = DataDigest(self.header)
        for shard in range(self.n_shards):
            total.update(catalogs.digests(self.catalog(shard)))
        return total.hexdigest()

    def _catalog_file(self, shard: int, decode: Callable[[bytes], T]) -> T:
        key = catalogs.name(shard)
        try:
            return decode(self.store.get(key))
        except FileNotFoundError:
            hole = self.holes.get(shard)
            if hole is not None:
                raise HoleError(hole_message(self.url, {shard: hole})) from None
            raise DataError(
                f"shard {shard} of {self.url} is not committed ({key} does not exist); run datagen to its end"
            ) from None
        except DataError:
            raise
        except Exception as error:
            raise DataError(f"shard {shard} of {self.url}: catalog file {key} is damaged: {error}") from error

    def check_objects(self, shard: int) -> None:
        """Check, once, that a shard's objects exist in full: Zarr would read a missing one as zeros.

        Raises:
            DataError: One does not, or the shard is not committed, or its catalog file is another's.
        """
        if shard in self._sound:
            return
        footer = self.footer(shard)
        if footer.identity != self.identity or footer.shard != shard:
            raise DataError(f"shard {shard} of {self.url}: its catalog file belongs to another dataset or shard")
        for item in footer.objects:
            size = self.store.size(item.key)
            if size != item.size:
                found = "is missing" if size is None else f"has {size} bytes, committed were {item.size}"
                raise DataError(
                    f"shard {shard} of {self.url}: object {item.key} {found}; the command that made the dataset, "
                    "given again, makes the shard again"
                )
        self._sound[shard] = {item.array: item.size for item in footer.objects}

    def _read_array(self, name: str, shard: int, first: int, stop: int) -> np.ndarray:
        try:
            if self._remote is not None:
                begin = shard * self.sequences_per_shard
                size = self._sound[shard][name]
                return self._remote.read(self._specs[name], shard, size, first - begin, stop - begin)
            _check_fork(self.url)
            return np.asarray(self._arrays[name][first:stop])
        except DataError:
            raise
        except Exception as error:
            raise DataError(
                f"shard {shard} of {self.url}: object {self._specs[name].key(shard)} cannot be read: {error}; "
                "`python -m datagen verify` says what else is damaged"
            ) from error


_reading: list[int] = []
"""The process that reads; a forked child finds its parent's here."""


def _check_fork(url: str) -> None:
    """Refuse to read in a fork of a process that has read: the fast pipeline's threads are gone there, and it hangs.

    Raises:
        DataError: This is such a process.
    """
    if not _reading:
        _reading.append(os.getpid())
    if _reading[0] != os.getpid():
        raise DataError(
            f"{url} cannot be read in a fork of a process that has read a dataset: it would hang; start processes by "
            "spawn, for example DataLoader(..., multiprocessing_context='spawn')"
        )


def open_dataset(url: str, overrides: Sequence[str] = ()) -> Dataset:
    """Open a dataset for reading.

    Args:
        url: Where it lies; or ``recipe:NAME`` or ``recipe:FILE.toml``: what that recipe makes, generated on the fly.
        overrides: ``a.b=value`` settings of the recipe; only with ``recipe:``.

    Raises:
        UsageError: There is no dataset at ``url``, or one of another format version; or the recipe is refused.
        DataError: Its ``zarr.json`` is damaged.
    """
    if url.startswith(VIRTUAL):
        from common.dataset.virtual import VirtualDataset  # needs the generator, which compiles

        return VirtualDataset.of(url.removeprefix(VIRTUAL), overrides)
    if overrides:
        raise UsageError(f"settings change a recipe and need recipe:NAME, got {list(overrides)} for {url}")
    return open_stored(url)


def open_stored(url: str) -> StoredDataset:
    """Open a dataset that lies somewhere: ``open_dataset`` for what needs its files. Errors as of that."""
    if url.startswith(VIRTUAL):
        raise UsageError(
            f"this needs a stored dataset, got {url}, which is generated on the fly; make it first with "
            f"`python -m datagen run --recipe {url.removeprefix(VIRTUAL)} --out URL`"
        )
    store = open_store(url)
    header = existing_header(store)
    if header is None:
        raise UsageError(f"{store.url} holds no dataset (no zarr.json); make one with `python -m datagen run`")
    return StoredDataset(store, header)


def committed(store: Store) -> set[int]:
    """Return the shards whose catalog files exist."""
    numbers = (catalogs.shard_of(name) for name in store.list(catalogs.FOLDER))
    return {number for number in numbers if number is not None}


def existing_header(store: Store) -> Header | None:
    """Return the header of the dataset in a store, or None where there is no ``zarr.json``.

    Raises:
        UsageError: There is one, but of something else or of another format version.
        DataError: It is damaged.
    """
    try:
        text = store.get(coding.METADATA)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        attributes = json.loads(text)["attributes"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{coding.METADATA} of {store.url} is damaged: {error}") from error
    return headers.read(attributes, store.url)
