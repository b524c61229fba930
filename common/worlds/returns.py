"""Exact expected return and length of an episode: a world and a policy in, two numbers out.

The distribution over live states is carried forward from the start for as many steps as the cap allows. It stops
early where nothing is left alive or the distribution no longer moves; what is left is then known. Costs about
entries(chain) * steps additions, 10 us for 16 states and 1 ms for 128.
"""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel
from common.worlds.evaluate import expected_rewards
from common.worlds.solve import policy_weights
from common.worlds.world import World

_NOTHING = 1e-25
"""Probability mass at a state that counts as none (denormals would cost 20 times)."""
_STILL = 1e-15
"""The distribution is stationary when it moves by less than this in a step (sum of absolute changes)."""


def episode_return(world: World, policy: np.ndarray, steps: int | None = None) -> tuple[float, float]:
    """Return the exact expected undiscounted return and length of one episode.

    Args:
        world: The world.
        policy: (n_states, n_actions) probabilities; rows of terminal states are not read.
        steps: Cut the episode after so many steps, >= 0; the world's cap, ceil(max_steps), unless given.

    Raises:
        ValueError: The policy has a wrong shape or rows that are no distributions, or ``steps`` is negative.
    """
    limit = world.episode_limit if steps is None else steps
    if limit < 0:
        raise ValueError(f"steps must be >= 0, got {limit}")
    weight = policy_weights(world, policy).reshape(-1)
    expected = expected_rewards(world.row_start, world.probability, world.reward)
    start = np.zeros(world.n_states)
    np.add.at(start, world.start_states, world.start_probabilities)
    rows = (world.row_start, world.successor, world.probability, expected, world.terminal)
    total, length = episode_totals(*rows, world.n_actions, weight, start, limit)
    return float(total), float(length)


@kernel
def episode_totals(row_start, successor, probability, expected, terminal, n_actions, weight, start, steps):
    """Return (expected return, expected length) of an episode cut after ``steps``.

    ``weight`` is the policy, flat float64 (n * a,); ``start`` the start distribution, float64 (n,).
    """
    n = terminal.shape[0]
    chain = np.zeros((n, n))
    paid = np.zeros(n)
    first, last = np.full(n, n), np.full(n, -1)
    for s in range(n):
        if terminal[s]:
            continue
        for a in range(n_actions):
            row = s * n_actions + a
            if weight[row] > 0.0:
                paid[s] += weight[row] * expected[row]
                for k in range(row_start[row], row_start[row + 1]):
                    j = np.int64(successor[k])
                    if not terminal[j]:
                        chain[s, j] += weight[row] * probability[k]
                        first[s], last[s] = min(first[s], j), max(last[s], j)
    total, length = 0.0, 0.0
    mass, moved = start.copy(), np.empty(n)
    for t in range(steps):
        gain, alive = 0.0, 0.0
        for s in range(n):
            moved[s] = 0.0
        for s in range(n):
            if mass[s] > _NOTHING and not terminal[s]:
                gain += mass[s] * paid[s]
                alive += mass[s]
                _spread(moved, chain[s], first[s], last[s], mass[s])
        change = 0.0
        for s in range(n):
            change += abs(moved[s] - mass[s])
        if alive == 0.0 or change < _STILL:
            return total + (steps - t) * gain, length + (steps - t) * alive
        total += gain
        length += alive
        mass, moved = moved, mass
    return total, length


@kernel(inline=True)
def _spread(target, row, first, last, mass):
    for j in range(np.uint64(first), np.uint64(last + 1)):
        target[j] += mass * row[j]
