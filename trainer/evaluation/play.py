"""Everyone's steps as records: whoever acts step by step beside all worlds, tabular behaviours world by world.

Long play comes in pieces, so that memory does not grow with it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from common.agents.behaviour import Behaviour
from common.dataset.schema import Tag
from common.synthesis.generate import play as roll_out
from trainer.evaluation.arena import Arena, world_seeds
from trainer.evaluation.record import Record
from trainer.evaluation.task import Counted, Task

PIECE = 512
"""Steps of a record, at most, where play is scored as it goes."""
Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


class Player(Protocol):
    """Whoever acts in all contexts at once: the Agent, a baseline, a test's stand-in.

    One that has an attribute ``entropy`` after ``act``, (C,) shares of uniform play's, has it recorded.
    """

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return an action of each context."""

    def observe(
        self, next_observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Take in what the actions brought; terminal observations where episodes ended."""


class Film:
    """Scenes of the first world, by episode: those of its first whole episode and of its last one."""

    def __init__(self) -> None:
        self.first: list[np.ndarray] = []
        self.last: list[np.ndarray] = []
        self._running: list[np.ndarray] = []

    def add(self, before: np.ndarray, end: np.ndarray | None) -> None:
        """Take in the scene a step began in, and where it ended its episode the last scene."""
        self._running.append(before)
        if end is not None:
            self._running.append(end)
            self.first = self.first or self._running
            self.last, self._running = self._running, []


def pieces(
    player: Player, arena: Arena, steps: int, progress: Progress | None = None, film: Film | None = None
) -> Iterator[Record]:
    """Let ``player``, already reset, take ``steps`` environment steps in every world; yield records of up to PIECE."""
    contexts = len(arena.n_actions) // arena.worlds
    for first in range(0, steps, PIECE):
        record = Record.empty(arena.worlds, min(PIECE, steps - first))
        for t in range(record.steps):
            scene = arena.scene()
            action = player.act(arena.observation)
            entropy = getattr(player, "entropy", None)
            if entropy is not None:
                record.entropy[:, t] = entropy.reshape(arena.worlds, contexts).mean(axis=1)
            told = arena.step(action)
            player.observe(*told)
            arena.note(record, t)
            if film is not None:
                film.add(scene, arena.scene(reached=True) if told.terminated[0] or told.truncated[0] else None)
            if progress is not None:
                progress(first + t + 1, steps)
        yield record


def play(player: Player, arena: Arena, steps: int, progress: Progress | None = None) -> Record:
    """Let ``player``, already reset, take ``steps`` environment steps in every world; return all of them."""
    return Record.join(list(pieces(player, arena, steps, progress)))


def play_behaviour(behaviour: Behaviour, tasks: Sequence[Task], steps: int, seed: int = 0, first: int = 0) -> Record:
    """Let a tabular behaviour learn from nothing in every world for ``steps`` environment steps, at kernel speed.

    Args:
        behaviour: Who acts; it sees the state.
        tasks: W worlds.
        steps: Environment steps in each.
        seed: Of transitions; the same as those of an arena of the same tasks.
        first: Number of the first task, where they are only some of a suite's.
    """
    seeds = world_seeds(first + len(tasks), seed)[first:]
    return Record.stack([_steps_of(task, behaviour, steps, s) for task, s in zip(tasks, seeds, strict=True)])


def _steps_of(task: Task, behaviour: Behaviour, steps: int, seed: int) -> Record:
    """Play rows, breaks among them, until there are enough steps; cut there. An episode has at least one step."""
    rows = roll_out(task.world, behaviour, 2 * steps, seed)
    state, tag = rows.state, rows.tag[0]
    is_break = (tag == Tag.TERMINATED) | (tag == Tag.TRUNCATED)
    at = np.flatnonzero(~is_break)[:steps]
    # the row after a step holds the state it reached, at a break the terminal or cut one; the last may be missing
    after = np.minimum(at + 1, len(tag) - 1)
    terminated, truncated = (tag[after] == Tag.TERMINATED)[None], (tag[after] == Tag.TRUNCATED)[None]
    action, reward, counted = rows.action[:, at], rows.reward[:, at], Counted([task])
    return Record(
        state=state[:, at],
        action=action,
        next_state=state[:, after],
        reward=reward,
        paid=counted.paid(state[:, at], action, state[:, after], reward),
        terminated=terminated,
        truncated=truncated,
        success=counted.success(state[:, after], terminated | truncated),
        entropy=np.full(action.shape, np.nan, dtype=np.float32),
    )
