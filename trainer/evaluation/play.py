"""Everyone's steps as one record: the agent beside hundreds of worlds at once, tabular behaviours world by world."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from common.agents.behaviour import Behaviour
from common.dataset.schema import Tag
from common.seeding import Purpose, derive_seed, stream_seed
from common.synthesis.generate import play
from common.worlds import World
from common.worlds.batch import WorldBatch
from trainer.evaluation.record import Record
from trainer.evaluation.task import Task

STEPPING = 102
"""Stream of a world's evaluation seed that its transitions come from."""
Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


class Player(Protocol):
    """Whoever acts in all worlds at once: the Agent, or a test's stand-in."""

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return an action of each world."""

    def observe(
        self, next_observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Take in what the actions brought; terminal observations where episodes ended."""


def world_seeds(count: int, seed: int) -> list[int]:
    """Return the seed that moves each world."""
    return [stream_seed(derive_seed(seed, Purpose.EVALUATE, index), STEPPING) for index in range(count)]


def play_batch(
    player: Player, tasks: Sequence[Task], steps: int, seed: int = 0, progress: Progress | None = None
) -> Record:
    """Let ``player``, already reset, take ``steps`` environment steps in every world."""
    batch = WorldBatch([task.world for task in tasks], world_seeds(len(tasks), seed))
    record = Record.empty(len(tasks), steps)
    for t in range(steps):
        record.state[:, t] = batch.state
        action = player.act(batch.observation)
        seen, reward, terminated, truncated = batch.step(action)
        player.observe(seen, reward, terminated, truncated)
        record.action[:, t], record.reward[:, t] = action, reward
        record.terminated[:, t], record.truncated[:, t] = terminated, truncated
        record.next_state[:, t] = batch.reached
        if progress is not None:
            progress(t + 1, steps)
    return record


def play_behaviour(behaviour: Behaviour, tasks: Sequence[Task], steps: int, seed: int = 0) -> Record:
    """Let a tabular behaviour learn from nothing in every world for ``steps`` environment steps."""
    return Record.stack(
        [
            _steps_of(task.world, behaviour, steps, s)
            for task, s in zip(tasks, world_seeds(len(tasks), seed), strict=True)
        ]
    )


def _steps_of(world: World, behaviour: Behaviour, steps: int, seed: int) -> Record:
    """Play rows, breaks among them, until there are enough steps; cut there. An episode has at least one step."""
    rows = play(world, behaviour, 2 * steps, seed)
    state, tag = rows.state[0], rows.tag[0]
    is_break = (tag == Tag.TERMINATED) | (tag == Tag.TRUNCATED)
    at = np.flatnonzero(~is_break)[:steps]
    # the row after a step holds the state it reached, at a break the terminal or cut one; the last may be missing
    after = np.minimum(at + 1, len(tag) - 1)
    return Record(
        state=state[at][None],
        action=rows.action[0][at][None],
        next_state=state[after][None],
        reward=rows.reward[0][at][None],
        terminated=(tag[after] == Tag.TERMINATED)[None],
        truncated=(tag[after] == Tag.TRUNCATED)[None],
    )


class StateOf:
    """Symbols back to states. Where two states share a symbol (a bandit's end) one of them is terminal."""

    def __init__(self, worlds: Sequence[World]) -> None:
        most = max(world.vocabulary for world in worlds)
        self._live, self._terminal = (np.zeros((len(worlds), most), dtype=np.uint16) for _ in range(2))
        for w, world in enumerate(worlds):
            for state in range(world.n_states):
                table = self._terminal if world.terminal[state] else self._live
                table[w, world.symbol[state]] = state

    def __call__(self, symbol: np.ndarray, terminated: np.ndarray | bool = False) -> np.ndarray:
        """Return the state behind each world's symbol, (W,) uint16."""
        rows = np.arange(len(symbol))
        return np.where(terminated, self._terminal[rows, symbol], self._live[rows, symbol])
