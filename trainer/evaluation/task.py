"""What is evaluated on: one world as the player meets it, relabelled, beside the rewards that count."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from common.errors import UsageError
from common.worlds import World


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """One world of a suite."""

    name: str
    """Names the world in reports: where a player fails, this says where."""
    world: World
    """What the player steps, its shaped rewards included."""
    unshaped: World | None = None
    """The same dynamics with the rewards that count, without noise, never relabelled; None: the player sees those."""
    goal: np.ndarray | None = None
    """(n,) bool: states in which an episode that ends has succeeded; None: the suite defines no success."""
    base: World | None = None
    """``world`` before it was relabelled; None: it was not."""
    order: np.ndarray | None = None
    """(a,) the base's action behind each of the player's; None: they are the same."""

    @property
    def scored(self) -> World:
        """The world whose rewards count, its actions in the base's order."""
        return self.unshaped or self.base or self.world

    @property
    def actions(self) -> np.ndarray:
        """(a,) the base's action behind each of the player's."""
        return np.arange(self.world.n_actions) if self.order is None else self.order

    def relabelled(self, vocabulary: int, seed: int) -> "Task":
        """Return the task with random symbols and its actions permuted, so that nothing can be remembered.

        Raises:
            UsageError: The world shows more symbols than the vocabulary has.
        """
        if self.world.emission is not None:
            return self._hidden(vocabulary)
        random = np.random.Generator(np.random.PCG64(seed))
        shown, which = np.unique(self.world.symbol, return_inverse=True)
        check_symbols(self.name, len(shown), vocabulary)
        symbol = random.permutation(vocabulary)[: len(shown)][which].astype(np.uint16)
        order = random.permutation(self.world.n_actions)
        return replace(self, world=_relabel(self.world, symbol, vocabulary, order), base=self.world, order=order)

    def _hidden(self, vocabulary: int) -> "Task":
        """Return a task of a hidden state as it is: its emission and its actions are random already."""
        check_symbols(self.name, self.world.vocabulary, vocabulary)
        return replace(self, world=replace(self.world, vocabulary=vocabulary))


class Counted:
    """Rewards that count, and successes, of W tasks: looked up for whole records or for one step of all worlds."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._rows = np.arange(len(tasks))
        most = max(task.world.n_actions for task in tasks)
        self._order = np.zeros((len(tasks), most), dtype=np.int64)
        for w, task in enumerate(tasks):
            self._order[w, : task.world.n_actions] = task.actions
        by_world = {id(task.unshaped): task.unshaped for task in tasks if task.unshaped is not None}
        self._tables = [
            (np.array([task.unshaped is world for task in tasks]), world.to_dense()["reward"])
            for world in by_world.values()
        ]
        states = max(task.world.n_states for task in tasks)
        self._goal = np.zeros((len(tasks), states), dtype=np.bool_)
        for w, task in enumerate(tasks):
            if task.goal is not None:
                self._goal[w, : len(task.goal)] = task.goal

    def paid(self, state: np.ndarray, action: np.ndarray, reached: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """Return the rewards that count, float64, of arrays (W,) or (W, T)."""
        paid = shown.astype(np.float64)
        for members, table in self._tables:
            base = np.take_along_axis(self._order, action.reshape(len(action), -1).astype(np.int64), axis=1)
            base = base.reshape(action.shape)
            paid[members] = table[state[members], base[members], reached[members]]
        return paid

    def success(self, reached: np.ndarray, ended: np.ndarray) -> np.ndarray:
        """Return where an episode ended in a goal, bool, of arrays (W,) or (W, T)."""
        rows = self._rows if reached.ndim == 1 else self._rows[:, None]
        return self._goal[rows, reached] & ended


def check_symbols(name: str, shown: int, vocabulary: int) -> None:
    """Raise UsageError where a world shows more symbols than the agent's vocabulary has."""
    if shown > vocabulary:
        raise UsageError(
            f"world {name} shows {shown} symbols and the agent's vocabulary has {vocabulary}; "
            "take an agent trained on a larger vocabulary, or a smaller suite"
        )


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
