"""A training run's settings: a TOML recipe in, everything that fixes the run out."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from common.config import Settings, load_recipe
from trainer.augment import AugmentConfig
from trainer.loss import LossWeights
from trainer.model.config import ModelSize
from trainer.optim import OptimiserConfig
from trainer.stream import StreamConfig

RECIPES = Path(__file__).resolve().parent / "recipes"
"""Where the shipped training recipes lie."""


class ValidationConfig(Settings):
    """Unseen sequences, generated once at the start from the data recipe's families."""

    every: int = Field(default=200, ge=1)
    """Optimiser steps between two validations; there is one at the end too."""
    sequences: int = Field(default=64, ge=1)
    """Sequences of each set."""
    batch: int = Field(default=16, ge=1)
    """Sequences a rank reads at once."""


class CheckpointConfig(Settings):
    """When the state is saved."""

    every: int = Field(default=200, ge=1)
    """Optimiser steps between two checkpoints; there is one at the end, and when the run is told to stop."""
    keep: int = Field(default=2, ge=1)
    """How many stay; two survive damage to the newest."""


class TrainConfig(Settings):
    """Everything that decides a run's numbers, the data aside; stored with the run."""

    name: str
    """What people call the recipe."""
    seed: int = Field(default=0, ge=0)
    """Initial weights, order of the sequences, masking."""
    steps: int = Field(ge=1)
    """Optimiser steps of the whole run; the schedule ends there."""
    batch: int = Field(ge=1)
    """Sequences of a global batch, over all ranks."""
    segment: int | None = Field(default=None, ge=1)
    """Rows passed at once; state crosses a segment's end, gradients do not. None: whole sequences."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of a rank's operations; a constant, for results depend on it in the last digits."""
    log_every: int = Field(default=10, ge=1)
    """Optimiser steps between two lines of metrics; a line has the mean since the one before."""
    tensorboard: bool = False
    """Write TensorBoard events beside metrics.jsonl."""
    model: ModelSize = ModelSize()
    stream: StreamConfig = StreamConfig()
    augment: AugmentConfig = AugmentConfig()
    loss: LossWeights = LossWeights()
    optimiser: OptimiserConfig = OptimiserConfig()
    validation: ValidationConfig = ValidationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()


def load(recipe: str, overrides: Sequence[str] = ()) -> TrainConfig:
    """Return a training recipe by name or by the path of a TOML file, with ``a.b=value`` overrides applied.

    Raises:
        UsageError: It does not exist, or a setting is unknown, ill-typed or breaks a rule.
    """
    return load_recipe(TrainConfig, recipe, RECIPES, overrides)
