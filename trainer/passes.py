"""Whole sequences through the objective in segments: gradients add up, state is carried, one reduction at the end.

Shapes: B batch, T positions, U updates of a batch.
"""

from typing import Any

import torch
from torch import Tensor

from trainer.config import TrainConfig
from trainer.loss import HEADS, Objective, bin_sums, position_bins, share_of_loss
from trainer.parallel import sync_gradients
from trainer.tokens import Batch


class Passes:
    """The forward and backward passes of a rank.

    Args:
        objective: What is minimised; perhaps sharded.
        config: Segments, updates, weights.
        length: Rows of a sequence.
        device: Of the objective.
    """

    def __init__(self, objective: Objective, config: TrainConfig, length: int, device: torch.device) -> None:
        self._objective, self._length, self._device = objective, length, device
        piece = config.segment or length
        cuts = [(first, min(first + piece, length)) for first in range(0, length, piece)]
        per_update = config.segments_per_update or len(cuts)
        self._updates = [cuts[first : first + per_update] for first in range(0, len(cuts), per_update)]
        self._weights = config.loss.vector(device)
        self._weight_T = config.loss.of_positions(length, device)
        self._bins = position_bins(length)

    def counts(self, batch: Batch) -> Tensor:
        """Return how many targets count, per update and head, float64 (U, H) on the CPU; with a ramp, their weights."""
        by_position = batch.targets.counts_by_position()
        if self._weight_T is not None:
            by_position = by_position * self._weight_T[: by_position.shape[1]].cpu()
        return torch.stack([by_position[:, cuts[0][0] : cuts[-1][1]].sum(dim=1) for cuts in self._updates]).cpu()

    def run(self, batch: Batch, update: int, counts: Tensor, state: Any) -> tuple[Tensor, Tensor, Any]:
        """Add up the gradients of one update.

        Args:
            batch: This rank's sequences, or the pieces they are cut into.
            update: Which part of them, 0..U-1.
            counts: (H,) valid targets of that part over all ranks.
            state: The model's after the part before; None at the beginning.

        Returns:
            This rank's share of the mean loss per head (H,), its loss sums and counts by position bin (2 H, bins), both
            float64 on the CPU, and the state to go on from.
        """
        length, counts = batch.action.shape[1], counts.to(self._device)
        cuts = [(first, min(end, length)) for first, end in self._updates[update] if first < length]
        losses = torch.zeros(len(HEADS), dtype=torch.float64, device=self._device)
        sums = torch.zeros(len(HEADS), self._length, dtype=torch.float64, device=self._device)
        for first, end in cuts:
            sync_gradients(self._objective, end == cuts[-1][1])
            # a long sequence's rows go to the device piece by piece
            part = batch if end - first == length else batch.segment(first, end)
            outcome, state = self._objective(part.to(self._device), state)
            weight_T = None if self._weight_T is None else self._weight_T[first:end]
            heads = share_of_loss(outcome, counts, weight_T)
            (heads * self._weights).sum().backward()
            losses += heads.detach()
            sums[:, first:end] = outcome.by_position()
            state = None if end == length else detached(state)
        targets = torch.zeros(sums.shape, dtype=torch.float64)
        first, end = cuts[0][0], cuts[-1][1]
        targets[:, first:end] = batch.segment(first, end).targets.counts_by_position()
        return losses.cpu(), bin_sums(torch.cat([sums.cpu(), targets]), self._bins), state


def detached(state: Any) -> Any:
    """Return a state that carries no gradient."""
    return tuple(type(part)(*(x.detach() if isinstance(x, torch.Tensor) else x for x in part)) for part in state)
