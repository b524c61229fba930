"""Model-based behaviours: optimistic Thompson sampling on a learned model, with noise, and drifting into an oracle."""
# mypy: disable-error-code="no-untyped-def"

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from common.agents import model
from common.agents.behaviour import Behaviour
from common.agents.choice import from_mask, scheduled
from common.dataset.schema import DISCOUNTS, Tag
from common.draw import NonNegative, Range, Real, Share
from common.kernels import kernel
from common.random import below, between, exponential, uniform

u = np.uint64
_MODEL_BASED, _RANDOM, _TERMINATED = int(Tag.MODEL_BASED), int(Tag.RANDOM), int(Tag.TERMINATED)
_OPTIMISM, _GAMMA, _NOISE, _DECAY, _FLOOR, _PRESET, _ORACLE, _SHARE, _GROWTH, _CEILING, _PLACE = range(11)


class ModelBased(Behaviour):
    """Optimistic Thompson sampling (Hu et al., 2023) on counts; tag 4, 6 on noise steps.

    At an episode's end ``common.agents.model`` estimates the world and sweeps the values once. Between, it takes the
    action of the largest Q(s,a) + b(s,a) U(0,1), b = optimism / (1 - gamma) * spread / sqrt(visits(s,a)), a fresh U
    for every action and step.
    """

    code: ClassVar[int] = 5
    shares_memory: ClassVar[bool] = True
    kind: Literal["model-based"] = "model-based"
    preset: Literal["anymdp"] | None = None
    """``anymdp``: the parameters of the AnyMDP specification, its coin included; then no other setting is given."""
    optimism: NonNegative = 0.005
    """c, the weight of the bonus."""
    gamma: Share = 0.99
    """Discount."""
    epsilon: Share = 0.0
    """Share of noise steps at the sequence's start; a noise step is a uniform action."""
    epsilon_decay: NonNegative = 0.0
    """Epsilon falls by this much / (n_states n_actions) a step."""
    epsilon_floor: Share = 0.0
    """Epsilon does not fall below this."""

    def drawn(self) -> tuple[Any, ...]:
        """Return the parameters in the kernels' order."""
        decay = Range(low=0.0, high=0.1) if self.preset else self.epsilon_decay
        noise = (self.epsilon, decay, self.epsilon_floor)
        return (self.optimism, self.gamma, *noise, float(self.preset is not None), 0.0, 0.0, 0.0, 0.0)

    def memory_size(self, n_states: int, n_actions: int, together: int = 1) -> int:
        """A model, with a value function for each behaviour that shares it."""
        return model.memory_size(n_states, n_actions, together)

    def learned(self, parameters: np.ndarray, memory: np.ndarray, n_states: int, n_actions: int) -> np.ndarray:
        """Return a copy of Q, (n, a), as of the last episode's end."""
        return model.learned(memory, int(parameters[_PLACE]), n_actions)[1]


