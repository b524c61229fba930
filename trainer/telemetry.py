"""What a run tells: lines of metrics.jsonl, of the console, and TensorBoard events if wanted."""

import json
import os
import time
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"


class Telemetry:
    """The first rank's voice; other ranks keep silent.

    Args:
        run: The run's directory.
        steps: Optimiser steps of the whole run, for the time left.
        speaks: Whether this rank writes and prints.
        tensorboard: Write events to RUN/tensorboard too.
    """

    def __init__(self, run: Path, steps: int, speaks: bool, tensorboard: bool = False) -> None:
        self._steps, self._speaks = steps, speaks
        self._path = run / METRICS
        self._board: Any = None
        if speaks and tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(run / "tensorboard"))

    def forget_after(self, step: int) -> None:
        """Drop lines of steps that a resumed run will do again (and a last line cut short by a kill)."""
        if not self._speaks or not self._path.exists():
            return
        kept = []
        for line in self._path.read_text().splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except ValueError:
                continue
        temporary = self._path.with_suffix(".new")
        temporary.write_text("".join(line + "\n" for line in kept))
        temporary.replace(self._path)

    def write(self, kind: str, step: int, **values: Any) -> None:
        """Append one line; at once in the file, so that whoever watches sees it."""
        if not self._speaks:
            return
        line = json.dumps({"kind": kind, "step": step, "time": time.time(), **values})
        with self._path.open("a") as file:
            file.write(line + "\n")
        if self._board is not None:
            prefix = "/".join(str(values[key]) for key in ("set",) if key in values) or kind
            for key, value in values.items():
                if isinstance(value, int | float):
                    self._board.add_scalar(f"{prefix}/{key}", value, step)

    def say(self, text: str) -> None:
        """Print a line."""
        if self._speaks:
            print(text, flush=True)

    def event(self, step: int, message: str) -> None:
        """Tell something that happened, in file and console."""
        self.write("event", step, message=message)
        self.say(message)

    def progress(self, step: int, values: dict[str, float]) -> None:
        """Print where training stands: losses, rate, time left."""
        rate = values["steps_per_second"]
        left = (self._steps - step) * values["seconds_per_step"]
        self.say(
            f"step {step:6d}/{self._steps}  loss {values['loss']:.4f}  policy {values['loss_policy']:.4f}  "
            f"observation {values['loss_observation']:.4f}  {rate:,.0f} steps/s  {_duration(left)} left"
        )

    def close(self) -> None:
        """Flush everything."""
        if self._board is not None:
            self._board.close()
        if self._speaks and self._path.exists():
            with self._path.open("a") as file:
                os.fsync(file.fileno())


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
