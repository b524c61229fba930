"""FrozenLake as a world of our own, exactly: Gymnasium's transition table, cut at 200 steps as in the paper."""

import gymnasium
import numpy as np

from common.worlds import World
from trainer.evaluation.task import Task

MAX_STEPS = 200
STEP_REWARD = {False: -0.05, True: 0.0}
"""Shown for a step that reaches neither goal nor hole, by slipperiness (paper, "Shaping"); goal +1, hole -1."""


def frozenlake(slippery: bool) -> Task:
    """Return FrozenLake 4x4 with the paper's shaping shown and Gymnasium's reward (1 at the goal) counted."""
    environment = gymnasium.make("FrozenLake-v1", map_name="4x4", is_slippery=slippery)
    table, letters = environment.unwrapped.P, environment.unwrapped.desc.ravel()  # type: ignore[attr-defined]
    start = environment.unwrapped.initial_state_distrib  # type: ignore[attr-defined]
    environment.close()
    n, a = len(table), len(table[0])
    goal, hole = letters == b"G", letters == b"H"
    transition, reward = np.zeros((n, a, n)), np.zeros((n, a, n))
    for s in np.flatnonzero(~(goal | hole)):
        for action, outcomes in table[s].items():
            for probability, successor, paid, done in outcomes:
                assert done == bool(goal[successor] or hole[successor])
                transition[s, action, successor] += probability
                reward[s, action, successor] = paid
    live = transition > 0.0
    shaped = np.where(goal, 1.0, np.where(hole, -1.0, STEP_REWARD[slippery])) * live
    starts = np.flatnonzero(start > 0.0)
    rest = (np.zeros_like(reward), starts, start[starts], np.flatnonzero(goal | hole), float(MAX_STEPS))
    return Task(
        name="frozenlake-slippery" if slippery else "frozenlake",
        world=World.from_dense(transition, shaped, *rest),
        unshaped=World.from_dense(transition, reward, *rest),
        goal=goal,
    )
