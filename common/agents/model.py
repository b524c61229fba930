"""A learned model of a world: visit counts, estimated rewards, and a value function for each discount asked for.

Every model-based behaviour of a sequence sees the same steps, so they share one model. All of it lies in one flat
``float64`` memory; indices are stored in it as the bits of integers. Formulas: AnyMDP specification, "Behaviour
policies". About 10 ns a step, and at an episode's end some 2 ns a visited (s, a, s') and discount.

With k(s,a,s') visits and ``PRIOR`` more of each count, count * estimated reward is the sum of the rewards and the
prior's part of the value is PRIOR sum V, so a sweep touches nothing but what was visited, though the prior is dense:

    Q(s,a) = (sum of rewards(s,a) + gamma (PRIOR sum V + sum_s' k(s,a,s') V(s'))) / (PRIOR n + k(s,a))

The inner sum is kept up to date: a value that changes is pushed to the rows that were seen to lead to it.
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
_VALUES, _SUM, _SQUARES, _SPREAD, _EDGES, _BLOCK_END, _TOUCHED, _STATES = range(8)
_HEAD = 8
_PER_STATE, _PER_ROW, _EDGE = 4, 6, 4
_PAIRS = 8
_BLOCK = 1 + 2 * _PAIRS
# Per state: its place in the sweep's order, the prior of its counts (0 once it was terminal), its newest block of
# predecessors, how many pairs that holds. Per row: see _row_parts. Per (row, successor): the number of its edge, if it
# has one. An edge: row * n + successor, place of its count, sum of rewards, estimated reward. A block: next block, then
# pairs (row, count). What edge a (row, successor) has is never cleared: whether it has one, the edge itself says.


def memory_size(n_states: int, n_actions: int, values: int = 1) -> int:
    """Return how many float64 a model takes with room for so many value functions; most of it is never touched."""
    rows = n_states * n_actions
    blocks = n_states * (rows // _PAIRS + 1)
    return (
        _HEAD
        + _PER_STATE * n_states
        + _PER_ROW * rows
        + rows * n_states * (1 + _EDGE)
        + blocks * _BLOCK
        + values * (2 + n_states + 2 * rows)
    )


@kernel(inline=True)
def _whole(x):
    return np.float64(x).view(np.int64)


@kernel(inline=True)
def _bits(i):
    return np.int64(i).view(np.float64)


@kernel(inline=True)
def _rows_at(n):
    return _HEAD + _PER_STATE * n


@kernel(inline=True)
def _numbers_at(n, rows):
    return _rows_at(n) + _PER_ROW * rows


@kernel(inline=True)
def _edges_at(n, rows):
    return _numbers_at(n, rows) + rows * n


@kernel(inline=True)
def _values_at(n, n_actions):
    rows = n * n_actions
    return _edges_at(n, rows) + rows * n * _EDGE + n * (rows // _PAIRS + 1) * _BLOCK


@kernel(inline=True)
def _row_parts(memory, n, rows):
    """Return (visits, rewards, counts, inverse, root, touched), each of the rows (s, a).

    Visits start at 1 and are never forgotten; inverse is 1 / (PRIOR n + counts) and root 1 / sqrt(visits), both as of
    the last sweep; touched chains the rows visited since the last sweep: 0 for those that were not, else 1 + the next
    one, past the last row at the end.
    """
    first = _rows_at(n)
    return (
        memory[first : first + rows],
        memory[first + rows : first + 2 * rows],
        memory[first + 2 * rows : first + 3 * rows],
        memory[first + 3 * rows : first + 4 * rows],
        memory[first + 4 * rows : first + 5 * rows],
        memory[first + 5 * rows : first + 6 * rows],
    )


@kernel(allocates=False)
def begin(memory, symbol, n_actions):
    """Forget everything. ``symbol``, (n,) of any integers, gives the order in which a sweep goes through the states."""
    n, rows = symbol.shape[0], symbol.shape[0] * n_actions
    memory[:_HEAD] = 0.0
    memory[_STATES], memory[_SPREAD], memory[_TOUCHED] = n, LEAST_SPREAD, _bits(rows + 1)
    visits, rewards, counts, inverse, root, touched = _row_parts(memory, n, rows)
    visits[:], rewards[:], counts[:], inverse[:], root[:] = 1.0, 0.0, 0.0, 1.0 / (PRIOR * n), 1.0
    touched[:] = _bits(0)
    memory[_BLOCK_END] = _edges_at(n, rows) + rows * n * _EDGE
    for s in range(n):
        memory[_HEAD + s], memory[_HEAD + n + s] = _bits(s), PRIOR
        memory[_HEAD + 2 * n + s], memory[_HEAD + 3 * n + s] = _bits(0), _bits(_PAIRS)
    _sort(memory[_HEAD : _HEAD + n], symbol)


@kernel(allocates=False)
def _sort(order, symbol):
    """Sort states by symbol, those that share one by their number (Shell's sort)."""
    n = order.shape[0]
    gap = 1
    while 3 * gap + 1 < n:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, n):
            s, j = _whole(order[i]), i
            while j >= gap:
                other = _whole(order[j - gap])
                if symbol[other] < symbol[s] or (symbol[other] == symbol[s] and other < s):
                    break
                order[j] = order[j - gap]
                j -= gap
            order[j] = _bits(s)
        gap //= 3


