"""Worlds as counts of what happened in them, many contexts side by side: only what was met takes room.

A context numbers the symbols it sees from 1 in the order in which it meets them; ``TERMINAL`` stands for every
terminal state. Successors of a row (state, action) are a chain of entries, the newest first.
"""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel

TERMINAL = 0
"""The number of the state that all terminal ones are counted as."""
NUMBER, KNOWN, VISITS, TOTAL, SQUARES, FIRST, TIMES, REACHED, NEXT, ENTRIES, LOWEST, HIGHEST, BEGUN = range(13)
"""Places in ``Counts.tables``."""
_FEW = 16


class Counts:
    """Visits, rewards and successors in C contexts.

    Args:
        contexts: How many, C.
        symbols: What is seen is 0..symbols-1.
        actions: Most actions of a context, A.

    ``tables`` holds (S states and E entries that there is room for):
        number (C, symbols) int64: the state shown by a symbol, 0 where it was never met; known (C,) int64: the largest
        number so far; visits, total, squares (C, S, A) float64: steps, their rewards and squared rewards; first
        (C, S, A) int64: the newest entry, 0 for none; times (C, E) float64, reached, next (C, E) int64: of an entry;
        entries (C,) int64: the last one used; lowest, highest (C,): rewards met; begun (C, S): episodes begun in a
        state.
    """

    def __init__(self, contexts: int, symbols: int, actions: int) -> None:
        rows, by_context = (contexts, _FEW, actions), (contexts, _FEW)
        self.tables: list[np.ndarray] = [
            np.zeros((contexts, symbols), dtype=np.int64),
            np.zeros(contexts, dtype=np.int64),
            *(np.zeros(rows) for _ in range(3)),
            np.zeros(rows, dtype=np.int64),
            np.zeros(by_context),
            np.zeros(by_context, dtype=np.int64),
            np.zeros(by_context, dtype=np.int64),
            np.zeros(contexts, dtype=np.int64),
            np.full(contexts, np.inf),
            np.full(contexts, -np.inf),
            np.zeros(by_context),
        ]

    @property
    def states(self) -> int:
        """Most states of a context that there is room for, ``TERMINAL`` included."""
        return int(self.tables[VISITS].shape[1])

    def make_room(self, steps: int = 1) -> bool:
        """Have room for so many more steps of every context; return whether states' tables grew."""
        entries = int(self.tables[ENTRIES].max()) + steps + 1
        if entries > self.tables[TIMES].shape[1]:
            for name in (TIMES, REACHED, NEXT):
                self.tables[name] = longer(self.tables[name], entries)
        states = min(int(self.tables[KNOWN].max()) + 2 * steps, self.tables[NUMBER].shape[1]) + 1
        if states <= self.states:
            return False
        for name in (VISITS, TOTAL, SQUARES, FIRST, BEGUN):
            self.tables[name] = longer(self.tables[name], states)
        return True


def longer(table: np.ndarray, size: int) -> np.ndarray:
    """Return a table whose second axis is at least ``size`` and at least twice as long, zeros behind."""
    made = np.zeros((table.shape[0], max(size, 2 * table.shape[1]), *table.shape[2:]), dtype=table.dtype)
    made[:, : table.shape[1]] = table
    return made


@kernel(inline=True)
def met(number, known, c, symbol):
    """Return the number of what context c sees; a new symbol gets the next."""
    if number[c, symbol] == 0:
        known[c] += 1
        number[c, symbol] = known[c]
    return number[c, symbol]


@kernel(inline=True)
def count(tables, c, state, action, reward, following):
    """Count one step of context c between numbered states."""
    _, _, visits, total, squares, first, times, reached, after, entries, lowest, highest, _ = tables
    visits[c, state, action] += 1.0
    total[c, state, action] += reward
    squares[c, state, action] += reward * reward
    lowest[c], highest[c] = min(lowest[c], reward), max(highest[c], reward)
    e = first[c, state, action]
    while e > 0 and reached[c, e] != following:
        e = after[c, e]
    if e == 0:
        entries[c] += 1
        e = entries[c]
        reached[c, e], after[c, e] = following, first[c, state, action]
        first[c, state, action] = e
    times[c, e] += 1.0


@kernel(inline=True)
def spread(tables, c):
    """Return the range of the rewards context c met, 0 among them, at least 1e-3: the unit of bonuses."""
    if tables[ENTRIES][c] == 0:
        return 1.0
    return max(max(tables[HIGHEST][c], 0.0) - min(tables[LOWEST][c], 0.0), 1e-3)
