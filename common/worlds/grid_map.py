"""Gridworlds written as maps, and by name those that everyone measures on: FrozenLake, CliffWalking, Darkroom.

They are what ``gridworld`` samples, with its kernels, on given layouts; the sampler never draws these layouts itself.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from common.errors import UsageError
from common.worlds.grid_layout import CLIFF_WALKING, FREE, FROZEN_LAKE, GOAL, PIT, WALL, read_map
from common.worlds.grid_moves import lead_back, write_moves
from common.worlds.world import World

UP, RIGHT, DOWN, LEFT = range(4)
FROZEN_LAKE_SLIP = 2.0 / 3.0
"""Slippery: a third each for the direction meant and either side of it."""


def world_of_map(
    rows: Sequence[str],
    *,
    start: tuple[int, int] | None = None,
    moves: Sequence[int] = (UP, RIGHT, DOWN, LEFT),
    slip: float = 0.0,
    pits: Literal["end", "restart"] = "end",
    step_reward: float = 0.0,
    goal_reward: float = 1.0,
    pit_reward: float = 0.0,
    max_steps: float = 200.0,
) -> World:
    """Return the world of a map, of family ``custom``. States are the cells that are no walls, row by row.

    Args:
        rows: Two or more lines of equal length: ``.`` free, ``#`` wall, ``O`` pit, ``G`` goal (terminal).
        start: (row, column) of the start; uniform over free cells where absent.
        moves: Direction of each action, 0 up, 1 right, 2 down, 3 left; 4 stays.
        slip: Chance that a move goes to either side of its direction, half each.
        pits: Whether a pit ends the episode, or leads whoever arrives back to the start. Its own cell then is a state
            that nobody reaches.
        step_reward: Paid for arriving in a free cell, bumping into a wall included.
        goal_reward: Paid for arriving in a goal.
        pit_reward: Paid for arriving in a pit.
        max_steps: Episode cap.

    Raises:
        UsageError: The map or a setting breaks one of these rules.
    """
    cells = _read(rows)
    given = (("slip", slip, 0.0 <= slip <= 1.0), ("moves", list(moves), len(moves) > 0 and set(moves) <= set(range(5))))
    for name, value, good in (*given, ("max_steps", max_steps, 0.0 < max_steps < np.inf)):
        if not good:
            raise UsageError(f"{name} is out of range: slip in [0, 1], moves of 0..4, max_steps over 0; got {value}")
    flat = cells.reshape(-1)
    kind = flat[flat != WALL]
    n = kind.size
    starts = np.flatnonzero(kind == FREE) if start is None else _start(cells, start)
    if pits == "restart" and starts.size != 1:
        raise UsageError('pits = "restart" lead back to one start, got none; give start=(row, column)')
    terminal = (kind == GOAL) | ((kind == PIT) & (pits == "end"))
    free = np.where(flat == WALL, WALL, FREE).astype(np.uint8)
    row_start = np.zeros(n * len(moves) + 1, dtype=np.int32)
    successor = np.zeros(n * len(moves) * 3, dtype=np.uint16)
    probability, cumulative = np.zeros(successor.size), np.zeros(successor.size)
    directions = np.array(moves, dtype=np.int64)
    write_moves(free, *cells.shape, directions, slip, terminal, row_start, successor, probability, cumulative)
    pay = np.where(kind == GOAL, goal_reward, np.where(kind == PIT, pit_reward, step_reward))
    reward = pay[successor]
    if pits == "restart":
        lead_back(kind == PIT, int(starts[0]), row_start, successor, probability, cumulative, reward)
    end = row_start[-1]
    return World(
        n_states=n,
        n_actions=len(moves),
        row_start=row_start,
        successor=successor[:end].copy(),
        probability=probability[:end].copy(),
        cumulative=cumulative[:end].copy(),
        reward=reward[:end].copy(),
        noise=np.zeros(end),
        start_states=starts.astype(np.int32),
        start_probabilities=np.full(starts.size, 1.0 / starts.size),
        terminal=terminal,
        max_steps=float(max_steps),
        symbol=np.arange(n, dtype=np.uint16),
        vocabulary=n,
    )


def frozen_lake(size: Literal["4x4", "8x8"] = "4x4", *, slippery: bool = True, max_steps: float | None = None) -> World:
    """Return FrozenLake: Gymnasium's states, actions and rewards, by default its cap (100 and 200 steps) too."""
    return world_of_map(
        FROZEN_LAKE[size],
        start=(0, 0),
        moves=(LEFT, DOWN, RIGHT, UP),
        slip=FROZEN_LAKE_SLIP if slippery else 0.0,
        max_steps=max_steps or {"4x4": 100.0, "8x8": 200.0}[size],
    )


def cliff_walking(
    *, slippery: bool = False, cliff: Literal["end", "restart"] = "restart", max_steps: float = 200.0
) -> World:
    """Return CliffWalking: Gymnasium's states, actions and rewards. It has no cap of its own.

    Gymnasium's cliff leads back to the start; ``cliff="end"`` ends the episode there.
    """
    return world_of_map(
        CLIFF_WALKING,
        start=(3, 0),
        slip=FROZEN_LAKE_SLIP if slippery else 0.0,
        pits=cliff,
        step_reward=-1.0,
        goal_reward=-1.0,
        pit_reward=-100.0,
        max_steps=max_steps,
    )


def darkroom(side: int, goal: tuple[int, int] | None = None, *, cost: float = 0.1, max_steps: float = 200.0) -> World:
    """Return Darkroom: an empty square, a start anywhere, and a goal that pays 1 and ends the episode.

    The goal is in the far corner unless given as (row, column); any other step costs ``cost`` (paper, Table 2).
    """
    row, column = goal or (side - 1, side - 1)
    if side < 2 or not (0 <= row < side and 0 <= column < side):
        raise UsageError(f"a darkroom has side >= 2 and its goal inside, got side {side} and goal {(row, column)}")
    cells = [["."] * side for _ in range(side)]
    cells[row][column] = "G"
    return world_of_map(["".join(line) for line in cells], step_reward=-cost, max_steps=max_steps)


def _read(rows: Sequence[str]) -> np.ndarray:
    """Return a map's cells, or refuse it."""
    if len(rows) < 2 or len({len(row) for row in rows}) != 1 or not set("".join(rows)) <= set(".#OG") or not rows[0]:
        raise UsageError(f"a map has two or more lines of equal length, of . # O G alone; got {list(rows)}")
    cells = read_map(tuple(rows))
    if not (cells == FREE).any():
        raise UsageError(f"a map has at least one free cell to start in; got {list(rows)}")
    return cells


def _start(cells: np.ndarray, start: tuple[int, int]) -> np.ndarray:
    """Return the start's state, (1,)."""
    inside = 0 <= start[0] < cells.shape[0] and 0 <= start[1] < cells.shape[1]
    if not inside or cells[start] != FREE:
        raise UsageError(f"start is (row, column) of a free cell, got {start} in a map of {cells.shape}")
    return np.array([np.count_nonzero(cells.reshape(-1)[: start[0] * cells.shape[1] + start[1]] != WALL)])
