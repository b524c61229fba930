"""Tabular Q-learning: epsilon noise, a count bonus, optimism, and softmax or greedy actions."""
# mypy: disable-error-code="no-untyped-def"

from typing import Any, ClassVar, Literal

import numpy as np

from common.agents.behaviour import Behaviour
from common.agents.choice import argmax, scheduled, softmax_action
from common.dataset.schema import Tag
from common.draw import NonNegative, Range, Share
from common.kernels import kernel
from common.maths import square_root
from common.random import below, between, exponential, uniform

_Q_LEARNING, _RANDOM, _TERMINATED = int(Tag.Q_LEARNING), int(Tag.RANDOM), int(Tag.TERMINATED)
_ALPHA, _GAMMA, _EPSILON, _DECAY, _FLOOR, _BONUS, _INITIAL, _SCALE, _TEMPERATURE, _GREEDY, _PRESET, _SIZE = range(12)


class QLearning(Behaviour):
    """Q-learning (Watkins, 1989) with the variations that the recipes and the baselines use; tag 5, 6 on noise steps.

    Update: Q(s,a) += step (r + gamma max Q(s') - Q(s,a)), s' without value where the episode terminated there;
    step = alpha sqrt(max((M + 1) / (M + visits(s,a)), .001)), M = ``visit_scale``.
    """

    code: ClassVar[int] = 2
    kind: Literal["q-learning"] = "q-learning"
    preset: Literal["anymdp"] | None = None
    """``anymdp``: the parameters of the AnyMDP specification, its coin included; then no other setting is given."""
    alpha: Share = 0.1
    """Step size."""
    gamma: Share = 0.95
    """Discount."""
    epsilon: Share = 0.1
    """Share of noise steps at the sequence's start; a noise step is a uniform action."""
    epsilon_decay: NonNegative = 0.0
    """Epsilon falls by this much / (n_states n_actions) a step."""
    epsilon_floor: Share = 0.0
    """Epsilon does not fall below this."""
    bonus: NonNegative = 0.0
    """Count bonus, in units of value: actions are compared by Q(s,a) + bonus / sqrt(visits(s,a)); visits start at 1."""
    initial: NonNegative = 0.0
    """Q starts at initial / (1 - gamma): the reward a step that it expects of what it has not tried."""
    visit_scale: NonNegative | None = None
    """M: visits over which the step size falls; not given: it does not."""
    rule: Literal["greedy", "softmax"] = "greedy"
    """Greedy: ties drawn. Softmax of (Q - max Q) / (max(sd over actions, .01) temperature), sharpened by
    min((M + visits(s)) / (M + 1), 10)."""
    temperature: NonNegative = 1.0
    """Of the softmax rule."""

    def drawn(self) -> tuple[Any, ...]:
        """Return the parameters in the kernels' order."""
        scale = np.inf if self.visit_scale is None else self.visit_scale
        decay = Range(low=0.0, high=0.1) if self.preset else self.epsilon_decay
        return (
            *(self.alpha, self.gamma, self.epsilon, decay, self.epsilon_floor, self.bonus, self.initial, scale),
            *(self.temperature, float(self.rule == "greedy" and not self.preset), float(self.preset is not None)),
        )

    def memory_size(self, n_states: int, n_actions: int, together: int = 1) -> int:
        """Q (n, a), visits (n, a), visits (n), and room to work in (2 a)."""
        return 2 * n_states * n_actions + n_states + 2 * n_actions


@kernel(allocates=False)
def start(rng, parameters, memory, n_states, n_actions, length):
    """Draw the preset's coin and fill Q with its initial value and all visits with 1."""
    if parameters[_PRESET] > 0.0:
        if uniform(rng) < 0.5:
            parameters[_ALPHA], parameters[_GAMMA] = 0.01, between(rng, 0.9, 0.99)
            parameters[_EPSILON], parameters[_SCALE] = 0.0, np.float64(length)
        else:
            parameters[_ALPHA], parameters[_GAMMA] = 0.01 * exponential(rng, 1.0), 0.99
            parameters[_EPSILON], parameters[_SCALE] = between(rng, 0.1, 0.5), between(rng, 100.0, np.float64(length))
        parameters[_INITIAL] = 1.0
    size = n_states * n_actions
    parameters[_SIZE] = size
    parameters[_DECAY] /= size
    if parameters[_INITIAL] > 0.0:
        parameters[_INITIAL] /= max(1.0 - parameters[_GAMMA], 1e-3)
    for i in range(size):
        memory[i] = parameters[_INITIAL]
    for i in range(size, 2 * size + n_states):
        memory[i] = 1.0


@kernel(inline=True)
def choose(rng, parameters, memory, optimal, state, step, n_actions):
    """Return (action, tag): a noise step with probability epsilon, else greedy or softmax."""
    if scheduled(rng, parameters[_EPSILON], parameters[_DECAY], parameters[_FLOOR], step):
        return below(rng, n_actions), _RANDOM
    first = state * n_actions
    if parameters[_BONUS] > 0.0:
        first, q = memory.shape[0] - n_actions, first
        visits = np.int64(parameters[_SIZE]) + q
        for a in range(n_actions):
            memory[first + a] = memory[q + a] + parameters[_BONUS] / square_root(memory[visits + a])
    if parameters[_GREEDY] > 0.0:
        return argmax(rng, memory, first, n_actions), _Q_LEARNING
    return _softmax(rng, parameters, memory, first, state, n_actions), _Q_LEARNING


@kernel(allocates=False)
def _softmax(rng, parameters, memory, first, state, n_actions):
    mean, square, best = 0.0, 0.0, -np.inf
    for a in range(n_actions):
        mean += memory[first + a]
        best = max(best, memory[first + a])
    mean /= n_actions
    for a in range(n_actions):
        square += (memory[first + a] - mean) * (memory[first + a] - mean)
    spread = max(square_root(square / n_actions), 0.01) * max(parameters[_TEMPERATURE], 1e-6)
    sharpness, visits_of_states = 1.0, 2 * np.int64(parameters[_SIZE])
    if parameters[_SCALE] < np.inf:
        visits = memory[visits_of_states + state]
        sharpness = min((parameters[_SCALE] + visits) / (parameters[_SCALE] + 1.0), 10.0)
    room = memory.shape[0] - 2 * n_actions
    return softmax_action(rng, memory, first, room, n_actions, best, sharpness / spread)


@kernel(inline=True)
def learn(parameters, memory, state, action, reward, next_state, end, n_actions):
    """Update Q and visits by one step."""
    size = np.int64(parameters[_SIZE])
    cell = state * n_actions + action
    visits = memory[size + cell]
    target = reward
    if end != _TERMINATED:
        best = memory[next_state * n_actions]
        for a in range(1, n_actions):
            best = max(best, memory[next_state * n_actions + a])
        target += parameters[_GAMMA] * best
    rate = parameters[_ALPHA]
    if parameters[_SCALE] < np.inf:
        rate *= square_root(max((parameters[_SCALE] + 1.0) / (parameters[_SCALE] + visits), 0.001))
    memory[cell] += rate * (target - memory[cell])
    memory[size + cell] += 1.0
    memory[2 * size + state] += 1.0
