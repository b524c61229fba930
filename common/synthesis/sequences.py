"""A batch of generated sequences: the arrays a dataset stores, and a catalog row for each."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.dataset.schema import DISCOUNTS, array_types


@dataclass(frozen=True, eq=False, kw_only=True)
class Sequences:
    """N sequences of L rows in a vocabulary of V symbols and A actions, laid out as ``common.dataset.schema`` says."""

    observation: np.ndarray
    """(N, L) uint8 or uint16; (N, L, tokens) where an observation has several."""
    action: np.ndarray
    """(N, L) uint8; A at break rows."""
    reward: np.ndarray
    """(N, L) float32, raw; 0 at break rows."""
    tag: np.ndarray
    """(N, L) uint8."""
    oracle: np.ndarray
    """(N, D, V) bit masks of the optimal actions; 0 where there is no label."""
    state: np.ndarray
    """(N, L) uint16: the true state in rank order, the terminal or cut one at break rows."""
    stored_state: np.ndarray | None = None
    """(N, L) of the observation's type, where any family of the recipe hides its state: what ``oracle`` is indexed by,
    stored as ``state``. The observation where nothing is hidden, else the state itself."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    """A catalog row for each sequence."""

    @classmethod
    def empty(
        cls, count: int, length: int, vocabulary: int, actions: int, tokens: int = 1, hidden: bool = False
    ) -> "Sequences":
        """Return room for ``count`` sequences, not initialised.

        Args:
            count: N.
            length: L.
            vocabulary: V.
            actions: A.
            tokens: Symbols of an observation.
            hidden: Whether any family hides its state.
        """
        shapes: dict[str, tuple[int, ...]] = {"oracle": (count, len(DISCOUNTS), vocabulary)}
        if tokens > 1:
            shapes["observation"] = (count, length, tokens)
        types = array_types(vocabulary, actions, hidden)
        arrays: dict[str, Any] = {n: np.empty(shapes.get(n, (count, length)), type_) for n, type_ in types.items()}
        stored = arrays.pop("state", None)
        return cls(**arrays, state=np.empty((count, length), np.uint16), stored_state=stored)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the stored arrays by name."""
        arrays = {name: getattr(self, name) for name in ("observation", "action", "reward", "tag", "oracle")}
        return arrays if self.stored_state is None else {**arrays, "state": self.stored_state}

    def __len__(self) -> int:
        return self.observation.shape[0]