@kernel(allocates=False)
def value_function(memory, gamma, n_actions):
    """Return where the value function of a discount lies; a new one starts at 0 and must be asked for before learning.

    From there: discount, sum of V, V (n), Q (n, a), sum over s' of k(s,a,s') V(s') (n, a).
    """
    n = np.int64(memory[_STATES])
    length = 2 + n + 2 * n * n_actions
    place, count = _values_at(n, n_actions), np.int64(memory[_VALUES])
    for _ in range(count):
        if memory[place] == gamma:
            return place
        place += length
    memory[_VALUES] = count + 1
    memory[place] = gamma
    memory[place + 1 : place + length] = 0.0
    return place


@kernel(inline=True)
def action_values(memory, place):
    """Return where Q (n, a) of the value function at ``place`` lies."""
    return place + 2 + np.int64(memory[_STATES])


@kernel(inline=True)
def spread(memory):
    """Return the standard deviation of all estimated rewards at the last sweep, at least ``LEAST_SPREAD``."""
    return memory[_SPREAD]


@kernel(inline=True)
def roots(memory, n_actions):
    """Return where 1 / sqrt(visits(s, a)) at the last sweep lies, (n, a)."""
    n = np.int64(memory[_STATES])
    return _rows_at(n) + 4 * n * n_actions


@kernel(allocates=False)
def count(memory, state, action, reward, next_state, n_actions):
    """Take in one step."""
    n = np.int64(memory[_STATES])
    rows, row = n * n_actions, state * n_actions + action
    visits, rewards, counts, _, _, touched = _row_parts(memory, n, rows)
    edge = _edge(memory, row, next_state, n, rows)
    if edge == 0:
        edge = _new_edge(memory, row, next_state, n, rows)
    place = _whole(memory[edge + 1])
    memory[place] += 1.0
    memory[edge + 2] += reward
    old, new = memory[edge + 3], memory[edge + 2] / (memory[_HEAD + n + state] + memory[place])
    memory[edge + 3] = new
    memory[_SUM] += new - old
    memory[_SQUARES] += new * new - old * old
    visits[row] += 1.0
    counts[row] += 1.0
    rewards[row] += reward
    if _whole(touched[row]) == 0:
        touched[row], memory[_TOUCHED] = memory[_TOUCHED], _bits(row + 1)
    place = _values_at(n, n_actions)
    for _ in range(np.int64(memory[_VALUES])):
        memory[place + 2 + n + rows + row] += memory[place + 2 + next_state]
        place += 2 + n + 2 * rows


@kernel(inline=True)
def _edge(memory, row, next_state, n, rows):
    """Return the place of an edge, 0 where there is none yet."""
    key = row * n + next_state
    number = _whole(memory[_numbers_at(n, rows) + key])
    if number < 0 or number >= np.int64(memory[_EDGES]):
        return np.int64(0)
    edge = _edges_at(n, rows) + number * _EDGE
    return edge if _whole(memory[edge]) == key else np.int64(0)


