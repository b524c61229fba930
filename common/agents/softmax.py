"""The behaviour with a random softmax policy, fixed for the sequence or drifting slowly."""
# mypy: disable-error-code="no-untyped-def"

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from common.agents.behaviour import Behaviour
from common.agents.choice import from_running_sum
from common.dataset.schema import Tag
from common.draw import Exponential, NonNegative
from common.kernels import kernel
from common.maths import exp
from common.random import normal, uniform

u = np.uint64
_RANDOM = int(Tag.RANDOM)
_SCALE, _DRIFT, _POLICY, _POWERS, _LEVELS = range(5)
_BITS, _MOST_LEVELS = 4, 5
_BASE = 1 << _BITS
"""The drift's matrix is kept to the powers 1, 2 .. 15, 16, 32 .. 240, 256 .. of as many levels as the length needs."""


class Softmax(Behaviour):
    """Softmax of N(0, scale) logits per state and action; tag 6.

    With a drift, every step multiplies the policy, (state, action), by one and the same matrix: the row-normalised
    clip(I + N(0, drift), 0, 1). An action of step t is one drawn from the policy at first and moved on by a draw from
    its row of the matrix's t-th power. The AnyMDP specification's random behaviour (``preset``) is
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
        """Running sums of the policy's rows, (n, a); with a drift also powers of its matrix (levels, 16, a, a)."""
        drifting = _MOST_LEVELS * _BASE * n_actions * n_actions if self.preset or self.drift != 0.0 else 0
        return n_states * n_actions + drifting


@kernel(allocates=False)
def start(rng, parameters, memory, n_states, n_actions, length):
    """Draw the policy and the drift's matrix with its powers."""
    for s in range(n_states):
        total, first = 0.0, s * n_actions
        for a in range(n_actions):
            total += exp(parameters[_SCALE] * normal(rng))
            memory[first + a] = total
        for a in range(n_actions):
            memory[first + a] /= total
    parameters[_POWERS], parameters[_LEVELS] = n_states * n_actions, 0.0
    if parameters[_DRIFT] > 0.0:
        levels = 1
        while levels < _MOST_LEVELS and length > 1 << (_BITS * levels):
            levels += 1
        parameters[_LEVELS] = levels
        _fill_powers(rng, parameters[_DRIFT], memory[n_states * n_actions :], n_actions, levels)


@kernel(allocates=False)
def _fill_powers(rng, drift, powers, n_actions, levels):
    """Draw the matrix; keep its powers 1 .. 16, those of its 16th, and so on, rows as running sums (the 16th is room).

    Row i begins with action i, so that most draws end at the first sum.
    """
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
    for level in range(levels):
        one, last = level * _BASE * size, (level * _BASE + _BASE - 1) * size
        for row in range(one, last, n_actions):
            for j in range(n_actions):
                value = 0.0
                for m in range(n_actions):
                    value += powers[u(row + m)] * powers[u(one + m * n_actions + j)]
                powers[u(row + size + j)] = value
        for i in range(size if level + 1 < levels else 0):
            powers[last + size + i] = powers[last + i]
        for row in range(one, last, n_actions):
            _run(powers, row, last, (row - one) // n_actions % n_actions, n_actions)


@kernel(inline=True)
def _run(values, first, room, begin, n_actions):
    """Turn ``values[first:first + n_actions]`` into running sums, from place ``begin`` on and round."""
    total, place = 0.0, first + begin
    for j in range(n_actions):
        total += values[u(place)]
        values[u(room + j)] = total
        place += 1 if place + 1 < first + n_actions else 1 - n_actions
    for j in range(n_actions):
        values[u(first + j)] = values[u(room + j)]


@kernel(inline=True)
def choose(rng, parameters, memory, optimal, state, step, n_actions):
    """Return (action, tag)."""
    action = from_running_sum(uniform(rng), memory, state * n_actions, n_actions)
    left, table = step, np.int64(parameters[_POWERS])
    for level in range(np.int64(parameters[_LEVELS])):
        power = left % _BASE if level + 1 < np.int64(parameters[_LEVELS]) else left
        left >>= _BITS
        while power > 0:
            row = table + ((min(power, _BASE - 1) - 1) * n_actions + action) * n_actions
            point = uniform(rng)
            if point >= memory[u(row)]:
                action += from_running_sum(point, memory, row, n_actions)
                action -= n_actions if action >= n_actions else 0
            power -= _BASE - 1
        table += _BASE * n_actions * n_actions
    return action, _RANDOM
