"""One accepted AnyMDP world out of a generator: candidates are drawn into scratch arrays until one passes every test.

Source: the AnyMDP specification. Transitions and rewards are drawn again where a candidate is dropped; number of
states, episode cap and symbols only where the oracle of an accepted one earns less than random play.
"""
# mypy: disable-error-code="no-untyped-def, assignment"

import numpy as np

from common.kernels import kernel
from common.random import below
from common.worlds.anymdp.acceptance import ACCEPTED, episode_returns, judge
from common.worlds.anymdp.ends import START_RANKS, draw_starts, draw_terminals
from common.worlds.anymdp.rewards import add_bonus, adjust_bonus, draw_rewards, expected_rewards
from common.worlds.anymdp.transitions import draw_transitions
from common.worlds.chain import chain_room
from common.worlds.linear import LANES
from common.worlds.shape import episode_cap, injection

REJECTIONS = ("bonus_not_ascending", "gini_too_small", "entropy_too_small", "gain_too_small", "oracle_below_random")
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
        noise (n * a,), mean_next (n,) and noise_next (n,) of the reward, the state (1,) the generator had before
        the rows were drawn, for ``whole_rows``, and a policy (n,) that is optimal at ``ORACLE_DISCOUNT`` with what an
        episode earns under it and under the uniform policy.
    """
    n, cap, symbol = _draw_shape(rng, least_states, most_states, vocabulary)
    size = most_states * n_actions
    start, bonus = np.empty(START_RANKS), np.empty(2)
    core = np.empty(most_states + size * (most_states + LANES))
    base, first, last = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    mean, noise = np.empty(size), np.empty(size)
    expected, pit, goal, reward = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    value, policy = np.empty(most_states + LANES), np.empty(most_states, dtype=np.int64)
    table = np.empty(most_states * (most_states + LANES))
    chain, blind = chain_room(n), chain_room(n)
    for _ in range(limit):
        rows = n * n_actions
        terminal, mean_next, noise_next = np.empty(n, dtype=np.bool_), np.zeros(n + LANES), np.empty(n)
        draw_starts(rng, start)
        goal_ends = draw_terminals(rng, start, terminal)
        before = rng.copy()
        draw_transitions(rng, n_actions, terminal, base, core, first, last)
        draw_rewards(rng, n_actions, terminal, goal_ends, mean, noise, mean_next, noise_next)
        expected_rewards(n_actions, terminal, base, core, first, last, mean, mean_next, expected, pit, goal)
        if not adjust_bonus(
            rng, n_actions, start, terminal, goal_ends, base, core, first, last, expected, pit, goal,
            reward[:rows], value, policy, table, bonus,
        ):  # fmt: skip
            rejections[_BONUS] += 1
            continue
        verdict = judge(
            n_actions, cap, start, terminal, base, core, first, last, reward, value, policy, table, chain, blind
        )
        if verdict != ACCEPTED:
            rejections[verdict] += 1
            continue
        best, blind_return = episode_returns(
            n_actions, cap, start, terminal, base, core, first, last, reward, value, policy, table, chain, blind
        )
        if best < blind_return:
            rejections[_ORACLE] += 1
            n, cap, symbol = _draw_shape(rng, least_states, most_states, vocabulary)
            chain, blind = chain_room(n), chain_room(n)
            continue
        add_bonus(terminal, bonus, mean_next)
        return (
            cap,
            symbol,
            start,
            terminal,
            pack(n_actions, base[:rows], core, first, last, mean, noise, mean_next, noise_next),
            mean[:rows].copy(),
            noise[:rows].copy(),
            mean_next[:n].copy(),
            noise_next,
            before,
            policy[:n].copy(),
            best,
            blind_return,
        )
    empty = np.empty(0)
    nothing = pack(n_actions, base[:0], core, first, last, empty, empty, empty, empty)
    return 0.0, symbol, start, np.empty(0, dtype=np.bool_), nothing, empty, empty, empty, empty, rng, policy, 0.0, 0.0


@kernel
def _draw_shape(rng, least_states, most_states, vocabulary):
    """Return the number of states, T_E and the symbols."""
    n = least_states + below(rng, most_states - least_states + 1)
    return n, episode_cap(rng, n), injection(rng, n, vocabulary)


@kernel
def pack(n_actions, base, core, first, last, mean, noise, mean_next, noise_next):
    """Return the rows as ``World`` has them: positive entries by falling probability, ties by state.

    Returns:
        row_start int32, successor uint16, probability, cumulative, reward and noise float64.
    """
    rows = base.shape[0]
    most = 0
    for index in range(rows):
        most += last[index] - first[index]
    row_start = np.zeros(rows + 1, dtype=np.int32)
    successor = np.empty(most, dtype=np.uint16)
    probability, cumulative, reward, deviation = np.empty(most), np.empty(most), np.empty(most), np.empty(most)
    order, ordered = np.empty(rows // n_actions, dtype=np.uint64), np.empty(rows // n_actions)
    places = np.empty(rows // n_actions, dtype=np.uint64)
    place = np.uint64(0)
    for index in range(rows):
        count = _order(core, base[index], first[index], last[index], order, ordered, places)
        total = 0.0
        for k in range(count):
            total += ordered[k]
            probability[place + k] = ordered[k]
            cumulative[place + k] = min(total, 1.0)
        for k in range(count):
            successor[place + k] = order[k]
            reward[place + k] = mean[index] + mean_next[order[k]]
            deviation[place + k] = noise[index] + noise_next[order[k]]
        place += count
        if count:
            cumulative[place - np.uint64(1)] = 1.0
        row_start[index + 1] = place
    return row_start, successor[:place], probability[:place], cumulative[:place], reward[:place], deviation[:place]


@kernel(inline=True)
def _order(core, base, start, end, order, ordered, places):
    """Write the ranks in [start, end) of positive probability and these by falling probability; return how many.

    Each entry's place is the number of entries before it: every pair is compared, but without branches, which for some
    ten entries in no order costs less than sorting. ``places`` is to work in.
    """
    first, count, positive = np.uint64(base + start), np.uint64(end - start), np.uint64(0)
    none, one = np.uint64(0), np.uint64(1)
    for i in range(count):
        places[i] = none
    for i in range(count):
        p, after = core[first + i], none
        for j in range(i + one, count):
            goes_first = one if p >= core[first + j] else none
            places[j] += goes_first
            after += one - goes_first
        places[i] += after
    for i in range(count):
        p, place = core[first + i], places[i]
        order[place], ordered[place] = np.uint64(start) + i, p
        positive += one if p > 0.0 else none
    return positive
