"""Export to the original's layout: a folder a sequence, six .npy files in it, 24 bytes a step.

``record-NNNNNN/{observations, prompts, tags, actions_behavior, rewards, actions_label}.npy``; prompts are 3 (the .994
oracle is the reference); break rows have action = label = A, tag = prompt = 7 and reward 0; ``observations`` has one
entry more than the others. What the layout cannot say (how an episode ended, worlds, ties) is not in it.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common.dataset.dataset import Dataset
from common.dataset.schema import Tag
from common.errors import UsageError
from datagen.export import Part, check_last, check_place, parts, reference_actions, select

FILES = ("observations", "prompts", "tags", "actions_behavior", "rewards", "actions_label")
BREAK = 7
"""Tag and prompt of a break row; the layout's tag of an unknown behaviour, too."""
PROMPT = 3
"""Prompt of every other row: the reference is the oracle of discount .994."""
_FILE = 128 + 4096
"""Bytes of a file's header and of the block it is rounded up to."""


def export_npy(
    dataset: Dataset,
    out: str,
    *,
    first: int = 0,
    count: int | None = None,
    skip_holes: bool = False,
    last: str = "regenerate",
    tick: Callable[[int, int], None] | None = None,
) -> int:
    """Write sequences as record folders, numbered as in the dataset; the same call again goes on where it was left.

    Args:
        dataset: What to export.
        out: A new folder. ``OUT.omnirl.json`` beside it says what it was made from.
        first: Number of the first sequence.
        count: How many; all the rest, where None.
        skip_holes: Leave out shards that were set aside.
        last: ``regenerate`` the observation after the last row; or ``drop`` the last row but for its observation.
        tick: Called with the records done and of all.

    Returns:
        How many records there are now.

    Raises:
        UsageError: ``out`` holds something else, the disk is too full, or the observation cannot be regenerated.
        DataError: A sequence cannot be read.
    """
    check_last(dataset, last)
    numbers = select(dataset, first, count, skip_holes)
    note = _note(dataset, numbers, last)
    beside = Path(f"{Path(out).absolute()}.omnirl.json")
    folder = check_place(out, len(numbers) * (24 * dataset.length + 6 * _FILE), started=_started(beside, note))
    folder.mkdir(parents=True, exist_ok=True)
    beside.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    missing = np.array([n for n in numbers.tolist() if not _place(folder, n).exists()], dtype=np.int64)
    done = len(numbers) - len(missing)
    for part in parts(dataset, missing, last):
        _write(dataset, part, folder)
        done += len(part.numbers)
        if tick is not None:
            tick(done, len(numbers))
    return len(numbers)


def _place(folder: Path, number: int) -> Path:
    return folder / f"record-{number:06d}"


def _write(dataset: Dataset, part: Part, folder: Path) -> None:
    labels, rows = reference_actions(dataset, part.rows), part.rows
    breaks = rows.action == dataset.actions
    length = dataset.length if part.next_observation is not None else dataset.length - 1
    for place, number in enumerate(part.numbers.tolist()):
        observations = rows.observation[place]
        if part.next_observation is not None:
            observations = np.concatenate([observations, part.next_observation[place : place + 1]])
        values = {
            "observations": observations.astype(np.uint32),
            "prompts": np.where(breaks[place], BREAK, PROMPT).astype(np.uint32)[:length],
            "tags": np.where(breaks[place], BREAK, rows.tag[place]).astype(np.uint32)[:length],
            "actions_behavior": rows.action[place].astype(np.uint32)[:length],
            "rewards": rows.reward[place][:length],
            "actions_label": labels[place].astype(np.uint32)[:length],
        }
        final = _place(folder, number)
        staged = folder / f".{final.name}.{os.getpid()}"
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        for name in FILES:
            np.save(staged / f"{name}.npy", values[name])
        staged.rename(final)


def _note(dataset: Dataset, numbers: np.ndarray, last: str) -> dict[str, object]:
    return {
        "identity": dataset.identity,
        "name": dataset.header.recipe.get("name"),
        "vocabulary": dataset.vocabulary,
        "actions": dataset.actions,
        "length": dataset.length,
        "label": dataset.label,
        "break_tags": {"here": BREAK, "dataset": [int(Tag.TERMINATED), int(Tag.TRUNCATED)]},
        "sequences": [int(numbers[0]), int(numbers[-1]), len(numbers)],
        "last": last,
    }


def _started(beside: Path, note: dict[str, object]) -> bool:
    """Say whether this very export was begun.

    Raises:
        UsageError: Another one was.
    """
    if not beside.exists():
        return False
    if json.loads(beside.read_text(encoding="utf-8")) != note:
        raise UsageError(f"{beside} tells of another export; choose another --out, or remove that file and the folder")
    return True
