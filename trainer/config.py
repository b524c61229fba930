"""A training run's settings: a TOML recipe in, everything that fixes the run out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from common.config import Settings, load_recipe
from trainer.acting import AgentSettings
from trainer.data.augment import AugmentConfig
from trainer.data.config import DataConfig
from trainer.data.cut import CutConfig
from trainer.loss import LossWeights
from trainer.model.config import ModelSize
from trainer.model.size import adamw_learning_rate
from trainer.optim.config import OptimiserConfig

RECIPES = Path(__file__).resolve().parent / "recipes"
"""Where the shipped training recipes lie."""
FREE = (
    "checkpoint",
    "telemetry",
    "parallel",
    "log_every",
    "data.workers",
    "data.prefetch",
    "data.cache_megabytes",
)
FREE_IN_DATA = ("data.follow", "data.patience", "data.holes", "data.extended")
"""Settings (or whole sections) that a run may be continued with other values of: they decide none of its numbers, or
say what to do about data that have changed."""


class ValidationConfig(Settings):
    """Unseen sequences, generated once at the start from the data recipe's families, and a few seen ones."""

    every: int = Field(default=200, ge=1)
    """Optimiser steps between two validations; there is one at the end too."""
    sequences: int = Field(default=64, ge=1)
    """Sequences of each set."""
    batch: int = Field(default=16, ge=1)
    """Sequences a rank reads at once."""
    recipe: str | None = None
    """Data recipe of the unseen sets, at the data's length; None: that of the data. Imported data have none."""
    patience: int | None = Field(default=None, ge=1)
    """Stop early after so many validations without a lower policy loss on the unseen set without oracles."""
    smallest_gain: float = Field(default=0.0, ge=0)
    """What counts as lower, nats."""


class CheckpointConfig(Settings):
    """When the state is saved."""

    every: int = Field(default=200, ge=1)
    """Optimiser steps between two checkpoints; there is one at the end, and when the run is told to stop."""
    keep: int = Field(default=2, ge=1)
    """How many of the newest stay; two survive damage to the newest."""
    keep_every: int | None = Field(default=None, ge=1)
    """Checkpoints of steps that are multiples of this stay for good."""
    asynchronous: bool = False
    """Copy the state and write it while training goes on."""


class TelemetryConfig(Settings):
    """Who is told beside metrics.jsonl and the console."""

    tensorboard: bool = False
    """Write TensorBoard events to RUN/tensorboard."""
    wandb: str | None = None
    """Weights & Biases: the project's name (needs the extra ``wandb``; WANDB_MODE=offline is respected)."""
    mlflow: str | None = None
    """MLflow: the experiment's name (needs the extra ``mlflow``; where to is MLFLOW_TRACKING_URI's business)."""
    report: bool = True
    """Write RUN/report/ (Markdown and pictures) when the run ends."""


class ParallelConfig(Settings):
    """How the work is spread over ranks."""

    shard_over: int | None = Field(default=None, ge=1)
    """Ranks that share one copy of the parameters; None: all. Fewer: hybrid sharding, a copy for each group (with the
    ranks of a node, parameters are gathered inside the node only)."""
    units: Literal["model", "block"] = "model"
    """What is gathered at once: everything, with one collective a pass (small models), or block by block."""
    timeout: float = Field(default=600.0, gt=0)
    """Seconds after which a rank that waits for the others gives up."""


class GuardConfig(Settings):
    """What happens when training goes wrong; it is always told."""

    not_finite: Literal["stop", "skip"] = "stop"
    """Gradients that are infinite or no number: stop before anything is updated, or leave the batch out."""
    spike: Literal["ignore", "skip", "stop"] = "ignore"
    """A gradient norm far above those before it."""
    spike_factor: float = Field(default=10.0, gt=1)
    """Far above: more than this many times the median of the last ``window`` norms."""
    window: int = Field(default=100, ge=2)
    """Norms that are remembered; half as many must be there before anything is called a spike."""
    most_skips: int = Field(default=10, ge=1)
    """Skips in a row after which the run stops all the same."""


