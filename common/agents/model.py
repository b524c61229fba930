"""A learned model of a world: visit counts, estimated rewards, and a value function for each discount asked for.

Every model-based behaviour of a sequence sees the same steps, so they share one model. All of it lies in one flat
``float64`` memory; whole numbers are stored in it as their bits. Formulas: AnyMDP specification, "Behaviour policies".

With k(s,a,s') visits and ``PRIOR`` more of each count, count * estimated reward is the sum of the rewards and the
prior's part of the value is PRIOR sum V, so a sweep touches nothing but what was visited, though the prior is dense:

    Q(s,a) = (sum of rewards(s,a) + gamma (PRIOR sum V + sum_s' k(s,a,s') V(s'))) / (PRIOR n + k(s,a))

The inner sum is kept up to date: a value that changes is pushed to the rows that were seen to lead to it. Value
functions come in pairs, side by side in memory, so that both are swept at the price of one.
"""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel
from common.maths import square_root

PRIOR = 0.01
"""What every count of (s, a, s') starts at."""
LEAST_SPREAD = 0.01
"""The spread of the estimated rewards is at least this."""
SMALLEST_CHANGE = 1e-10
"""Changes of a value under this much of the spread are not passed on: below it lie denormals, 20 times slower."""
u = np.uint64  # an index of this type is taken as it is; a signed one may count from the end, which costs a comparison
_VALUES, _SUM, _SQUARES, _SPREAD, _EDGES, _BLOCK_END, _TOUCHED, _STATES = range(8)
_HEAD = 8
# Per state: its place in the sweep's order, the prior of its counts (0 once it was terminal), its newest block of
# predecessors, how many pairs that holds.
_PER_STATE = 4
# Per row (s, a). Visits start at 1 and are never forgotten; inverse is 1 / (PRIOR n + counts), root 1 / sqrt(visits),
# both as of the last sweep; the chain is of the rows visited since then: 0 for those that were not, else 1 + the next.
_REWARDS, _INVERSE, _COUNTS, _ROOT, _VISITED, _CHAIN = range(6)
_PER_ROW = 8
# Per (row, successor), 4 bytes: the number of its edge, if it has one; never cleared: whether it has, the edge itself
# says. An edge: row * n + successor, visits, sum of rewards, estimated reward, place of its visits among predecessors.
_KEY, _SEEN, _PAID, _ESTIMATE, _PLACE = range(5)
_EDGE = 6
# A block of predecessors: visits, then rows (4 bytes each, times 4), then the next block. What is not yet filled has no
# visits and rows past the last one: a whole block is pushed to at once, whatever it holds.
_PAIRS = 8
_ROWS_AT, _NEXT, _BLOCK = _PAIRS, _PAIRS + _PAIRS // 2, 2 * _PAIRS
# A pair of value functions: discounts, sums of V, whether they are used, 2 words free; V (n, 2); and for each row, with
# _PAIRS rows more for what unfilled blocks push, the sums over s' of k V(s') (2) and Q (2).
_PAIR_HEAD, _PAIR_ROW = 8, 4


