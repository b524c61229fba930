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

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""Of matrix products, by a run's ``precision``."""
HEADS = ("policy", "observation", "reward", "break", "every_discount")
"""The order of every vector with one number per head, H of them; the last is 0 where a model has no such head."""


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
    every_discount: float = Field(default=0.25, ge=0)
    """Cross-entropy to the optimal actions of each discount with labels, summed over discounts, nats; where the model
    has a head for it (``model.every_discount``)."""
    ramp: int = Field(default=0, ge=0)
    """Rows of context over which a row's weight rises linearly to 1: nothing is known yet there. 0: all count alike."""
    ramp_from: float = Field(default=1e-3, gt=0, le=1)
    """Weight of the first row, where there is a ramp (the paper's code: 1e-3, over 512 rows)."""

    def vector(self, device: torch.device | None = None) -> Tensor:
        """Return the weights in the order of ``HEADS``, float32 (H,)."""
        weights = [self.policy, self.observation, self.reward, self.episode_break, self.every_discount]
        return torch.tensor(weights, device=device)

    def of_positions(self, length: int, device: torch.device | None = None) -> Tensor | None:
        """Return what a row at each position counts for, float32 (T,); None where all count alike."""
        if self.ramp == 0:
            return None
        risen = (torch.arange(length, device=device) / self.ramp).clamp(max=1.0)
        return self.ramp_from + (1.0 - self.ramp_from) * risen


class Outcome(NamedTuple):
    """Losses (B, T) of one pass, 0 where there is no target."""

    policy_BT: Tensor
    observation_BT: Tensor
    reward_BT: Tensor
    break_BT: Tensor
    every_BT: Tensor
    """Summed over discounts; all 0 where the model has no head for it."""
    correct_BT: Tensor
    """1 where the likeliest action is one of the wanted ones (without gradient)."""

    def sums(self, weight_T: Tensor | None = None) -> Tensor:
        """Return the sum over all positions per head (H,), positions weighted."""
        return torch.stack([(x if weight_T is None else x * weight_T).sum() for x in self[: len(HEADS)]])

    def by_position(self) -> Tensor:
        """Return the sum over sequences per head and position, float64 (H, T), without gradient."""
        return torch.stack([x.detach().sum(dim=0, dtype=torch.float64) for x in self[: len(HEADS)]])


class Objective(nn.Module):
    """The model with its losses: one module, so that sharding sees one forward and one backward.

    Args:
        model: The model.
        precision: ``bf16``: matrix products in bfloat16; losses, parameters and gradients stay float32.
    """

    def __init__(self, model: Model, precision: str = "fp32") -> None:
        super().__init__()
        self.model, self.precision = model, precision

    def forward(self, batch: Batch, state: Any = None) -> tuple[Outcome, Any]:
        """Return the losses of ``batch`` and the model's state after it."""
        device = batch.action.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.precision == "bf16"):
            return self._losses(batch, state)

    def _losses(self, batch: Batch, state: Any) -> tuple[Outcome, Any]:
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
            self._every(hidden_BTC, batch),
            (targets.policy_BTA.gather(-1, greedy_BT1).squeeze(-1) > 0).float(),
        )
        return outcome, state

    def _every(self, hidden_BTC: Tensor, batch: Batch) -> Tensor:
        """Return the cross-entropy to every discount's optimal actions (B, T), 0 where there is no label or no head."""
        optimal_BTD = batch.targets.optimal_BTD
        if not self.model.config.every_discount:
            return hidden_BTC.new_zeros(optimal_BTD.shape[:2], dtype=torch.float32)
        log_BTDA = log_softmax(self.model.every_policy(hidden_BTC).float(), dim=-1)
        actions = torch.arange(self.model.config.actions, device=optimal_BTD.device)
        wanted_BTDA = ((optimal_BTD[..., None] >> actions) & 1).float()
        number_BTD = wanted_BTDA.sum(dim=-1).clamp(min=1.0)
        return -((wanted_BTDA * log_BTDA).sum(dim=-1) / number_BTD).sum(dim=-1)


def share_of_loss(outcome: Outcome, counts: Tensor, weight_T: Tensor | None = None) -> Tensor:
    """Return each head's loss sum (H,) divided by the valid targets ``counts`` (H,) of the whole global batch.

    Added over ranks and segments this is the mean loss: how the batch was split changes nothing.

    Args:
        outcome: Losses of some positions of some sequences.
        counts: (H,) targets of all of them together; with ``weight_T`` their weights' sum.
        weight_T: (T,) what each of these positions counts for.
    """
    counts = torch.where(counts > 0, counts, torch.ones_like(counts))
    return outcome.sums(weight_T) / counts.to(outcome.policy_BT)


def bin_sums(values: Tensor, bins: list[tuple[int, int]]) -> Tensor:
    """Return values (..., T) added up inside each bin (..., bins)."""
    return torch.stack([values[..., first:end].sum(dim=-1) for first, end in bins], dim=-1)


def position_bins(length: int) -> list[tuple[int, int]]:
    """Return bins [from, to) of context positions with edges 0, 1, 2, 4, ... doubling, cut at ``length``."""
    edges = [0, 1]
    while edges[-1] < length:
        edges.append(min(2 * edges[-1], length))
    return list(pairwise(edges))
