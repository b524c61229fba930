"""Learners that count and plan, or count and bootstrap, one a context, thousands of contexts a call.

UCB value iteration, posterior sampling and conservative Q-learning plan anew where an episode ends and after ``every``
steps; Q-learning with an upper confidence bound moves one value a step.
"""
# mypy: disable-error-code="no-untyped-def"

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from common.agents.counts import BEGUN, ENTRIES, KNOWN, NUMBER, TERMINAL, VISITS, Counts, count, longer, met, spread
from common.agents.planning import CONSERVATIVE_Q, GAMMA, POSTERIOR_SAMPLING, UCB_VALUE_ITERATION, Workspace, plan
from common.config import Settings
from common.kernels import kernel
from common.maths import log
from common.random import below, generator, uniform

_UCB_Q = 3
_ALPHA, _BONUS = 2, 3
_EPSILON = 5


class Learner(Settings):
    """Base of the learners' settings."""

    code: ClassVar[int]
    gamma: float = Field(default=0.95, ge=0.0, lt=1.0)
    """Discount."""
    epsilon: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of uniform actions."""
    every: int = Field(default=32, ge=1)
    """Steps after which it plans anew within an episode."""
    restart: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the next episode's value that a terminal state has: play goes on there, though the episode does not."""

    def own(self) -> tuple[float, ...]:
        """Return its own parameters, at most three, in the kernels' order."""
        raise NotImplementedError

    def parameters(self) -> np.ndarray:
        """Return all parameters in the kernels' order."""
        own = np.zeros(3)
        own[: len(self.own())] = self.own()
        return np.array([self.gamma, self.restart, *own, self.epsilon])


class UcbValueIteration(Learner):
    """Value iteration on the mean model with bonus / sqrt(visits) on every reward (UCB-VI, Azar et al., 2017).

    What was never tried is worth (largest mean reward + bonus) / (1 - gamma), which no value exceeds.
    """

    code: ClassVar[int] = UCB_VALUE_ITERATION
    bonus: float = Field(default=0.1, ge=0.0)
    """In units of the range of the rewards met."""

    def own(self) -> tuple[float, ...]:
        """Return the bonus."""
        return (self.bonus,)


class PosteriorSampling(Learner):
    """Acts optimally in a world drawn from the posterior (Strens, 2000; Osband et al., 2013).

    Successors: Dirichlet over those met, and ``prior`` more of a state drawn from all met. Mean rewards: normal, of a
    normal-gamma prior that counts ``prior`` steps, so that a reward seen to be certain is soon taken for certain.
    """

    code: ClassVar[int] = POSTERIOR_SAMPLING
    prior: float = Field(default=0.5, gt=0.0)
    """Weight of the prior, in visits."""
    deviation: float = Field(default=0.5, ge=0.0)
    """Of rewards around their mean, as the prior has it, in units of the range of the rewards met."""
    hope: float = 0.0
    """The prior's mean reward less that of all steps, in units of the range of the rewards met."""

    def own(self) -> tuple[float, ...]:
        """Return weight, deviation and hope."""
        return self.prior, self.deviation, self.hope


class ConservativeQ(Learner):
    """Conservative Q-learning (Kumar et al., 2020) in tables: whole sweeps over all steps counted so far.

    A sweep moves Q(s,a) of what was met by ``rate`` towards its mean target, and Q(s,.) of states met against
    ``weight`` (softmax Q(s,.) - share of each action in the data): what the data does not show is not hoped for. It is
    given steps of somebody else's beforehand (``Learners.teach``), then learns on from its own.
    """

    code: ClassVar[int] = CONSERVATIVE_Q
    rate: float = Field(default=0.5, gt=0.0, le=1.0)
    """Step size of a sweep."""
    weight: float = Field(default=0.1, ge=0.0)
    """Of the penalty, in units of the range of the rewards met."""

    def own(self) -> tuple[float, ...]:
        """Return step size and weight."""
        return self.rate, self.weight


class UcbQ(Learner):
    """Q-learning that takes the action of the largest Q(s,a) + bonus sqrt(log(1 + visits(s)) / visits(s,a)).

    An action never taken in a state comes first (UCB1, Auer et al., 2002).
    """

    code: ClassVar[int] = _UCB_Q
    alpha: float = Field(default=0.2, gt=0.0, le=1.0)
    """Step size, never under 1 / visits(s,a)."""
    bonus: float = Field(default=0.1, ge=0.0)
    """In units of the range of the rewards met."""

    def own(self) -> tuple[float, ...]:
        """Return step size and bonus."""
        return self.alpha, self.bonus


