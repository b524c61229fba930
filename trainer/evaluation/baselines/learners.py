"""Baselines that count, plan or bootstrap beside all worlds: ``common.agents.planners`` on what is shown."""

from collections.abc import Hashable

import numpy as np

from common.agents.planners import Learner, Learners
from common.seeding import Purpose, derive_seed
from trainer.evaluation.arena import Arena

_STREAM = 1 << 35


class LearningPlayer:
    """A learner in every context.

    Args:
        how: Settings of all of them.
        arena: Where.
        symbols: Observation symbols there are.
        steps: Steps it will take or be taught, at most: of observations of several symbols those met are numbered.
        seed: Of their draws.
    """

    def __init__(self, how: Learner, arena: Arena, symbols: int, steps: int, seed: int = 0) -> None:
        self._names = Names(arena)
        seeds = [derive_seed(seed, Purpose.OTHER, _STREAM + c) for c in range(len(arena.n_actions))]
        room = symbols if self._names.plain else 2 * steps + 2
        self.learners = Learners(how, arena.n_actions, room, seeds)
        self._acted: tuple[np.ndarray, np.ndarray] | None = None

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return an action of each context."""
        seen = self._names.of(observation)
        self._acted = (seen, self.learners.act(seen))
        return self._acted[1]

    def observe(
        self, next_observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Learn from the step."""
        assert self._acted is not None
        self.learners.observe(*self._acted, reward, self._names.of(next_observation), terminated, truncated)

    def teach(
        self, context: int, observation: np.ndarray, action: np.ndarray, reward: np.ndarray, ends: np.ndarray
    ) -> None:
        """Let one context's learner learn from somebody else's rows (T, ..), as ``Learners.teach`` takes them."""
        self.learners.teach(context, self._names.of_one(context, observation), action, reward, ends)


class Names:
    """Observations as numbers, of each context its own: symbols as they are, several symbols in the order met."""

    def __init__(self, arena: Arena) -> None:
        self.plain = arena.observation.ndim == 1
        """Whether an observation is one symbol."""
        self._known: list[dict[Hashable, int]] = [] if self.plain else [{} for _ in arena.n_actions]

    def of(self, observation: np.ndarray) -> np.ndarray:
        """Return the numbers (C,) of one observation of every context, (C,) or (C, tokens)."""
        if self.plain:
            return observation
        return np.array([self._number(c, row) for c, row in enumerate(observation.astype(np.int64))])

    def of_one(self, context: int, observation: np.ndarray) -> np.ndarray:
        """Return the numbers (T,) of observations (T,) or (T, tokens) of one context."""
        if self.plain:
            return observation
        return np.array([self._number(context, row) for row in observation.astype(np.int64)])

    def _number(self, context: int, row: np.ndarray) -> int:
        known = self._known[context]
        return known.setdefault(row.tobytes(), len(known))
