"""Where an agent plays: all worlds of a suite side by side, each with the contexts of those who act in it.

A world usually has one context. Two copies of an agent that share a world (Switch2) have one each: their rows follow
each other, world after world.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from common.seeding import Purpose, derive_seed, stream_seed
from common.worlds.batch import WorldBatch
from trainer.evaluation.record import Record
from trainer.evaluation.task import Counted, Task

STEPPING = 102
"""Stream of a world's evaluation seed that its transitions come from."""


class Outcome(NamedTuple):
    """What a step brought to every context, as ``Agent.observe`` takes it."""

    observation: np.ndarray
    """(C,) or (C, tokens) symbols; the terminal or cut one at an episode's end."""
    reward: np.ndarray
    """(C,) float32: the reward shown."""
    terminated: np.ndarray
    """(C,) bool."""
    truncated: np.ndarray
    """(C,) bool; never with ``terminated``."""


class Arena(Protocol):
    """W worlds with C contexts, each reset at once where its episode ends."""

    @property
    def worlds(self) -> int:
        """Number of worlds W."""

    @property
    def n_actions(self) -> np.ndarray:
        """(C,) int64: actions of each context are 0..n_actions-1."""

    @property
    def observation(self) -> np.ndarray:
        """(C,) or (C, tokens) symbols to act on."""

    @property
    def state(self) -> np.ndarray:
        """(W,) what each world's references call the state it is in."""

    def step(self, actions: np.ndarray) -> Outcome:
        """Take one action in every context, (C,)."""

    def note(self, record: Record, t: int) -> None:
        """Write what the last step was to every world into column ``t``."""

    def spread(self, actions: np.ndarray) -> np.ndarray:
        """Return the contexts' actions (C,) that together are the worlds' actions (W,)."""

    def scene(self, reached: bool = False) -> np.ndarray:
        """Return where the first world is, or was led by its last step: float64, what a picture of it is drawn from."""


class WorldArena:
    """Finite worlds, one context each, stepped by the kernels that make the data.

    Args:
        tasks: W worlds of any sizes.
        seeds: One for each world's transitions.
    """

    def __init__(self, tasks: Sequence[Task], seeds: Sequence[int]) -> None:
        self._batch = WorldBatch([task.world for task in tasks], seeds)
        self._counted = Counted(tasks)
        self._last: dict[str, np.ndarray] = {}

    @property
    def worlds(self) -> int:
        """Number of worlds W."""
        return len(self._batch.worlds)

    @property
    def n_actions(self) -> np.ndarray:
        """(W,) actions of each world."""
        return self._batch.n_actions

    @property
    def observation(self) -> np.ndarray:
        """(W,) or (W, tokens) symbols to act on."""
        return self._batch.observation

    @property
    def state(self) -> np.ndarray:
        """(W,) int32: each world's state, by rank."""
        return self._batch.state

    def step(self, actions: np.ndarray) -> Outcome:
        """Take one action in every world."""
        state = self._batch.state.copy()
        told = Outcome(*self._batch.step(actions))
        reached, ended = self._batch.reached, told.terminated | told.truncated
        self._last = {
            "state": state,
            "action": actions,
            "next_state": reached,
            "reward": told.reward,
            "paid": self._counted.paid(state, actions, reached, told.reward),
            "terminated": told.terminated,
            "truncated": told.truncated,
            "success": self._counted.success(reached, ended),
        }
        return told

    def note(self, record: Record, t: int) -> None:
        """Write what the last step was to every world into column ``t``."""
        write(record, t, self._last)

    def spread(self, actions: np.ndarray) -> np.ndarray:
        """Return the actions: a world has one context."""
        return actions

    def scene(self, reached: bool = False) -> np.ndarray:
        """Return the first world's state, (1,), or the one its last step led to."""
        return (self._batch.reached if reached else self._batch.state)[:1].astype(np.float64)


def write(record: Record, t: int, columns: dict[str, np.ndarray]) -> None:
    """Write columns (W,) of a record by name."""
    for name, values in columns.items():
        getattr(record, name)[:, t] = values


def world_seeds(count: int, seed: int, first: int = 0) -> list[int]:
    """Return the seed that moves each of ``count`` worlds from the ``first`` on."""
    places = range(first, first + count)
    return [stream_seed(derive_seed(seed, Purpose.EVALUATE, index), STEPPING) for index in places]
