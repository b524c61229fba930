"""Gymnasium's Pendulum-v1, MountainCar-v0 and CartPole-v1 for many worlds at once: positions and actions in, next ones.

Positions are float64 (W, D). Observations are the bins of a position, one symbol for all of its numbers.
"""

from dataclasses import dataclass
from typing import Literal

import gymnasium
import numpy as np

FIXED_SEED = 123
"""The paper's code plays Pendulum and MountainCar from the one start of this seed."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """How one number of a position is cut into bins of equal width."""

    low: float
    high: float
    bins: int
    periodic: bool = False

    def index(self, values: np.ndarray) -> np.ndarray:
        """Return the bin of each value, int64; what lies outside falls into the first or last one."""
        share = (values - self.low) / (self.high - self.low)
        if self.periodic:
            share = share % 1.0
        return np.clip((share * self.bins).astype(np.int64), 0, self.bins - 1)


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """Base of the three."""

    environment: str
    """Gymnasium's id."""
    n_actions: int
    limit: int
    """Steps after which an episode is truncated."""
    axes: tuple[Axis, ...]
    start_low: tuple[float, ...]
    start_high: tuple[float, ...]

    @property
    def symbols(self) -> int:
        """Number of bins in all."""
        return int(np.prod([axis.bins for axis in self.axes]))

    def bins(self, position: np.ndarray) -> np.ndarray:
        """Return the bin of each position (W, D), int64 (W,), counted as digits are, the first axis highest."""
        index = np.zeros(len(position), dtype=np.int64)
        for axis, values in zip(self.axes, position.T, strict=True):
            index = index * axis.bins + axis.index(values)
        return index

    def start(self, random: np.random.Generator) -> np.ndarray:
        """Draw a start position, (D,)."""
        return random.uniform(self.start_low, self.start_high)

    def fixed_start(self) -> np.ndarray:
        """Return Gymnasium's start of seed 123, (D,)."""
        environment = gymnasium.make(self.environment)
        try:
            environment.reset(seed=FIXED_SEED)
            return np.array(environment.unwrapped.state, dtype=np.float64)  # type: ignore[attr-defined]
        finally:
            environment.close()

    def move(self, position: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (next position (W, D), reward (W,), terminated (W,)) of actions (W,)."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Pendulum(Dynamics):
    """A pole to swing up with one of five torques; (angle, speed), 12 x 5 bins as in the paper."""

    environment: str = "Pendulum-v1"
    n_actions: int = 5
    limit: int = 200
    axes: tuple[Axis, ...] = (Axis(low=0.0, high=2.0 * np.pi, bins=12, periodic=True), Axis(low=-8.0, high=8.0, bins=5))
    start_low: tuple[float, ...] = (-np.pi, -1.0)
    start_high: tuple[float, ...] = (np.pi, 1.0)
    gravity: float
    """Metres per second squared."""

    def move(self, position: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (next position, reward, terminated): torque -2, -1, 0, 1 or 2, .05 s a step."""
        angle, speed = position.T
        torque = action - 2.0
        off = (angle + np.pi) % (2.0 * np.pi) - np.pi
        cost = off**2 + 0.1 * speed**2 + 0.001 * torque**2
        speed = np.clip(speed + (1.5 * self.gravity * np.sin(angle) + 3.0 * torque) * 0.05, -8.0, 8.0)
        return np.stack([angle + speed * 0.05, speed], axis=1), -cost, np.zeros(len(cost), dtype=np.bool_)


@dataclass(frozen=True, kw_only=True)
class MountainCar(Dynamics):
    """A car too weak for its hill; (position, speed), 12 x 5 bins as in the paper's code."""

    environment: str = "MountainCar-v0"
    n_actions: int = 3
    limit: int = 200
    axes: tuple[Axis, ...] = (Axis(low=-1.2, high=0.6, bins=12), Axis(low=-0.07, high=0.07, bins=5))
    start_low: tuple[float, ...] = (-0.6, 0.0)
    start_high: tuple[float, ...] = (-0.4, 0.0)

    def move(self, position: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (next position, reward, terminated): -1 a step, terminated at .5."""
        place, speed = position.T
        speed = np.clip(speed + (action - 1) * 0.001 - 0.0025 * np.cos(3.0 * place), -0.07, 0.07)
        place = np.clip(place + speed, -1.2, 0.6)
        speed = np.where((place == -1.2) & (speed < 0.0), 0.0, speed)
        return np.stack([place, speed], axis=1), np.full(len(place), -1.0), (place >= 0.5) & (speed >= 0.0)


@dataclass(frozen=True, kw_only=True)
class CartPole(Dynamics):
    """A pole to balance on a cart; (place, speed, angle, turning), 3 x 3 x 4 x 3 bins."""

    environment: str = "CartPole-v1"
    n_actions: int = 2
    limit: int = 500
    axes: tuple[Axis, ...] = (
        Axis(low=-2.4, high=2.4, bins=3),
        Axis(low=-1.5, high=1.5, bins=3),
        Axis(low=-0.21, high=0.21, bins=4),
        Axis(low=-1.5, high=1.5, bins=3),
    )
    start_low: tuple[float, ...] = (-0.05,) * 4
    start_high: tuple[float, ...] = (0.05,) * 4

    def move(self, position: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (next position, reward, terminated): 1 a step while the pole stands; .02 s a step."""
        place, speed, angle, turning = position.T
        cosine, sine = np.cos(angle), np.sin(angle)
        pushed = (np.where(action == 1, 10.0, -10.0) + 0.05 * turning**2 * sine) / 1.1
        turn = (9.8 * sine - cosine * pushed) / (0.5 * (4.0 / 3.0 - 0.1 * cosine**2 / 1.1))
        push = pushed - 0.05 * turn * cosine / 1.1
        moved = [place + 0.02 * speed, speed + 0.02 * push, angle + 0.02 * turning, turning + 0.02 * turn]
        fallen = (np.abs(moved[0]) > 2.4) | (np.abs(moved[2]) > 12.0 * 2.0 * np.pi / 360.0)
        return np.stack(moved, axis=1), np.ones(len(place)), fallen


Start = Literal["fixed", "random"]
