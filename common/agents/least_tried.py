"""The behaviour that always takes the action it has seen least often in the state: it covers a world fast."""
# mypy: disable-error-code="no-untyped-def"

from typing import ClassVar, Literal

import numpy as np

from common.agents.behaviour import Behaviour
from common.agents.choice import argmax
from common.dataset.schema import Tag
from common.kernels import kernel

_RANDOM = int(Tag.RANDOM)


class LeastTried(Behaviour):
    """Takes the action tried least often in the state, by whoever acted; ties drawn uniformly; tag 6."""

    code: ClassVar[int] = 4
    kind: Literal["least-tried"] = "least-tried"

    def memory_size(self, n_states: int, n_actions: int, together: int = 1) -> int:
        """Minus the visits, (n, a)."""
        return n_states * n_actions


@kernel(allocates=False)
def start(rng, parameters, memory, n_states, n_actions, length):
    """Forget all visits."""
    memory[:] = 0.0


@kernel(inline=True)
def choose(rng, parameters, memory, optimal, state, step, n_actions):
    """Return (action, tag)."""
    return argmax(rng, memory, state * n_actions, n_actions), _RANDOM


@kernel(allocates=False)
def learn(parameters, memory, state, action, reward, first, last, end, n_actions):
    """Count the visits of rows ``first`` to ``last`` - 1."""
    for t in range(first, last):
        memory[np.int64(state[t]) * n_actions + np.int64(action[t])] -= 1.0
