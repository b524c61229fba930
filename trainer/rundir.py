"""A run's directory: what it was started with, written once, and compared when the run goes on."""

import json
from pathlib import Path
from typing import Any

from common.config import digest
from common.dataset.header import provenance
from common.errors import DataError, UsageError
from trainer.config import TrainConfig
from trainer.model import ModelConfig
from trainer.source import Source, StoredSource

DESCRIPTION = "run.json"


def describe(config: TrainConfig, model: ModelConfig, source: Source, data: str, init: str | None) -> dict[str, Any]:
    """Return the contents of run.json."""
    return {
        "recipe": config.model_dump(mode="json"),
        "digest": digest(config),
        "steps": config.steps,
        "model": model.model_dump(mode="json"),
        "dataset": {
            "url": data,
            "identity": source.identity,
            "digest": source.dataset.digest() if isinstance(source, StoredSource) else None,
            "sequences": source.shards * source.sequences_per_shard,
            "length": source.length,
            "recipe": source.recipe.model_dump(mode="json"),
        },
        "init": init,
        "versions": provenance(),
    }


def check(run: Path, description: dict[str, Any]) -> bool:
    """Return whether ``run`` already holds this very run; False where it holds nothing yet.

    Raises:
        UsageError: It holds another run (the settings that differ are named), or something else.
        DataError: Its run.json is damaged.
    """
    path = run / DESCRIPTION
    if not path.exists():
        if run.exists() and (not run.is_dir() or any(run.iterdir())):
            raise UsageError(f"{run} holds something that is no training run (no {DESCRIPTION}); give another --run")
        return False
    try:
        before = json.loads(path.read_text())
        # a run older than one of the model's settings was made with that setting's default
        before["model"] = ModelConfig.model_validate(before["model"]).model_dump(mode="json")
        differences = [
            line for part in ("model", "recipe", "init") for line in _differences(part, before[part], description[part])
        ]
        for key in ("identity", "sequences"):
            differences += _differences(f"dataset.{key}", before["dataset"][key], description["dataset"][key])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); give another --run") from error
    if differences:
        raise UsageError(
            f"{run} holds another run, which differs in:\n  "
            + "\n  ".join(differences)
            + "\ngive another --run, or start it with the settings it was begun with"
        )
    return True


def create(run: Path, description: dict[str, Any]) -> None:
    """Make the directory and write run.json, in full or not at all."""
    run.mkdir(parents=True, exist_ok=True)
    temporary = run / f".{DESCRIPTION}.new"
    temporary.write_text(json.dumps(description, indent=2) + "\n")
    temporary.replace(run / DESCRIPTION)


def _differences(name: str, before: Any, now: Any) -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            line
            for key in sorted(before.keys() | now.keys())
            for line in _differences(f"{name}.{key}", before.get(key), now.get(key))
        ]
    return [] if before == now else [f"{name}: {before!r} there, {now!r} asked for"]