class OnPolicyConfig(Settings):
    """Sequences in which the model itself acts, in fresh worlds of the data recipe, labelled by the oracle."""

    share: float = Field(default=0.0, ge=0, le=1)
    """Share of a batch's sequences; every rank replaces the first of its own, rounded down."""
    begin: int = Field(default=0, ge=0)
    """Optimiser step from which on; before the model can learn at all they only hurt."""
    every: int = Field(default=1, ge=1)
    """Only every so many batches: playing is slow."""
    copies: int = Field(default=1, ge=1)
    """How often each is shown, the first time as it was played, then under other symbols and action ids: playing costs
    several times what learning from it does."""
    temperature: float | None = Field(default=None, gt=0)
    """Of the softmax from which actions are drawn, all along; None: falling as ``acting`` says."""
    tag: int | None = Field(default=None, ge=0, le=7)
    """Shown beside the model's own actions; None: that of ``acting``."""


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
    segments_per_update: int | None = Field(default=None, ge=1)
    """Segments after which the parameters are updated; None: at the sequences' end. Long sequences learn earlier."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of matrix products; parameters, optimiser, losses and recurrent states are always fp32."""
    compile: bool = False
    """Compile the blocks: the first steps take a minute."""
    recompute: bool = False
    """Activation checkpointing: keep only what goes between blocks, compute the rest again."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of a rank's operations; a constant, for results depend on it in the last digits."""
    log_every: int = Field(default=10, ge=1)
    """Optimiser steps between two lines of metrics; a line has the mean since the one before."""
    model: ModelSize = ModelSize()
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    cut: CutConfig = CutConfig()
    loss: LossWeights = LossWeights()
    optimiser: OptimiserConfig = OptimiserConfig()
    guard: GuardConfig = GuardConfig()
    on_policy: OnPolicyConfig = OnPolicyConfig()
    validation: ValidationConfig = ValidationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    parallel: ParallelConfig = ParallelConfig()
    acting: AgentSettings = AgentSettings()
    """How the trained agent is best played; what plays it begins with these settings."""

    @model_validator(mode="after")
    def _segments(self) -> "TrainConfig":
        if self.segments_per_update is not None and self.segment is None:
            raise ValueError("segments_per_update counts segments: set segment, the rows of one, too")
        if self.segments_per_update is not None and self.cut.rows is not None:
            raise ValueError("cut and segments_per_update exclude each other: a piece is one update's; leave one out")
        return self

    @model_validator(mode="before")
    @classmethod
    def _rate(cls, values: Any) -> Any:
        """Fill in the learning rate that follows from the size."""
        if not isinstance(values, dict):
            return values
        optimiser = values.get("optimiser", {})
        model = values.get("model", {})
        if isinstance(optimiser, dict) and isinstance(model, dict) and optimiser.get("adamw_learning_rate") is None:
            try:
                width = ModelSize.model_validate(model).width
            except ValueError:
                return values  # the model's own check says what is wrong
            return {**values, "optimiser": {**optimiser, "adamw_learning_rate": adamw_learning_rate(width)}}
        return values

    def updates_per_batch(self, length: int) -> int:
        """Return optimiser steps for one global batch of sequences of ``length`` rows."""
        if self.segments_per_update is None or self.segment is None:
            return 1
        segments = -(-length // self.segment)
        return -(-segments // self.segments_per_update)


def load(recipe: str, overrides: Sequence[str] = ()) -> TrainConfig:
    """Return a training recipe by name or by the path of a TOML file, with ``a.b=value`` overrides applied.

    Raises:
        UsageError: It does not exist, or a setting is unknown, ill-typed or breaks a rule.
    """
    return load_recipe(TrainConfig, recipe, RECIPES, overrides)
