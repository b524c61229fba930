"""A world as counts of what happened in it: only what was met takes room, and a sweep of values costs one bincount."""

from collections.abc import Hashable

import numpy as np

TERMINAL = 0
"""The number of the state that all terminal ones are counted as; it has no value."""


class Counts:
    """Visits, rewards and successors of the states met so far, numbered from 1 in the order in which they were met.

    Args:
        n_actions: Actions of the world.
    """

    def __init__(self, n_actions: int) -> None:
        self.n_actions = n_actions
        self._known: dict[Hashable, int] = {}
        self._entries: dict[tuple[int, int], int] = {}
        self._visits, self._total = np.zeros((16, n_actions)), np.zeros((16, n_actions))
        self._pair, self._reached = np.zeros(64, dtype=np.int64), np.zeros(64, dtype=np.int64)
        self._times = np.zeros(64)
        self.lowest, self.highest = np.inf, -np.inf
        """Smallest and largest reward met."""

    @property
    def states(self) -> int:
        """Number of states, ``TERMINAL`` included."""
        return len(self._known) + 1

    @property
    def visits(self) -> np.ndarray:
        """(S, a) float64: how often each action was taken in each state."""
        return self._visits[: self.states]

    @property
    def reward(self) -> np.ndarray:
        """(S, a) float64: mean reward, 0 where nothing was tried."""
        return self._total[: self.states] / np.maximum(self.visits, 1.0)

    @property
    def pair(self) -> np.ndarray:
        """(E,) state x a + action of each transition met."""
        return self._pair[: len(self._entries)]

    @property
    def reached(self) -> np.ndarray:
        """(E,) the state each transition led to."""
        return self._reached[: len(self._entries)]

    @property
    def times(self) -> np.ndarray:
        """(E,) float64: how often each was met."""
        return self._times[: len(self._entries)]

    @property
    def scale(self) -> float:
        """Range of the rewards met, at least 1e-3: the unit of bonuses."""
        return max(self.highest - min(self.lowest, 0.0), 1e-3) if self._entries else 1.0

    def number(self, observation: Hashable) -> int:
        """Return the number of what is observed; a new one gets the next."""
        found = self._known.setdefault(observation, len(self._known) + 1)
        if found >= len(self._visits):
            self._visits, self._total = (np.concatenate([x, np.zeros_like(x)]) for x in (self._visits, self._total))
        return found

    def add(self, state: int, action: int, reward: float, reached: int) -> None:
        """Count one step; ``reached`` is ``TERMINAL`` where the episode terminated there."""
        self._visits[state, action] += 1.0
        self._total[state, action] += reward
        self.lowest, self.highest = min(self.lowest, reward), max(self.highest, reward)
        key = (state * self.n_actions + action, reached)
        place = self._entries.setdefault(key, len(self._entries))
        if place >= len(self._times):
            self._pair, self._reached = (np.concatenate([x, np.zeros_like(x)]) for x in (self._pair, self._reached))
            self._times = np.concatenate([self._times, np.zeros_like(self._times)])
        self._pair[place], self._reached[place] = key
        self._times[place] += 1.0

    def ahead(self, probability: np.ndarray, value: np.ndarray) -> np.ndarray:
        """Return (S, a) the expected value of what follows, of transitions' (E,) probabilities and states' values."""
        size = self.states * self.n_actions
        total = np.bincount(self.pair, weights=probability * value[self.reached], minlength=size)
        return total.reshape(self.states, self.n_actions)

    def normalised(self, weight: np.ndarray, rest: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Return (E,) probabilities of weights (E,), and the (S a,) share of ``rest``, a weight beside them."""
        size = self.states * self.n_actions
        total = np.maximum(np.bincount(self.pair, weights=weight, minlength=size) + rest, 1e-300)
        return weight / total[self.pair], np.broadcast_to(rest, (size,)) / total
