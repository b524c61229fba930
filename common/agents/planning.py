"""Planning on counts: three ways to make a model of them, and the values that follow from it.

A model is sparse rows in a workspace: of row = state A + action its reward, and its successors' probabilities from
``start[row]`` to ``start[row + 1]``. What follows a terminal state is nothing, or the next episode (``restart``).
"""
# mypy: disable-error-code="no-untyped-def"

import math

import numpy as np

from common.agents.counts import TERMINAL, spread
from common.kernels import kernel
from common.maths import exp, log
from common.random import below, normal, uniform

UCB_VALUE_ITERATION, POSTERIOR_SAMPLING, CONSERVATIVE_Q = 0, 1, 2
"""Planners by number."""
GAMMA, RESTART, FIRST_OWN, SECOND_OWN, THIRD_OWN = range(5)
"""Places of a planner's parameters: discount, share of the next episode's value at a terminal state, its own."""
TOLERANCE = 1e-3
"""Value iteration stops where a sweep changes no value by more than this times the rewards' range."""
SWEEPS = 200
"""Sweeps of one plan, at most; the next one goes on from its values."""
SOFT_SWEEPS = 60
"""Sweeps of a plan of conservative Q-learning."""


class Workspace:
    """Room for one context's model: S states, A actions, E entries; used by one context after the other."""

    def __init__(self) -> None:
        self.arrays = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), np.zeros(0))

    def make_room(self, states: int, actions: int, entries: int) -> tuple[np.ndarray, ...]:
        """Return start (S A + 1,), successor and probability (E + S A,), reward (S A,) and value (S,)."""
        rows = states * actions
        if len(self.arrays[0]) < rows + 1 or len(self.arrays[1]) < entries + rows:
            self.arrays = (
                np.zeros(rows + 1, dtype=np.int64),
                np.zeros(entries + rows, dtype=np.int64),
                np.zeros(entries + rows),
                np.zeros(rows),
                np.zeros(states),
            )
        return self.arrays


@kernel(allocates=False)
def plan(kind, parameters, rng, tables, c, n_actions, q, work):
    """Plan anew in context c: Q (S, A), as of its last plan, becomes that of this one."""
    if kind == UCB_VALUE_ITERATION:
        most = _hopeful(parameters, tables, c, n_actions, work)
    elif kind == POSTERIOR_SAMPLING:
        most = _sampled(parameters, rng, tables, c, n_actions, work)
    else:
        most = _mean(tables, c, n_actions, work)
    if kind == CONSERVATIVE_Q:
        for _ in range(SOFT_SWEEPS):
            _conservative_sweep(parameters, tables, c, n_actions, q, work)
    else:
        _iterate(parameters, tables, c, n_actions, most, q, work)


@kernel(allocates=False)
def _mean(tables, c, n_actions, work):
    """Make the model of what was counted; rows never tried have neither reward nor successors. Return inf."""
    _, known, visits, total, _, first, times, reached, after, _, _, _, _ = tables
    start, successor, probability, reward, _ = work
    k = 0
    for s in range(known[c] + 1):
        for a in range(n_actions):
            row, n = s * n_actions + a, max(visits[c, s, a], 1.0)
            start[row], reward[row] = k, total[c, s, a] / n
            e = first[c, s, a]
            while e > 0:
                successor[k], probability[k] = reached[c, e], times[c, e] / n
                k += 1
                e = after[c, e]
            start[row + 1] = k
    return np.inf


@kernel(allocates=False)
def _hopeful(parameters, tables, c, n_actions, work):
    """Make the mean model with bonus / sqrt(visits) on each reward; return what nothing can be worth more than.

    A row never tried is worth that much.
    """
    _mean(tables, c, n_actions, work)
    visits, reward = tables[2], work[3]
    bonus = parameters[FIRST_OWN] * spread(tables, c)
    best = 0.0
    for s in range(1, tables[1][c] + 1):
        for a in range(n_actions):
            if visits[c, s, a] > 0.0:
                row = s * n_actions + a
                best = max(best, reward[row])
                reward[row] += bonus / math.sqrt(visits[c, s, a])
    most = (best + bonus) / (1.0 - parameters[GAMMA])
    for s in range(1, tables[1][c] + 1):
        for a in range(n_actions):
            if visits[c, s, a] == 0.0:
                reward[s * n_actions + a] = most
    return most


