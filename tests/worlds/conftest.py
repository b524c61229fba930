"""Reference tasks drawn with the original sampler, and worlds of every simple family."""

from pathlib import Path

import numpy as np
import pytest

from common.worlds import World, sample_world

DATA = Path(__file__).resolve().parents[1] / "data"
EASY = [
    ("bandit", {}),
    ("bandit", {"n_actions": 2, "vocabulary": 9}),
    ("garnet", {}),
    ("garnet", {"n_states": 7, "n_actions": 3, "branching": 1, "reward_kind": "goal-with-pits", "vocabulary": 16}),
    ("garnet", {"n_states": 12, "n_actions": 2, "branching": 4, "band": 3, "reward_kind": "mixed", "min_gap": 0.15}),
    ("gridworld", {}),
    ("gridworld", {"n_states": 9, "n_actions": 2, "reward_kind": "mixed", "start": "uniform", "cap_factor": 3.0}),
    ("gridworld", {"n_states": 11, "n_actions": 5, "wall_share": 0.3, "slip": 0.7, "reward_scale": 0.5}),
    ("gridworld", {"n_states": 8, "n_actions": 3, "rows": 1, "reach": 2, "slip": 0.2, "reward_kind": "dense"}),
]
"""(family, parameters) that together reach every branch of the simple families."""


@pytest.fixture(scope="session")
def tasks() -> list[dict[str, np.ndarray]]:
    """The 12 reference tasks, each its arrays by name."""
    with np.load(DATA / "anymdp_tasks.npz") as data:
        return [{key[4:]: data[key] for key in data if key.startswith(f"t{i:02d}_")} for i in range(12)]


@pytest.fixture(scope="session")
def reference_worlds(tasks) -> list[World]:
    """The reference tasks as worlds."""
    return [
        World.from_dense(
            task["transition"],
            task["reward"],
            task["reward_noise"],
            task["s_0"],
            task["s_0_prob"],
            task["s_e"],
            float(task["max_steps"]),
        )
        for task in tasks
    ]


@pytest.fixture(params=EASY, ids=lambda choice: "-".join([choice[0], *map(str, choice[1].values())]))
def easy_worlds(request) -> list[World]:
    """Eight worlds of one choice of family and parameters."""
    name, parameters = request.param
    return [sample_world(name, seed=seed, **parameters) for seed in range(8)]
