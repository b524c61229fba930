"""Training state to and from disk: a folder per checkpoint, a commit marker written last, ``latest`` after that.

    RUN/checkpoints/step-00000100/      torch.distributed.checkpoint files
    RUN/checkpoints/step-00000100/COMMITTED   JSON: progress, and size and SHA-256 of every file; written last
    RUN/latest                          the name of the newest durable checkpoint

A checkpoint without a marker was never finished; one whose files do not match its marker is damaged. Both are named and
the one before is used.
"""

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch.distributed.checkpoint as dcp
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from common.config import parse
from common.errors import DataError, UsageError
from trainer.model import Model, ModelConfig
from trainer.parallel import Ranks

MARKER = "COMMITTED"
LATEST = "latest"
FOLDER = "checkpoints"


def save(run: Path, ranks: Ranks, state: dict[str, Any], progress: dict[str, Any], keep: int) -> Path:
    """Write a checkpoint, all ranks together; return its folder once it is durable.

    Args:
        run: The run's directory.
        ranks: Everyone takes part; the first rank writes marker and ``latest``.
        state: Nested dict of tensors, sharded or whole.
        progress: Plain values, ``step`` among them, kept in the marker.
        keep: How many checkpoints stay.
    """
    folder = run / FOLDER / f"step-{progress['step']:08d}"
    if ranks.first:
        # left over from an attempt that never committed, or damaged
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    ranks.barrier()
    with warnings.catch_warnings():
        # DCP's own use of names that torch has deprecated
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)
        dcp.save(state, checkpoint_id=folder)
    ranks.barrier()
    if ranks.first:
        _commit(folder, progress)
        _write_durably(run / LATEST, folder.name + "\n")
        for old in _folders(run)[keep:]:
            (old / MARKER).unlink(missing_ok=True)
            shutil.rmtree(old)
    ranks.barrier()
    return folder


def newest(run: Path, tell: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
    """Return the newest checkpoint that is whole, and its progress; None where there is none yet.

    Args:
        run: The run's directory.
        tell: Called with a line for every checkpoint passed over.

    Raises:
        DataError: There are checkpoints, and none is whole.
    """
    folders = _folders(run)
    for folder in folders:
        try:
            return folder, _checked(folder)
        except DataError as error:
            tell(f"{error}; going back to the one before")
    if any((folder / MARKER).exists() for folder in folders):
        raise DataError(f"no checkpoint of {run} is whole; remove {run / FOLDER} to begin anew")
    return None


def load(folder: Path, state: dict[str, Any]) -> None:
    """Read a checkpoint into the tensors of ``state``, all ranks together, at any number of ranks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)
        dcp.load(state, checkpoint_id=folder)


def load_model(path: str | Path) -> Model:
    """Load a model for use, without a process group.

    Args:
        path: A run's directory (its newest whole checkpoint is taken) or an exported ``.safetensors`` file.

    Raises:
        UsageError: There is no model at ``path``.
        DataError: What is there is damaged.
    """
    path = Path(path)
    if path.is_file():
        return _load_exported(path)
    if not (path / "run.json").is_file():
        raise UsageError(f"{path} is neither a run's directory (no run.json) nor an exported .safetensors file")
    config = parse(ModelConfig, json.loads((path / "run.json").read_text())["model"], f"the model of {path}")
    found = newest(path, tell=print)
    if found is None:
        raise UsageError(f"{path} has no checkpoint yet; wait until its training has saved one")
    model = Model(config)
    state = {"model": dict(model.named_parameters())}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.load(state, checkpoint_id=found[0], no_dist=True)
    return model.eval()


def export_model(model: Model, path: Path, card: dict[str, Any] | None = None) -> None:
    """Write a model as one ``.safetensors`` file that ``load_model`` reads; ``card`` is kept beside its settings."""
    metadata = {"model": model.config.model_dump_json(), "card": json.dumps(card or {})}
    save_file({name: p.detach().contiguous() for name, p in model.named_parameters()}, str(path), metadata)


def _load_exported(path: Path) -> Model:
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path} is no readable .safetensors file: {error}") from error
    if "model" not in metadata:
        raise UsageError(f"{path} was not written by this project's export: it holds no model settings")
    model = Model(parse(ModelConfig, json.loads(metadata["model"]), f"the model of {path}"))
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise DataError(f"{path} does not hold the model its settings describe: {error}") from error
    return model.eval()


def _folders(run: Path) -> list[Path]:
    """Return the checkpoints' folders, newest first."""
    return sorted((run / FOLDER).glob("step-*"), reverse=True)


def _commit(folder: Path, progress: dict[str, Any]) -> None:
    files = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        files[path.name] = {"size": path.stat().st_size, "sha256": _sha256(path)}
    _write_durably(folder / MARKER, json.dumps({"progress": progress, "files": files}))


def _checked(folder: Path) -> dict[str, Any]:
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


def _write_durably(path: Path, text: str) -> None:
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
