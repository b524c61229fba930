"""A task: one world and how its actions are recorded, with all that its sequences share, worked out once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.dataset.schema import DISCOUNTS
from common.synthesis.action_map import preimages
from common.synthesis.labels import label_restarts, reference
from common.worlds import World

_DISCOUNTS = np.array(DISCOUNTS)


@dataclass(frozen=True, eq=False)
class Task:
    """What every sequence of a task is made from. Nothing in it is written to after ``prepare``."""

    world: World
    played: tuple[np.ndarray, ...]
    """``World.arrays()`` of the world that is stepped: that of single actions where a step takes several."""
    interface: tuple[Any, ...]
    """``World.interface()``."""
    folding: tuple[np.ndarray, np.ndarray]
    """The recorded ids of each action, as ``preimages`` gives them."""
    optimal: np.ndarray
    """(D, n) uint64: bit a where action a is optimal."""
    row: dict[str, Any]
    """The part of a catalog row that the task decides; not to be changed."""

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        world = self.world
        arrays = (*world.arrays(), world.probability, self.optimal, self.world.symbol)
        tables = 0 if world.reward_table is None else world.reward_table.mean.nbytes + world.reward_table.noise.nbytes
        return sum(array.nbytes for array in (*arrays, *self.played)) + tables


def prepare(world: World, action_map: np.ndarray, restarts: Sequence[float] = ()) -> Task:
    """Solve a world at every discount and work out what its sequences share.

    Args:
        world: The world.
        action_map: (A,) the world's action of each recorded id.
        restarts: Discounts whose optimal actions count what follows an episode's end (``Recipe.restarts``).
    """
    arrays, n_actions = world.arrays(), world.n_actions
    optimal = np.empty((len(DISCOUNTS), world.n_states), dtype=np.uint64)
    oracle, random = reference(
        arrays,
        world.probability,
        world.start_probabilities,
        n_actions,
        world.episode_limit,
        _DISCOUNTS,
        world.hints(),
        optimal,
    )
    if restarts:
        which = np.array([DISCOUNTS.index(discount) for discount in restarts])
        label_restarts(arrays, world.probability, world.start_probabilities, n_actions, _DISCOUNTS, which, optimal)
    row = {
        "family": world.family,
        "version": world.version,
        "parameters": json.dumps(dict(world.parameters), sort_keys=True),
        "seed": world.seed,
        "n_s": world.n_s,
        "n_a": n_actions,
        "action_map": action_map.tolist(),
        "oracle_value": oracle,
        "random_value": random,
        "rejections": dict(world.rejections),
        "symbol": world.symbol.tolist(),
    }
    played = arrays if world.atoms is None else world.atoms.arrays()
    return Task(world, played, world.interface(), preimages(action_map, n_actions), optimal, row)
