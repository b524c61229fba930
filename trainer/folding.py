"""How A action ids of a model stand for the fewer actions of each environment it plays in."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from common.random import generator
from common.seeding import Purpose, derive_seed
from common.synthesis.action_map import draw_action_map


@dataclass(frozen=True)
class Folding:
    """Surjections of A ids onto the actions of n environments."""

    action: np.ndarray
    """(n, A) int64: the environment's action behind each id."""

    @classmethod
    def draw(cls, kind: Literal["random", "modulo"], n_actions: np.ndarray, ids: int, seed: int) -> "Folding":
        """Return surjections onto ``n_actions`` (n,) actions: the generator's random ones, or the paper's a mod n_a."""
        if kind == "modulo":
            return cls(np.arange(ids) % n_actions[:, None])
        rngs = [generator(derive_seed(seed, Purpose.OTHER, 1 + row)) for row in range(len(n_actions))]
        return cls(np.stack([draw_action_map(rng, ids, int(n)) for rng, n in zip(rngs, n_actions, strict=True)]))

    @cached_property
    def n_actions(self) -> np.ndarray:
        """(n,) actions of each environment."""
        return self.action.max(axis=1) + 1

    @cached_property
    def _ids(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ids in order of their action (n, A), and per action (n, A) where its ids begin and how many there are."""
        count = (self.action[:, :, None] == np.arange(self.action.shape[1])).sum(axis=1)
        return np.argsort(self.action, axis=1, kind="stable"), np.cumsum(count, axis=1) - count, count

    def fold(self, ids: np.ndarray) -> np.ndarray:
        """Return the actions (n,) behind ids (n,)."""
        return self.action[np.arange(len(ids)), ids]

    def gather(self, chances: np.ndarray) -> np.ndarray:
        """Return what chances (n, A) of ids make of the actions, (n, A): 0 from an environment's n_actions on."""
        return np.einsum("ni,nia->na", chances, self._stands)

    @cached_property
    def _stands(self) -> np.ndarray:
        """(n, A, A) float64: 1 where an id stands for an action."""
        return (self.action[:, :, None] == np.arange(self.action.shape[1])).astype(np.float64)

    def unfold(self, action: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return ids (n, T) that stand for actions (n, T), each uniform among those that do."""
        ordered, start, count = self._ids
        which = (random.random(action.shape) * np.take_along_axis(count, action, axis=1)).astype(np.int64)
        return np.take_along_axis(ordered, np.take_along_axis(start, action, axis=1) + which, axis=1)