@kernel(allocates=False)
def _new_edge(memory, row, next_state, n, rows):
    """Return the place of a new edge without visits."""
    number = np.int64(memory[_EDGES])
    memory[_EDGES] += 1.0
    memory[_numbers_at(n, rows) + row * n + next_state] = _bits(number)
    edge = _edges_at(n, rows) + number * _EDGE
    newest, filled = _HEAD + 2 * n + next_state, _HEAD + 3 * n + next_state
    used = _whole(memory[filled])
    if used == _PAIRS:
        block, used = np.int64(memory[_BLOCK_END]), 0
        memory[_BLOCK_END] += _BLOCK
        memory[block], memory[newest] = memory[newest], _bits(block)
    place = _whole(memory[newest]) + 1 + 2 * used
    memory[filled] = _bits(used + 1)
    memory[place], memory[place + 1] = _bits(row), 0.0
    memory[edge], memory[edge + 1] = _bits(row * n + next_state), _bits(place + 1)
    memory[edge + 2], memory[edge + 3] = 0.0, 0.0
    return edge


@kernel(allocates=False)
def forget_terminal(memory, state, n_actions):
    """Zero the counts, the prior's among them, and the rewards of a state that has shown itself terminal, once."""
    n = np.int64(memory[_STATES])
    if memory[_HEAD + n + state] == 0.0:
        return
    memory[_HEAD + n + state] = 0.0
    rows = n * n_actions
    _, rewards, counts, inverse, _, _ = _row_parts(memory, n, rows)
    sums = _values_at(n, n_actions) + 2 + n + rows
    for row in range(state * n_actions, (state + 1) * n_actions):
        rewards[row], counts[row], inverse[row] = 0.0, 0.0, 0.0
        for v in range(np.int64(memory[_VALUES])):
            memory[sums + v * (2 + n + 2 * rows) + row] = 0.0
        for s in range(n):
            edge = _edge(memory, row, s, n, rows)
            if edge != 0:
                memory[_SUM] -= memory[edge + 3]
                memory[_SQUARES] -= memory[edge + 3] * memory[edge + 3]
                memory[_whole(memory[edge + 1])], memory[edge + 2], memory[edge + 3] = 0.0, 0.0, 0.0


@kernel(allocates=False)
def sweep(memory, n_actions):
    """At an episode's end: estimate transitions, rewards and their spread anew; sweep every value function once."""
    n = np.int64(memory[_STATES])
    rows = n * n_actions
    visits, _, counts, inverse, root, touched = _row_parts(memory, n, rows)
    row = _whole(memory[_TOUCHED]) - 1
    while row < rows:
        total = n * memory[_HEAD + n + row // n_actions] + counts[row]
        inverse[row] = 1.0 / total if total > 0.0 else 0.0
        root[row] = 1.0 / square_root(visits[row])
        following = _whole(touched[row]) - 1
        touched[row] = _bits(0)
        row = following
    memory[_TOUCHED] = _bits(rows + 1)
    mean = memory[_SUM] / (rows * n)
    memory[_SPREAD] = max(square_root(max(memory[_SQUARES] / (rows * n) - mean * mean, 0.0)), LEAST_SPREAD)
    place = _values_at(n, n_actions)
    for _ in range(np.int64(memory[_VALUES])):
        _sweep_values(memory, place, n, n_actions)
        place += 2 + n + 2 * rows


@kernel(allocates=False)
def _sweep_values(memory, place, n, n_actions):
    """Sweep through the states in place; V(s) holds still while the actions of s are updated."""
    rows = n * n_actions
    _, rewards, _, inverse, _, _ = _row_parts(memory, n, rows)
    gamma, total, smallest = memory[place], memory[place + 1], SMALLEST_CHANGE * memory[_SPREAD]
    values = memory[place + 2 : place + 2 + n]
    q = memory[place + 2 + n : place + 2 + n + rows]
    sums = memory[place + 2 + n + rows : place + 2 + n + 2 * rows]
    for i in range(n):
        s = _whole(memory[_HEAD + i])
        prior, best = memory[_HEAD + n + s] * total, -np.inf
        for row in range(s * n_actions, (s + 1) * n_actions):
            value = (rewards[row] + gamma * (prior + sums[row])) * inverse[row]
            q[row] = value
            best = max(best, value)
        change = best - values[s]
        if abs(change) <= smallest:
            continue
        values[s] = best
        total += change
        block, last = _whole(memory[_HEAD + 2 * n + s]), _whole(memory[_HEAD + 3 * n + s])
        while block != 0:
            for pair in range(block + 1, block + 1 + 2 * last, 2):
                sums[_whole(memory[pair])] += memory[pair + 1] * change
            block, last = _whole(memory[block]), _PAIRS
    memory[place + 1] = total
