"""What the simple families pay and how they are screened: reward kinds, start states, the least gap to random play."""
# mypy: disable-error-code="no-untyped-def"

from typing import Literal

import numpy as np
from pydantic import Field

from common.config import Settings
from common.errors import NoWorldError
from common.kernels import kernel
from common.random import below, normal, uniform
from common.worlds.discounts import SWEEPS
from common.worlds.evaluate import evaluate_mixture, expected_rewards
from common.worlds.rows import reaching
from common.worlds.solve import policy_iteration

RewardKind = Literal["dense", "mixed", "sparse-goal", "goal-with-pits"]
KINDS = ("dense", "mixed", "sparse-goal", "goal-with-pits")
DENSE, MIXED, SPARSE_GOAL, GOAL_WITH_PITS = range(4)
GAP_DISCOUNT = 0.95
"""Discount at which ``min_gap`` compares the optimal with the uniformly random policy."""
ACCEPTED, UNREACHABLE, GAP, EVALUATION_MAP = range(4)
CHECKS = ("unreachable", "gap", "evaluation_map")


class Payoffs(Settings):
    """Settings that Garnet and gridworlds share."""

    reward_kind: RewardKind = "dense"
    """What pays: everything; a third of the states and a goal that may go on; one terminal goal; that and pits."""
    reward_scale: float | None = Field(default=None, gt=0.0)
    """Rewards are scaled so that the largest |reward| is this; unscaled where absent."""
    pit_share: float = Field(default=0.2, ge=0.0, le=0.8)
    """Chance of a state to be a pit (goal-with-pits only; one pit at least unless 0)."""
    start: Literal["fixed", "uniform"] = "fixed"
    """One start state, or uniform over live states (those that can reach the goal, where there is one)."""
    cap_factor: float | None = Field(default=None, gt=0.0)
    """Episodes are cut after so many steps per state; the cap of the AnyMDP specification where absent."""
    min_gap: float = Field(default=0.0, ge=0.0)
    """Candidates are dropped while V* - V_random at discount .95, averaged over starts, is below this."""
    most_candidates: int = Field(default=20_000, ge=1)
    """The settings are refused where none of so many candidates passes."""


@kernel
def draw_payoffs(rng, kind, pit_share, kept, pay, terminal):
    """Draw what arriving in a state pays (``pay``, float64 (n,)) and which states are ``terminal`` (bool (n,)).

    Returns (goal or -1, cost of a step). State ``kept`` is neither goal nor pit (-1: none is kept). Dense: N(0,1) per
    state. Mixed: N(0,1) / 2 in a third of the states, and a goal that pays 1 and is terminal half of the time.
    Sparse goal: a terminal goal pays 1. Goal with pits: also terminal pits, which pay 0 in half of the worlds and
    -U(0,1) in the others, and a step costs nothing in half of the worlds, U(0,.1) in the others.
    """
    n = pay.shape[0]
    pay[:] = 0.0
    terminal[:] = False
    if kind == DENSE:
        for s in range(n):
            pay[s] = normal(rng)
        return -1, 0.0
    goal = below(rng, n)
    while goal == kept:
        goal = below(rng, n)
    cost = 0.0
    if kind == MIXED:
        for s in range(n):
            if uniform(rng) < 1.0 / 3.0:
                pay[s] = 0.5 * normal(rng)
        terminal[goal] = uniform(rng) < 0.5
    else:
        terminal[goal] = True
    if kind == GOAL_WITH_PITS:
        fall = -uniform(rng) if uniform(rng) < 0.5 else 0.0
        cost = 0.1 * uniform(rng) if uniform(rng) < 0.5 else 0.0
        pits = 0
        for s in range(n):
            if s != goal and s != kept and uniform(rng) < pit_share:
                terminal[s], pay[s] = True, fall
                pits += 1
        if pits == 0 and pit_share > 0.0 and n > 2:
            s = below(rng, n)
            while s in (goal, kept):
                s = below(rng, n)
            terminal[s], pay[s] = True, fall
    pay[goal] = 1.0
    return goal, cost


@kernel
def screen(
    rng,
    row_start,
    successor,
    probability,
    reward,
    terminal,
    n_actions,
    goal,
    kept,
    start_uniform,
    reward_scale,
    min_gap,
    starts,
):
    """Scale the rewards (scale 0: not), draw the starts (int32 (n,)) and judge the candidate.

    Returns (verdict, number of starts); ``kept`` is the fixed start state, or -1 to draw one.
    """
    n = terminal.shape[0]
    if reward_scale > 0.0:
        largest = 0.0
        for k in range(row_start[-1]):
            largest = max(largest, abs(reward[k]))
        if largest > 0.0:
            for k in range(row_start[-1]):
                reward[k] *= reward_scale / largest
    good = np.ones(n, dtype=np.bool_)
    if goal >= 0:
        good = reaching(row_start, successor, terminal, n_actions, goal)
    count = 0
    for s in range(n):
        usable = good[s] and not terminal[s]
        if not start_uniform:
            usable = usable and s != goal and (kept < 0 or s == kept)
        if usable:
            starts[count] = s
            count += 1
    if count == 0:
        return UNREACHABLE, 0
    if not start_uniform:
        starts[0] = starts[below(rng, count)]
        count = 1
    if min_gap > 0.0:
        gap = mean_gap(row_start, successor, probability, reward, terminal, n_actions, starts[:count])
        if gap < min_gap:
            return GAP, 0
    return ACCEPTED, count


@kernel
def mean_gap(row_start, successor, probability, reward, terminal, n_actions, starts):
    """Return V* - V of the uniformly random policy at discount .95, averaged over the start states."""
    n = terminal.shape[0]
    expected = expected_rewards(row_start, probability, reward)
    policy, best, q = np.zeros(n, dtype=np.int64), np.zeros(n), np.empty(n * n_actions)
    policy_iteration(
        row_start,
        successor,
        probability,
        expected,
        terminal,
        n_actions,
        GAP_DISCOUNT,
        SWEEPS,
        policy,
        best,
        q,
    )
    weight, random = np.full(n * n_actions, 1.0 / n_actions), np.empty(n)
    evaluate_mixture(row_start, successor, probability, expected, terminal, n_actions, GAP_DISCOUNT, weight, random)
    total = 0.0
    for s in starts:
        total += best[s] - random[s]
    return total / starts.shape[0]


def refuse(family: str, settings: Payoffs, counts: np.ndarray) -> NoWorldError:
    """Return the error for settings that no candidate satisfied."""
    dropped = ", ".join(f"{name} {count}" for name, count in zip(CHECKS, counts.tolist(), strict=True))
    return NoWorldError(
        f"family {family!r}: none of {settings.most_candidates} candidates passed (dropped: {dropped}) "
        f"with {settings!r}; lower min_gap, raise reward_scale, or ask for more actions"
    )
