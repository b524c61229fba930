"""One sequence of one task, written into a batch, with its catalog row: data, baselines and demonstrations alike."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.agents.behaviour import PARAMETERS, Behaviour
from common.synthesis.labels import write_labels
from common.synthesis.rollout import MIX, WORLD, roll_out
from common.synthesis.sequences import Sequences
from common.synthesis.task import Task

__all__ = ["MIX", "WORLD", "Mixture", "record"]


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
        self._starts: dict[tuple[int, int], np.ndarray] = {}
        """Where the memory of each place begins, by (n_states, n_actions)."""
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
        """Return the kernel's ``work`` for one sequence, not initialised."""
        start = self._starts.get((n_states, n_actions))
        if start is None:
            start = np.zeros(len(self._sharing) + 1, dtype=np.int64)
            np.cumsum([max(1, s[0].memory_size(n_states, n_actions, len(s))) for s in self._sharing], out=start[1:])
            self._starts[n_states, n_actions] = start
        parameters = np.empty((len(self.behaviours), PARAMETERS))
        return parameters, np.empty(start[-1]), start, self._places, np.empty(len(self._sharing), dtype=np.int64)


def record(
    task: Task, mixture: Mixture, switch: float, seeds: Sequence[int], out: Sequences, place: int
) -> dict[str, Any]:
    """Write one sequence to row ``place`` of ``out`` and return its catalog row.

    Args:
        task: Where it happens.
        mixture: Who acts.
        switch: Probability that the behaviour is drawn anew at an episode's end.
        seeds: One for each of the rollout's generators, in the order of ``rollout.WORLD``, ``ACT``, ``FOLD``, ``MIX``.
        out: The batch.
        place: Where in it.
    """
    world, folding = task.world, task.folding
    length = out.observation.shape[1]
    write_labels(task.optimal, world.terminal, world.symbol, folding[0], folding[1], out.oracle[place])
    rows = (out.observation[place].reshape(-1), out.action[place], out.reward[place], out.tag[place], out.state[place])
    begun = np.empty((length, 2), dtype=np.int32)
    episodes, changes, total = roll_out(
        np.array(seeds, dtype=np.uint64).reshape(-1, 1),
        task.played,
        world.episode_limit,
        task.interface,
        folding,
        task.optimal,
        mixture.arguments(switch),
        mixture.room(world.n_states, world.n_actions),
        (*rows, np.empty(length, dtype=np.uint8)),
        begun,
    )
    if out.stored_state is not None:
        out.stored_state[place] = world.symbol[out.state[place]]
    kinds = mixture.kinds
    return {
        **task.row,
        "behaviours": [(row, kinds[index]) for row, index in begun[:changes].tolist()],
        "episodes": episodes,
        "return": total,
    }
