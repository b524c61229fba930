"""The transition token: what one step of the world adds to the context, as one vector a position.

Shapes: B batch, T positions, C width, K symbols of an observation.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from common.dataset.schema import TAGS
from trainer.model.config import ModelConfig


class Tokens(NamedTuple):
    """Token t is (o_{t-1}, a_{t-1}, tag_{t-1}, r_{t-1}, o_t, wanted discount); all (B, T).

    Observations of K > 1 symbols are (B, T, K).
    """

    previous_observation: Tensor
    """int64, 0..V-1, NONE = V at row 0."""
    previous_action: Tensor
    """int64, 0..A-1, BREAK = A, NONE = A + 1 at row 0."""
    previous_tag: Tensor
    """int64, 0..9 (``common.dataset.schema.Tag``), UNKNOWN (7) at row 0."""
    reward: Tensor
    """float32, raw; paid for the previous action, 0 at row 0."""
    observation: Tensor
    """int64, 0..V-1."""
    discount: Tensor
    """int64 index of the wanted discount."""


def symlog(x: Tensor) -> Tensor:
    """Return sign(x) log(1 + abs(x)): how the model sees and predicts rewards."""
    return torch.sign(x) * torch.log1p(torch.abs(x))


class TransitionEmbedding(nn.Module):
    """Tokens (B, T) in, vectors (B, T, C) out: the sum of one embedding per part, and per symbol of an observation."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        symbols = config.observation_tokens
        before, now = (config.vocabulary + 1,) * symbols, (config.vocabulary,) * symbols
        sizes = (*before, config.actions + 2, TAGS, *now, config.discounts)
        starts = [sum(sizes[:part]) for part in range(len(sizes))]
        self.starts = starts
        self.table = nn.Embedding(sum(sizes), config.width)
        """The tables of all parts one below the other: one gather and one scatter instead of five or more."""
        self.reward = nn.Linear(1, config.width, bias=False)

    def forward(self, tokens: Tokens) -> Tensor:
        """Return the embedded tokens (B, T, C)."""
        parts = (
            *symbols_of(tokens.previous_observation),
            tokens.previous_action,
            tokens.previous_tag,
            *symbols_of(tokens.observation),
            tokens.discount,
        )
        ids = torch.stack([part + start for part, start in zip(parts, self.starts, strict=True)], dim=-1)
        shape = ids.shape[:-1]
        summed = nn.functional.embedding_bag(ids.flatten(0, -2), self.table.weight, mode="sum")
        return summed.view(*shape, -1) + self.reward(symlog(tokens.reward).unsqueeze(-1).to(summed.dtype))


def symbols_of(observation: Tensor) -> tuple[Tensor, ...]:
    """Return an observation's symbols, (B, T) each."""
    return observation.unbind(-1) if observation.dim() > 2 else (observation,)
