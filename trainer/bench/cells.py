"""A cell measured in a process of its own: only so is the peak of memory its own."""

import json
import subprocess
import sys
from typing import Any

from common.errors import DataError
from trainer.config import TrainConfig


def measured(config: TrainConfig, context: int, segment: int, seconds: float = 3.0, threads: int = 1) -> dict[str, Any]:
    """Return what ``trainer.bench.cell.measure`` does of the same arguments.

    Raises:
        DataError: The process failed.
    """
    asked = {
        "config": config.model_dump(mode="json"),
        "context": context,
        "segment": segment,
        "seconds": seconds,
        "threads": threads,
    }
    command = [sys.executable, "-m", "trainer.bench.cell"]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True)
    if done.returncode != 0:
        raise DataError(f"the cell {config.model.backbone}, context {context} failed:\n{done.stderr[-2000:]}")
    row: dict[str, Any] = json.loads(done.stdout)
    return row
