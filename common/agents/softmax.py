"""The behaviour with a random softmax policy, fixed for the sequence or drifting slowly."""
# mypy: disable-error-code="no-untyped-def"

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from common.agents.behaviour import Behaviour
from common.dataset.schema import Tag
from common.draw import Exponential, NonNegative
from common.kernels import kernel
from common.maths import exp
from common.random import normal, uniform

_RANDOM = int(Tag.RANDOM)
_SCALE, _DRIFT, _LAST, _POWERS = range(4)
_LEVELS = 20
"""Powers of the drift that are kept: 1, 2, 4 .. 2**19 steps at a stride."""


class Softmax(Behaviour):
    """Softmax of N(0, scale) logits per state and action; tag 6.

    With a drift, every step multiplies the policy, (state, action), by one and the same matrix: the row-normalised
    clip(I + N(0, drift), 0, 1). The AnyMDP specification's random behaviour (``preset``) is
    ``scale = {exponential = 2}``, ``drift = {exponential = 1e-5}``.
    """

    code: ClassVar[int] = 1
    kind: Literal["softmax"] = "softmax"
    preset: Literal["anymdp"] | None = Field(default=None, exclude_if=lambda value: value is None)
    """``anymdp``: the AnyMDP specification's random behaviour; then no other setting is given."""
    scale: NonNegative = 1.0
    """Standard deviation of the logits."""
    drift: NonNegative = 0.0
    """Standard deviation of the drift's matrix around the identity."""

    def drawn(self) -> tuple[Any, ...]:
        """Return the parameters in the kernels' order."""
        if self.preset:
            return (Exponential(exponential=2.0), Exponential(exponential=1e-5))
        return (self.scale, self.drift)

    def memory_size(self, n_states: int, n_actions: int, together: int = 1) -> int:
        """Policy (n, a); with a drift also the step each state's row stands at (n), and powers (.., a, a)."""
        drifting = n_states + (_LEVELS + 1) * n_actions * n_actions if self.preset or self.drift != 0.0 else 0
        return n_states * n_actions + drifting


@kernel(allocates=False)
def start(rng, parameters, memory, n_states, n_actions, length):
    """Draw the policy and the drift's matrix with its powers."""
    for s in range(n_states):
        total = 0.0
        for i in range(s * n_actions, (s + 1) * n_actions):
            memory[i] = exp(parameters[_SCALE] * normal(rng))
            total += memory[i]
        for i in range(s * n_actions, (s + 1) * n_actions):
            memory[i] /= total
    parameters[_LAST] = n_states * n_actions
    parameters[_POWERS] = n_states * n_actions + n_states
    if parameters[_DRIFT] > 0.0:
        memory[n_states * n_actions : n_states * n_actions + n_states] = 0.0
        _fill_powers(rng, parameters[_DRIFT], memory[n_states * n_actions + n_states :], n_actions)


@kernel(allocates=False)
def _fill_powers(rng, drift, powers, n_actions):
    """Draw the matrix at level 0; level k + 1 is level k squared (one more level is room to work in)."""
    size = n_actions * n_actions
    for i in range(n_actions):
        total = 0.0
        for j in range(n_actions):
            value = min(max((1.0 if i == j else 0.0) + drift * normal(rng), 0.0), 1.0)
            powers[i * n_actions + j] = value
            total += value
        if total <= 0.0:
            powers[i * n_actions + i], total = 1.0, 1.0
        for j in range(n_actions):
            powers[i * n_actions + j] /= total
    for k in range(_LEVELS - 1):
        for i in range(n_actions):
            for j in range(n_actions):
                value = 0.0
                for m in range(n_actions):
                    value += powers[k * size + i * n_actions + m] * powers[k * size + m * n_actions + j]
                powers[(k + 1) * size + i * n_actions + j] = value


@kernel(inline=True)
def choose(rng, parameters, memory, optimal, state, step, n_actions):
    """Return (action, tag)."""
    first = state * n_actions
    if parameters[_DRIFT] > 0.0:
        _catch_up(parameters, memory, state, step, n_actions)
    point = uniform(rng)
    for a in range(n_actions - 1):
        point -= memory[first + a]
        if point < 0.0:
            return np.int64(a), _RANDOM
    return np.int64(n_actions - 1), _RANDOM


@kernel(allocates=False)
def _catch_up(parameters, memory, state, step, n_actions):
    """Bring one state's row of the policy to this step: the drift's matrix to the power of the steps in between."""
    last = np.int64(parameters[_LAST]) + state
    powers, size = np.int64(parameters[_POWERS]), n_actions * n_actions
    room = powers + _LEVELS * size
    left = step - np.int64(memory[last])
    memory[last] = step
    level = 0
    while left > 0:
        if left & 1 or level == _LEVELS - 1:
            matrix = powers + level * size
            for j in range(n_actions):
                memory[room + j] = 0.0
            for i in range(n_actions):
                for j in range(n_actions):
                    memory[room + j] += memory[state * n_actions + i] * memory[matrix + i * n_actions + j]
            for j in range(n_actions):
                memory[state * n_actions + j] = memory[room + j]
        if level < _LEVELS - 1:
            left >>= 1
            level += 1
        else:
            left -= 1
