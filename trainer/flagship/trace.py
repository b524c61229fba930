"""Phase ``trace``: what the time of a training step goes to, by PyTorch's profiler: kernels, gaps, what starts them."""

import json
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from trainer import config as configs
from trainer.bench.ceilings import synchronise
from trainer.bench.device import Pace
from trainer.flagship.pick import length_of
from trainer.flagship.worker import Work

STEPS = 3
SHOWN = 40


def run(work: Work) -> None:
    """Profile the flagship's training as picked; the table goes to the journal and to share/profile.txt."""
    picked, stage = work.state.settings(), work.scale.stages[-1]
    config = configs.load(stage.recipe, work.sets)
    length = length_of(work.scale, stage.data)
    segment = picked.get("segment", min(config.segment or length, length))
    sequences = max(1, round(config.batch * picked.get("batch_share", 1.0)))
    running = Pace(config, length, sequences, segment, work.device, bool(picked.get("compile")))
    for _ in range(2):
        running.step()
    synchronise(work.device)
    on_gpu = work.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as trace:
        for _ in range(STEPS):
            running.step()
        synchronise(work.device)
    events = list(trace.events() or ())
    line = summary(events, on_gpu)
    sort = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    averages = trace.key_averages()
    (work.state.share / "profile.txt").write_text(averages.table(sort_by=sort, row_limit=SHOWN), encoding="utf-8")
    (work.state.share / "profile.json").write_text(json.dumps(line, indent=1) + "\n", encoding="utf-8")
    work.state.note(
        "trace", **{key: value for key, value in line.items() if key != "kernels"}, top=line["kernels"][:10]
    )
    work.say(f"  {line['wall_ms']:.1f} ms a step, {line['busy_share']:.0%} busy, {line['launches']:.0f} launches")


def summary(events: list[Any], on_gpu: bool) -> dict[str, Any]:
    """Return a step's milliseconds, the share in which the device is busy, and its kernels, longest first.

    Args:
        events: Of ``STEPS`` steps. On a CPU its operations stand for kernels, nested ones counted with their own time.
        on_gpu: Whether the kernels are the device's.
    """
    kind = torch.autograd.DeviceType.CUDA if on_gpu else torch.autograd.DeviceType.CPU
    mine = [
        event
        for event in events
        if event.device_type == kind
        and event.time_range.end > event.time_range.start
        and not getattr(event, "is_user_annotation", False)  # spans of several kernels, no kernels
    ]
    spans = sorted((event.time_range.start, event.time_range.end) for event in mine)
    busy, gaps, end = 0.0, 0.0, spans[0][0] if spans else 0.0
    for first, last in spans:
        gaps += max(0.0, first - end)
        busy += max(0.0, last - max(first, end))
        end = max(end, last)
    kernels: dict[str, list[float]] = {}
    for event in mine:
        own = event.time_range.elapsed_us() if on_gpu else event.self_cpu_time_total
        kernels.setdefault(event.name, []).append(own)
    wall = busy + gaps
    lines = [
        {
            "name": name[:120],
            "ms": sum(times) / STEPS / 1e3,
            "calls": len(times) / STEPS,
            "share": sum(times) / max(wall, 1e-9),
        }
        for name, times in kernels.items()
    ]
    return {
        "wall_ms": wall / STEPS / 1e3,
        "busy_share": busy / max(wall, 1e-9),
        "gaps_ms": gaps / STEPS / 1e3,
        "launches": len(mine) / STEPS,
        "kernels": sorted(lines, key=lambda line: -float(str(line["ms"])))[:SHOWN],
    }
