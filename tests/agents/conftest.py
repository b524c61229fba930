import numpy as np
import pytest

from common.worlds import World, sample_world


@pytest.fixture(scope="session")
def world() -> World:
    """Eight states, three actions, pits and a goal, noisy rewards, a cap that is often met."""
    dense = sample_world(
        "garnet", seed=5, n_states=8, n_actions=3, branching=3, reward_kind="goal-with-pits"
    ).to_dense()
    dense["reward_noise"] = np.where(dense["transition"] > 0, 0.2, 0.0)
    return World.from_dense(**{**dense, "max_steps": 12.5})
