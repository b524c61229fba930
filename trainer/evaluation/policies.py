"""Players that learn nothing: random play, and a fixed policy that sees the state (the oracle)."""

from collections.abc import Sequence

import numpy as np

from common.seeding import Purpose, derive_seed
from trainer.evaluation.arena import Arena

_STREAM = 1 << 32


class RandomPlayer:
    """Acts uniformly at random in every context."""

    def __init__(self, arena: Arena, seed: int = 0) -> None:
        self._n_actions = arena.n_actions
        self._random = policy_generator(seed)

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return an action of each context."""
        return (self._random.random(len(self._n_actions)) * self._n_actions).astype(np.int64)

    def observe(
        self, next_observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Learn nothing."""


class PolicyPlayer:
    """Acts by fixed policies of the worlds' states, which it sees whatever is shown.

    Args:
        arena: Where it acts.
        policies: W arrays (n, a): probabilities of the world's actions in each state.
        seed: Fixes its draws.
    """

    def __init__(self, arena: Arena, policies: Sequence[np.ndarray], seed: int = 0) -> None:
        self._arena = arena
        most = [max(policy.shape[axis] for policy in policies) for axis in (0, 1)]
        self._cumulative = np.ones((len(policies), *most))
        for w, policy in enumerate(policies):
            self._cumulative[w, : policy.shape[0], : policy.shape[1] - 1] = np.cumsum(policy, axis=1)[:, :-1]
        self._random = policy_generator(seed)

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return an action of each context."""
        rows = np.arange(len(self._cumulative))
        cumulative = self._cumulative[rows, self._arena.state]
        chosen = (cumulative <= self._random.random((len(rows), 1))).sum(axis=1)
        return self._arena.spread(np.asarray(chosen))

    def observe(
        self, next_observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Learn nothing."""


def policy_generator(seed: int) -> np.random.Generator:
    """Return the generator of a fixed policy's draws."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, Purpose.OTHER, _STREAM)))