class ModelBasedToOracle(Behaviour):
    """The model-based learner that drifts into an oracle; the defaults are the AnyMDP specification's.

    Each step is first noise with its probability (a uniform action, tag 6), else the oracle with its probability
    (tag: the oracle's), else the learner (tag 4).
    """

    code: ClassVar[int] = 5
    needs_optimal: ClassVar[bool] = True
    shares_memory: ClassVar[bool] = True
    kind: Literal["model-based-to-oracle"] = "model-based-to-oracle"
    preset: Literal["anymdp"] | None = None
    """``anymdp``: the parameters of the AnyMDP specification; then only the oracle is given."""
    oracle: int = Field(default=3, ge=0, lt=len(DISCOUNTS))
    """Which oracle, its tag at the same time: 0..3 for discounts 0, .5, .93, .994."""
    optimism: NonNegative = 0.005
    """The learner's c, the weight of its bonus."""
    gamma: Share = 0.99
    """The learner's discount."""
    noise: Share = Range(low=0.0, high=1.0)
    """Share of noise steps at the sequence's start."""
    noise_decay: NonNegative = Range(low=0.0, high=0.1)
    """It falls by this much / (n_states n_actions) a step."""
    noise_end: Real = Range(low=-0.5, high=0.5)
    """But not below this; an end above the start takes effect after the first step."""
    share: Real = Range(low=-2.0, high=-0.5)
    """The oracle's share of the other steps at the sequence's start; below 0 is a delay."""
    share_growth: NonNegative = Range(low=0.0, high=0.1)
    """It rises by this much / (n_states n_actions) a step."""
    share_end: Real = Range(low=0.0, high=0.2)
    """But not above this."""

    def drawn(self) -> tuple[Any, ...]:
        """Return the parameters in the kernels' order."""
        noise = (self.noise, self.noise_decay, self.noise_end)
        share = (self.share, self.share_growth, self.share_end)
        return (self.optimism, self.gamma, *noise, 0.0, float(self.oracle), *share)

    def memory_size(self, n_states: int, n_actions: int, together: int = 1) -> int:
        """A model, with a value function for each behaviour that shares it."""
        return model.memory_size(n_states, n_actions, together)

    def learned(self, parameters: np.ndarray, memory: np.ndarray, n_states: int, n_actions: int) -> np.ndarray:
        """Return a copy of Q, (n, a), as of the last episode's end."""
        return model.learned(memory, int(parameters[_PLACE]), n_actions)[1]


@kernel(allocates=False)
def start(rng, parameters, memory, symbol, n_actions, length):
    """Draw the preset's coin, begin the model if no other behaviour has, ask it for the discount's values."""
    if parameters[_PRESET] > 0.0:
        if uniform(rng) < 0.5:
            parameters[_GAMMA], parameters[_NOISE] = between(rng, 0.9, 0.99), 0.0
        else:
            parameters[_OPTIMISM], parameters[_GAMMA] = 0.005 * exponential(rng, 1.0), 0.99
            parameters[_NOISE] = between(rng, 0.1, 0.5)
    if memory[0] == 0.0:
        model.begin(memory, symbol, n_actions)
    size = symbol.shape[0] * n_actions
    parameters[_DECAY] /= size
    parameters[_GROWTH] /= size
    parameters[_OPTIMISM] /= max(1.0 - parameters[_GAMMA], 1e-3)
    parameters[_PLACE] = model.value_function(memory, parameters[_GAMMA], n_actions)


@kernel(inline=True)
def choose(rng, parameters, memory, optimal, state, step, n_actions):
    """Return (action, tag)."""
    if scheduled(rng, parameters[_NOISE], parameters[_DECAY], parameters[_FLOOR], step):
        return below(rng, n_actions), _RANDOM
    share = parameters[_SHARE]
    if step > 0:
        share = min(parameters[_CEILING], share + parameters[_GROWTH] * step)
    if share > 0.0 and uniform(rng) < share:
        oracle = int(parameters[_ORACLE])
        return from_mask(rng, optimal[oracle, state], n_actions), oracle
    return _optimistic(rng, parameters, memory, state, n_actions), _MODEL_BASED


@kernel(inline=True)
def _optimistic(rng, parameters, memory, state, n_actions):
    scale, first = parameters[_OPTIMISM] * model.spread(memory), state * n_actions
    q = model.action_values(memory, np.int64(parameters[_PLACE]), n_actions) + model.STRIDE * first
    root = model.roots(memory) + model.ROOT_STRIDE * first
    best, found = -np.inf, 0
    for a in range(n_actions):
        value = memory[u(q + model.STRIDE * a)] + scale * memory[u(root + model.ROOT_STRIDE * a)] * uniform(rng)
        found = a if value > best else found
        best = max(best, value)
    return np.int64(found)


@kernel(allocates=False)
def learn(parameters, memory, state, action, reward, first, last, end, n_actions):
    """Take the steps of rows ``first`` to ``last`` - 1 into the model; at an episode's end learn from it."""
    model.replay(memory, state, action, reward, first, last, n_actions)
    if end != 0:
        model.end_episode(memory, np.int64(state[last]), end == _TERMINATED, n_actions)
