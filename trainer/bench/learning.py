"""How well each block learns: equal parameters, equal minutes of one core, losses on unseen worlds."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from common.errors import DataError
from trainer import config as configs
from trainer.bench.cell import ACTIONS, VOCABULARY
from trainer.model import Model, ModelConfig

CONTEXT = 512
"""Of the data recipe ``tiny``."""


def equal_inner(config: configs.TrainConfig, parameters: int) -> int:
    """Return the inner width of the feed-forward part with which a model has nearest to so many parameters."""

    one, two = parameters_of(config, inner=8), parameters_of(config, inner=16)
    return 8 if two == one else max(8, 8 + 8 * round((parameters - one) / (two - one)))


def parameters_of(config: configs.TrainConfig, **changes: int) -> int:
    """Return the parameters of a recipe's model on the benchmark's vocabulary."""
    size = ModelConfig(vocabulary=VOCABULARY, actions=ACTIONS, **(config.model.model_dump() | changes))
    return Model(size, device="meta").parameter_count()


def learned(recipe: str, settings: list[str], steps: int) -> dict[str, Any]:
    """Train on ``recipe:tiny`` for so many optimiser steps; return the last validation without oracles.

    Raises:
        DataError: The run failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        quiet = [f"steps={steps}", f"validation.every={steps}", "telemetry.report=false"]
        changes = [part for setting in (*settings, *quiet) for part in ("--set", setting)]
        start = ["-m", "trainer.main", "--recipe", recipe, "--data", "recipe:tiny", "--run", str(run)]
        command = [sys.executable, *start, *changes]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise DataError(f"training failed: {' '.join(command)}\n{done.stderr[-2000:]}")
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = [line for line in lines if line["kind"] == "validation" and line["set"] == "unseen-without-oracle"][-1]
    names = ("loss_policy", "loss_observation", "accuracy", "accuracy_random_context")
    trained = [line["environment_steps"] for line in lines if line["kind"] == "train"][-1]
    return {"optimiser_steps": steps, "rows": trained, **{name: last[name] for name in names}}
