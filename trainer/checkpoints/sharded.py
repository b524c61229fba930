"""A model as several ``.safetensors`` files under a limit, and an index: what a repository or a mail takes.

model-00001-of-00003.safetensors ...   bfloat16, each under the limit
model.safetensors.index.json           settings, card, which file holds what, SHA-256 of each file; written last
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from common.errors import DataError
from trainer.model import Model

INDEX = ".safetensors.index.json"
"""How an index's name ends."""
LIMIT = 16_000_000
"""Bytes of a file, at most."""


def is_index(path: Path) -> bool:
    """Return whether a path names an index, by its name."""
    return path.name.endswith(INDEX)


def export_sharded(
    model: Model,
    folder: Path,
    card: dict[str, Any] | None = None,
    limit: int = LIMIT,
    dtype: torch.dtype = torch.bfloat16,
) -> Path:
    """Write a model's parameters; return the index's path. A single tensor over the limit has a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, parameter in model.named_parameters():
        tensor = parameter.detach().cpu().to(dtype).contiguous()
        length = tensor.numel() * tensor.element_size() + 256  # its entry in the header
        if parts[-1] and size + length > limit - 4096:
            parts.append({})
            size = 0
        parts[-1][name] = tensor
        size += length
    for old in folder.glob("model-*.safetensors"):
        old.unlink()
    weights, files = dict[str, str](), dict[str, str]()
    for number, part in enumerate(parts, 1):
        path = folder / f"model-{number:05d}-of-{len(parts):05d}.safetensors"
        save_file(part, str(path))
        weights |= dict.fromkeys(part, path.name)
        files[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    told = {
        "model": model.config.model_dump(mode="json"),
        "card": card or {},
        "dtype": str(dtype).removeprefix("torch."),
    }
    index = folder / f"model{INDEX}"
    unfinished = index.with_suffix(".part")
    unfinished.write_text(json.dumps({"metadata": told, "weight_map": weights, "files": files}, indent=1) + "\n")
    unfinished.replace(index)
    return index


def read_index(path: Path) -> dict[str, Any]:
    """Return an index.

    Raises:
        DataError: It is damaged.
    """
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        index["metadata"]["model"], index["weight_map"].items(), index["files"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is no index of a model in several files: {error!r}; export it again") from error
    return dict(index)


def read_tensors(path: Path, index: dict[str, Any]) -> dict[str, Tensor]:
    """Return all tensors that an index at ``path`` names, float32.

    Raises:
        DataError: A file is missing or not the one that was written.
    """
    tensors: dict[str, Tensor] = {}
    for name, digest in index["files"].items():
        file = path.parent / Path(name).name
        try:
            if hashlib.sha256(file.read_bytes()).hexdigest() != digest:
                raise DataError(f"{file} is not the file that {path.name} was written with; copy both again")
            tensors |= {key: value.float() for key, value in load_file(str(file)).items()}
        except (OSError, SafetensorError) as error:
            raise DataError(f"{file}, which {path.name} names, cannot be read: {error}") from error
    return tensors
