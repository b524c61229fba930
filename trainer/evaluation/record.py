"""What happened while someone played: W worlds, T environment steps each, break rows left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TYPES: dict[str, type] = {
    "state": np.uint16,
    "action": np.uint8,
    "next_state": np.uint16,
    "reward": np.float32,
    "paid": np.float64,
    "terminated": np.bool_,
    "truncated": np.bool_,
    "success": np.bool_,
    "entropy": np.float32,
}


@dataclass(frozen=True, kw_only=True)
class Record:
    """Steps of W worlds, all arrays (W, T). A step is not a row: an episode's break row is no environment step."""

    state: np.ndarray
    """uint16: the state acted in (its rank in the world, not its symbol; the bin of a continuous one)."""
    action: np.ndarray
    """uint8: the world's action, 0..n_actions-1 (folded; of several players together where a world has several)."""
    next_state: np.ndarray
    """uint16: the state reached, terminal or cut one included."""
    reward: np.ndarray
    """float32: the reward shown to the player."""
    paid: np.ndarray
    """float64: the reward that counts; ``reward`` where nothing is shaped."""
    terminated: np.ndarray
    """bool."""
    truncated: np.ndarray
    """bool."""
    success: np.ndarray
    """bool: the step ended an episode, and well; False wherever a suite defines no success."""
    entropy: np.ndarray
    """float32: of the distribution the action was drawn from, as a share of uniform play's; nan where not told."""

    @property
    def ended(self) -> np.ndarray:
        """(W, T) bool: the step was the last of its episode."""
        return self.terminated | self.truncated

    @property
    def worlds(self) -> int:
        """Number of worlds W."""
        return self.state.shape[0]

    @property
    def steps(self) -> int:
        """Environment steps T in each world."""
        return self.state.shape[1]

    @classmethod
    def empty(cls, worlds: int, steps: int) -> "Record":
        """Return a record of zeros, to be filled; entropies are nan."""
        made: dict[str, np.ndarray] = {name: np.zeros((worlds, steps), dtype=kind) for name, kind in TYPES.items()}
        made["entropy"][:] = np.nan
        return cls(**made)

    @classmethod
    def stack(cls, records: Sequence["Record"]) -> "Record":
        """Return the worlds of several records of equal length, in order."""
        return cls(**{name: np.concatenate([getattr(record, name) for record in records]) for name in TYPES})

    @classmethod
    def join(cls, records: Sequence["Record"]) -> "Record":
        """Return several records of the same worlds, one after another in time."""
        return cls(**{name: np.concatenate([getattr(record, name) for record in records], axis=1) for name in TYPES})
