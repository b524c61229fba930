"""Which optimiser, its rates, and how they change over a run."""

import math
from typing import Literal

from pydantic import Field

from common.config import Settings


class OptimiserConfig(Settings):
    """Learning rates and their schedule."""

    name: Literal["muon", "adamw"] = "muon"
    """``muon``: Muon on the blocks' matrices, AdamW on everything else; ``adamw``: AdamW on everything."""
    muon_learning_rate: float = Field(default=0.02, gt=0)
    """Peak, for matrices of the blocks: about an update's spectral norm (times sqrt(rows / columns) where over 1)."""
    adamw_learning_rate: float | None = Field(default=None, gt=0)
    """Peak, for embeddings, heads and gains, or for everything; None: .003 at width 64, falling as 1 / width."""
    momentum: float = Field(default=0.95, ge=0, lt=1)
    """Muon's, with Nesterov's look-ahead."""
    betas: tuple[float, float] = (0.9, 0.98)
    """AdamW's."""
    epsilon: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled, times the learning rate; on matrices and tables, never on gains and biases."""
    clip: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """Largest norm of the whole gradient; 0: never clipped."""
    schedule: Literal["linear", "cosine", "constant", "noam"] = "linear"
    """What follows the rise: a straight line or half a cosine down to ``floor`` at the last step, nothing, or
    1 / sqrt(step) (Vaswani et al., 2017)."""
    floor: float = Field(default=0.0, ge=0, le=1)
    """Share of the peak at the last step, of ``linear`` and ``cosine``."""
    warmup_steps: int = Field(default=50, ge=0)
    """Optimiser steps over which the rates rise linearly to their peaks."""
    newton_schulz_steps: int = Field(default=5, ge=1)


def schedule(step: int, steps: int, warmup: int, kind: str = "linear", floor: float = 0.0) -> float:
    """Return the share of the peak learning rate at optimiser step ``step`` (from 0) of ``steps``."""
    rising = min(1.0, (step + 1) / (warmup + 1))
    if kind == "constant":
        return rising
    if kind == "noam":
        return min(rising, math.sqrt((warmup + 1) / (step + 1)))
    falling = min(1.0, (steps - step) / max(1, steps - warmup))
    if kind == "cosine":
        falling = 0.5 * (1.0 - math.cos(math.pi * max(0.0, falling)))
    return max(0.0, min(rising, floor + (1.0 - floor) * falling))
