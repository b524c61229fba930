"""PPO and DQN of stable-baselines3 (an extra): an agent of its own in every world, one world after the other.

They see symbols one-hot and learn while they play, as all baselines do. About 1,000 steps a second.
"""

import importlib.util
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from pydantic import Field

from common.config import Settings
from common.errors import UsageError
from common.seeding import Purpose, derive_seed
from trainer.evaluation.prepared import Prepared
from trainer.evaluation.record import Record

_STREAM = 1 << 37


class Deep(Settings):
    """Base of the settings: what both algorithms have."""

    algorithm: ClassVar[str]
    learning_rate: float = Field(default=1e-3, gt=0.0)
    """Adam's."""
    gamma: float = Field(default=0.95, ge=0.0, le=1.0)
    """Discount."""
    width: int = Field(default=64, ge=1)
    """Units of each of the two hidden layers."""

    def arguments(self) -> dict[str, Any]:
        """Return the algorithm's own arguments."""
        return self.model_dump(exclude={"width"})


class Ppo(Deep):
    """Proximal policy optimisation (Schulman et al., 2017)."""

    algorithm: ClassVar[str] = "PPO"
    n_steps: int = Field(default=64, ge=2)
    """Steps between updates."""
    batch_size: int = Field(default=32, ge=2)
    """Steps of a minibatch."""
    n_epochs: int = Field(default=10, ge=1)
    """Passes over the steps of an update."""
    ent_coef: float = Field(default=0.01, ge=0.0)
    """Weight of the entropy bonus."""


class Dqn(Deep):
    """Deep Q-learning (Mnih et al., 2015)."""

    algorithm: ClassVar[str] = "DQN"
    learning_starts: int = Field(default=50, ge=1)
    """Steps of random play before the first update."""
    train_freq: int = Field(default=1, ge=1)
    """Steps between updates."""
    batch_size: int = Field(default=32, ge=1)
    """Steps of a minibatch."""
    buffer_size: int = Field(default=50_000, ge=1)
    """Steps that are kept."""
    target_update_interval: int = Field(default=100, ge=1)
    """Steps after which the target network is copied."""
    exploration_fraction: float = Field(default=0.3, ge=0.0, le=1.0)
    """Share of the steps over which epsilon falls."""
    exploration_final_eps: float = Field(default=0.05, ge=0.0, le=1.0)
    """Epsilon after that."""


DEEP: dict[str, type[Deep]] = {"ppo": Ppo, "dqn": Dqn}
"""By the name of the baseline."""


def check_installed() -> None:
    """Refuse where the extra is missing.

    Raises:
        UsageError: It is.
    """
    if importlib.util.find_spec("stable_baselines3") is None:
        raise UsageError(
            "the baselines ppo and dqn need stable-baselines3, which is not installed; "
            "pip install 'omnirl[baselines]', or leave them out"
        )


class World(gymnasium.Env[Any, Any]):
    """One world of a suite as an environment that records what happens in it.

    Args:
        on: A suite of one world.
    """

    def __init__(self, on: Prepared) -> None:
        self._arena, self.record, self.taken = on.arena(), Record.empty(1, on.steps), 0
        symbols, tokens = on.request.vocabulary, self._arena.observation.ndim > 1
        several = np.full(self._arena.observation.shape[1:], symbols)
        self.observation_space = (
            gymnasium.spaces.MultiDiscrete(several) if tokens else gymnasium.spaces.Discrete(symbols)
        )
        self.action_space = gymnasium.spaces.Discrete(int(self._arena.n_actions[0]))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Return what is seen: the world has begun its next episode where its last one ended."""
        return self._arena.observation[0].astype(np.int64), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take a step; it is recorded while there is room."""
        told = self._arena.step(np.array([int(action)]))
        if self.taken < self.record.steps:
            self._arena.note(self.record, self.taken)
        self.taken += 1
        ends = (bool(told.terminated[0]), bool(told.truncated[0]))
        return told.observation[0].astype(np.int64), float(told.reward[0]), *ends, {}


def play_alone(how: Deep, on: Prepared) -> Record:
    """Let an agent learn from nothing in a suite of one world for its steps; return them.

    Raises:
        UsageError: stable-baselines3 is not installed.
    """
    check_installed()
    import stable_baselines3
    from stable_baselines3.common.callbacks import BaseCallback

    class Enough(BaseCallback):
        def _on_step(self) -> bool:
            return world.taken < on.steps

    world = World(on)
    with _by_itself():
        agent = getattr(stable_baselines3, how.algorithm)(
            "MlpPolicy",
            world,
            seed=derive_seed(on.seed, Purpose.OTHER, _STREAM + on.place) % (1 << 31),
            device="cpu",
            policy_kwargs={"net_arch": [how.width, how.width]},
            **how.arguments(),
        )
        agent.learn(total_timesteps=on.steps, callback=Enough())
    return world.record


@contextmanager
def _by_itself() -> Iterator[None]:
    """Leave the global generators, which stable-baselines3 seeds and draws from, as they were; take one thread.

    Networks this small are slower on several.
    """
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(kept[0])
            np.random.set_state(kept[1])  # noqa: NPY002
            torch.set_num_threads(threads)
