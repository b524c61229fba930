"""One sequence of one world, written into a batch, with its catalog row: data, baselines and demonstrations alike."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from common.agents.behaviour import PARAMETERS, Behaviour
from common.dataset.schema import DISCOUNTS
from common.synthesis.action_map import preimages
from common.synthesis.labels import reference, write_labels
from common.synthesis.rollout import MIX, WORLD, roll_out
from common.synthesis.sequences import Sequences
from common.worlds import World

__all__ = ["MIX", "WORLD", "Mixture", "record"]
_DISCOUNTS = np.array(DISCOUNTS)


class Mixture:
    """Behaviours as the rollout kernel takes them."""

    def __init__(self, behaviours: Sequence[Behaviour]) -> None:
        self.behaviours = tuple(behaviours)
        self.kinds = [str(getattr(b, "kind", "")) for b in behaviours]
        self._codes = np.array([b.code for b in behaviours], dtype=np.int64)
        self._weights = np.array([b.weight for b in behaviours], dtype=np.float64)
        self._tables = np.stack([b.table() for b in behaviours])
        self._sharing: list[list[Behaviour]] = []
        """Behaviours by the place of their memory: those that share one are together."""
        self._places = np.empty(len(behaviours), dtype=np.int64)
        for index, one in enumerate(behaviours):
            known = [p for p, sharing in enumerate(self._sharing) if one.shares_memory and sharing[0].code == one.code]
            self._places[index] = known[0] if known else len(self._sharing)
            if known:
                self._sharing[known[0]].append(one)
            else:
                self._sharing.append([one])

    def arguments(self, switch: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Return the kernel's ``mixture``; ``switch`` is the probability of a new draw at an episode's end."""
        return self._codes, self._weights, self._tables, switch

    def room(self, n_states: int, n_actions: int) -> tuple[np.ndarray, ...]:
        """Return the kernel's ``work`` for one sequence: parameters and memory not initialised, nothing learned."""
        start = np.zeros(len(self._sharing) + 1, dtype=np.int64)
        sizes = [max(1, s[0].memory_size(n_states, n_actions, len(s))) for s in self._sharing]
        np.cumsum(sizes, out=start[1:])
        parameters = np.empty((len(self.behaviours), PARAMETERS))
        return parameters, np.empty(start[-1]), start, self._places, np.full(len(sizes), -1)


def record(
    world: World,
    mixture: Mixture,
    switch: float,
    seeds: Sequence[int],
    action_map: np.ndarray,
    out: Sequences,
    place: int,
) -> dict[str, Any]:
    """Write one sequence to row ``place`` of ``out`` and return its catalog row.

    Args:
        world: Where it happens.
        mixture: Who acts.
        switch: Probability that the behaviour is drawn anew at an episode's end.
        seeds: One for each of the rollout's generators, in the order of ``rollout.WORLD``, ``ACT``, ``FOLD``, ``MIX``.
        action_map: (A,) the world's action of each recorded id.
        out: The batch.
        place: Where in it.
    """
    arrays, limit, n_actions = world.arrays(), world.episode_limit, world.n_actions
    length = out.observation.shape[1]
    optimal = np.empty((len(DISCOUNTS), world.n_states), dtype=np.uint64)
    values = reference(arrays, world.probability, world.start_probabilities, n_actions, limit, _DISCOUNTS, optimal)
    folding = preimages(action_map, n_actions)
    write_labels(optimal, world.terminal, world.symbol, folding[0], folding[1], out.oracle[place])
    rows = (out.observation[place].reshape(-1), out.action[place], out.reward[place], out.tag[place], out.state[place])
    begun = np.empty((length, 2), dtype=np.int32)
    episodes, changes, total = roll_out(
        np.array(seeds, dtype=np.uint64).reshape(-1, 1),
        arrays if world.atoms is None else world.atoms.arrays(),
        limit,
        world.interface(),
        folding,
        optimal,
        mixture.arguments(switch),
        mixture.room(world.n_states, n_actions),
        (*rows, np.empty(length, dtype=np.uint8)),
        begun,
    )
    if out.stored_state is not None:
        out.stored_state[place] = world.symbol[out.state[place]]
    return {
        "family": world.family,
        "version": world.version,
        "parameters": json.dumps(dict(world.parameters), sort_keys=True),
        "seed": world.seed,
        "n_s": world.n_s,
        "n_a": n_actions,
        "behaviours": [(row, mixture.kinds[index]) for row, index in begun[:changes].tolist()],
        "action_map": action_map.tolist(),
        "episodes": episodes,
        "return": total,
        "oracle_value": values[0],
        "random_value": values[1],
        "rejections": dict(world.rejections),
        "symbol": world.symbol.tolist(),
    }
