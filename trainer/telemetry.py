"""What a run tells: lines of metrics.jsonl and of the console, and whoever else is asked for."""

import json
import math
import os
import time
from pathlib import Path
from typing import Any

from trainer.config import TrainConfig
from trainer.sinks import Sink, open_sinks

METRICS = "metrics.jsonl"


class Telemetry:
    """The first rank's voice; other ranks keep silent.

    Args:
        run: The run's directory.
        config: The run's settings.
        speaks: Whether this rank writes and prints.

    Raises:
        UsageError: A sink is asked for whose package is not installed.
    """

    def __init__(self, run: Path, config: TrainConfig, speaks: bool) -> None:
        self._run, self._config, self._speaks = run, config, speaks
        self._path = run / METRICS
        self._sinks: list[Sink] = open_sinks(run, config) if speaks else []

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
        """Append one line; at once in the file, so that whoever watches sees it. What is not finite becomes null."""
        if not self._speaks:
            return
        line = json.dumps(_finite({"kind": kind, "step": step, "time": time.time(), **values}), allow_nan=False)
        with self._path.open("a") as file:
            file.write(line + "\n")
        prefix = "/".join(str(values[key]) for key in ("set",) if key in values) or kind
        numbers = {
            f"{prefix}/{key}": value
            for key, value in values.items()
            if isinstance(value, int | float) and math.isfinite(value)
        }
        for sink in self._sinks if numbers else ():
            sink.write(numbers, step)

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
        left = (self._config.steps - step) * values["seconds_per_step"]
        self.say(
            f"step {step:6d}/{self._config.steps}  loss {values['loss']:.4f}  policy {values['loss_policy']:.4f}  "
            f"observation {values['loss_observation']:.4f}  {rate:,.0f} steps/s  {_duration(left)} left"
        )

    def close(self, finished: bool) -> None:
        """Flush everything; write the report of a run that is finished."""
        for sink in self._sinks:
            sink.close()
        if not self._speaks or not self._path.exists():
            return
        with self._path.open("a") as file:
            os.fsync(file.fileno())
        if finished and self._config.telemetry.report:
            from trainer.report import write_report

            self.say(f"report: {write_report(self._run)}")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list) else value


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
