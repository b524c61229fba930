"""Record folders of the original's layout, looked through before anything is written: what they are, and whether."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import DataError, UsageError
from datagen.export_npy import BREAK, FILES

_NAME = re.compile(r"record-(\d+)")
Record = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What a folder of records holds."""

    records: tuple[Path, ...]
    """In the order of their numbers."""
    length: int
    """Rows of each."""
    actions: int
    """A: the action id of break rows."""
    symbols: int
    """Largest observation, plus one."""
    by_state: bool
    """Whether every record has one label for each observation: then ``actions_label`` is a policy of the state."""
    by_action: bool
    """Whether the label is the recorded action everywhere."""
    undecided: str
    """The first record in which an observation has several labels; '' where there is none."""
    digest: str
    """SHA-256 over all records' values."""


def scan(folder: str, actions: int | None = None) -> Scan:
    """Look through all records; memory does not grow with their number.

    Args:
        folder: What holds the record folders.
        actions: A, where no record has a break row to tell it.

    Raises:
        UsageError: There are no records, or A is not told by them.
        DataError: A record is no such record; it and what is wrong with it are named.
    """
    found = [path for path in Path(folder).glob("record-*") if _NAME.fullmatch(path.name)]
    if not found:
        raise UsageError(f"{folder} holds no folder record-NNNNNN; give the folder that holds them")
    records = tuple(sorted(found, key=lambda path: int(path.name.partition("-")[2])))
    digest, lengths, symbols, largest, break_ids = hashlib.sha256(), set(), 0, 0, set()
    by_state = by_action = True
    undecided = ""
    for path in records:
        record = load(path)
        lengths.add(len(record["rewards"]))
        if len(lengths) > 1:
            raise DataError(f"all records have the same number of rows; {path} has {lengths}: sort them by length")
        for name in FILES:
            digest.update(np.ascontiguousarray(record[name], dtype="<f4" if name == "rewards" else "<u4").data)
        breaks = break_rows(record)
        break_ids |= set(np.unique(record["actions_behavior"][breaks]).tolist())
        live = ~breaks
        symbols = max(symbols, int(record["observations"].max()) + 1)
        largest = max(largest, int(np.max(record["actions_behavior"][live], initial=0)))
        largest = max(largest, int(np.max(record["actions_label"][live], initial=0)))
        pairs = np.unique(np.stack([record["observations"][: len(live)], record["actions_label"]])[:, live], axis=1)
        if len(np.unique(pairs[0])) < pairs.shape[1]:
            by_state, undecided = False, undecided or path.name
        by_action &= bool((record["actions_label"] == record["actions_behavior"]).all())
    return Scan(
        records=records,
        length=lengths.pop(),
        actions=_actions(folder, break_ids, largest, actions),
        symbols=symbols,
        by_state=by_state,
        by_action=by_action,
        undecided=undecided,
        digest=digest.hexdigest(),
    )


def load(path: Path) -> Record:
    """Return a record's arrays by name, checked.

    Raises:
        DataError: A file is missing, damaged, or says what it cannot.
    """
    record: dict[str, np.ndarray] = {}
    for name in FILES:
        file = path / f"{name}.npy"
        try:
            record[name] = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{file} cannot be read: {error}") from error
        values = record[name]
        if values.ndim != 1 or not len(values):
            raise DataError(
                f"{file} must be one-dimensional and not empty, got {values.shape}: several tokens a step are not "
                "imported, their states are not in this layout"
            )
        if name == "rewards":
            if not np.isfinite(values).all():
                raise DataError(f"{file} must be finite; row {int(np.argmin(np.isfinite(values)))} is not")
        elif not np.issubdtype(values.dtype, np.integer) or int(values.min()) < 0:
            raise DataError(f"{file} must be whole numbers from 0, got {values.dtype}, smallest {values.min()}")
    rows = len(record["rewards"])
    for name in FILES:
        wanted = (rows, rows + 1) if name == "observations" else (rows,)
        if len(record[name]) not in wanted:
            raise DataError(f"{path / name}.npy must have {' or '.join(map(str, wanted))} entries, as the rewards say")
    return record


def break_rows(record: Record) -> np.ndarray:
    """Return which rows are episode breaks, bool (L,): those whose prompt is 7."""
    return record["prompts"] == BREAK


def _actions(folder: str, break_ids: set[int], largest: int, given: int | None) -> int:
    if len(break_ids) > 1:
        raise DataError(f"break rows carry the action id A, one in all records; {folder} has {sorted(break_ids)}")
    if not break_ids and given is None:
        raise UsageError(
            f"no record of {folder} has a break row, which would tell the number of actions; give --actions"
        )
    actions = break_ids.pop() if break_ids else int(given or 0)
    if given is not None and given != actions:
        raise UsageError(f"break rows say {actions} actions, --actions says {given}; leave it out")
    if largest >= actions:
        raise DataError(f"actions and labels must be under {actions}, the id of break rows; {folder} has {largest}")
    return actions
