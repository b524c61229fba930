"""What scores are measured against: what the oracle and random play earn in a world, exact or measured.

Exact, by dynamic programming, where the model is known: the oracle is the optimal policy of discount .994 on the
rewards that count, uniform over ties. Per step = expected return / expected length of an episode of ceil(max_steps)
steps: an episode follows the other, so this ratio is what a long run earns per step (renewal-reward theorem).
Elsewhere both are means over episodes played, with their standard errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from common.dataset.schema import DISCOUNTS
from common.worlds import World, solve
from common.worlds.returns import episode_return
from common.worlds.solve import optimal_actions
from trainer.evaluation.task import Task

SMALLEST_GAP = 0.01
"""A world counts by step where oracle - random per step is at least this share of the range of expected reward."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """What scores of one world are measured against."""

    name: str
    oracle_return: float
    """Expected return of an episode."""
    oracle_length: float
    random_return: float
    random_length: float
    reward_range: float
    """Largest less smallest expected reward over live (state, action); of rewards seen where the model is unknown."""
    oracle_error: float = 0.0
    """Standard error of ``oracle_return``; 0 where it is exact."""
    random_error: float = 0.0
    how: str = "exact"
    """``exact``, or how oracle and random play were measured."""
    q: np.ndarray | None = None
    """(n, a) float64: Q* of discount .994, by the player's actions; None where the model is unknown."""
    oracle_policy: np.ndarray | None = None
    """(n, a) float64: uniform over optimal actions; over all at terminal states. None where the model is unknown."""

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

    @property
    def gap(self) -> float:
        """Oracle less random per episode."""
        return self.oracle_return - self.random_return


def reference(task: Task) -> Reference:
    """Solve a task's world exactly."""
    return _ordered(solved(task.name, task.scored), task)


def references(tasks: Sequence[Task]) -> list[Reference]:
    """Solve the worlds of tasks exactly, each once however often it was relabelled."""
    known: dict[int, Reference] = {}
    for task in tasks:
        if id(task.scored) not in known:
            known[id(task.scored)] = solved(task.name, task.scored)
    return [_ordered(replace(known[id(task.scored)], name=task.name), task) for task in tasks]


def _ordered(of_base: Reference, task: Task) -> Reference:
    """Return a base world's reference by the actions of a task."""
    assert of_base.q is not None and of_base.oracle_policy is not None
    return replace(of_base, q=of_base.q[:, task.actions], oracle_policy=of_base.oracle_policy[:, task.actions])


def solved(name: str, world: World) -> Reference:
    """Return the exact reference of a world, by its own actions."""
    q = solve(world, DISCOUNTS[-1])
    best = optimal_actions(q).astype(np.float64)
    best[world.terminal] = 1.0
    oracle = best / best.sum(axis=1, keepdims=True)
    oracle_return, oracle_length = episode_return(world, oracle)
    random_return, random_length = episode_return(world, np.full_like(oracle, 1.0 / world.n_actions))
    expected = _expected_rewards(world)
    return Reference(
        name=name,
        oracle_return=oracle_return,
        oracle_length=oracle_length,
        random_return=random_return,
        random_length=random_length,
        reward_range=float(expected.max() - expected.min()),
        q=q,
        oracle_policy=oracle,
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


def told(references: Sequence[Reference]) -> dict[str, Any]:
    """Return what results say about the references of a suite: means over worlds, and the largest errors."""
    facts: dict[str, Any] = {"how": references[0].how}
    for who in ("oracle", "random"):
        facts[f"{who}_return"] = float(np.mean([getattr(r, f"{who}_return") for r in references]))
        facts[f"{who}_error"] = float(np.max([getattr(r, f"{who}_error") for r in references]))
        facts[f"{who}_length"] = float(np.mean([getattr(r, f"{who}_length") for r in references]))
    return facts


def _expected_rewards(world: World) -> np.ndarray:
    """Return the expected reward of every live (state, action), flat float64."""
    rows = np.repeat(np.arange(len(world.row_start) - 1), np.diff(world.row_start))
    total = np.bincount(rows, weights=world.probability * world.reward, minlength=len(world.row_start) - 1)
    return total[np.repeat(~world.terminal, world.n_actions)]
