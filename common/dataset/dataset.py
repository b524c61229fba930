"""What every dataset offers, be it stored or generated on the fly: sequence numbers in, arrays out, shard by shard."""

import functools
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from common.dataset.header import Header
from common.dataset.status import Hole
from common.errors import DataError, UsageError

Table = pa.Table
"""A catalog's rows: a ``pyarrow.Table``."""
POLL = 1.0
"""Seconds between two looks at a dataset that is waited for."""
SAY = 30.0
"""Seconds between two lines about it."""


class HoleError(DataError):
    """A shard that is asked for was set aside when the dataset was made."""


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


class Dataset(ABC):
    """Numbered sequences in numbered shards. Pickles small, and opens anew where it is unpickled."""

    url: str
    """Where it lies, or ``recipe:NAME``."""
    header: Header
    stored: bool
    """Whether it lies somewhere, or is generated when it is asked for."""
    _skip_rows = 0
    """Rows that are rather read than skipped, because a read of its own costs as much."""

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"{kind}({self.url!r}, {self.header.recipe.get('name')}, {len(self)} sequences of {self.length} rows)"

    def __len__(self) -> int:
        return self.header.sequences

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Return one sequence: its arrays by name, without the leading axis."""
        if index < 0:
            index += len(self)
        return {name: array[0] for name, array in self.read(index, 1).arrays().items()}

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        return (self[index] for index in range(len(self)))

    @functools.cached_property
    def recipe(self) -> Any:
        """The resolved recipe, a ``common.synthesis.recipe.Recipe``; as a plain dict: ``header.recipe``.

        Raises:
            UsageError: The dataset was imported and has none.
        """
        from common.config import parse
        from common.synthesis.recipe import Recipe  # synthesis imports this package's schema

        if self.header.origin != "generated":
            raise UsageError(
                f"{self.url} was {self.header.origin}: it has no recipe that its sequences or unseen worlds like them "
                "could be made from; where one is needed, name a recipe"
            )
        return parse(Recipe, self.header.recipe, f"the recipe of {self.url}")

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

    @abstractmethod
    def committed(self) -> set[int]:
        """Return the shards that can be read by now; asks the store."""

    @abstractmethod
    def refresh(self) -> set[int]:
        """Look again: more shards may be committed, and ``extend`` may have added some. Return the new ones' numbers.

        Raises:
            DataError: What lies there now is another dataset.
        """

    @property
    @abstractmethod
    def holes(self) -> dict[int, Hole]:
        """Shards set aside and not committed since, by number; asks the store."""

    @property
    def complete(self) -> bool:
        """Whether every shard is committed."""
        return len(self.committed()) == self.n_shards

    def windows(self, size: int) -> list[range]:
        """Return all shards in windows of ``size``: the order in which a first epoch goes through them.

        Which shards are committed changes nothing about it, so it is the same while a dataset is written as afterwards.
        """
        if size < 1:
            raise UsageError(f"a window has at least 1 shard, got {size}")
        return [range(first, min(first + size, self.n_shards)) for first in range(0, self.n_shards, size)]

    def numbers(self, *, skip_holes: bool = False) -> np.ndarray:
        """Return the numbers of all sequences, int64, those of holes left out only where ``skip_holes`` says so.

        Raises:
            HoleError: There are holes.
            DataError: Shards are neither committed nor holes.
        """
        committed = self.committed()
        missing = sorted(set(range(self.n_shards)) - committed)
        if missing:
            self._check_holes(missing, skip_holes, waiting=False)
        first = np.array(sorted(committed), dtype=np.int64) * self.sequences_per_shard
        return (first[:, None] + np.arange(self.sequences_per_shard)).reshape(-1)

    def wait_for(
        self,
        shards: Iterable[int],
        *,
        skip_holes: bool = False,
        timeout: float | None = None,
        say: Callable[[str], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
        poll: float = POLL,
    ) -> set[int]:
        """Wait until every one of ``shards`` is committed; return them.

        Args:
            shards: Numbers of the shards needed now.
            skip_holes: Holes are not waited for, and are missing from the result.
            timeout: Seconds after which waiting ends with an error; None: never.
            say: Told what is waited for and where, at first and every half a minute; standard error, unless given.
            stop: Asked at every look; where it is true, what is committed by then is returned.
            poll: Seconds between looks.

        Raises:
            HoleError: A shard was set aside and ``skip_holes`` is not set.
            DataError: Time is up, or what lies there now is another dataset.
        """
        wanted = set(shards)
        begun = time.monotonic()
        said = -SAY
        while True:
            missing = wanted - self._known()
            if missing:
                self.refresh()
                missing -= self._known()
            if not missing:
                return wanted
            closed = self._check_holes(sorted(missing), skip_holes, waiting=True)
            missing -= closed
            if not missing or stop():
                return wanted - closed - missing
            waited = time.monotonic() - begun
            if timeout is not None and waited > timeout:
                raise DataError(f"{self._waiting(missing)}; gave up after {waited:.0f} s")
            if waited - said >= SAY:
                (say or _to_stderr)(f"{self._waiting(missing)}; waited {waited:.0f} s")
                said = waited
            time.sleep(poll)

    @abstractmethod
    def read(self, first: int, count: int) -> Rows:
        """Return sequences ``first`` to ``first + count - 1``.

        Raises:
            IndexError: The dataset has no such sequences.
            HoleError: A shard they lie in was set aside.
            DataError: A shard they lie in is not committed, or an object of it is missing or damaged.
        """

    def gather(self, numbers: Iterable[int]) -> Rows:
        """Return the sequences of these numbers, in this order; near ones are read at once. Errors as of ``read``."""
        wanted = np.asarray(list(numbers), dtype=np.int64)
        if wanted.size == 0:
            return self.read(0, 0)
        unique, back = np.unique(wanted, return_inverse=True)
        far = np.diff(unique) > max(1, self._skip_rows // self.length)
        far |= np.diff(unique // self.sequences_per_shard) != 0
        parts = []
        for run in np.split(unique, np.flatnonzero(far) + 1):
            span = self.read(int(run[0]), int(run[-1] - run[0]) + 1).arrays()
            parts.append({name: array[run - run[0]] for name, array in span.items()})
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return Rows(**{name: array[back] for name, array in joined.items()})

    @abstractmethod
    def catalog(self, shard: int) -> pa.Table:
        """Return a shard's catalog, a row a sequence: world, behaviours, values, digests.

        Raises:
            HoleError: It was set aside.
            DataError: It is not committed, or its catalog file is damaged.
        """

    def read_with_catalog(self, first: int, count: int) -> tuple[Rows, pa.Table]:
        """Return sequences and their catalog rows. Errors as of ``read`` and ``catalog``."""
        rows = self.read(first, count)
        parts, per = [], self.sequences_per_shard
        for shard in range(first // per, -(-(first + count) // per)):
            begin, end = max(first, shard * per), min(first + count, (shard + 1) * per)
            parts.append(self.catalog(shard).slice(begin - shard * per, end - begin))
        return rows, pa.concat_tables(parts).replace_schema_metadata(None)

    @abstractmethod
    def digest(self) -> str:
        """Return the digest of all data. Raises ``DataError`` where a shard is not committed."""

    @abstractmethod
    def _known(self) -> set[int]:
        """Return the shards known to be committed at the last look."""

    def _check_range(self, first: int, count: int) -> None:
        if first < 0 or count < 0 or first + count > len(self):
            raise IndexError(f"sequences 0..{len(self) - 1} exist, asked for {first}..{first + count - 1}")

    def _check_holes(self, missing: list[int], skip_holes: bool, *, waiting: bool) -> set[int]:
        """Return which of the missing shards are holes that may be skipped."""
        holes = self.holes
        closed = [shard for shard in missing if shard in holes]
        if closed and not skip_holes:
            raise HoleError(hole_message(self.url, {shard: holes[shard] for shard in closed}))
        if len(closed) < len(missing) and not waiting:
            raise DataError(
                f"{self.url} has {len(missing)} of {self.n_shards} shards not committed: {some(missing)}; "
                "run datagen to its end"
            )
        return set(closed)

    def _waiting(self, missing: set[int]) -> str:
        known = len(self._known())
        return f"waiting for shard {some(sorted(missing))} of {self.url}, {known} of {self.n_shards} are committed"


def hole_message(url: str, holes: Mapping[int, Hole]) -> str:
    """Say which shards were set aside, why, and what to do."""
    first = holes[min(holes)]
    cause = first.cause.strip().rsplit("\n", 1)[-1]
    return (
        f"shard {some(sorted(holes))} of {url} was set aside after {first.attempts} failed attempts ({cause}); "
        "mend the cause and run datagen again, or have holes left out by setting"
    )


def some(numbers: list[int], most: int = 5) -> str:
    """Return the first few numbers as text."""
    return ", ".join(map(str, numbers[:most])) + (", ..." if len(numbers) > most else "")


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
