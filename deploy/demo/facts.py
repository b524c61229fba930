"""The demo's figures, read from what its stages left: steps a second, times, sizes."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from deploy.dashboard.datasets import DatasetSource
from deploy.dashboard.models import Metrics, RunDetail
from deploy.dashboard.runs import RunSource
from deploy.demo.plan import DemoSettings
from deploy.demo.stages import Stage

Facts = list[tuple[str, str]]
"""Name and value, in the order they are shown."""


def facts(settings: DemoSettings, stages: Mapping[str, Stage]) -> Facts:
    """Return every figure worth telling."""
    detail, metrics = read_run(settings.run)
    found = [("machine", f"{_cores()} cores, {platform.machine()}, Python {platform.python_version()}")]
    found += _data_facts(settings.data)
    if detail is not None:
        found += _train_facts(detail, metrics)
    total = sum(stage.seconds for stage in stages.values())
    times = [f"{name} {duration(stage.seconds)}{_attempts(stage)}" for name, stage in stages.items()]
    return [*found, ("wall time", f"{duration(total)}: {', '.join(times)}")]


def read_run(folder: Path) -> tuple[RunDetail | None, Metrics]:
    """Return a run's state and its curves as the dashboard reads them."""
    source = RunSource("run", "run", folder)
    source.poll()
    while not source.caught_up:
        source.poll()
    return source.detail, source.metrics(1000)


def duration(seconds: float) -> str:
    """Return minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _data_facts(folder: Path) -> Facts:
    source = DatasetSource("data", "data", folder)
    source.poll()
    while not source.caught_up:
        source.poll()
    detail = source.detail
    if detail is None or not detail.steps:
        return []
    drivers = [writer for writer in detail.writers if writer.kind == "driver" and writer.first and writer.last]
    busy = sum((writer.last or 0.0) - (writer.first or 0.0) for writer in drivers)
    actors = sum(writer.kind == "actor" for writer in detail.writers)
    size = f"{(detail.stored_bytes or 0) / 1e6:.1f} MB, {(detail.stored_bytes or 0) / detail.steps:.2f} bytes a step"
    amount = f"{detail.steps:,} steps in {detail.sequences:,} sequences, {_count(detail.committed, 'shard')}"
    found = [("data", f"{amount}, {size}")]
    if busy > 0:
        found.append(
            ("generating", f"{detail.steps / busy:,.0f} steps/s through Ray into Zarr, {_count(actors, 'actor')}")
        )
    return found


def _train_facts(detail: RunDetail, metrics: Metrics) -> Facts:
    speeds = sorted(value for value in metrics.train.get("steps_per_second", []) if value is not None)
    found = [("training", f"{detail.step:,} optimiser steps, {detail.environment_steps or 0:,.0f} environment steps")]
    if speeds:
        found.append(("training speed", f"{speeds[len(speeds) // 2]:,.0f} environment steps/s (median)"))
    if detail.accuracy_random_context is not None:
        found.append(("accuracy", f"{detail.accuracy_random_context:.0%} of greedy actions right after random actions"))
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _attempts(stage: Stage) -> str:
    return f" in {stage.attempts} attempts" if stage.attempts > 1 else ""


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
