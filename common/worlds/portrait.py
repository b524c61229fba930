"""What a picture of a world shows: its transitions under two policies, its values, and which states are what."""

from dataclasses import dataclass

import numpy as np

from common.worlds.solve import evaluate_policy, optimal_actions, solve
from common.worlds.world import World


@dataclass(frozen=True, eq=False, kw_only=True)
class Portrait:
    """A world's dense facts, by rank."""

    discount: float
    """Of the values."""
    transition: np.ndarray
    """(n, n) P(s'|s) of the uniform policy; rows of terminal states 0."""
    optimal_transition: np.ndarray
    """(n, n) P(s'|s) of the optimal policy, uniform over ties."""
    value: np.ndarray
    """(n,) of the optimal policy; terminal states 0."""
    random_value: np.ndarray
    """(n,) of the uniform policy."""
    level: np.ndarray
    """(n,) where a state stands on the value curve: its value, or the mean reward of entering it if it is terminal."""
    roles: dict[str, list[int]]
    """States by role, roles without states left out: ``start``, ``pitfall``, ``goal``."""

    @classmethod
    def of(cls, world: World, discount: float = 0.994) -> "Portrait":
        """Solve a world and look at it.

        A terminal state is a goal where entering it pays, on average, at least half of the largest mean reward of the
        world, and a pitfall otherwise.
        """
        n, a = world.n_states, world.n_actions
        q = solve(world, discount)
        uniform, best = np.full((n, a), 1.0 / a), optimal_actions(q)
        row = np.repeat(np.arange(n * a), np.diff(world.row_start))
        chance = np.zeros((n * a, n))
        chance[row, world.successor] = world.probability
        paid, entered = np.zeros(n), chance.sum(axis=0)
        np.add.at(paid, world.successor, world.probability * world.reward)
        entry = np.divide(paid, entered, out=np.zeros(n), where=entered > 0.0)
        good = (entry > 0.0) & (entry >= 0.5 * world.reward.max())
        value = q.max(axis=1)
        roles = {
            "start": sorted({int(s) for s in world.start_states}),
            "pitfall": np.flatnonzero(world.terminal & ~good).tolist(),
            "goal": np.flatnonzero(world.terminal & good).tolist(),
        }
        return cls(
            discount=discount,
            transition=_mixed(chance, uniform),
            optimal_transition=_mixed(chance, best / best.sum(axis=1, keepdims=True)),
            value=value,
            random_value=evaluate_policy(world, uniform, discount),
            level=np.where(world.terminal, entry, value),
            roles={role: states for role, states in roles.items() if states},
        )


def _mixed(chance: np.ndarray, policy: np.ndarray) -> np.ndarray:
    """Return P(s'|s), (n, n), of a policy (n, a) from P(s'|s,a), (n * a, n)."""
    n, a = policy.shape
    return np.einsum("sa,sat->st", policy, chance.reshape(n, a, n))
