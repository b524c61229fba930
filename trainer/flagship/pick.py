"""Phase ``pick``: the batch that fits and whether compiled blocks are faster, for the flagship's own training."""

from typing import Any

from trainer import config as configs
from trainer.bench.device import pace
from trainer.data.mixture import Mixture, Opening
from trainer.flagship.scale import Scale
from trainer.flagship.worker import Work

BEGINNINGS = 4
"""Times that training is begun, over all legs and stages."""


def run(work: Work) -> None:
    """Time the last stage's training, plain first, then compiled; keep the faster one's settings and rate."""
    stage = work.scale.stages[-1]
    config = configs.load(stage.recipe, work.sets)
    length = length_of(work.scale, stage.data)
    peak = work.state.settings().get("peak", float("inf"))
    segment = min(config.segment or length, length)
    best: dict[str, Any] = {}
    for compiled in (False, True) if work.scale.compiles else (False,):
        if best and work.left < 20:
            work.state.note("skipped", what="pick compiled", why="the phase's seconds are over")
            break
        found = pace(config, length, config.batch * segment, work.scale.timed, work.device, compiled, peak)
        work.state.note("pick", stage=stage.name, asked_compiled=compiled, **found)
        rate = found.get("steps_per_second", 0.0)
        work.say(
            f"  {'compiled' if found['compiled'] else 'plain'}: {rate:,.0f} steps/s, {found['sequences']} sequences"
        )
        for failure in found["failures"]:
            work.say(f"  gave up {failure}")
        if "steps_per_second" in found and (not best or worth(work, found) > worth(work, best)):
            best = found
            settle(work, config.batch, best)
    if not best:
        raise RuntimeError("no batch of the flagship's model fits this device; take a smaller model by --set")


def worth(work: Work, found: dict[str, Any]) -> float:
    """Return the steps that all minutes of training would make, what every beginning costs taken off.

    A leg begins training anew, and so does a stage: compiled blocks are compiled again.
    """
    seconds = 60.0 * work.state.settings().get("training_minutes", 10.0)
    return float(found["steps_per_second"] * max(1.0, seconds - BEGINNINGS * found["seconds_to_begin"]))


def settle(work: Work, asked: int, best: dict[str, Any]) -> None:
    """Keep what was picked so far: a phase that is ended early has picked all the same."""
    work.state.keep(
        rate=best["steps_per_second"],
        compile=best["compiled"],
        batch_share=best["sequences"] / asked,
        segment=best["segment"],
    )


def length_of(scale: Scale, data: str) -> int:
    """Return the rows of a sequence of a stage's data."""
    return Mixture(Opening((f"recipe:{data}",), scale.data_overrides), configs.DataConfig()).length
