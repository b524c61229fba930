"""The training objective: batch in, loss of every head at every position out, and their weighted mean.

Shapes: B batch, T positions.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, log_softmax

from common.config import Settings
from trainer.model import Model
from trainer.tokens import Batch

HEADS = ("policy", "observation", "reward", "break")
"""The order of every vector with one number per head."""


class LossWeights(Settings):
    """What a head's mean loss counts for in the sum that is minimised."""

    policy: float = Field(default=1.0, ge=0)
    """Cross-entropy to the uniform distribution over optimal actions, nats."""
    observation: float = Field(default=0.3, ge=0)
    """Cross-entropy of the next observation, nats; of several symbols the sum."""
    reward: float = Field(default=0.6, ge=0)
    """Squared error of symlog(reward)."""
    episode_break: float = Field(default=0.3, ge=0)
    """Cross-entropy of "the next row is a break", nats."""

    def vector(self, device: torch.device | None = None) -> Tensor:
        """Return the weights in the order of ``HEADS``, float32 (4,)."""
        return torch.tensor([self.policy, self.observation, self.reward, self.episode_break], device=device)


class Outcome(NamedTuple):
    """Losses (B, T) of one pass, 0 where there is no target."""

    policy_BT: Tensor
    observation_BT: Tensor
    reward_BT: Tensor
    break_BT: Tensor
    correct_BT: Tensor
    """1 where the likeliest action is one of the wanted ones (without gradient)."""

    def sums(self) -> Tensor:
        """Return the sum over all positions per head (4,)."""
        return torch.stack([x.sum() for x in self[:4]])


class Objective(nn.Module):
    """The model with its losses: one module, so that sharding sees one forward and one backward."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, state: Any = None) -> tuple[Outcome, Any]:
        """Return the losses of ``batch`` and the model's state after it."""
        hidden_BTC, state = self.model(batch.tokens, state)
        targets = batch.targets
        logits_BTA = self.model.policy(hidden_BTC)
        policy_BT = -(targets.policy_BTA * log_softmax(logits_BTA.float(), dim=-1)).sum(dim=-1)
        world = self.model.predict(hidden_BTC, batch.action)
        observation_BT = cross_entropy(
            world.observation_BTV.float().flatten(0, -2), targets.observation_BT.flatten(), reduction="none"
        ).view_as(targets.observation_BT)
        if observation_BT.dim() > 2:
            observation_BT = observation_BT.sum(dim=-1)
        break_BT = binary_cross_entropy_with_logits(world.break_BT.float(), targets.break_BT, reduction="none")
        greedy_BT1 = logits_BTA.detach().argmax(dim=-1, keepdim=True)
        outcome = Outcome(
            policy_BT,
            observation_BT * targets.observation_mask_BT,
            (world.reward_BT.float() - targets.reward_BT).square() * targets.reward_mask_BT,
            break_BT * targets.break_mask_BT,
            (targets.policy_BTA.gather(-1, greedy_BT1).squeeze(-1) > 0).float(),
        )
        return outcome, state


def share_of_loss(outcome: Outcome, counts: Tensor) -> Tensor:
    """Return each head's loss sum (4,) divided by the valid targets ``counts`` (4,) of the whole global batch.

    Added over ranks and segments this is the mean loss: how the batch was split changes nothing.
    """
    return outcome.sums() / counts.clamp(min=1.0).to(outcome.policy_BT)


def position_bins(length: int) -> list[tuple[int, int]]:
    """Return bins [from, to) of context positions with edges 0, 1, 2, 4, ... doubling, cut at ``length``."""
    edges = [0, 1]
    while edges[-1] < length:
        edges.append(min(2 * edges[-1], length))
    return list(pairwise(edges))
