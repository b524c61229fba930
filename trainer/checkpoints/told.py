"""What a model's files say of it: a run's run.json, or the card of an exported file or index (the same contents)."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from common.errors import DataError, UsageError
from trainer.agents import located, names
from trainer.checkpoints.sharded import is_index, read_index


def told(path: str | Path) -> dict[str, Any]:
    """Return what is said of the model at ``path``, a run's folder, an exported file or a bundled agent's name.

    Raises:
        UsageError: There is no model at ``path``.
        DataError: What is there is damaged.
    """
    path = located(path)
    if path.is_file() and is_index(path):
        return dict(read_index(path)["metadata"].get("card", {}))
    if path.is_file():
        try:
            with safe_open(str(path), framework="pt") as file:
                text = (file.metadata() or {}).get("card", "{}")
        except (SafetensorError, OSError) as error:
            raise DataError(f"{path} is no readable .safetensors file: {error}") from error
    elif (path / "run.json").is_file():
        text = (path / "run.json").read_text(encoding="utf-8")
    else:
        raise UsageError(nothing_at(path))
    try:
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError("it is no object")
    except ValueError as error:
        raise DataError(f"the description in {path} is damaged: {error!r}; export or train it again") from error
    return found


def nothing_at(path: Path) -> str:
    """Return what is said where there is no model."""
    return (
        f"{path} is neither a run's folder (no run.json) nor an exported .safetensors file, nor a bundled agent "
        f"({', '.join(names()) or 'none'})"
    )
