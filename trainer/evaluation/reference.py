"""Exact references of a world: what the oracle and random play earn, by dynamic programming.

The oracle is the optimal policy of discount .994 on the rewards that count, uniform over ties. Per step = expected
return / expected length of an episode of ceil(max_steps) steps: an episode follows the other, so this ratio is what a
long run earns per step (renewal-reward theorem).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.dataset.schema import DISCOUNTS
from common.worlds import World, solve
from common.worlds.returns import episode_return
from common.worlds.solve import optimal_actions
from trainer.evaluation.task import Task

SMALLEST_GAP = 0.01
"""A world counts by step where oracle - random per step is at least this share of the range of expected reward."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What scores of one world are measured against."""

    name: str
    oracle_return: float
    """Expected return of an episode."""
    oracle_length: float
    random_return: float
    random_length: float
    reward_range: float
    """Largest less smallest expected reward over live (state, action)."""
    q: np.ndarray
    """(n, a) float64: Q* of discount .994."""
    oracle_policy: np.ndarray
    """(n, a) float64: uniform over optimal actions; over all at terminal states."""
    unshaped: np.ndarray | None
    """(n, a, n) float64: rewards that count, where the shown ones are shaped."""
    goal: np.ndarray | None

    @property
    def oracle_per_step(self) -> float:
        """Reward per step of the oracle."""
        return self.oracle_return / self.oracle_length

    @property
    def random_per_step(self) -> float:
        """Reward per step of uniform random play."""
        return self.random_return / self.random_length

    @property
    def gap_per_step(self) -> float:
        """Oracle less random per step; may be negative, though an oracle's discounted return never is the smaller."""
        return self.oracle_per_step - self.random_per_step


def reference(task: Task) -> Reference:
    """Solve a task's world exactly."""
    world = task.scored
    q = solve(world, DISCOUNTS[-1])
    best = optimal_actions(q).astype(np.float64)
    best[world.terminal] = 1.0
    oracle = best / best.sum(axis=1, keepdims=True)
    uniform = np.full_like(oracle, 1.0 / world.n_actions)
    oracle_return, oracle_length = episode_return(world, oracle)
    random_return, random_length = episode_return(world, uniform)
    expected = _expected_rewards(world)
    return Reference(
        name=task.name,
        oracle_return=oracle_return,
        oracle_length=oracle_length,
        random_return=random_return,
        random_length=random_length,
        reward_range=float(expected.max() - expected.min()),
        q=q,
        oracle_policy=oracle,
        unshaped=None if task.unshaped is None else world.to_dense()["reward"],
        goal=task.goal,
    )


def counted_worlds(references: Sequence[Reference], smallest: float | None) -> np.ndarray:
    """Return which worlds' scores by step count, (W,) bool: those whose per-step gap is large enough to order.

    Args:
        references: One of each world.
        smallest: Smallest gap in units of reward (AnyMDP: .1); None: ``SMALLEST_GAP`` of each world's reward range.
    """
    gap = np.array([reference.gap_per_step for reference in references])
    limits = [SMALLEST_GAP * reference.reward_range if smallest is None else smallest for reference in references]
    return gap >= np.maximum(limits, 1e-12)


def _expected_rewards(world: World) -> np.ndarray:
    """Return the expected reward of every live (state, action), flat float64."""
    rows = np.repeat(np.arange(len(world.row_start) - 1), np.diff(world.row_start))
    total = np.bincount(rows, weights=world.probability * world.reward, minlength=len(world.row_start) - 1)
    return total[np.repeat(~world.terminal, world.n_actions)]
