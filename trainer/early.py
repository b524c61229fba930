"""Model choice and early stopping: by the policy loss on the unseen set without oracles, and by nothing else."""

from typing import Any

from trainer.config import ValidationConfig


class EarlyStopping:
    """Remembers the best validation.

    Args:
        config: How long to be patient.
    """

    def __init__(self, config: ValidationConfig) -> None:
        self._config = config
        self.best: float | None = None
        """The lowest loss."""
        self.step = 0
        """Where it was."""
        self._since = 0

    def note(self, step: int, loss: float) -> bool:
        """Take in a validation; return whether it is the best so far."""
        if self.best is None or loss < self.best - self._config.smallest_gain:
            self.best, self.step, self._since = loss, step, 0
            return True
        self._since += 1
        return False

    @property
    def stopped(self) -> bool:
        """Whether patience has run out."""
        return self._config.patience is not None and self._since >= self._config.patience

    @property
    def reason(self) -> str:
        """Why the run stopped early."""
        return (
            f"stopped early, {self._since} validations without a lower policy loss on unseen worlds without oracles "
            f"than {self.best:.4f} at step {self.step} (RUN/best)"
        )

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"best": self.best, "step": self.step, "since": self._since}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a checkpoint's memory."""
        self.best, self.step, self._since = state["best"], state["step"], state["since"]
