"""What to do with a step's gradient: take it, leave it out, or stop the run; by its norm, which all ranks share."""

import math
from collections import deque
from statistics import median
from typing import Any

from common.errors import DataError
from trainer.config import GuardConfig


class Guard:
    """Remembers the last norms.

    Args:
        config: What to do about which gradients.
    """

    def __init__(self, config: GuardConfig) -> None:
        self._config = config
        self._norms: deque[float] = deque(maxlen=config.window)
        self._skipped = 0
        """Steps in a row."""

    def judge(self, norm: float, step: int) -> str | None:
        """Return None where the step may be taken, else why it is left out.

        Raises:
            DataError: The run must stop.
        """
        fault, action = self._fault(norm)
        if fault is None:
            self._norms.append(norm)
            self._skipped = 0
            return None
        self._skipped += 1
        if action == "skip" and self._skipped <= self._config.most_skips:
            return f"step {step} skipped: {fault}; {self._skipped} in a row"
        why = f", {self._config.most_skips} were skipped in a row" if action == "skip" else ""
        raise DataError(
            f"stopped at step {step}: {fault}{why}; nothing was updated and the last checkpoint is of an earlier step; "
            "lower the learning rates, look at the data, or set guard.not_finite or guard.spike to skip"
        )

    def _fault(self, norm: float) -> tuple[str | None, str]:
        config = self._config
        if not math.isfinite(norm):
            return f"the gradient's norm is {norm}", config.not_finite
        if config.spike == "ignore" or len(self._norms) < config.window // 2:
            return None, ""
        usual = median(self._norms)
        if norm > config.spike_factor * usual:
            return f"the gradient's norm is {norm:.3g}, {norm / usual:.0f} times the usual {usual:.3g}", config.spike
        return None, ""

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"norms": list(self._norms), "skipped": self._skipped}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a checkpoint's memory."""
        self._norms.extend(state["norms"])
        self._skipped = state["skipped"]
