"""One accepted AnyMDP world out of a generator: candidates are drawn into scratch arrays until one passes every test.

Source: the AnyMDP specification. Transitions and rewards are drawn again where a candidate is dropped; number of
states, episode cap and symbols only where the oracle of an accepted one earns less than random play.
"""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel
from common.random import below
from common.worlds.anymdp.acceptance import ACCEPTED, judge, oracle_earns_less
from common.worlds.anymdp.ends import START_RANKS, draw_starts, draw_terminals
from common.worlds.anymdp.rewards import adjust_bonus, draw_rewards, expected_rewards
from common.worlds.anymdp.transitions import draw_transitions
from common.worlds.shape import episode_cap, injection

REJECTIONS = ("bonus_not_ascending", "gain_too_small", "gini_too_small", "entropy_too_small", "oracle_below_random")
"""What a candidate can fail, in the order it is tested; counted at these indices by ``sample``."""
_BONUS, _ORACLE = 0, 4


@kernel
def sample(rng, least_states, most_states, n_actions, vocabulary, limit, rejections):
    """Draw candidates until one is accepted.

    Args:
        rng: Generator state.
        least_states: The number of states is uniform from this
        most_states: to this.
        n_actions: Number of actions.
        vocabulary: Number of symbols, at least ``most_states``.
        limit: Give up after so many candidates.
        rejections: (5,) int64, zeros; out: candidates dropped, by ``REJECTIONS``.

    Returns:
        T_E (0 where it gave up), symbol (n,) uint16, start (START_RANKS,), terminal (n,) bool, then sparse rows as
        ``World`` has them (row_start, successor, probability, cumulative, reward, noise), then mean (n * a,),
        noise (n * a,), mean_next (n,) and noise_next (n,) of the reward.
    """
    n, cap, symbol = _draw_shape(rng, least_states, most_states, vocabulary)
    size = most_states * n_actions
    start, bonus = np.empty(START_RANKS), np.empty(2)
    row = np.empty(most_states + size * most_states)
    base, first, last = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    band_from, band_to = np.empty(most_states, dtype=np.int64), np.empty(most_states, dtype=np.int64)
    mean, noise = np.empty(size), np.empty(size)
    expected, pit, goal, reward = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    value, policy = np.empty(most_states), np.empty(most_states, dtype=np.int64)
    table = np.empty(most_states * most_states)
    for _ in range(limit):
        rows = n * n_actions
        terminal, mean_next, noise_next = np.empty(n, dtype=np.bool_), np.empty(n), np.empty(n)
        draw_starts(rng, start)
        goal_ends = draw_terminals(rng, start, terminal)
        draw_transitions(rng, n_actions, terminal, band_from, band_to, base, row, first, last)
        draw_rewards(rng, n_actions, terminal, goal_ends, mean, noise, mean_next, noise_next)
        expected_rewards(n_actions, terminal, base, row, first, last, mean, mean_next, expected, pit, goal)
        if not adjust_bonus(
            rng, n_actions, start, terminal, goal_ends, base, row, first, last, expected, pit, goal,
            reward[:rows], value[:n], policy[:n], table, bonus,
        ):  # fmt: skip
            rejections[_BONUS] += 1
            continue
        verdict = judge(n_actions, cap, start, terminal, base, row, first, last, reward, value[:n], policy, table)
        if verdict != ACCEPTED:
            rejections[verdict] += 1
            continue
        if oracle_earns_less(n_actions, cap, start, terminal, base, row, first, last, reward, value[:n], policy, table):
            rejections[_ORACLE] += 1
            n, cap, symbol = _draw_shape(rng, least_states, most_states, vocabulary)
            continue
        for s in range(n):
            if terminal[s]:
                mean_next[s] += bonus[1] if s == n - 1 else bonus[0]
        if not terminal[n - 1]:
            mean_next[n - 1] += bonus[1]
        return (
            cap,
            symbol,
            start,
            terminal,
            pack(n_actions, band_from[:n], band_to, base, row, mean, noise, mean_next, noise_next),
            mean[:rows].copy(),
            noise[:rows].copy(),
            mean_next,
            noise_next,
        )
    empty = np.empty(0)
    nothing = pack(n_actions, band_from[:0], band_to, base, row, empty, empty, empty, empty)
    return 0.0, symbol, start, np.empty(0, dtype=np.bool_), nothing, empty, empty, empty, empty


@kernel
def _draw_shape(rng, least_states, most_states, vocabulary):
    """Return the number of states, T_E and the symbols."""
    n = least_states + below(rng, most_states - least_states + 1)
    return n, episode_cap(rng, n), injection(rng, n, vocabulary)


@kernel
def pack(n_actions, band_from, band_to, base, row, mean, noise, mean_next, noise_next):
    """Return the rows as ``World`` has them: positive entries by falling probability, ties by state.

    Returns:
        row_start int32, successor uint16, probability, cumulative, reward and noise float64.
    """
    n = band_from.shape[0]
    most = 0
    for s in range(n):
        most += n_actions * (band_to[s] - band_from[s])
    row_start = np.zeros(n * n_actions + 1, dtype=np.int32)
    successor = np.empty(most, dtype=np.uint16)
    probability, cumulative, reward, deviation = np.empty(most), np.empty(most), np.empty(most), np.empty(most)
    order = np.empty(n, dtype=np.int64)
    place = 0
    for index in range(n * n_actions):
        s = index // n_actions
        count = _order(row, base[index], band_from[s], band_to[s], order)
        total = 0.0
        for k in range(count):
            j = order[k]
            p = row[base[index] + j]
            total += p
            successor[place] = j
            probability[place] = p
            cumulative[place] = min(total, 1.0) if k < count - 1 else 1.0
            reward[place] = mean[index] + mean_next[j]
            deviation[place] = noise[index] + noise_next[j]
            place += 1
        row_start[index + 1] = place
    return (
        row_start,
        successor[:place].copy(),
        probability[:place].copy(),
        cumulative[:place].copy(),
        reward[:place].copy(),
        deviation[:place].copy(),
    )


@kernel
def _order(row, base, start, end, order):
    """Write the ranks in [start, end) of positive probability by falling probability; return how many.

    Rows rise to one peak and fall again but for the randomness of the mean transition: taken from the outside in, they
    come nearly sorted, and insertion does the rest.
    """
    count = 0
    low, high = start, end - 1
    while low <= high:
        j = low
        if row[base + low] <= row[base + high]:
            low += 1
        else:
            j = high
            high -= 1
        p = row[base + j]
        if p > 0.0:
            k = count
            while k > 0 and _precedes(row, base, order[k - 1], j):
                order[k] = order[k - 1]
                k -= 1
            order[k] = j
            count += 1
    for k in range(count // 2):
        order[k], order[count - 1 - k] = order[count - 1 - k], order[k]
    return count


@kernel(inline=True)
def _precedes(row, base, i, j):
    """Return whether rank i comes before rank j by falling probability, then by state."""
    p, q = row[base + i], row[base + j]
    return p > q or (p == q and i < j)
