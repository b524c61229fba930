"""Baselines that learn from what is shown to them, one a context: planners, and Q-learning with an UCB."""

from collections.abc import Hashable

import numpy as np
from pydantic import Field

from common.config import Settings
from common.seeding import Purpose, derive_seed
from trainer.evaluation.arena import Arena
from trainer.evaluation.baselines.counts import TERMINAL, Counts
from trainer.evaluation.baselines.planners import EVERY, Planner

_STREAM = 1 << 35


class QUcb(Settings):
    """Q-learning that takes the action of the largest Q(s,a) + bonus sqrt(log(1 + visits(s)) / visits(s,a)).

    An action never taken in a state comes first (UCB1, Auer et al., 2002).
    """

    alpha: float = Field(default=0.2, gt=0.0, le=1.0)
    """Step size, never under 1 / visits(s,a)."""
    gamma: float = Field(default=0.95, ge=0.0, le=1.0)
    """Discount."""
    bonus: float = Field(default=0.1, ge=0.0)
    """In units of the range of the rewards met."""


class Learner:
    """One context's learner: numbers what it observes, counts, and acts by its Q.

    Args:
        how: Its settings.
        n_actions: Actions of its world.
        random: Its own generator.
    """

    def __init__(self, how: Planner | QUcb, n_actions: int, random: np.random.Generator) -> None:
        self.how, self._random, self.counts = how, random, Counts(n_actions)
        self._q = np.zeros((1, n_actions))
        self._since = 0

    def act(self, observation: Hashable) -> int:
        """Return an action."""
        state = self.counts.number(observation)
        self._grow()
        if isinstance(self.how, Planner):
            if self.how.epsilon and self._random.random() < self.how.epsilon:
                return int(self._random.integers(self.counts.n_actions))
            return self._best(self._q[state])
        visits = self.counts.visits[state]
        if not visits.all():
            return self._best(-visits)
        log = np.log1p(visits.sum())
        return self._best(self._q[state] + self.how.bonus * self.counts.scale * np.sqrt(log / visits))

    def observe(
        self, observation: Hashable, action: int, reward: float, reached: Hashable, terminated: bool, ended: bool
    ) -> None:
        """Learn from one step of its own."""
        state, following = self.take(observation, action, reward, reached, terminated)
        if isinstance(self.how, QUcb):
            rate = max(self.how.alpha, 1.0 / self.counts.visits[state, action])
            ahead = 0.0 if following == TERMINAL else self.how.gamma * float(self._q[following].max())
            self._q[state, action] += rate * (reward + ahead - self._q[state, action])
            return
        self._since += 1
        if ended or self._since >= EVERY:
            self.plan()

    def take(
        self, observation: Hashable, action: int, reward: float, reached: Hashable, terminated: bool
    ) -> tuple[int, int]:
        """Count one step of whoever acted; return the states' numbers."""
        state = self.counts.number(observation)
        following = TERMINAL if terminated else self.counts.number(reached)
        self.counts.add(state, action, reward, following)
        self._grow()
        return state, following

    def plan(self) -> None:
        """Plan on what was counted."""
        assert isinstance(self.how, Planner)
        self._grow()
        self._q, self._since = self.how.plan(self.counts, self._q, self._random), 0

    def _grow(self) -> None:
        missing = self.counts.states - len(self._q)
        if missing > 0:
            self._q = np.concatenate([self._q, np.zeros((missing, self.counts.n_actions))])

    def _best(self, values: np.ndarray) -> int:
        best = np.flatnonzero(values == values.max())
        return int(best[0] if len(best) == 1 else best[self._random.integers(len(best))])


class LearningPlayer:
    """A learner in every context.

    Args:
        how: Settings of all of them.
        arena: Where.
        seed: Of their draws.
    """

    def __init__(self, how: Planner | QUcb, arena: Arena, seed: int = 0) -> None:
        self.learners = [
            Learner(how, int(n), np.random.Generator(np.random.PCG64(derive_seed(seed, Purpose.OTHER, _STREAM + c))))
            for c, n in enumerate(arena.n_actions)
        ]
        self._acted: tuple[list[Hashable], np.ndarray] | None = None

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return an action of each context."""
        seen = keys(observation)
        actions = np.array([learner.act(key) for learner, key in zip(self.learners, seen, strict=True)])
        self._acted = (seen, actions)
        return actions

    def observe(
        self, next_observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Learn from the step."""
        assert self._acted is not None
        seen, actions = self._acted
        ended = (terminated | truncated).tolist()
        rest = (actions.tolist(), reward.tolist(), keys(next_observation), terminated.tolist(), ended)
        for learner, *step in zip(self.learners, seen, *rest, strict=True):
            learner.observe(*step)


def keys(observation: np.ndarray) -> list[Hashable]:
    """Return observations (C,) or (C, tokens) as dictionary keys."""
    if observation.ndim == 1:
        return list(observation.tolist())
    return [row.tobytes() for row in observation.astype(np.int64)]
