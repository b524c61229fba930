"""What happened while someone played: W worlds, T environment steps each, break rows left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Record:
    """Steps of W worlds, all arrays (W, T). A step is not a row: an episode's break row is no environment step."""

    state: np.ndarray
    """uint16: the state acted in (its rank in the world, not its symbol)."""
    action: np.ndarray
    """uint8: the world's action, 0..n_actions-1 (folded)."""
    next_state: np.ndarray
    """uint16: the state reached, terminal or cut one included."""
    reward: np.ndarray
    """float32: the reward shown to the player."""
    terminated: np.ndarray
    """bool."""
    truncated: np.ndarray
    """bool."""

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
        """Return a record of zeros, to be filled."""
        types: dict[str, type] = {"state": np.uint16, "action": np.uint8, "next_state": np.uint16, "reward": np.float32}
        types |= {"terminated": np.bool_, "truncated": np.bool_}
        return cls(**{name: np.zeros((worlds, steps), dtype=kind) for name, kind in types.items()})

    @classmethod
    def stack(cls, records: Sequence["Record"]) -> "Record":
        """Return the worlds of several records of equal length, in order."""
        names = cls.__dataclass_fields__
        return cls(**{name: np.concatenate([getattr(record, name) for record in records]) for name in names})
