"""Continuous Gymnasium environments made discrete: bins of what is observed, a few values of what is done."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

from common.errors import UsageError

BINS = 6
"""Bins of each number of an observation unless given."""
LEVELS = 5
"""Values of a continuous action unless given."""
PROBE_STEPS = 2000
"""Random steps that tell the range of an observation without bounds."""
UNBOUNDED = 1e6
"""Bounds as far away as this are none."""


class Binned(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Shows a Box of D numbers as one symbol: each number's bin, counted as digits are, the first number highest.

    Bins have equal width between the bounds of the space; where it has none, between the smallest and largest value
    that random play of a fixed seed meets. What lies outside falls into the first or last bin.

    Args:
        environment: Its observations are a Box.
        bins: How many of each number; one number for all of them.
    """

    def __init__(self, environment: gymnasium.Env[Any, Any], bins: Sequence[int] = (BINS,)) -> None:
        super().__init__(environment)
        space = environment.observation_space
        if not isinstance(space, Box):
            raise UsageError(f"bins are for observations in a Box, and {_id(environment)} has {space}")
        size = int(np.prod(space.shape))
        self.bins = np.array(list(bins) * size if len(bins) == 1 else bins, dtype=np.int64)
        if len(self.bins) != size or (self.bins < 1).any():
            raise UsageError(
                f"--bins are one number or one for each of {size} observed numbers, at least 1; got {list(bins)}"
            )
        low, high = space.low.reshape(-1).astype(np.float64), space.high.reshape(-1).astype(np.float64)
        open_ended = (np.abs(low) > UNBOUNDED) | (np.abs(high) > UNBOUNDED)
        if open_ended.any():
            seen = _probe(environment)
            low, high = np.where(open_ended, seen.min(axis=0), low), np.where(open_ended, seen.max(axis=0), high)
        self.low, self.width = low, np.maximum(high - low, 1e-9)
        self.observation_space = Discrete(int(np.prod(self.bins)))

    def observation(self, observation: np.ndarray) -> int:
        """Return the symbol of an observation."""
        share = (np.asarray(observation, dtype=np.float64).reshape(-1) - self.low) / self.width
        index = np.clip((share * self.bins).astype(np.int64), 0, self.bins - 1)
        return int(np.ravel_multi_index(tuple(index), tuple(self.bins)))


class Levels(gymnasium.ActionWrapper[Any, Any, Any]):
    """Offers a continuous action of one number as ``levels`` values from its lowest to its highest."""

    def __init__(self, environment: gymnasium.Env[Any, Any], levels: int = LEVELS) -> None:
        super().__init__(environment)
        space = environment.action_space
        if not isinstance(space, Box) or np.prod(space.shape) != 1 or not np.isfinite([space.low, space.high]).all():
            raise UsageError(f"levels are for one bounded action number, and {_id(environment)} takes {space}")
        if levels < 2:
            raise UsageError(f"--levels must be at least 2, got {levels}")
        self._values = np.linspace(space.low, space.high, levels, dtype=np.float32)
        self.action_space = Discrete(levels)

    def action(self, action: int) -> np.ndarray:
        """Return the action of a level."""
        return self._values[action]


def discrete(name: str, bins: Sequence[int] | None = None, levels: int | None = None) -> gymnasium.Env[Any, Any]:
    """Make an environment by id whose observations and actions are both Discrete.

    Raises:
        UsageError: It does not exist, needs something not installed, or has spaces that cannot be made discrete.
    """
    try:
        environment: gymnasium.Env[Any, Any] = gymnasium.make(name)
    except (gymnasium.error.Error, ImportError) as error:
        raise UsageError(f"--env {name} cannot be made: {error}") from None
    if isinstance(environment.observation_space, Box):
        environment = Binned(environment, bins or (BINS,))
    elif bins is not None:
        raise UsageError(f"--bins are for continuous observations, and {name} has {environment.observation_space}")
    if isinstance(environment.action_space, Box):
        environment = Levels(environment, levels or LEVELS)
    elif levels is not None:
        raise UsageError(f"--levels are for continuous actions, and {name} takes {environment.action_space}")
    for what, space in (("shows", environment.observation_space), ("takes", environment.action_space)):
        if not isinstance(space, Discrete):
            raise UsageError(f"--env takes environments of discrete or Box spaces, and {name} {what} {space}")
    return environment


def _probe(environment: gymnasium.Env[Any, Any]) -> np.ndarray:
    """Return observations of random play, (PROBE_STEPS, D)."""
    environment.action_space.seed(0)
    observation, _ = environment.reset(seed=0)
    seen = []
    for _ in range(PROBE_STEPS):
        seen.append(np.asarray(observation, dtype=np.float64).reshape(-1))
        observation, _, terminated, truncated, _ = environment.step(environment.action_space.sample())
        if terminated or truncated:
            observation, _ = environment.reset()
    return np.stack(seen)


def _id(environment: gymnasium.Env[Any, Any]) -> str:
    return environment.spec.id if environment.spec is not None else "the environment"
