"""Jump-start: an oracle takes the first steps of every episode, an explorer the rest; the oracle's part shrinks."""
# mypy: disable-error-code="no-untyped-def"

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from common.agents import explorers
from common.agents.behaviour import PARAMETERS, Behaviour
from common.agents.choice import CURVES, falling, from_mask
from common.agents.explorers import Explorer
from common.agents.q_learning import QLearning
from common.dataset.schema import DISCOUNTS
from common.draw import NonNegative, Share
from common.kernels import kernel

_ORACLE, _GUIDED, _STEPS, _CURVE, _SHARPNESS, _EXPLORER, _OWN = range(7)
_IN_EPISODE, _BEGAN, _HORIZON, _ROOM = range(4)


class JumpStart(Behaviour):
    """Jump-start (Uchendu et al., 2022): the oracle for the first h steps of an episode (its tag), then the explorer.

    h is held within an episode; it falls from ``guided`` n_states along a curve. The explorer learns from all steps.
    """

    code: ClassVar[int] = 7
    needs_optimal: ClassVar[bool] = True
    kind: Literal["jump-start"] = "jump-start"
    oracle: int = Field(default=3, ge=0, lt=len(DISCOUNTS))
    """Which oracle, its tag at the same time: 0..3 for discounts 0, .5, .93, .994."""
    explorer: Explorer = QLearning()
    """Who acts after it, tags as its own; its weight means nothing."""
    guided: NonNegative = 2.0
    """h at the sequence's start, in steps per state of the world."""
    until: Share = 0.75
    """h reaches 0 after this part of the sequence's rows."""
    curve: Literal["linear", "exponential", "power"] = "linear"
    """How h falls: see ``common.agents.choice.falling``."""
    sharpness: NonNegative = 3.0
    """Rate of the exponential, exponent of the power."""

    def drawn(self) -> tuple[Any, ...]:
        """Return the parameters in the kernels' order, the explorer's last."""
        own = (float(self.oracle), self.guided, self.until, float(CURVES.index(self.curve)), self.sharpness)
        drawn = (*own, float(self.explorer.code), *self.explorer.drawn())
        assert len(drawn) <= PARAMETERS
        return drawn

    def memory_size(self, n_states: int, n_actions: int, together: int = 1) -> int:
        """Steps of the episode, when it began, its h; then the explorer's."""
        return _ROOM + max(1, self.explorer.memory_size(n_states, n_actions))

    def learned(self, parameters: np.ndarray, memory: np.ndarray, n_states: int, n_actions: int) -> np.ndarray | None:
        """Return a copy of the explorer's Q, (n, a); None where it learns no values."""
        return self.explorer.learned(parameters[_OWN:], memory[_ROOM:], n_states, n_actions)


@kernel(allocates=False)
def start(rng, parameters, memory, symbol, n_actions, length):
    """Turn h and the curve's part into steps; begin the explorer."""
    parameters[_GUIDED] *= symbol.shape[0]
    parameters[_STEPS] = max(parameters[_STEPS] * length, 1.0)
    memory[_IN_EPISODE], memory[_BEGAN], memory[_HORIZON], memory[_ROOM] = 0.0, -1.0, 0.0, 0.0
    kind = np.int64(parameters[_EXPLORER])
    explorers.start(kind, rng, parameters[_OWN:], memory[_ROOM:], symbol, n_actions, length)


@kernel(allocates=False)
def choose(rng, parameters, memory, optimal, state, step, n_actions):
    """Return (action, tag)."""
    began = step - memory[_IN_EPISODE]
    if memory[_BEGAN] != began:
        memory[_BEGAN] = began
        memory[_HORIZON] = parameters[_GUIDED] * falling(
            parameters[_CURVE], parameters[_SHARPNESS], began / parameters[_STEPS]
        )
    if memory[_IN_EPISODE] < memory[_HORIZON]:
        oracle = np.int64(parameters[_ORACLE])
        return from_mask(rng, optimal[oracle, state], n_actions), oracle
    kind = np.int64(parameters[_EXPLORER])
    return explorers.choose(kind, rng, parameters[_OWN:], memory[_ROOM:], optimal, state, step, n_actions)


@kernel(allocates=False)
def learn(parameters, memory, state, action, reward, first, last, end, n_actions):
    """Count the episode's steps; let the explorer learn."""
    memory[_IN_EPISODE] = memory[_IN_EPISODE] + (last - first) if end == 0 else 0.0
    kind = np.int64(parameters[_EXPLORER])
    explorers.learn(kind, parameters[_OWN:], memory[_ROOM:], state, action, reward, first, last, end, n_actions)
