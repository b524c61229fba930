"""The model's settings: vocabularies come from the dataset, sizes from the training recipe."""

from typing import Literal

from pydantic import Field, model_validator

from common.config import Settings
from common.dataset.schema import DISCOUNTS


class ModelSize(Settings):
    """What a training recipe chooses."""

    mixer: Literal["attention"] = "attention"
    """What mixes positions inside a block."""
    width: int = Field(default=64, ge=2)
    """Channels of the residual stream."""
    layers: int = Field(default=3, ge=1)
    heads: int = Field(default=2, ge=1)
    inner: int = Field(default=128, ge=1)
    """Channels inside a block's feed-forward part."""
    window: int = Field(default=512, ge=1)
    """Positions an attention block sees, its own included; older ones are forgotten."""
    rope_base: float = Field(default=10_000.0, gt=1)
    """Wavelengths of the rotary position code run from 2 pi to 2 pi times this."""

    @model_validator(mode="after")
    def _heads_divide(self) -> "ModelSize":
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(f"width must be heads times an even head size, got width {self.width}, heads {self.heads}")
        return self

    @property
    def head_size(self) -> int:
        """Channels of one head."""
        return self.width // self.heads


class ModelConfig(ModelSize):
    """Everything that fixes the shapes of a model's parameters and the meaning of its state."""

    vocabulary: int = Field(ge=1)
    """Observation symbols V; id V is NONE (there was no previous observation)."""
    observation_tokens: int = Field(default=1, ge=1)
    """Symbols of an observation K; each has embeddings and a next-observation head of its own."""
    actions: int = Field(ge=1, le=64)
    """Action vocabulary A; id A is BREAK, id A + 1 NONE."""
    discounts: int = Field(default=len(DISCOUNTS), ge=1)
    """Wanted discounts that can be asked for, by index."""

    @property
    def none_observation(self) -> int:
        """The id of "no previous observation"."""
        return self.vocabulary

    @property
    def break_action(self) -> int:
        """The id of an episode break."""
        return self.actions

    @property
    def none_action(self) -> int:
        """The id of "no previous action"."""
        return self.actions + 1
