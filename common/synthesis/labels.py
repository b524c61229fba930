"""What a sequence's targets need of its world: optimal actions as bit masks, oracle and random value of an episode."""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel
from common.worlds.evaluate import expected_rewards
from common.worlds.returns import episode_totals
from common.worlds.solve import solve_discounts

_ONE = np.uint64(1)


@kernel
def reference(world, probability, start_probabilities, n_actions, limit, discounts, known, optimal):
    """Fill ``optimal``, uint64 (D, n), with the optimal actions per discount (bit a is action a, ties complete).

    Returns the exact expected returns of an episode of at most ``limit`` steps: (of the last discount's oracle, which
    draws uniformly among ties, of the uniform policy). ``world`` is ``World.arrays()``, ``known`` is ``World.hints()``:
    it spares work where the world's family found some of this out before.
    """
    known_policy, known_at, known_oracle, known_random = known
    row_start, successor, _, reward, _, start_states, _, terminal = world
    n = terminal.shape[0]
    start = np.zeros(n)
    for i in range(start_states.shape[0]):
        start[start_states[i]] += start_probabilities[i]
    expected = expected_rewards(row_start, probability, reward)
    q = np.empty((discounts.shape[0], n * n_actions))
    solve_discounts(
        row_start, successor, probability, expected, terminal, n_actions, discounts, known_policy, known_at, q, optimal
    )
    last = discounts.shape[0] - 1
    if known_policy.shape[0] > 0 and discounts[last] == known_at and _is_unique(optimal[last]):
        return known_oracle, known_random
    best, uniform = np.zeros(n * n_actions), np.full(n * n_actions, 1.0 / n_actions)
    for s in range(n):
        mask, count = optimal[last, s], np.int64(0)
        for a in range(n_actions):
            count += np.int64((mask >> np.uint64(a)) & _ONE)
        for a in range(n_actions):
            if (mask >> np.uint64(a)) & _ONE:
                best[s * n_actions + a] = 1.0 / count
    oracle = episode_totals(row_start, successor, probability, expected, terminal, n_actions, best, start, limit)
    random = episode_totals(row_start, successor, probability, expected, terminal, n_actions, uniform, start, limit)
    return oracle[0], random[0]


@kernel
def label_restarts(world, probability, start_probabilities, n_actions, discounts, which, optimal):
    """Replace the optimal actions of the discounts of index ``which`` by those of a player whose life goes on.

    An episode's end is worth what the next episode's beginning is, gamma sum_s p0(s) V(s), instead of 0: the process
    that is played, where one episode follows the other at once. Truncation is not counted, as everywhere in labels.

    Args:
        world: ``World.arrays()``.
        probability: The world's.
        start_probabilities: The world's.
        n_actions: Number of actions a.
        discounts: (D,) float64.
        which: int64, some of 0..D-1.
        optimal: (D, n) uint64, rows ``which`` are written; 0 at terminal states.
    """
    row_start, successor, _, reward, _, start_states, _, terminal = world
    n = terminal.shape[0]
    expected = expected_rewards(row_start, probability, reward)
    starts, probabilities, rows = _joined(
        row_start, successor, probability, start_states, start_probabilities, terminal
    )
    q, bits = np.empty((which.shape[0], n * n_actions)), np.empty((which.shape[0], n), dtype=np.uint64)
    solve_discounts(
        rows, starts, probabilities, expected, terminal, n_actions, discounts[which], np.empty(0, dtype=np.int64), 0.0,
        q, bits,
    )  # fmt: skip
    for i in range(which.shape[0]):
        optimal[which[i]] = bits[i]


@kernel
def _joined(row_start, successor, probability, start_states, start_probabilities, terminal):
    """Return successors, their probabilities and where rows begin, each end replaced by the beginnings after it."""
    count = 0
    for k in range(successor.shape[0]):
        count += start_states.shape[0] if terminal[successor[k]] else 1
    joined, shares = np.empty(count, dtype=successor.dtype), np.empty(count)
    rows, place = np.empty_like(row_start), 0
    for row in range(row_start.shape[0] - 1):
        rows[row] = place
        for k in range(row_start[row], row_start[row + 1]):
            if terminal[successor[k]]:
                for i in range(start_states.shape[0]):
                    joined[place], shares[place] = start_states[i], probability[k] * start_probabilities[i]
                    place += 1
            else:
                joined[place], shares[place] = successor[k], probability[k]
                place += 1
    rows[row_start.shape[0] - 1] = place
    return joined, shares, rows


@kernel(allocates=False)
def _is_unique(optimal):
    """Return whether no state (0: terminal) has two optimal actions: then the oracle is the policy that is known."""
    several = np.uint64(0)
    for s in range(optimal.shape[0]):
        several |= optimal[s] & (optimal[s] - _ONE)
    return several == np.uint64(0)


@kernel(allocates=False)
def write_labels(optimal, terminal, symbol, preimage_start, preimage, out):
    """Fill ``out``, (D, V) of the dataset's oracle type: at a live state's symbol every id of every optimal action.

    0 elsewhere. A terminal state writes nothing, so that a bandit's end leaves the label of the symbol it shares.
    """
    out[:] = 0
    n_actions = preimage_start.shape[0] - 1
    for d in range(optimal.shape[0]):
        for s in range(terminal.shape[0]):
            if terminal[s]:
                continue
            mask = np.uint64(0)
            for a in range(n_actions):
                if (optimal[d, s] >> np.uint64(a)) & _ONE:
                    for i in range(preimage_start[a], preimage_start[a + 1]):
                        mask |= _ONE << np.uint64(preimage[i])
            out[d, symbol[s]] = mask
