"""Exact solutions: a world and a discount in, Q* out, by policy iteration over exact evaluations.

A few value sweeps give a good first policy, so some three linear solves follow, whatever the discount. The kernels
take plain flat arrays and go on from the policy and values they are given (warm start). Costs about 10 us for 16
states and 5 actions, under 1 ms for 128.
"""
# mypy: disable-error-code="no-untyped-def"

from collections.abc import Sequence

import numpy as np

from common.kernels import kernel
from common.worlds.discounts import TIE, improve, solve_discounts
from common.worlds.evaluate import backup, evaluate_choice, evaluate_mixture, expected_rewards
from common.worlds.world import World

_MOST_ACTIONS = 64


@kernel(allocates=False)
def sweep_values(row_start, successor, probability, expected, terminal, n_actions, discount, policy, value):
    """Improve ``value`` (n,) and ``policy`` (n,) in place by one sweep over states from last to first (Gauss-Seidel).

    Values of terminal states must be 0; their policy entry is left alone.
    """
    for s in range(terminal.shape[0] - 1, -1, -1):
        if not terminal[s]:
            best = -np.inf
            for a in range(n_actions):
                row = s * n_actions + a
                total = 0.0
                for k in range(np.uint64(row_start[row]), np.uint64(row_start[row + 1])):
                    total += probability[k] * value[successor[k]]
                total = expected[row] + discount * total
                if total > best:
                    best = total
                    policy[s] = a
            value[s] = best


@kernel
def policy_iteration(
    row_start, successor, probability, expected, terminal, n_actions, discount, sweeps, policy, value, q
):
    """Write the optimal policy (n,), values (n,) and Q (n * a, flat; terminal rows 0); return the evaluations made.

    ``policy`` and ``value`` are also where it starts; with ``sweeps`` = 0 ``value`` is not read. It ends when no action
    is better beyond rounding, or when the sum of values stops growing: that sum is a function of the policy, so no
    policy comes twice.
    """
    n = terminal.shape[0]
    for s in range(n):
        if terminal[s]:
            value[s] = 0.0
            policy[s] = 0
    for _ in range(sweeps):
        sweep_values(row_start, successor, probability, expected, terminal, n_actions, discount, policy, value)
    reached = -np.inf
    evaluations = 0
    while True:
        evaluate_choice(row_start, successor, probability, expected, terminal, n_actions, discount, policy, value)
        evaluations += 1
        backup(row_start, successor, probability, expected, discount, value, q)
        total = 0.0
        for s in range(n):
            total += value[s]
        if total <= reached or not improve(q, n_actions, policy):
            break
        reached = total
    for s in range(n):
        if not terminal[s]:
            value[s] = q[s * n_actions]
            for a in range(1, n_actions):
                value[s] = max(value[s], q[s * n_actions + a])
    return evaluations


def solve(world: World, discount: float = 0.994) -> np.ndarray:
    """Return Q*, float64 (n_states, n_actions), exact to rounding (1e-10 of max |Q|); terminal rows are 0.

    Raises:
        ValueError: The discount is not in [0, 1).
    """
    return solve_all(world, (discount,))[0]


def solve_all(world: World, discounts: Sequence[float]) -> np.ndarray:
    """Return Q* for each discount, float64 (D, n_states, n_actions), as ``solve`` does.

    Raises:
        ValueError: A discount is not in [0, 1).
    """
    return _solutions(world, discounts)[0]


def oracle_masks(world: World, discounts: Sequence[float]) -> np.ndarray:
    """Return the optimal actions of each discount's oracle, uint64 (D, n_states): bit a is action a, all ties set.

    Terminal states have no label: 0.

    Raises:
        ValueError: A discount is not in [0, 1), or the world has more than 64 actions.
    """
    if world.n_actions > _MOST_ACTIONS:
        raise ValueError(
            f"a bit mask holds at most {_MOST_ACTIONS} actions, the world has {world.n_actions}; "
            "use optimal_actions(solve(world, discount))"
        )
    return _solutions(world, discounts)[1]


def optimal_actions(q: np.ndarray) -> np.ndarray:
    """Return which actions are optimal, bool (n, a), ties within 1e-9 max(1, max |Q|) of the state included."""
    best = q.max(axis=1, keepdims=True)
    scale = np.maximum(np.abs(q).max(axis=1, keepdims=True), 1.0)
    return q >= best - TIE * scale


def evaluate_policy(world: World, policy: np.ndarray, discount: float) -> np.ndarray:
    """Return the exact value of a policy from each state, float64 (n_states,); terminal states 0.

    Args:
        world: The world.
        policy: (n_states, n_actions) probabilities; rows of terminal states are not read.
        discount: In [0, 1).

    Raises:
        ValueError: The discount is out of range, or a live state's probabilities do not sum to 1.
    """
    check_discount(discount)
    weight = policy_weights(world, policy)
    expected = expected_rewards(world.row_start, world.probability, world.reward)
    value = np.zeros(world.n_states)
    rows = (world.row_start, world.successor, world.probability, expected, world.terminal)
    evaluate_mixture(*rows, world.n_actions, float(discount), weight.reshape(-1), value)
    return value


def policy_weights(world: World, policy: np.ndarray) -> np.ndarray:
    """Return a policy as a float64 array (n_states, n_actions), checked.

    Raises:
        ValueError: Its shape is wrong, or a live state's probabilities are negative or do not sum to 1.
    """
    weight = np.ascontiguousarray(policy, dtype=np.float64)
    if weight.shape != (world.n_states, world.n_actions):
        raise ValueError(
            f"a policy has shape (n_states, n_actions) = {(world.n_states, world.n_actions)}, got {weight.shape}"
        )
    live = weight[~world.terminal]
    wrong = (live < 0.0).any(axis=1) | ~(np.abs(live.sum(axis=1) - 1.0) <= 1e-9)
    if wrong.any():
        raise ValueError(
            "a policy's probabilities are >= 0 and sum to 1 in every live state, got "
            f"{live[np.argmax(wrong)].tolist()}; normalise each row"
        )
    return weight


def check_discount(discount: float) -> None:
    """Raise ValueError unless 0 <= discount < 1."""
    if not 0.0 <= discount < 1.0:
        raise ValueError(f"a discount lies in [0, 1), got {discount}; for undiscounted returns use episode_return")


def _solutions(world: World, discounts: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    for discount in discounts:
        check_discount(discount)
    n, a = world.n_states, world.n_actions
    expected = expected_rewards(world.row_start, world.probability, world.reward)
    q = np.empty((len(discounts), n * a))
    bits = np.empty((len(discounts), n), dtype=np.uint64)
    rows = (world.row_start, world.successor, world.probability, expected, world.terminal)
    solve_discounts(*rows, a, np.array(discounts, dtype=np.float64), np.empty(0, dtype=np.int64), 0.0, q, bits)
    return q.reshape(-1, n, a), bits
