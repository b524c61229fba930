"""A batch of generated sequences: the arrays a dataset stores, and a catalog row for each."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.dataset.schema import DISCOUNTS, array_types


@dataclass(frozen=True, eq=False, kw_only=True)
class Sequences:
    """N sequences of L rows in a vocabulary of V symbols and A actions, laid out as ``common.dataset.schema`` says."""

    observation: np.ndarray
    """(N, L) uint8 or uint16."""
    action: np.ndarray
    """(N, L) uint8; A at break rows."""
    reward: np.ndarray
    """(N, L) float32, raw; 0 at break rows."""
    tag: np.ndarray
    """(N, L) uint8."""
    oracle: np.ndarray
    """(N, D, V) bit masks of the optimal actions; 0 where there is no label."""
    state: np.ndarray
    """(N, L) uint16: the true state in rank order, the terminal or cut one at break rows; stored where it is hidden."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    """A catalog row for each sequence."""

    @classmethod
    def empty(cls, count: int, length: int, vocabulary: int, actions: int) -> "Sequences":
        """Return room for ``count`` sequences, not initialised."""
        shapes = {"oracle": (count, len(DISCOUNTS), vocabulary)}
        types = array_types(vocabulary, actions)
        arrays: dict[str, Any] = {n: np.empty(shapes.get(n, (count, length)), type_) for n, type_ in types.items()}
        return cls(**arrays, state=np.empty((count, length), np.uint16))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the stored arrays by name."""
        return {name: getattr(self, name) for name in ("observation", "action", "reward", "tag", "oracle")}

    def __len__(self) -> int:
        return self.observation.shape[0]
