"""Baselines that plan on what they counted: UCB value iteration, posterior sampling, conservative Q-learning.

One learner a context. All of them plan anew where an episode ends and after every ``EVERY`` steps without an end.
"""

from collections.abc import Callable

import numpy as np
from pydantic import Field

from common.config import Settings
from trainer.evaluation.baselines.counts import TERMINAL, Counts

Sweep = Callable[[np.ndarray], np.ndarray]
"""Values (S,) in, the Q (S, a) that they imply out."""
EVERY = 32
"""Steps after which a learner plans anew within an episode."""
TOLERANCE = 1e-3
"""Value iteration stops where a sweep changes no value by more than this times the rewards' range."""
SWEEPS = 100
"""Sweeps of one plan, at most; the next one goes on from its values."""


class Planner(Settings):
    """Base of the planners' settings."""

    gamma: float = Field(default=0.95, ge=0.0, lt=1.0)
    """Discount."""
    epsilon: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of uniform actions."""

    def plan(self, counts: Counts, q: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return Q, (S, a), going on from ``q``."""
        raise NotImplementedError


class UcbValueIteration(Planner):
    """Value iteration on the mean model with bonus / sqrt(visits) on every reward (UCB-VI, Azar et al., 2017).

    What was never tried is worth (largest mean reward + bonus) / (1 - gamma), which no value exceeds.
    """

    bonus: float = Field(default=0.1, ge=0.0)
    """In units of the range of the rewards met."""

    def plan(self, counts: Counts, q: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return Q, (S, a)."""
        bonus = self.bonus * counts.scale
        reward = counts.reward + bonus / np.sqrt(np.maximum(counts.visits, 1.0))
        most = (max(float(counts.reward.max()), 0.0) + bonus) / (1.0 - self.gamma)
        probability, _ = counts.normalised(counts.times)
        untried = counts.visits == 0.0

        def sweep(value: np.ndarray) -> np.ndarray:
            better = np.minimum(reward + self.gamma * counts.ahead(probability, value), most)
            return np.where(untried, most, better)

        return iterate(sweep, q, counts.scale)


class PosteriorSampling(Planner):
    """Acts optimally in a world drawn from the posterior (Strens, 2000; Osband et al., 2013).

    Successors: Dirichlet over those met, and ``prior`` more of a state drawn from all met. Mean rewards: normal around
    those met and one of the overall mean that counts ``prior`` times. Where every step costs and only a distant goal
    pays (FrozenLake), such a prior hopes for too little to find it.
    """

    prior: float = Field(default=0.5, gt=0.0)
    """Weight of the prior, in visits."""
    spread: float = Field(default=0.5, ge=0.0)
    """Standard deviation of a reward, in units of the range of the rewards met."""

    def plan(self, counts: Counts, q: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return Q, (S, a)."""
        visits = counts.visits
        overall = float((counts.reward * visits).sum() / max(visits.sum(), 1.0))
        mean = (counts.reward * visits + overall * self.prior) / (visits + self.prior)
        spread = self.spread * counts.scale / np.sqrt(visits + self.prior)
        reward = mean + spread * random.standard_normal(visits.shape)
        weight = random.standard_gamma(counts.times)
        rest = random.standard_gamma(self.prior, size=visits.size)
        probability, unknown = counts.normalised(weight, rest)
        unknown = unknown.reshape(visits.shape)

        def sweep(value: np.ndarray) -> np.ndarray:
            known = counts.ahead(probability, value)
            return reward + self.gamma * (known + unknown * float(value[1:].mean() if len(value) > 1 else 0.0))

        return iterate(sweep, q, counts.scale)


class ConservativeQ(Planner):
    """Conservative Q-learning (Kumar et al., 2020) in tables: whole sweeps over all steps counted so far.

    A sweep moves Q(s,a) of what was met by ``rate`` towards its mean target, and Q(s,.) of states met against
    ``weight`` (softmax Q(s,.) - share of each action in the data): what the data does not show is not hoped for. It is
    given steps of somebody else's beforehand, then learns on from its own.
    """

    rate: float = Field(default=0.5, gt=0.0, le=1.0)
    """Step size of a sweep."""
    weight: float = Field(default=0.1, ge=0.0)
    """Of the penalty, in units of the range of the rewards met."""

    def plan(self, counts: Counts, q: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return Q, (S, a)."""
        visits, reward = counts.visits, counts.reward
        probability, _ = counts.normalised(counts.times)
        met = visits.sum(axis=1, keepdims=True)
        share = visits / np.maximum(met, 1.0)
        for _ in range(SWEEPS):
            value = q.max(axis=1)
            value[TERMINAL] = 0.0
            towards = np.where(visits > 0.0, reward + self.gamma * counts.ahead(probability, value) - q, 0.0)
            hopes = np.exp((q - q.max(axis=1, keepdims=True)) / counts.scale)
            excess = hopes / hopes.sum(axis=1, keepdims=True) - share
            q = q + self.rate * (towards - self.weight * counts.scale * np.where(met > 0.0, excess, 0.0))
        return q


def iterate(sweep: Sweep, q: np.ndarray, scale: float) -> np.ndarray:
    """Return Q, (S, a), of values iterated from those of ``q`` until they stand still."""
    value = q.max(axis=1)
    for _ in range(SWEEPS):
        value[TERMINAL] = 0.0
        q = sweep(value)
        moved, value = np.abs(q.max(axis=1) - value)[1:], q.max(axis=1)
        if moved.max(initial=0.0) <= TOLERANCE * scale:
            break
    return q
