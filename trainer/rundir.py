"""A run's directory: what it was started with, written once, and compared when the run goes on."""

import json
from pathlib import Path
from typing import Any

from common.config import digest
from common.dataset.header import provenance
from common.errors import DataError, UsageError
from trainer.config import FREE, FREE_IN_DATA, TrainConfig
from trainer.data.mixture import Mixture
from trainer.model import ModelConfig

DESCRIPTION = "run.json"


def describe(
    config: TrainConfig, model: ModelConfig, mixture: Mixture, init: str | None, digests: bool = True
) -> dict[str, Any]:
    """Return the contents of run.json; ``digests``: with those of all data, which only who writes it needs."""
    datasets = mixture.facts(digests)
    return {
        "recipe": config.model_dump(mode="json"),
        "digest": digest(config),
        "steps": config.steps,
        "model": model.model_dump(mode="json"),
        "dataset": datasets[0],
        "datasets": datasets,
        "init": init,
        "versions": provenance(),
    }


def check(run: Path, description: dict[str, Any]) -> dict[str, Any] | None:
    """Return the run.json of this very run if ``run`` holds it already; None where it holds nothing yet.

    Raises:
        UsageError: It holds another run (the settings that differ are named), or something else.
        DataError: Its run.json is damaged.
    """
    path = run / DESCRIPTION
    if not path.exists():
        if run.exists() and (not run.is_dir() or any(run.iterdir())):
            raise UsageError(f"{run} holds something that is no training run (no {DESCRIPTION}); give another --run")
        return None
    try:
        before = json.loads(path.read_text())
        # a run older than one of these settings was made with that setting's default
        known = {**before, "model": ModelConfig.model_validate(before["model"]).model_dump(mode="json")}
        differences = [
            line for part in ("model", "recipe", "init") for line in _differences(part, known[part], description[part])
        ]
        differences += _data_differences(known["datasets"], description)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); give another --run") from error
    differences = [line for line in differences if not _free(line)]
    if differences:
        raise UsageError(
            f"{run} holds another run, which differs in:\n  "
            + "\n  ".join(differences)
            + "\ngive another --run, or start it with the settings it was begun with"
        )
    return before


def shards_of(description: dict[str, Any]) -> tuple[int, ...]:
    """Return the shards of each dataset that a run.json tells of."""
    return tuple(data["sequences"] // data["sequences_per_shard"] for data in description["datasets"])


def _data_differences(before: list[dict[str, Any]], description: dict[str, Any]) -> list[str]:
    now, may_grow = description["datasets"], description["recipe"]["data"]["extended"] != "refuse"
    if len(before) != len(now):
        return [f"dataset: {len(before)} datasets there, {len(now)} asked for"]
    lines = []
    for number, (old, new) in enumerate(zip(before, now, strict=True)):
        name = "dataset" if len(now) == 1 else f"dataset {number + 1}"
        for key in ("identity", "sequences_per_shard", "weight"):
            lines += _differences(f"{name}.{key}", old[key], new[key])
        if new["sequences"] < old["sequences"] or (new["sequences"] > old["sequences"] and not may_grow):
            lines += [
                *_differences(f"{name}.sequences", old["sequences"], new["sequences"]),
                "  (it has grown: --set data.extended=ignore goes on with the sequences of then, include with all)",
            ]
    return lines


def _free(line: str) -> bool:
    """Return whether a difference is one that a run may be continued with."""
    return any(line.startswith((f"recipe.{name}:", f"recipe.{name}.")) for name in (*FREE, *FREE_IN_DATA))


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
