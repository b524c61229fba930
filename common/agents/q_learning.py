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

u = np.uint64
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
        """Q (n, a), visits (n, a), visits (n), max Q (n), and room to work in (2 a)."""
        return 2 * n_states * n_actions + 2 * n_states + 2 * n_actions

    def learned(self, parameters: np.ndarray, memory: np.ndarray, n_states: int, n_actions: int) -> np.ndarray:
        """Return a copy of Q, (n, a)."""
        return memory[: n_states * n_actions].reshape(n_states, n_actions).copy()


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
    for i in range(2 * size + n_states, 2 * size + 2 * n_states):
        memory[i] = parameters[_INITIAL]


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
    if n_actions == 5:
        return _softmax(rng, parameters, memory, first, state, 5), _Q_LEARNING
    return _softmax(rng, parameters, memory, first, state, n_actions), _Q_LEARNING


@kernel(inline=True)
def _softmax(rng, parameters, memory, first, state, n_actions):
    best = memory[u(first)]
    for a in range(1, n_actions):
        best = max(best, memory[u(first + a)])
    total, squares = 0.0, 0.0
    for a in range(n_actions):
        below_best = memory[u(first + a)] - best
        total += below_best
        squares += below_best * below_best
    variance = max(squares - total * total / n_actions, 0.0) / n_actions
    spread = max(square_root(variance), 0.01) * max(parameters[_TEMPERATURE], 1e-6)
    sharpness = 1.0
    if parameters[_SCALE] < np.inf:
        visits = memory[u(2 * np.int64(parameters[_SIZE]) + state)]
        sharpness = min((parameters[_SCALE] + visits) / (parameters[_SCALE] + 1.0), 10.0)
    room = memory.shape[0] - 2 * n_actions
    return softmax_action(rng, memory, first, room, n_actions, best, sharpness / spread)


@kernel(inline=True)
def learn(parameters, memory, state, action, reward, first, last, end, n_actions):
    """Update Q and visits by the steps of rows ``first`` to ``last`` - 1."""
    if n_actions == 5:  # the paper's: with a number known to the compiler the loops over actions vanish
        _update(parameters, memory, state, action, reward, first, last, end, 5)
    else:
        _update(parameters, memory, state, action, reward, first, last, end, n_actions)


@kernel(inline=True)
def _update(parameters, memory, state, action, reward, first, last, end, n_actions):
    """Update step by step; the sum is ordered so that a step waits for no more of the one before than its max Q."""
    size, gamma, alpha, scale = np.int64(parameters[_SIZE]), parameters[_GAMMA], parameters[_ALPHA], parameters[_SCALE]
    now, best = np.int64(state[u(first)]), 2 * size + size // n_actions
    for t in range(first, last):
        following, taken = np.int64(state[u(t + 1)]), np.int64(action[u(t)])
        cell = now * n_actions + taken
        rate, visits = alpha, memory[u(size + cell)]
        if scale < np.inf:
            rate *= square_root(max((scale + 1.0) / (scale + visits), 0.001))
        others = -np.inf
        for a in range(n_actions):
            others = max(others, -np.inf if a == taken else memory[u(now * n_actions + a)])
        ahead = rate * gamma if t + 1 < last or end != _TERMINATED else 0.0
        value = (memory[u(cell)] + rate * (np.float64(reward[u(t)]) - memory[u(cell)])) + ahead * memory[
            u(best + following)
        ]
        memory[u(cell)] = value
        memory[u(best + now)] = max(others, value)
        memory[u(size + cell)] = visits + 1.0
        memory[u(2 * size + now)] += 1.0
        now = following
