"""Near-optimal play of continuous dynamics: values over a fine grid in, the best action of any position out.

Dynamic programming backwards over the episode's steps with linear interpolation between grid points; an action is
chosen by looking one exact step ahead. Two numbers make a position; CartPole, which has four, is balanced by a linear
rule that never lets the pole fall within an episode (a test), so nothing can be better.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from trainer.evaluation.classic.dynamics import CartPole, Dynamics, MountainCar, Pendulum

Best = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Positions (W, D) and steps left (W,) in, actions (W,) out."""
POINTS = 121
"""Grid points of each number of a position."""
BALANCE = np.array([0.1, 0.35, 2.0, 1.0])
"""Push right where this weighted sum of CartPole's position is positive."""


@lru_cache(maxsize=8)
def best_action(dynamics: Dynamics, steps: int) -> Best:
    """Return the near-optimal policy of episodes of ``steps`` steps. About a second for Pendulum's 200."""
    if isinstance(dynamics, CartPole):
        return lambda position, left: (position @ BALANCE > 0.0).astype(np.int64)
    grid = Grid(dynamics)
    values = grid.values(steps)

    def best(position: np.ndarray, left: np.ndarray) -> np.ndarray:
        worth = []
        for action in range(dynamics.n_actions):
            moved, reward, over = dynamics.move(position, np.full(len(position), action))
            then = grid.interpolate(values, moved, np.maximum(left - 1, 0))
            worth.append(reward + np.where(over, 0.0, then))
        return np.argmax(np.stack(worth), axis=0)

    return best


class Grid:
    """Points of a plane of positions, and values between them. An angle comes round; other numbers end."""

    def __init__(self, dynamics: Dynamics) -> None:
        assert isinstance(dynamics, Pendulum | MountainCar)
        self.dynamics = dynamics
        self._turns = isinstance(dynamics, Pendulum)
        low, high = ((-np.pi, -8.0), (np.pi, 8.0)) if self._turns else ((-1.2, -0.07), (0.6, 0.07))
        self._low = np.array(low)
        self._width = (np.array(high) - self._low) / (POINTS - 1)
        first, second = (self._low[d] + np.arange(POINTS) * self._width[d] for d in (0, 1))
        self._points = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)

    def values(self, steps: int) -> np.ndarray:
        """Return the best return of k steps to go at each point, float32 (steps + 1, POINTS ** 2)."""
        values = np.zeros((steps + 1, POINTS * POINTS), dtype=np.float32)
        ways = []
        for action in range(self.dynamics.n_actions):
            moved, reward, over = self.dynamics.move(self._points, np.full(len(self._points), action))
            ways.append((*self._corners(moved), reward, over))
        for k in range(1, steps + 1):
            before = values[k - 1]
            values[k] = np.max(
                [
                    reward + np.where(over, 0.0, (before[where] * share).sum(axis=0))
                    for where, share, reward, over in ways
                ],
                axis=0,
            )
        return values

    def interpolate(self, values: np.ndarray, position: np.ndarray, left: np.ndarray) -> np.ndarray:
        """Return values (W,) of positions (W, 2) with ``left`` (W,) steps to go."""
        where, share = self._corners(position)
        return (values[left, where] * share).sum(axis=0)

    def _corners(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the four grid points around each position and their shares, (4, W) each."""
        if self._turns:
            position = np.stack([(position[:, 0] + np.pi) % (2.0 * np.pi) - np.pi, position[:, 1]], axis=1)
        place = np.clip((position - self._low) / self._width, 0.0, POINTS - 1 - 1e-9)
        cell = place.astype(np.int64)
        x, y = (place - cell).T
        corner = cell[:, 0] * POINTS + cell[:, 1]
        where = np.stack([corner, corner + 1, corner + POINTS, corner + POINTS + 1])
        return where, np.stack([(1 - x) * (1 - y), (1 - x) * y, x * (1 - y), x * y])
