"""Training speed of one model on a device: forward, backward, optimiser step, and the way of the batch to the device.

What does not fit is halved, what does not compile runs as it is written; the result says so. Segments are those of
training. Of a long context a timed step takes at most ``SEGMENTS``, state carried on from step to step.
"""

import gc
import time
from typing import Any

import torch

from trainer.bench.ceilings import synchronise
from trainer.bench.cell import ACTIONS, random_rows, segment_of
from trainer.bench.operations import operations
from trainer.config import TrainConfig
from trainer.loss import Objective, share_of_loss
from trainer.model import Model, ModelConfig
from trainer.optim import Optimiser
from trainer.passes import detached

VOCABULARY = 128
"""The flagship's, and the paper's."""
SEGMENTS = 8
WARM = 2
"""Steps before the clock starts."""
Failure = dict[str, Any]


class Pace:
    """A model in training on made-up data.

    Args:
        config: Model, segment, precision, optimiser.
        context: Steps of a sequence.
        sequences: Of a batch.
        segment: Steps passed at once.
        device: Where.
        compiled: Compile the blocks.
    """

    def __init__(
        self, config: TrainConfig, context: int, sequences: int, segment: int, device: torch.device, compiled: bool
    ) -> None:
        size = ModelConfig(vocabulary=VOCABULARY, actions=ACTIONS, **config.model.model_dump())
        model = Model(size, device=device)
        model.recompute = config.recompute
        if compiled:
            model.compile_blocks()
        self.objective = Objective(model, config.precision)
        self.optimiser = Optimiser(self.objective, config.optimiser, 10**6, size.width)
        self._device, self._weights = device, config.loss.vector(device)
        span = min(context, SEGMENTS * segment)
        self.rows = sequences * span
        """Of a step."""
        rows = random_rows(sequences, span)
        self._cuts = [segment_of(rows, at, min(at + segment, span)) for at in range(0, span, segment)]
        self._counts = torch.stack([part.targets.counts() for part in self._cuts]).sum(dim=0).to(device)
        self._goes_on, self._state = span < context, None

    def step(self) -> None:
        """Take one optimiser step."""
        state = self._state
        for part in self._cuts:
            outcome, state = self.objective(part.to(self._device), state)
            (share_of_loss(outcome, self._counts) * self._weights).sum().backward()
            state = detached(state)
        self._state = state if self._goes_on else None
        self.optimiser.step(0)


def pace(
    config: TrainConfig, context: int, rows: int, timed: float, device: torch.device, compiled: bool, peak: float
) -> dict[str, Any]:
    """Return how fast a model trains, with the batch that fits.

    Args:
        config: Model, segment, precision, optimiser.
        context: Steps of a sequence.
        rows: Of a pass to begin with, all sequences together.
        timed: Seconds of timing, at least; at least three steps.
        device: Where.
        compiled: Try compiled blocks first.
        peak: Operations a second that ``share_of_peak`` is of.

    Returns:
        With ``failures``: what was tried before, and why it was given up; without ``steps_per_second`` where nothing
        ran.
    """
    segment = min(config.segment or context, context)
    sequences, failures = max(1, rows // segment), list[Failure]()
    while True:
        tried = {"sequences": sequences, "segment": segment, "compiled": compiled}
        try:
            return {
                **tried,
                **_timed(config, context, sequences, segment, timed, device, compiled, peak),
                "failures": failures,
            }
        except torch.OutOfMemoryError:
            failures.append({**tried, "why": "out of memory"})
            if sequences > 1:
                sequences //= 2
            elif segment > 256:
                segment //= 2
            else:
                return {**tried, "failures": failures}
        except Exception as error:
            failures.append({**tried, "why": f"{type(error).__name__}: {str(error)[:500]}"})
            if not compiled:
                return {**tried, "failures": failures}
            compiled = False
        _clear(device)


def _timed(
    config: TrainConfig,
    context: int,
    sequences: int,
    segment: int,
    timed: float,
    device: torch.device,
    compiled: bool,
    peak: float,
) -> dict[str, Any]:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    began = time.perf_counter()
    running = Pace(config, context, sequences, segment, device, compiled)
    for _ in range(WARM):
        running.step()
    synchronise(device)
    ready, taken = time.perf_counter() - began, list[float]()
    while len(taken) < 3 or sum(taken) < timed:
        began = time.perf_counter()
        running.step()
        synchronise(device)
        taken.append(time.perf_counter() - began)
    model = running.objective.model
    rate, work = running.rows / sorted(taken)[len(taken) // 2], operations(model, context)
    found = {
        "backbone": model.config.backbone,
        "layout": model.config.layout,
        "parameters": model.parameter_count(),
        "context": context,
        "steps_per_second": rate,
        "operations_per_step": work,
        "share_of_peak": rate * work / peak,
        "peak_bytes": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
        "seconds_to_begin": ready,
        "programs": model.programs(),
    }
    del running, model
    _clear(device)
    return found


def _clear(device: torch.device) -> None:
    """Free what a model, or an attempt that failed, has left."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
