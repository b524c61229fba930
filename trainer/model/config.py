"""The model's settings: vocabularies come from the dataset, sizes from the training recipe."""

from typing import Any, Literal

from pydantic import Field, model_validator

from common.config import Settings
from common.dataset.schema import DISCOUNTS
from trainer.model.size import derived

Backbone = Literal[
    "transformer", "gated-delta-net", "gated-linear-attention", "gated-slot-attention", "rwkv7", "mamba2"
]
Layout = Literal["transition", "podtaw", "podtawr"]

POSITIONS: dict[str, int] = {"transition": 1, "podtaw": 4, "podtawr": 5}
"""Positions that a step of the world takes in each layout."""


class ModelSize(Settings):
    """What a training recipe chooses. ``layers`` is the one dial; what follows from it can be set apart."""

    backbone: Backbone = "transformer"
    """What mixes positions inside a block."""
    layout: Layout = "transition"
    """How a step becomes positions: one, or one for each of its parts (``trainer.model.layout``)."""
    layers: int = Field(default=3, ge=1)
    """Blocks; the dial for size."""
    width: int = Field(default=0, ge=2)
    """Channels of the residual stream; by default the multiple of 64 nearest to 28 a layer."""
    heads: int = Field(default=0, ge=1)
    """By default of 32 channels each, of 64 where the width is 256 or more."""
    head_size: int = Field(default=0, ge=2)
    """Channels of a head's queries, keys and values; by default width / heads."""
    inner: int = Field(default=0, ge=1)
    """Channels inside a block's feed-forward part; by default twice the width."""
    feed_forward: Literal["gelu", "gated", "shifted", "none"] = "gelu"
    """The part after the mixer: two matrices with GELU between, three with a gate (SwiGLU), RWKV's two with a squared
    ReLU and a look at the position before (by default where the backbone is rwkv7, and only there), or none."""
    slots: int = Field(default=0, ge=1)
    """Slots of gated slot attention, by default as many as a head has channels; channels of Mamba-2's keys, by default
    twice as many."""
    window: int = Field(default=512, ge=1)
    """Steps of the world an attention block sees, its own included; older ones are forgotten."""
    rope_base: float = Field(default=10_000.0, gt=1)
    """Wavelengths of the rotary position code run from 2 pi to 2 pi times this."""

    rotated: float = Field(default=0.25, ge=0.0, le=1.0)
    """Share of a head's channels that carry that code; the others compare contents, at any distance alike. What was
    seen in a state is looked up by content: a quarter learns it sooner than all (docs/studies/log.md)."""
    every_discount: bool = False
    """A second policy head, for training alone: the optimal actions of every discount that the data have labels of."""

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, values: Any) -> Any:
        return derived(values) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _fits(self) -> "ModelSize":
        if self.head_size % 2:
            raise ValueError(
                f"the head size must be even (width / heads unless set), got {self.head_size} "
                f"at width {self.width} and {self.heads} heads"
            )
        if self.feed_forward == "shifted" and self.backbone != "rwkv7":
            raise ValueError(
                f"feed_forward shifted keeps its last input in rwkv7's state, got backbone {self.backbone}; "
                "take gelu, gated or none"
            )
        return self

    @property
    def positions(self) -> int:
        """Positions of one step of the world."""
        return POSITIONS[self.layout]

    @property
    def mixed(self) -> int:
        """Channels of all heads together."""
        return self.heads * self.head_size


class ModelConfig(ModelSize):
    """Everything that fixes the shapes of a model's parameters and the meaning of its state."""

    vocabulary: int = Field(ge=1)
    """Observation symbols V; id V is NONE (there was no previous observation)."""
    observation_tokens: int = Field(default=1, ge=1)
    """Symbols of an observation K; each has embeddings and a next-observation head of its own."""
    actions: int = Field(ge=1, le=64)
    """Action vocabulary A; id A is BREAK, id A + 1 NONE."""
    discounts: int = Field(default=len(DISCOUNTS), ge=1)
    """Wanted discounts that have an embedding, by index."""
    trained_discounts: tuple[float, ...] = Field(default=DISCOUNTS[::-1], min_length=1)
    """Wanted discounts that were asked for in training; an agent asks for the first unless told otherwise."""

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
