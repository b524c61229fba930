"""What is evaluated on: one world as the player meets it, relabelled, beside the rewards that count."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from common.errors import UsageError
from common.worlds import World


@dataclass(frozen=True, kw_only=True)
class Task:
    """One world of a suite."""

    name: str
    """Names the world in reports: where a player fails, this says where."""
    world: World
    """What the player steps, its shaped rewards included."""
    unshaped: World | None = None
    """The same dynamics with the rewards that count, without noise; None: the player sees those."""
    goal: np.ndarray | None = None
    """(n,) bool: states in which an episode that ends has succeeded; None: the suite defines no success."""

    @property
    def scored(self) -> World:
        """The world whose rewards count."""
        return self.world if self.unshaped is None else self.unshaped

    def relabelled(self, vocabulary: int, seed: int) -> "Task":
        """Return the task with random symbols and its actions permuted, so that nothing can be remembered.

        Raises:
            UsageError: The world shows more symbols than the vocabulary has.
        """
        if self.world.emission is not None:
            return self._hidden(vocabulary)
        random = np.random.Generator(np.random.PCG64(seed))
        shown, which = np.unique(self.world.symbol, return_inverse=True)
        if len(shown) > vocabulary:
            raise UsageError(
                f"world {self.name} shows {len(shown)} symbols and the agent's vocabulary has {vocabulary}; "
                "take a smaller suite or an agent trained on a larger vocabulary"
            )
        symbol = random.permutation(vocabulary)[: len(shown)][which].astype(np.uint16)
        action = random.permutation(self.world.n_actions)
        unshaped = None if self.unshaped is None else _relabel(self.unshaped, symbol, vocabulary, action)
        return replace(self, world=_relabel(self.world, symbol, vocabulary, action), unshaped=unshaped)

    def _hidden(self, vocabulary: int) -> "Task":
        """Return a task of a hidden state as it is: its emission and its actions are random already."""
        if self.world.vocabulary > vocabulary:
            raise UsageError(
                f"world {self.name} shows {self.world.vocabulary} symbols and the agent's vocabulary has {vocabulary}; "
                "take an agent trained on a larger vocabulary"
            )
        return replace(self, world=replace(self.world, vocabulary=vocabulary))


def _relabel(world: World, symbol: np.ndarray, vocabulary: int, action: np.ndarray) -> World:
    """Return ``world`` with state s shown as ``symbol[s]`` and its action ``action[a]`` called a."""
    rows = (np.arange(world.n_states)[:, None] * world.n_actions + action).ravel()
    size = np.diff(world.row_start)[rows]
    row_start = np.concatenate([[0], np.cumsum(size)]).astype(world.row_start.dtype)
    entries = np.repeat(world.row_start[rows] - row_start[:-1], size) + np.arange(row_start[-1])
    moved: dict[str, Any] = {
        name: np.ascontiguousarray(getattr(world, name)[entries])
        for name in ("successor", "probability", "cumulative", "reward", "noise")
    }
    tables: dict[str, Any] = {"reward_table": None, "transition_table": None}
    return replace(world, row_start=row_start, symbol=symbol, vocabulary=vocabulary, **tables, **moved)