def memory_size(n_states: int, n_actions: int, values: int = 1) -> int:
    """Return how many float64 a model takes with room for so many value functions; most of it is never touched."""
    rows = n_states * n_actions
    blocks = n_states * (rows // _PAIRS + 1)
    pair = _PAIR_HEAD + 2 * n_states + _PAIR_ROW * (rows + _PAIRS)
    first = _HEAD + _PER_STATE * n_states + _PER_ROW * rows
    return first + (values + 1) // 2 * pair + rows * n_states * _EDGE + blocks * _BLOCK + (rows * n_states + 1) // 2


@kernel(inline=True)
def _rows_at(n):
    return _HEAD + _PER_STATE * n


@kernel(inline=True)
def _pairs_at(n, rows):
    return _rows_at(n) + _PER_ROW * rows


@kernel(inline=True)
def _pair_size(n, rows):
    return _PAIR_HEAD + 2 * n + _PAIR_ROW * (rows + _PAIRS)


@kernel(inline=True)
def _edges_at(memory, n, rows):
    """Return where the edges begin; behind them the numbers of (row, successor), then the blocks."""
    return memory.shape[0] - rows * n * _EDGE


@kernel(inline=True)
def _numbers_at(memory, n, rows):
    """Return where the edges' numbers begin, in words of 4 bytes."""
    return 2 * (_edges_at(memory, n, rows) - (rows * n + 1) // 2)


@kernel(allocates=False)
def begin(memory, symbol, n_actions):
    """Forget everything. ``symbol``, (n,) of any integers, gives the order in which a sweep goes through the states."""
    n, rows = symbol.shape[0], symbol.shape[0] * n_actions
    whole = memory.view(np.int64)
    memory[:_HEAD] = 0.0
    memory[_STATES], memory[_SPREAD] = n, LEAST_SPREAD
    whole[_TOUCHED] = rows + 1
    for row in range(rows):
        at = _rows_at(n) + _PER_ROW * row
        memory[at + _REWARDS], memory[at + _COUNTS], memory[at + _INVERSE] = 0.0, 0.0, 1.0 / (PRIOR * n)
        memory[at + _ROOT], memory[at + _VISITED], whole[at + _CHAIN] = 1.0, 1.0, 0
    whole[_BLOCK_END] = _numbers_at(memory, n, rows) // 2 - n * (rows // _PAIRS + 1) * _BLOCK
    for s in range(n):
        whole[_HEAD + s], memory[_HEAD + n + s] = s, PRIOR
        whole[_HEAD + 2 * n + s], whole[_HEAD + 3 * n + s] = 0, _PAIRS
    _sort(whole[_HEAD : _HEAD + n], symbol)


@kernel(allocates=False)
def _sort(order, symbol):
    """Sort states by symbol, those that share one by their number (Shell's sort)."""
    n = order.shape[0]
    gap = 1
    while 3 * gap + 1 < n:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, n):
            s, j = order[i], i
            while j >= gap:
                other = order[j - gap]
                if symbol[other] < symbol[s] or (symbol[other] == symbol[s] and other < s):
                    break
                order[j] = order[j - gap]
                j -= gap
            order[j] = s
        gap //= 3


@kernel(allocates=False)
def value_function(memory, gamma, n_actions):
    """Return the number of a discount's value function; a new one starts at 0 and must be asked for before learning."""
    n = np.int64(memory[_STATES])
    rows = n * n_actions
    known = np.int64(memory[_VALUES])
    for number in range(known):
        if memory[_pairs_at(n, rows) + number // 2 * _pair_size(n, rows) + number % 2] == gamma:
            return number
    pair, lane = _pairs_at(n, rows) + known // 2 * _pair_size(n, rows), known % 2
    if lane == 0:
        memory[pair : pair + _pair_size(n, rows)] = 0.0
    memory[_VALUES] = known + 1
    memory[pair + lane], memory[pair + 4 + lane] = gamma, 1.0
    return known


@kernel(inline=True)
def action_values(memory, number, n_actions):
    """Return where Q(0, 0) of a value function lies; Q(s, a) is ``STRIDE`` (s n_actions + a) places further on."""
    n = np.int64(memory[_STATES])
    rows = n * n_actions
    return _pairs_at(n, rows) + number // 2 * _pair_size(n, rows) + _PAIR_HEAD + 2 * n + 2 + number % 2


STRIDE = _PAIR_ROW
"""Places from a Q(s, a) to the next."""


@kernel(inline=True)
def spread(memory):
    """Return the standard deviation of all estimated rewards at the last sweep, at least ``LEAST_SPREAD``."""
    return memory[_SPREAD]


@kernel(inline=True)
def roots(memory):
    """Return where 1 / sqrt(visits(0, 0)) at the last sweep lies; the others are ``ROOT_STRIDE`` apart."""
    return _rows_at(np.int64(memory[_STATES])) + _ROOT


ROOT_STRIDE = _PER_ROW
"""Places from a 1 / sqrt(visits(s, a)) to the next."""


def learned(memory: np.ndarray, number: int, n_actions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return copies of (V (n,), Q (n, a), 1 / sqrt(visits) (n, a)) of a value function as of the last sweep."""
    n = int(memory[_STATES])
    rows = n * n_actions
    pair = _HEAD + _PER_STATE * n + _PER_ROW * rows + number // 2 * (_PAIR_HEAD + 2 * n + _PAIR_ROW * (rows + _PAIRS))
    values = memory[pair + _PAIR_HEAD + number % 2 :][: 2 * n : 2]
    q = memory[pair + _PAIR_HEAD + 2 * n + 2 + number % 2 :][: _PAIR_ROW * rows : _PAIR_ROW]
    root = memory[_HEAD + _PER_STATE * n + _ROOT :][: _PER_ROW * rows : _PER_ROW]
    return values.copy(), q.reshape(n, n_actions).copy(), root.reshape(n, n_actions).copy()


@kernel(inline=True)
def _count(memory, whole, small, n, n_actions, state, action, reward, next_state):
    """Take in one step."""
    rows, row = n * n_actions, state * n_actions + action
    at, key = _rows_at(n) + _PER_ROW * row, row * n + next_state
    edge = _edge(memory, whole, small, n, rows, key)
    if edge == 0:
        edge = _new_edge(memory, whole, small, n, rows, row, next_state)
    seen, paid = memory[u(edge + _SEEN)] + 1.0, memory[u(edge + _PAID)] + reward
    old, new = memory[u(edge + _ESTIMATE)], paid / (memory[u(_HEAD + n + state)] + seen)
    memory[u(edge + _SEEN)], memory[u(edge + _PAID)], memory[u(edge + _ESTIMATE)] = seen, paid, new
    memory[u(whole[u(edge + _PLACE)])] = seen
    memory[_SUM] += new - old
    memory[_SQUARES] += new * new - old * old
    memory[u(at + _VISITED)] += 1.0
    memory[u(at + _COUNTS)] += 1.0
    memory[u(at + _REWARDS)] += reward
    if whole[u(at + _CHAIN)] == 0:
        whole[u(at + _CHAIN)], whole[_TOUCHED] = whole[_TOUCHED], row + 1
    pair = _pairs_at(n, rows)
    for _ in range((np.int64(memory[_VALUES]) + 1) >> 1):
        value, total = pair + _PAIR_HEAD + 2 * next_state, pair + _PAIR_HEAD + 2 * n + _PAIR_ROW * row
        memory[u(total)] += memory[u(value)]
        memory[u(total + 1)] += memory[u(value + 1)]
        pair += _pair_size(n, rows)


@kernel(inline=True)
def _edge(memory, whole, small, n, rows, key):
    """Return the place of an edge, 0 where there is none yet."""
    number = np.int64(small[u(_numbers_at(memory, n, rows) + key)])
    if number >= whole[_EDGES]:
        return 0
    edge = _edges_at(memory, n, rows) + number * _EDGE
    return edge if whole[u(edge + _KEY)] == key else 0


@kernel(allocates=False)
def _new_edge(memory, whole, small, n, rows, row, next_state):
    """Return the place of a new edge without visits."""
    number, key = whole[_EDGES], row * n + next_state
    whole[_EDGES] = number + 1
    small[_numbers_at(memory, n, rows) + key] = number
    edge = _edges_at(memory, n, rows) + number * _EDGE
    newest, used = _HEAD + 2 * n + next_state, whole[_HEAD + 3 * n + next_state]
    if used == _PAIRS:
        block, used = whole[_BLOCK_END], 0
        whole[_BLOCK_END] += _BLOCK
        for i in range(_PAIRS):
            memory[block + i], small[2 * (block + _ROWS_AT) + i] = 0.0, _PAIR_ROW * (rows + i)
        whole[block + _NEXT], whole[newest] = whole[newest], block
    block = whole[newest]
    whole[_HEAD + 3 * n + next_state] = used + 1
    small[2 * (block + _ROWS_AT) + used] = _PAIR_ROW * row
    whole[edge + _KEY], whole[edge + _PLACE] = key, block + used
    memory[edge + _SEEN], memory[edge + _PAID], memory[edge + _ESTIMATE] = 0.0, 0.0, 0.0
    return edge


@kernel(allocates=False)
def _forget_terminal(memory, state, n_actions):
    """Zero the counts, the prior's among them, and the rewards of a state that has shown itself terminal, once."""
    n = np.int64(memory[_STATES])
    if memory[_HEAD + n + state] == 0.0:
        return
    memory[_HEAD + n + state] = 0.0
    rows, whole, small = n * n_actions, memory.view(np.int64), memory.view(np.uint32)
    for row in range(state * n_actions, (state + 1) * n_actions):
        at = _rows_at(n) + _PER_ROW * row
        left = memory[at + _COUNTS] > 0.0
        memory[at + _REWARDS], memory[at + _COUNTS], memory[at + _INVERSE] = 0.0, 0.0, 0.0
        for pair in range((np.int64(memory[_VALUES]) + 1) // 2):
            total = _pairs_at(n, rows) + pair * _pair_size(n, rows) + _PAIR_HEAD + 2 * n + _PAIR_ROW * row
            memory[total], memory[total + 1] = 0.0, 0.0
        for s in range(n if left else 0):
            edge = _edge(memory, whole, small, n, rows, row * n + s)
            if edge != 0:
                memory[_SUM] -= memory[edge + _ESTIMATE]
                memory[_SQUARES] -= memory[edge + _ESTIMATE] * memory[edge + _ESTIMATE]
                memory[edge + _SEEN], memory[edge + _PAID], memory[edge + _ESTIMATE] = 0.0, 0.0, 0.0
                memory[whole[edge + _PLACE]] = 0.0


@kernel(allocates=False)
def learn(memory, state, action, reward, next_state, n_actions):
    """Take in one step."""
    n = np.int64(memory[_STATES])
    _count(memory, memory.view(np.int64), memory.view(np.uint32), n, n_actions, state, action, reward, next_state)


@kernel(allocates=False)
def replay(memory, state, action, reward, first, last, n_actions):
    """Take in the steps of rows ``first`` to ``last`` - 1 of a record, all of one episode."""
    n, whole, small = np.int64(memory[_STATES]), memory.view(np.int64), memory.view(np.uint32)
    now = np.int64(state[u(first)])
    for t in range(first, last):
        following = np.int64(state[u(t + 1)])
        paid = np.float64(reward[u(t)])
        _count(memory, whole, small, n, n_actions, now, np.int64(action[u(t)]), paid, following)
        now = following


@kernel(allocates=False)
def end_episode(memory, state, terminated, n_actions):
    """Estimate transitions, rewards and their spread anew; sweep every value function once. It ended in ``state``."""
    if terminated:
        _forget_terminal(memory, state, n_actions)
    n, whole = np.int64(memory[_STATES]), memory.view(np.int64)
    rows = n * n_actions
    row = whole[_TOUCHED] - 1
    while row < rows:
        at = _rows_at(n) + _PER_ROW * row
        total = n * memory[u(_HEAD + n + row // n_actions)] + memory[u(at + _COUNTS)]
        memory[u(at + _INVERSE)] = 1.0 / total if total > 0.0 else 0.0
        memory[u(at + _ROOT)] = 1.0 / square_root(memory[u(at + _VISITED)])
        row = whole[u(at + _CHAIN)] - 1
        whole[u(at + _CHAIN)] = 0
    whole[_TOUCHED] = rows + 1
    mean = memory[_SUM] / (rows * n)
    memory[_SPREAD] = max(square_root(max(memory[_SQUARES] / (rows * n) - mean * mean, 0.0)), LEAST_SPREAD)
    pair = _pairs_at(n, rows)
    for _ in range((np.int64(memory[_VALUES]) + 1) // 2):
        if n_actions == 5:  # the paper's: with a number known to the compiler the loops over actions vanish
            _sweep(memory, pair, n, 5)
        else:
            _sweep(memory, pair, n, n_actions)
        pair += _pair_size(n, rows)


@kernel(inline=True)
def _sweep(memory, pair, n, n_actions):
    """Sweep a pair of value functions through the states in place; V(s) holds while the actions of s are updated."""
    whole, small = memory.view(np.int64), memory.view(np.uint32)
    gamma_0, gamma_1, total_0, total_1 = memory[pair], memory[pair + 1], memory[pair + 2], memory[pair + 3]
    used_0, used_1, smallest = memory[pair + 4], memory[pair + 5], SMALLEST_CHANGE * memory[_SPREAD]
    values, rows, sums = pair + _PAIR_HEAD, _rows_at(n), pair + _PAIR_HEAD + 2 * n
    for i in range(n):
        s = whole[u(_HEAD + i)]
        prior = memory[u(_HEAD + n + s)]
        best_0, best_1 = -np.inf, -np.inf
        for row in range(s * n_actions, (s + 1) * n_actions):
            at, place = rows + _PER_ROW * row, sums + _PAIR_ROW * row
            paid, inverse = memory[u(at + _REWARDS)], memory[u(at + _INVERSE)]
            share = prior * inverse
            q_0 = (paid + gamma_0 * memory[u(place)]) * inverse + share * (gamma_0 * total_0)
            q_1 = (paid + gamma_1 * memory[u(place + 1)]) * inverse + share * (gamma_1 * total_1)
            memory[u(place + 2)], memory[u(place + 3)] = q_0, q_1
            best_0, best_1 = max(best_0, q_0), max(best_1, q_1)
        value = values + 2 * s
        change_0, change_1 = used_0 * (best_0 - memory[u(value)]), used_1 * (best_1 - memory[u(value + 1)])
        change_0 = change_0 if abs(change_0) > smallest else 0.0
        change_1 = change_1 if abs(change_1) > smallest else 0.0
        if change_0 == 0.0 and change_1 == 0.0:
            continue
        memory[u(value)] += change_0
        memory[u(value + 1)] += change_1
        total_0 += change_0
        total_1 += change_1
        block = whole[u(_HEAD + 2 * n + s)]
        while block != 0:
            for j in range(_PAIRS):
                seen = memory[u(block + j)]
                place = sums + np.int64(small[u(2 * (block + _ROWS_AT) + j)])
                memory[u(place)] += seen * change_0
                memory[u(place + 1)] += seen * change_1
            block = whole[u(block + _NEXT)]
    memory[pair + 2], memory[pair + 3] = total_0, total_1
