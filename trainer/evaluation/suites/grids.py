"""Suites of one known map each, relabelled anew for every context: FrozenLake, CliffWalking, Taxi, Darkroom."""

from functools import lru_cache
from typing import Literal

import gymnasium
import numpy as np

from common.worlds.grid_layout import CLIFF_WALKING, FROZEN_LAKE, GOAL, WALL, read_map
from common.worlds.grid_map import (
    DOWN,
    FROZEN_LAKE_SLIP,
    LEFT,
    RIGHT,
    UP,
    cliff_walking,
    darkroom,
    frozen_lake,
    world_of_map,
)
from trainer.evaluation.suites.suite import Suite, TaskSuite
from trainer.evaluation.suites.tables import world_of_table
from trainer.evaluation.task import Task

CAP = 200.0
"""FrozenLake is cut there (paper, "Evaluation"), Taxi by Gymnasium, CliffWalking, which has no cap, by us."""
STEP_SHOWN = {False: -0.05, True: 0.0}
"""Shown for a step in FrozenLake that reaches neither goal nor hole, by slipperiness (paper, "Shaping")."""
CLIFF_STEP_SHOWN = -0.03
DARKROOM_SIDES = (6, 8, 10)


@lru_cache(maxsize=8)
def frozenlake(size: Literal["4x4", "8x8"], slippery: bool) -> Task:
    """Return FrozenLake with the paper's shaping shown (goal +1, hole -1) and Gymnasium's reward counted."""
    shown = world_of_map(
        FROZEN_LAKE[size],
        start=(0, 0),
        moves=(LEFT, DOWN, RIGHT, UP),
        slip=FROZEN_LAKE_SLIP if slippery else 0.0,
        step_reward=STEP_SHOWN[slippery],
        pit_reward=-1.0,
        max_steps=CAP,
    )
    name = f"frozenlake-{size}{'-slippery' if slippery else ''}"
    unshaped = frozen_lake(size, slippery=slippery, max_steps=CAP)
    return Task(name=name, world=shown, unshaped=unshaped, goal=_goal(FROZEN_LAKE[size]))


@lru_cache(maxsize=1)
def cliffwalking() -> Task:
    """Return CliffWalking whose cliff ends the episode; shown are the paper's goal +1, cliff -1, else -.03."""
    shown = world_of_map(
        CLIFF_WALKING,
        start=(3, 0),
        moves=(UP, RIGHT, DOWN, LEFT),
        step_reward=CLIFF_STEP_SHOWN,
        pit_reward=-1.0,
        max_steps=CAP,
    )
    unshaped = cliff_walking(cliff="end", max_steps=CAP)
    return Task(name="cliffwalking", world=shown, unshaped=unshaped, goal=_goal(CLIFF_WALKING))


@lru_cache(maxsize=1)
def taxi() -> Task:
    """Return Gymnasium's Taxi: 500 states, 6 actions, rewards as they are; an episode ends with the delivery."""
    environment = gymnasium.make("Taxi-v4")
    try:
        world = world_of_table(environment, CAP)
    finally:
        environment.close()
    return Task(name="taxi", world=world, goal=world.terminal.copy())


@lru_cache(maxsize=8)
def dark_room(side: int) -> Task:
    """Return Darkroom: a start anywhere, the goal in the far corner, .1 a step (paper, Table 2's normalisers)."""
    world = darkroom(side)
    return Task(name=f"darkroom-{side}", world=world, goal=world.terminal.copy())


def _goal(rows: tuple[str, ...]) -> np.ndarray:
    """Return which states of a map are goals, (n,) bool."""
    cells = read_map(rows).reshape(-1)
    return np.asarray(cells[cells != WALL] == GOAL)


GRIDS: tuple[Suite, ...] = (
    TaskSuite(
        name="frozenlake",
        about="FrozenLake 4x4, not slippery",
        paper="FrozenLake, not slippery",
        draw=lambda *_: frozenlake("4x4", False),
        same_world=True,
        has_success=True,
    ),
    TaskSuite(
        name="frozenlake-slippery",
        about="FrozenLake 4x4, slippery",
        paper="FrozenLake, slippery",
        draw=lambda *_: frozenlake("4x4", True),
        same_world=True,
        has_success=True,
    ),
    TaskSuite(
        name="frozenlake-8x8",
        about="FrozenLake 8x8, slippery",
        draw=lambda *_: frozenlake("8x8", True),
        same_world=True,
        has_success=True,
    ),
    TaskSuite(
        name="cliffwalking",
        about="CliffWalking-v1, 200 steps at most, the cliff ends the episode",
        paper="CliffWalking",
        draw=lambda *_: cliffwalking(),
        same_world=True,
        has_success=True,
    ),
    TaskSuite(
        name="taxi",
        about="Taxi-v4, 500 states",
        draw=lambda *_: taxi(),
        same_world=True,
        has_success=True,
    ),
    *(
        TaskSuite(
            name=f"darkroom-{side}",
            about=f"Darkroom {side}x{side}, random start, .1 a step",
            paper=f"Darkroom {side}x{side}",
            draw=lambda *_, side=side: dark_room(side),
            same_world=True,
            has_success=True,
        )
        for side in DARKROOM_SIDES
    ),
)
