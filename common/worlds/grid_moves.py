"""How one moves in a grid: moves for actions, transition rows of moves that slip, pits that lead back to the start."""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel
from common.random import below, shuffle, uniform
from common.worlds.grid_layout import FREE, GOAL, PIT, neighbour
from common.worlds.rows import write_row

STAY = 4
"""A move beside the four directions (0 up, 1 right, 2 down, 3 left); it never slips."""


@kernel
def draw_moves(rng, n_actions, line, reach):
    """Return a move for each action, int64 (n_actions,): directions and STAY, or, on a line, signed lengths and 0.

    A line has moves to both sides. Actions beyond the different moves stay or repeat a move, a coin each.
    """
    if line:
        different = np.concatenate((np.arange(-reach, 0), np.arange(1, reach + 1)))
        stay = 0
    else:
        different = np.arange(4)
        stay = STAY
    shuffle(rng, different)
    if line:
        # one to the left first, one to the right second
        for place, sign in ((0, -1), (1, 1)):
            for i in range(place, different.shape[0]):
                if different[i] * sign > 0:
                    different[place], different[i] = different[i], different[place]
                    break
    moves = np.empty(n_actions, dtype=np.int64)
    for a in range(n_actions):
        if a < different.shape[0]:
            moves[a] = different[a]
        else:
            moves[a] = stay if uniform(rng) < 0.5 else different[below(rng, different.shape[0])]
    shuffle(rng, moves)
    return moves


@kernel
def write_moves(cells, rows, columns, moves, slip, terminal, row_start, successor, probability, cumulative):
    """Write the transition rows of a grid: intended move with 1 - slip, each of its two slips with slip / 2."""
    state_of, cell_of = np.empty(cells.shape[0], dtype=np.int64), np.empty(cells.shape[0], dtype=np.int64)
    n = 0
    for cell in range(cells.shape[0]):
        state_of[cell] = -1
        if cells[cell] == FREE:
            state_of[cell], cell_of[n] = n, cell
            n += 1
    outcomes, chances = np.empty(3, dtype=np.int64), np.empty(3)
    end = 0
    for s in range(n):
        for a in range(moves.shape[0]):
            if not terminal[s]:
                chances[0], chances[1], chances[2] = 1.0 - slip, 0.5 * slip, 0.5 * slip
                for i in range(3):
                    if rows == 1:
                        to = cell_of[s]
                        if moves[a] != 0:
                            to += moves[a] + (0, -1, 1)[i]
                        to = min(max(to, 0), columns - 1)
                    elif moves[a] == STAY:
                        to = cell_of[s]
                    else:
                        to = neighbour(cell_of[s], (moves[a] + (0, 1, 3)[i]) % 4, rows, columns)
                    outcomes[i] = state_of[to] if state_of[to] >= 0 else s
                end = write_row(outcomes, chances, 3, end, successor, probability, cumulative)
            row_start[s * moves.shape[0] + a + 1] = end


@kernel
def mark(cells, terminal, goal):
    """Return a copy of ``cells`` with goal and pits of the states marked in it."""
    shown = cells.copy()
    s = 0
    for cell in range(cells.shape[0]):
        if cells[cell] == FREE:
            if s == goal:
                shown[cell] = GOAL
            elif terminal[s]:
                shown[cell] = PIT
            s += 1
    return shown


@kernel
def lead_back(pits, start, row_start, successor, probability, cumulative, reward):
    """Let whoever arrives in one of the ``pits``, bool (n,), go on in state ``start``, paid for the pit; in place.

    Where a pit and another way lead to the start from one (s, a), the mean of what they pay is kept: a world has one
    reward for (s, a, s').
    """
    outcomes, chances, kept = np.empty(3, dtype=np.int64), np.empty(3), np.empty(3)
    paid = np.empty(3)
    begin, end = 0, 0
    for row in range(row_start.shape[0] - 1):
        last = row_start[row + 1]
        count = last - begin
        for i in range(count):
            k = begin + i
            outcomes[i] = start if pits[successor[k]] else successor[k]
            chances[i], kept[i], paid[i] = probability[k], probability[k], reward[k]
        first = end
        if count > 0:
            end = write_row(outcomes, chances, count, first, successor, probability, cumulative)
        for k in range(first, end):
            total, weight = 0.0, 0.0
            for i in range(count):
                if outcomes[i] == successor[k]:
                    total += kept[i] * paid[i]
                    weight += kept[i]
            reward[k] = total / weight
        begin = last
        row_start[row + 1] = end