@kernel(allocates=False)
def _sampled(parameters, rng, tables, c, n_actions, work):
    """Draw a model from the posterior; return inf.

    Successors: Dirichlet over those met, and ``prior`` more of one state drawn from all met. The mean reward of a row
    tried n times: normal around the mean met, of variance v / n, where v is the row's own, the mean within rows counted
    as one step more. Of one never tried: normal around the mean of all steps and ``hope``.
    """
    _, known, visits, total, squares, first, times, reached, after, entries, _, _, _ = tables
    start, successor, probability, reward, _ = work
    prior, unit = parameters[FIRST_OWN], spread(tables, c)
    overall, noise = _noise(tables, c, n_actions, parameters[SECOND_OWN] * unit)
    overall += parameters[THIRD_OWN] * unit
    ends = False
    for e in range(1, entries[c] + 1):
        ends = ends or reached[c, e] == TERMINAL
    k = 0
    for s in range(known[c] + 1):
        for a in range(n_actions):
            row, n = s * n_actions + a, visits[c, s, a]
            start[row] = k
            if n > 0.0:
                inside = max(squares[c, s, a] - total[c, s, a] * total[c, s, a] / n, 0.0)
                reward[row] = total[c, s, a] / n + math.sqrt(noise + inside) / n * normal(rng)
            else:
                reward[row] = overall + parameters[SECOND_OWN] * unit * normal(rng)
            whole = gamma(rng, prior)
            probability[k] = whole
            successor[k] = below(rng, known[c] + 1) if ends else 1 + below(rng, known[c])
            k += 1
            e = first[c, s, a]
            while e > 0:
                successor[k], probability[k] = reached[c, e], gamma(rng, times[c, e])
                whole += probability[k]
                k += 1
                e = after[c, e]
            start[row + 1] = k
            for entry in range(start[row], k):
                probability[entry] /= max(whole, 1e-300)
    return np.inf


@kernel(allocates=False)
def _noise(tables, c, n_actions, deviation):
    """Return the mean reward of all steps, and rewards' variance within rows: ``deviation`` squared counts once."""
    known, visits, total, squares = tables[1], tables[2], tables[3], tables[4]
    steps, paid, inside, free = 0.0, 0.0, deviation * deviation, 1.0
    for s in range(1, known[c] + 1):
        for a in range(n_actions):
            n = visits[c, s, a]
            if n > 0.0:
                steps += n
                paid += total[c, s, a]
                inside += max(squares[c, s, a] - total[c, s, a] * total[c, s, a] / n, 0.0)
                free += n - 1.0
    return paid / max(steps, 1.0), inside / free


@kernel(allocates=False)
def _iterate(parameters, tables, c, n_actions, most, q, work):
    """Iterate values in place, from those of ``q``, until they stand still."""
    known = tables[1][c]
    start, successor, probability, reward, value = work
    smallest = TOLERANCE * spread(tables, c)
    for s in range(1, known + 1):
        value[s] = q[s, 0]
        for a in range(1, n_actions):
            value[s] = max(value[s], q[s, a])
    for _ in range(SWEEPS):
        value[TERMINAL] = parameters[RESTART] * _beginning(tables, c, value)
        moved = 0.0
        for s in range(known, 0, -1):
            best = -np.inf
            for a in range(n_actions):
                row = s * n_actions + a
                ahead = 0.0
                for k in range(start[row], start[row + 1]):
                    ahead += probability[k] * value[successor[k]]
                q[s, a] = min(reward[row] + parameters[GAMMA] * ahead, most)
                best = max(best, q[s, a])
            moved = max(moved, abs(best - value[s]))
            value[s] = best
        if moved <= smallest:
            break


@kernel(allocates=False)
def _conservative_sweep(parameters, tables, c, n_actions, q, work):
    """Move Q towards its targets, and against what the data does not show."""
    visits, known = tables[2], tables[1][c]
    start, successor, probability, reward, value = work
    rate, scale = parameters[FIRST_OWN], spread(tables, c)
    weight = parameters[SECOND_OWN] * scale
    for s in range(1, known + 1):
        value[s] = q[s, 0]
        for a in range(1, n_actions):
            value[s] = max(value[s], q[s, a])
    value[TERMINAL] = parameters[RESTART] * _beginning(tables, c, value)
    for s in range(1, known + 1):
        there, hopes = 0.0, 0.0
        for a in range(n_actions):
            there += visits[c, s, a]
            hopes += exp((q[s, a] - value[s]) / scale)
        if there == 0.0:
            continue
        for a in range(n_actions):
            row = s * n_actions + a
            excess = exp((q[s, a] - value[s]) / scale) / hopes - visits[c, s, a] / there
            towards = 0.0
            if visits[c, s, a] > 0.0:
                for k in range(start[row], start[row + 1]):
                    towards += probability[k] * value[successor[k]]
                towards = reward[row] + parameters[GAMMA] * towards - q[s, a]
            q[s, a] += rate * (towards - weight * excess)


@kernel(inline=True)
def _beginning(tables, c, value):
    """Return the mean value of the states in which episodes began."""
    known, begun = tables[1][c], tables[12]
    episodes, total = 0.0, 0.0
    for s in range(1, known + 1):
        episodes += begun[c, s]
        total += begun[c, s] * value[s]
    return total / max(episodes, 1.0)


@kernel
def gamma(rng, shape):
    """Return a gamma variate of a shape > 0 and scale 1 (Marsaglia and Tsang, 2000)."""
    boost = 1.0
    if shape < 1.0:
        boost = exp(log(max(uniform(rng), 1e-300)) / shape)
        shape += 1.0
    d = shape - 1.0 / 3.0
    width = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal(rng)
        v = 1.0 + width * x
        if v > 0.0:
            v = v * v * v
            if log(max(uniform(rng), 1e-300)) < 0.5 * x * x + d - d * v + d * log(v):
                return boost * d * v
