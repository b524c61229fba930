"""Reading a dataset: sequence numbers in, arrays out; only from committed shards, and never silently wrong."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from common.dataset import arrays as coding
from common.dataset import catalog as catalogs
from common.dataset import header as headers
from common.dataset.digest import DataDigest
from common.dataset.header import Header
from common.dataset.store import Store, open_store
from common.errors import DataError, UsageError

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Rows:
    """Some sequences: N of them, L rows each; types as in ``schema.array_types``."""

    observation: np.ndarray
    """(N, L) symbols; (N, L, tokens) where an observation has several."""
    action: np.ndarray
    """(N, L) action ids, BREAK = A."""
    reward: np.ndarray
    """(N, L) float32, raw."""
    tag: np.ndarray
    """(N, L) ``schema.Tag``."""
    oracle: np.ndarray
    """(N, discounts, vocabulary) bit masks of optimal action ids; 0 = no label."""
    state: np.ndarray | None = None
    """(N, L) what ``oracle`` is indexed by, where any family hides its state; None: the observation."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the stored arrays by name."""
        everything = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: array for name, array in everything.items() if array is not None}


class Dataset:
    """A dataset opened for reading. It may still be being written. Pickles as its URL, and opens anew elsewhere."""

    def __init__(self, store: Store, header: Header) -> None:
        self.store = store
        self.header = header
        self.url = store.url
        self._specs = header.arrays()
        self._sound: set[int] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        return open_dataset, (self.url,)

    def __repr__(self) -> str:
        return f"Dataset({self.url!r}, {self.header.recipe.get('name')}, {len(self)} sequences of {self.length} rows)"

    @functools.cached_property
    def recipe(self) -> Any:
        """The resolved recipe, a ``common.synthesis.recipe.Recipe``; as a plain dict: ``header.recipe``."""
        from common.config import parse
        from common.synthesis.recipe import Recipe  # synthesis imports this package's schema

        return parse(Recipe, self.header.recipe, f"the recipe of {self.url}")

    def check_arrays(self) -> None:
        """Open every array.

        Raises:
            DataError: One cannot be opened, or is laid out otherwise than the attributes say.
        """
        assert self._arrays

    @functools.cached_property
    def _arrays(self) -> dict[str, Any]:
        """The arrays, opened at the first read: while a dataset is being created they may not be there yet."""
        opened = {}
        for name, spec in self._specs.items():
            try:
                opened[name] = coding.open_array(self.url, name)
            except Exception as error:
                raise DataError(f"array {name} of {self.url} cannot be opened: {error}") from error
            found = (opened[name].shape, opened[name].dtype.name, opened[name].shards, opened[name].chunks)
            if found != (spec.shape, spec.dtype, spec.shard, spec.chunk):
                raise DataError(f"array {name} of {self.url} is laid out otherwise than its attributes say: {found}")
        return opened

    @property
    def identity(self) -> str:
        """Digest of what makes this dataset this one; not its number of sequences."""
        return self.header.identity

    @property
    def length(self) -> int:
        """Rows of a sequence."""
        return self.header.length

    @property
    def vocabulary(self) -> int:
        """Observation symbols V."""
        return self.header.vocabulary

    @property
    def actions(self) -> int:
        """Action ids A; id A is BREAK."""
        return self.header.actions

    @property
    def discounts(self) -> tuple[float, ...]:
        """Discounts of the oracle array's second dimension."""
        return self.header.discounts

    @property
    def label(self) -> str:
        """``oracle`` or ``action``: which target the rows are meant to be trained on."""
        return self.header.label

    @property
    def observation_tokens(self) -> int:
        """Symbols of an observation."""
        return self.header.observation_tokens

    @property
    def n_shards(self) -> int:
        """Shards of the whole dataset, committed or not."""
        return self.header.shards

    @property
    def sequences_per_shard(self) -> int:
        """Sequences of every shard."""
        return self.header.sequences_per_shard

    def __len__(self) -> int:
        return self.header.sequences

    def committed(self) -> set[int]:
        """Return the shards committed by now."""
        return {number for number in committed(self.store) if number < self.n_shards}

    def read(self, first: int, count: int) -> Rows:
        """Return sequences ``first`` to ``first + count - 1``.

        Raises:
            IndexError: The dataset has no such sequences.
            DataError: A shard they lie in is not committed, or an object of it is missing or damaged.
        """
        if first < 0 or count < 0 or first + count > len(self):
            raise IndexError(f"sequences 0..{len(self) - 1} exist, asked for {first}..{first + count - 1}")
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

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Return one sequence: its arrays by name, without the leading axis."""
        if index < 0:
            index += len(self)
        return {name: array[0] for name, array in self.read(index, 1).arrays().items()}

    def footer(self, shard: int) -> catalogs.Footer:
        """Return a committed shard's sums and objects."""
        return self._catalog_file(shard, catalogs.decode_footer)

    def catalog(self, shard: int) -> pa.Table:
        """Return a committed shard's catalog, a row a sequence."""
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
            raise DataError(
                f"shard {shard} of {self.url} is not committed ({key} does not exist); run datagen to its end"
            ) from None
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
                    f"shard {shard} of {self.url}: object {item.key} {found}; remove {catalogs.name(shard)} "
                    "and the shard's objects, and run datagen again"
                )
        self._sound.add(shard)

    def _read_array(self, name: str, shard: int, first: int, stop: int) -> np.ndarray:
        try:
            return np.asarray(self._arrays[name][first:stop])
        except Exception as error:
            raise DataError(
                f"shard {shard} of {self.url}: object {self._specs[name].key(shard)} cannot be read: {error}; "
                "`python -m datagen verify` says what else is damaged"
            ) from error


def open_dataset(url: str) -> Dataset:
    """Open a dataset for reading.

    Raises:
        UsageError: There is no dataset at ``url``, or one of another format version.
        DataError: Its ``zarr.json`` is damaged.
    """
    store = open_store(url)
    header = existing_header(store)
    if header is None:
        raise UsageError(f"{store.url} holds no dataset (no zarr.json); make one with `python -m datagen run`")
    return Dataset(store, header)


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
