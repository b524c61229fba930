"""The command ``export``: a dataset for other software, as the original's record folders or as a Minari dataset."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.dataset.dataset import Dataset, Rows, Table
from common.errors import DataError, UsageError

LAST = ("regenerate", "drop")
"""What becomes of a sequence's last row, whose next observation is not stored."""
_ROWS_AT_ONCE = 1 << 19


@dataclass(frozen=True, eq=False)
class Part:
    """Some sequences, and what is observed after their last row."""

    numbers: np.ndarray
    """(N,) int64."""
    rows: Rows
    next_observation: np.ndarray | None
    """(N,), or (N, tokens); None where it is not known."""


def select(dataset: Dataset, first: int, count: int | None, skip_holes: bool) -> np.ndarray:
    """Return the numbers of the sequences to export.

    Raises:
        UsageError: There are none.
        DataError: Shards are missing.
    """
    numbers = dataset.numbers(skip_holes=skip_holes)
    chosen = numbers[numbers >= first][:count]
    if not len(chosen):
        raise UsageError(f"{dataset.url} has sequences 0..{len(dataset) - 1}, asked for those from {first} on")
    return chosen


def parts(dataset: Dataset, numbers: np.ndarray, last: str) -> Iterator[Part]:
    """Yield the sequences a part at a time.

    Args:
        dataset: Where they are.
        numbers: Which.
        last: ``regenerate`` the observation after the last row, or ``drop`` it.

    Raises:
        DataError: A sequence cannot be read, or the recipe gives another one.
    """
    at_once = max(1, _ROWS_AT_ONCE // dataset.length)
    for run in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
        for begin in range(0, len(run), at_once):
            some = run[begin : begin + at_once]
            rows, table = dataset.read_with_catalog(int(some[0]), len(some))
            yield Part(some, rows, _next(dataset, some, rows, table) if last == "regenerate" else None)


def check_last(dataset: Dataset, last: str) -> None:
    """Refuse to regenerate what cannot be.

    Raises:
        UsageError: The dataset was imported, or made by other versions of families or behaviours.
    """
    if last != "regenerate":
        return
    remedy = "give --last drop, which leaves out the last row and keeps its observation"
    if dataset.header.origin != "generated":
        raise UsageError(f"what follows a sequence's last row is not known: {dataset.url} was imported; {remedy}")
    from common.synthesis.recipe import identity_digest

    if identity_digest(dataset.recipe) != dataset.identity:
        raise UsageError(
            f"what follows a sequence's last row is made again from the recipe, but {dataset.url} was made by other "
            f"versions of its families or behaviours (omnirl {dataset.header.provenance.get('version')}); {remedy}"
        )


def check_place(out: str, needed: int, *, started: bool) -> Path:
    """Return the folder to write to, not made yet.

    Raises:
        UsageError: It holds something already (unless ``started``: this export, half done), or the disk is too full.
    """
    if "://" in out:
        raise UsageError(f"--out takes a local folder, got {out!r}: other software reads these files from a disk")
    folder = Path(out).absolute()
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not started)):
        raise UsageError(f"--out takes a new or empty folder, {folder} holds something else; choose another")
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        raise UsageError(
            f"the export needs about {needed / 1e9:.2f} GB and {place} has {free / 1e9:.2f} GB free; free some, or "
            "export fewer sequences with --count"
        )
    return folder


def reference_actions(dataset: Dataset, rows: Rows) -> np.ndarray:
    """Return the one action a row that is its label, int64 (N, L): of several optimal ids the lowest, BREAK at breaks.

    Raises:
        DataError: A live row has no label.
    """
    if dataset.label == "action":
        return rows.action.astype(np.int64)
    state = rows.observation if rows.state is None else rows.state
    masks = np.take_along_axis(rows.oracle[:, -1].astype(np.uint64), state.astype(np.int64), axis=1)
    live = rows.action != dataset.actions
    if (masks[live] == 0).any():
        raise DataError(f"{dataset.url} has rows without a label, which this layout cannot say")
    lowest = masks & (~masks + np.uint64(1))
    # a power of two up to 2**63: exact as a float, and so is its logarithm
    ids = np.log2(np.maximum(lowest, 1).astype(np.float64)).astype(np.int64)
    return np.where(live, ids, dataset.actions)


def _next(dataset: Dataset, numbers: np.ndarray, rows: Rows, table: Table) -> np.ndarray:
    """Play the sequences again, compare what is stored, and return the observation after the last row."""
    from common.synthesis.replay import replay

    found = []
    for place, number in enumerate(numbers.tolist()):
        action = rows.action[place].astype(np.int64)
        own = np.append(table.column("action_map")[place].values.to_numpy().astype(np.int64), -1)
        again = replay(dataset.recipe, number, own[action])
        if (
            again is None
            or not np.array_equal(again[0][:-1], rows.observation[place])
            or again[1].tobytes() != rows.reward[place].tobytes()
        ):
            raise DataError(
                f"sequence {number} of {dataset.url} is not what its recipe gives here; verify the dataset, or give "
                "--last drop"
            )
        found.append(again[0][-1])
    return np.stack(found)
