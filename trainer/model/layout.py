"""How a step of the world becomes positions: one (the transition token), or the paper's one for each of its parts.

The released code names its layouts by letters: p prompt (the wanted discount), o observation, t tag, a action, r
reward; d and w say where it decides and where its world model reads, no positions of their own. Here a step's are

    podtaw     tag and action of the step before, p, o
    podtawr    tag, action and reward of the step before, p, o

which is the same stream of positions, cut before the tag instead of before the prompt: what a step knows when it
decides ends at o, where the policy reads in both. The world model reads [hidden state at o, action taken] in every
layout, so that nothing but the layout differs (the released code: the position of the action).

Shapes: B batch, T steps, P positions of a step, C width.
"""

from typing import Any

import torch
from torch import Tensor, nn

from common.dataset.schema import TAGS
from trainer.model.config import POSITIONS, ModelConfig
from trainer.model.embedding import Tokens, TransitionEmbedding, symbols_of, symlog


class InterleavedEmbedding(nn.Module):
    """Tokens (B, T) in, vectors (B, T P, C) out: each part of a step at a position of its own."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.positions = POSITIONS[config.layout]
        sizes = (TAGS, config.actions + 2, config.discounts, *(config.vocabulary,) * config.observation_tokens)
        self.starts = [sum(sizes[:part]) for part in range(len(sizes))]
        self.table = nn.Embedding(sum(sizes), config.width)
        """The tables of all parts one below the other."""
        self.kind = nn.Embedding(self.positions, config.width)
        """Added to each position of a step: which part it is."""
        if config.layout == "podtawr":
            self.reward = nn.Linear(1, config.width, bias=False)

    def forward(self, tokens: Tokens) -> Tensor:
        """Return the embedded positions (B, T P, C)."""
        tag, action, prompt, *symbols = (
            self.table(part + start)
            for part, start in zip(
                (tokens.previous_tag, tokens.previous_action, tokens.discount, *symbols_of(tokens.observation)),
                self.starts,
                strict=True,
            )
        )
        parts = [tag, action, prompt, sum(symbols[1:], symbols[0])]
        if self.positions == POSITIONS["podtawr"]:
            parts.insert(2, self.reward(symlog(tokens.reward).unsqueeze(-1).to(tag.dtype)))
        return (torch.stack(parts, dim=2) + self.kind.weight).flatten(1, 2)


EMBEDDINGS: dict[str, Any] = {
    "transition": TransitionEmbedding,
    "podtaw": InterleavedEmbedding,
    "podtawr": InterleavedEmbedding,
}
"""By layout."""
