"""A run's checkpoints on disk: a folder each, a commit marker written last, ``latest`` and ``best`` after that.

    RUN/checkpoints/step-00000100/            torch.distributed.checkpoint files
    RUN/checkpoints/step-00000100/COMMITTED   JSON: progress, and size and SHA-256 of every file; written last
    RUN/latest                                the name of the newest durable checkpoint
    RUN/best                                  that of the lowest policy loss on the unseen set without oracles

A checkpoint without a marker was never finished; one whose files do not match its marker is damaged. Both are named and
the one before is used.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.errors import DataError, UsageError

MARKER = "COMMITTED"
LATEST, BEST = "latest", "best"
FOLDER = "checkpoints"


def folder_of(run: Path, step: int) -> Path:
    """Return where the checkpoint of an optimiser step lies."""
    return run / FOLDER / f"step-{step:08d}"


def step_of(folder: Path) -> int:
    """Return the optimiser step a checkpoint's folder is named after."""
    return int(folder.name.removeprefix("step-"))


def folders(run: Path) -> list[Path]:
    """Return the checkpoints' folders, newest first, finished or not."""
    found = [path for path in (run / FOLDER).glob("step-*") if path.name.removeprefix("step-").isdecimal()]
    return sorted(found, key=step_of, reverse=True)


def newest(run: Path, tell: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
    """Return the newest checkpoint that is whole, and its progress; None where there is none yet.

    Args:
        run: The run's directory.
        tell: Called with a line for every checkpoint passed over.

    Raises:
        DataError: There are checkpoints, and none is whole.
    """
    found = folders(run)
    for folder in found:
        try:
            return folder, checked(folder)
        except DataError as error:
            tell(f"{error}; going back to the one before")
    if any((folder / MARKER).exists() for folder in found):
        raise DataError(f"no checkpoint of {run} is whole; remove {run / FOLDER} to begin anew")
    return None


def chosen(run: Path, which: str, tell: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
    """Return a checkpoint by what it is called: ``latest``, ``best``, or an optimiser step; as of ``newest``.

    Raises:
        UsageError: There is no such checkpoint.
        DataError: It is damaged.
    """
    if which == LATEST:
        return newest(run, tell)
    name = folder_of(run, int(which)).name if which.isdecimal() else which
    if which == BEST and (run / BEST).is_file():
        name = (run / BEST).read_text().strip()
    folder = run / FOLDER / name
    if folder not in folders(run):
        known = ", ".join(str(step_of(path)) for path in folders(run)) or "none"
        raise UsageError(
            f"{run} has no checkpoint {which!r}; take latest, best (after a validation) or a step: {known}"
        )
    return folder, checked(folder)


def commit(run: Path, folder: Path, progress: dict[str, Any]) -> None:
    """Make a written checkpoint count: its files first, then the marker, then ``latest``; durable on return."""
    files = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        files[path.name] = {"size": path.stat().st_size, "sha256": _sha256(path)}
    write_durably(folder / MARKER, json.dumps({"progress": progress, "files": files}))
    write_durably(run / LATEST, folder.name + "\n")


def prune(run: Path, keep: int, keep_every: int | None) -> None:
    """Remove all but the newest ``keep`` checkpoints, the best, and those at multiples of ``keep_every`` steps."""
    found = folders(run)
    best = (run / BEST).read_text().strip() if (run / BEST).is_file() else ""
    committed = [path for path in found if (path / MARKER).exists()]
    kept = {path for path in committed if path.name == best or (keep_every and step_of(path) % keep_every == 0)}
    kept |= set(committed[:keep])
    for old in found:
        # an unfinished one that is newer may be being written
        if old not in kept and committed and step_of(old) < step_of(committed[0]):
            (old / MARKER).unlink(missing_ok=True)
            shutil.rmtree(old)


def checked(folder: Path) -> dict[str, Any]:
    """Return a checkpoint's progress.

    Raises:
        DataError: It was never finished, or a file is not as committed.
    """
    try:
        marker = json.loads((folder / MARKER).read_text())
        progress, files = marker["progress"], marker["files"]
    except FileNotFoundError:
        raise DataError(f"checkpoint {folder} was not finished (no {MARKER})") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"checkpoint {folder} has a damaged marker: {error}") from error
    for name, known in files.items():
        path = folder / name
        if not path.is_file():
            raise DataError(f"checkpoint {folder} lacks its file {name}")
        if path.stat().st_size != known["size"] or _sha256(path) != known["sha256"]:
            raise DataError(f"checkpoint {folder}: file {name} is not as it was committed")
    return progress


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_durably(path: Path, text: str) -> None:
    """Write a file so that it is there in full or not at all, and stays after a power cut."""
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
