"""Shorter contexts first: for so many steps sequences are cut into pieces that are contexts of their own.

Acting in context is learned sooner from many short contexts than from a few long ones of as many rows
(docs/studies/context.md).
"""

from pydantic import Field, model_validator

from common.config import Settings
from common.dataset.schema import Tag
from trainer.model import ModelConfig
from trainer.tokens import Batch


class CutConfig(Settings):
    """How long contexts are at first."""

    rows: int | None = Field(default=None, ge=2)
    """Rows of a context while sequences are cut. What is left at a sequence's end is not learned from then; sequences
    that are no longer than this are taken as they are. None: sequences are never cut."""
    until: int = Field(default=0, ge=0)
    """Optimiser steps that learn from pieces; those after see whole sequences."""

    @model_validator(mode="after")
    def _whole(self) -> "CutConfig":
        if (self.rows is None) != (self.until == 0):
            raise ValueError("cut takes rows and until together, or neither")
        return self


def cut(batch: Batch, rows: int, model: ModelConfig) -> Batch:
    """Return a batch's sequences as pieces of ``rows`` rows, in order; each begins with nothing before it.

    What a piece's last row leads to is known from the row after it, the last piece's of a sequence aside.
    """
    whole = batch.action.shape[1] // rows * rows
    if batch.action.shape[1] <= rows:
        return batch
    tokens, action, targets = batch.segment(0, whole)
    pieces = [part.unflatten(1, (-1, rows)).flatten(0, 1).clone() for part in tokens]
    tokens = type(tokens)(*pieces)
    tokens.previous_observation[:, 0] = model.none_observation
    tokens.previous_action[:, 0] = model.none_action
    tokens.previous_tag[:, 0] = int(Tag.UNKNOWN)
    tokens.reward[:, 0] = 0.0
    return Batch(
        tokens,
        action.unflatten(1, (-1, rows)).flatten(0, 1),
        type(targets)(*(part.unflatten(1, (-1, rows)).flatten(0, 1) for part in targets)),
    )