class Learners:
    """A learner in each of C contexts.

    Args:
        how: Settings of all of them.
        n_actions: (C,) actions of each context.
        symbols: What is seen is 0..symbols-1.
        seeds: C seeds in [0, 2**64) of their draws.
    """

    def __init__(self, how: Learner, n_actions: np.ndarray, symbols: int, seeds: Sequence[int]) -> None:
        self.how, self.n_actions = how, n_actions.astype(np.int64)
        self.counts = Counts(len(n_actions), symbols, int(n_actions.max()))
        self.q: np.ndarray = np.zeros(self.counts.tables[VISITS].shape)
        """(C, S, A) as of each one's last plan, or step."""
        self._parameters, self._work = how.parameters(), Workspace()
        self._random = np.concatenate([generator(seed) for seed in seeds])
        self._since = np.zeros(len(n_actions), dtype=np.int64)
        self._fresh = np.ones(len(n_actions), dtype=np.bool_)

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return an action of each context, (C,) int64, on symbols (C,)."""
        self._make_room(1)
        actions = np.empty(len(self.n_actions), dtype=np.int64)
        seen = observation.astype(np.int64)
        state = (self._fresh, self._random, self.q, actions)
        _act_all(self.how.code, self._parameters, seen, self.n_actions, tuple(self.counts.tables), state)
        return actions

    def observe(
        self,
        observation: np.ndarray,
        actions: np.ndarray,
        reward: np.ndarray,
        reached: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
    ) -> None:
        """Learn from a step of every context, (C,) each; ``reached`` is terminal or cut where an episode ended."""
        self._make_room(1)
        seen = (observation.astype(np.int64), actions.astype(np.int64), reward.astype(np.float64))
        came = (reached.astype(np.int64), terminated, truncated)
        state = (self._fresh, self._since, self._random, self.q, self._room())
        code, every, tables = self.how.code, self.how.every, tuple(self.counts.tables)
        _observe_all(code, every, self._parameters, seen, came, self.n_actions, tables, state)

    def teach(self, context: int, observation: np.ndarray, action: np.ndarray, reward: np.ndarray, ends: np.ndarray):
        """Count somebody else's rows (T,) in one context, and plan on them.

        Args:
            context: Which.
            observation: Symbols; a break's is the terminal or cut one.
            action: What was done.
            reward: What it paid.
            ends: int64: 0 for a step, 1 for a break that terminated, 2 for one that truncated the episode.
        """
        self._make_room(len(ends))
        rows = (observation.astype(np.int64), action.astype(np.int64), reward.astype(np.float64), ends.astype(np.int64))
        _teach(context, rows, tuple(self.counts.tables))
        self.plan(context)

    def plan(self, context: int) -> None:
        """Plan anew in one context, where it is a planner."""
        if self.how.code != _UCB_Q:
            random, n = self._random[context : context + 1], int(self.n_actions[context])
            tables = tuple(self.counts.tables)
            plan(self.how.code, self._parameters, random, tables, context, n, self.q[context], self._room())

    def _make_room(self, steps: int) -> None:
        if self.counts.make_room(steps):
            self.q = longer(self.q, self.counts.states)

    def _room(self) -> tuple[np.ndarray, ...]:
        entries = int(self.counts.tables[ENTRIES].max()) + 2
        return self._work.make_room(self.counts.states, self.q.shape[2], entries)


@kernel(allocates=False)
def _act_all(code, parameters, seen, n_actions, tables, state):
    number, known, visits, begun = tables[NUMBER], tables[KNOWN], tables[VISITS], tables[BEGUN]
    fresh, random, q, actions = state
    for c in range(seen.shape[0]):
        rng = random[c : c + 1]
        s = met(number, known, c, seen[c])
        if fresh[c]:
            begun[c, s] += 1.0
            fresh[c] = False
        if parameters[_EPSILON] > 0.0 and uniform(rng) < parameters[_EPSILON]:
            actions[c] = below(rng, n_actions[c])
            continue
        here = 0.0
        for a in range(n_actions[c]):
            here += visits[c, s, a]
        unit = parameters[_BONUS] * spread(tables, c)
        best, ties = -np.inf, 0
        for a in range(n_actions[c]):
            value = q[c, s, a]
            if code == _UCB_Q:
                n = visits[c, s, a]
                value = value + unit * math.sqrt(log(1.0 + here) / n) if n > 0.0 else np.inf
            if value > best:
                best, ties, actions[c] = value, 1, a
            elif value == best:
                ties += 1
                if below(rng, ties) == 0:
                    actions[c] = a


@kernel(allocates=False)
def _observe_all(code, every, parameters, seen, came, n_actions, tables, state):
    observation, action, reward = seen
    reached, terminated, truncated = came
    number, known, visits = tables[NUMBER], tables[KNOWN], tables[VISITS]
    fresh, since, random, q, work = state
    for c in range(observation.shape[0]):
        s, a = met(number, known, c, observation[c]), action[c]
        following = TERMINAL if terminated[c] else met(number, known, c, reached[c])
        count(tables, c, s, a, reward[c], following)
        ended = terminated[c] or truncated[c]
        fresh[c] = ended
        if code == _UCB_Q:
            ahead = 0.0
            if following != TERMINAL:
                ahead = q[c, following, 0]
                for b in range(1, n_actions[c]):
                    ahead = max(ahead, q[c, following, b])
            rate = max(parameters[_ALPHA], 1.0 / visits[c, s, a])
            q[c, s, a] += rate * (reward[c] + parameters[GAMMA] * ahead - q[c, s, a])
            continue
        since[c] += 1
        if ended or since[c] >= every:
            since[c] = 0
            plan(code, parameters, random[c : c + 1], tables, c, n_actions[c], q[c], work)


@kernel(allocates=False)
def _teach(c, rows, tables):
    observation, action, reward, ends = rows
    number, known, begun = tables[NUMBER], tables[KNOWN], tables[BEGUN]
    for t in range(observation.shape[0]):
        if ends[t] == 0:
            s = met(number, known, c, observation[t])
            if t == 0 or ends[t - 1] != 0:
                begun[c, s] += 1.0
            if t + 1 < observation.shape[0]:
                following = TERMINAL if ends[t + 1] == 1 else met(number, known, c, observation[t + 1])
                count(tables, c, s, action[t], reward[t], following)
