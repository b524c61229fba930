"""What happened since the last line of metrics: losses, norms and times in, a line's values out."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from trainer.loss import HEADS, position_bins


class Interval:
    """Sums over steps.

    Args:
        length: Rows of a sequence, for the losses by context position.
    """

    def __init__(self, length: int) -> None:
        self.bins = position_bins(length)
        self._losses = torch.zeros(len(HEADS), dtype=torch.float64)
        self._by_position = torch.zeros(2 * len(HEADS), len(self.bins), dtype=torch.float64)
        """Loss sums, then counts, of all ranks together."""
        self._norm, self._steps, self._skipped, self._timed = 0.0, 0, 0, 0
        self._began, self._waited, self._away = 0.0, 0.0, 0.0

    def begin(self, waited: float) -> None:
        """Start the clock; ``waited``: the stream's seconds of waiting by now."""
        self._began, self._waited, self._away, self._timed = time.perf_counter(), waited, 0.0, 0

    def add_step(self, norm: float | None) -> None:
        """Count a step; None: it was skipped."""
        self._timed += 1
        if norm is None:
            self._skipped += 1
        else:
            self._norm, self._steps = self._norm + norm, self._steps + 1

    def add_losses(self, losses: Tensor) -> None:
        """Add a step's losses (H,), of all ranks together."""
        self._losses += losses

    def add_positions(self, sums: Tensor) -> None:
        """Add loss sums and counts (2 H, bins), of all ranks together."""
        self._by_position += sums

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out the time of what is no training."""
        began = time.perf_counter()
        yield
        self._away += time.perf_counter() - began

    def values(self, weights: Sequence[float]) -> dict[str, Any]:
        """Return the mean losses and gradient norm per step, and the losses by context position."""
        heads = (self._losses / max(1, self._steps)).tolist()
        loss = sum(weight * value for weight, value in zip(weights, heads, strict=True))
        named = {f"loss_{head}": value for head, value in zip(HEADS, heads, strict=True)}
        values = {"loss": loss, **named, "gradient_norm": self._norm / max(1, self._steps)}
        return values | ({"skipped": self._skipped} if self._skipped else {})

    def by_position(self) -> list[dict[str, float]]:
        """Return the mean loss of each head in bins of context positions."""
        return mean_by_position(self._by_position, self.bins)

    def waits(self, waited: float) -> tuple[float, float]:
        """Return the share of the time spent waiting for data, and the seconds a step took."""
        seconds = max(1e-9, time.perf_counter() - self._began - self._away)
        return (waited - self._waited) / seconds, seconds / max(1, self._timed)

    def state(self) -> dict[str, Any]:
        """Return the sums, for a checkpoint."""
        return {
            "losses": self._losses.tolist(),
            "by_position": self._by_position.tolist(),
            "norm": self._norm,
            "steps": self._steps,
            "skipped": self._skipped,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the sums of a checkpoint."""
        self._losses = torch.tensor(state["losses"], dtype=torch.float64)
        self._by_position = torch.tensor(state["by_position"], dtype=torch.float64)
        self._norm, self._steps, self._skipped = state["norm"], state["steps"], state["skipped"]


def mean_by_position(sums: Tensor, bins: list[tuple[int, int]]) -> list[dict[str, float]]:
    """Return each head's mean loss per bin from loss sums and counts (2 H, bins)."""
    losses, counts = sums[: len(HEADS)], sums[len(HEADS) :]
    means = (losses / counts.clamp(min=1)).T.tolist()
    return [
        {"from": first, "to": end, **{f"loss_{head}": value for head, value in zip(HEADS, row, strict=True)}}
        for (first, end), row in zip(bins, means, strict=True)
    ]
