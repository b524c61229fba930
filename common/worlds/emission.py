"""What shows a hidden state: sparse rows of symbols by state, one matrix for each token of an observation."""
# mypy: disable-error-code="no-untyped-def"

from dataclasses import dataclass

import numpy as np

from common.kernels import kernel
from common.random import below, uniform
from common.worlds.rows import write_row
from common.worlds.shape import injection


@dataclass(frozen=True, eq=False, kw_only=True)
class Emission:
    """Distributions of the symbols shown in each state, the same in whatever way the state was reached.

    Row ``token * n_states + state`` holds the entries ``row_start[row]:row_start[row + 1]``, by falling probability.
    Every state has a row, terminal ones too: they are shown at an episode's end. All arrays are read-only.
    """

    tokens: int
    """Symbols of one observation, d_o; each has its own rows."""
    row_start: np.ndarray
    """(tokens * n + 1,) int32."""
    symbol: np.ndarray
    """(entries,) uint16."""
    probability: np.ndarray
    """(entries,) float64, over 0; a row sums to 1."""
    cumulative: np.ndarray
    """(entries,) float64: running sum in its row; exactly 1 at the row's last entry."""

    def __post_init__(self) -> None:
        for value in self.__dict__.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def to_dense(self, vocabulary: int) -> np.ndarray:
        """Return the probabilities of all symbols, float64 (tokens, n, vocabulary)."""
        rows = self.row_start.shape[0] - 1
        dense = np.zeros((rows, vocabulary))
        dense[np.repeat(np.arange(rows), np.diff(self.row_start)), self.symbol] = self.probability
        return dense.reshape(self.tokens, -1, vocabulary)


NOTHING = (np.zeros(1, dtype=np.int32), np.zeros(0, dtype=np.uint16), np.zeros(0))
for _array in NOTHING:
    _array.flags.writeable = False  # numba compiles read-only arrays apart: as those of an emission
"""Row starts, symbols and cumulative probabilities where a world hides nothing."""


@kernel(allocates=False)
def emit(rng, state, n_states, tokens, row_start, symbol, cumulative, out, place):
    """Write the observation of a state to ``out[place:place + tokens]``: one uniform and a linear search a token."""
    for token in range(tokens):
        point = uniform(rng)
        k = row_start[token * n_states + state]
        while point >= cumulative[k]:
            k += 1
        out[place + token] = symbol[k]


@kernel
def draw_emission(rng, n, n_observations, tokens, vocabulary):
    """Draw ``tokens`` sparse emission matrices (n, n_observations) from the AnyMDP specification's POMDP.

    round(density n n_o) cells of the whole matrix, density min(.2, 4 / n_o), are filled with U(0,1); a row left empty
    gets one symbol; rows are normalised. Each matrix's symbols are a random injection into the vocabulary. Returns
    (row_start, symbol, probability, cumulative) as ``Emission`` has them.
    """
    cells = n * n_observations
    filled = np.int64(min(0.2, 4.0 / n_observations) * cells + 0.5)
    row_start = np.zeros(tokens * n + 1, dtype=np.int32)
    most = tokens * (filled + n)
    symbol = np.empty(most, dtype=np.uint16)
    probability, cumulative = np.empty(most), np.empty(most)
    weight, order = np.empty(cells), np.empty(cells, dtype=np.int64)
    outcomes, chances = np.empty(n_observations, dtype=np.int64), np.empty(n_observations)
    end = 0
    for token in range(tokens):
        shown = injection(rng, n_observations, vocabulary)
        for cell in range(cells):
            order[cell] = cell
            weight[cell] = 0.0
        for i in range(filled):
            j = i + below(rng, cells - i)
            order[i], order[j] = order[j], order[i]
            weight[order[i]] = uniform(rng)
        for s in range(n):
            count, total = 0, 0.0
            for o in range(n_observations):
                if weight[s * n_observations + o] > 0.0:
                    outcomes[count], chances[count] = shown[o], weight[s * n_observations + o]
                    total += chances[count]
                    count += 1
            if count == 0:
                outcomes[0], chances[0], total, count = shown[below(rng, n_observations)], 1.0, 1.0, 1
            for i in range(count):
                chances[i] /= total
            end = write_row(outcomes, chances, count, end, symbol, probability, cumulative)
            row_start[token * n + s + 1] = end
    return row_start, symbol[:end].copy(), probability[:end].copy(), cumulative[:end].copy()
