"""Models for use: from a run's checkpoint or an exported file, strictly, tensors only; and out again as one file."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from common.config import parse
from common.errors import DataError, UsageError
from trainer.agents import located
from trainer.checkpoints.folder import LATEST, chosen
from trainer.checkpoints.saver import load
from trainer.checkpoints.sharded import is_index, read_index, read_tensors
from trainer.checkpoints.told import nothing_at
from trainer.model import Model, ModelConfig


def load_model(path: str | Path, checkpoint: str = LATEST) -> Model:
    """Load a model for use, without a process group.

    Args:
        path: A run's directory, an exported ``.safetensors`` file, the index of several, or a bundled agent's name.
        checkpoint: Of a run: ``latest`` (the newest whole one), ``best`` (the lowest policy loss on the unseen set
            without oracles) or an optimiser step.

    Raises:
        UsageError: There is no model at ``path``, or no such checkpoint.
        DataError: What is there is damaged, or holds anything but tensors.
    """
    path = located(path)
    if path.is_file():
        return _load_sharded(path) if is_index(path) else _load_exported(path)
    if not (path / "run.json").is_file():
        raise UsageError(nothing_at(path))
    try:
        described = json.loads((path / "run.json").read_text())["model"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path / 'run.json'} is damaged: {error}") from error
    config = _config(described, path)
    found = chosen(path, checkpoint, tell=print)
    if found is None:
        raise UsageError(f"{path} has no checkpoint yet; wait until its training has saved one")
    model = Model(config)
    load(found[0], {"model": dict(model.named_parameters())}, alone=True)
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
    try:
        described = json.loads(metadata["model"])
    except ValueError as error:
        raise DataError(f"{path}: its model settings are damaged: {error}") from error
    return _filled(described, tensors, path)


def _load_sharded(path: Path) -> Model:
    index = read_index(path)
    return _filled(index["metadata"]["model"], read_tensors(path, index), path)


def _config(described: Any, path: Path) -> ModelConfig:
    """Return the settings that a file describes; what an older file does not name yet is as it was then."""
    if isinstance(described, dict):
        described = {"rotated": 1.0, **described}
    return parse(ModelConfig, described, f"the model of {path}")


def _filled(described: Any, tensors: dict[str, Tensor], path: Path) -> Model:
    model = Model(_config(described, path))
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise DataError(f"{path} does not hold the model its settings describe: {error}") from error
    return model.eval()
