"""Sparse rows as kernels write them: outcomes of one (state, action) in, one sorted row of the flat arrays out."""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel


@kernel
def write_row(outcomes, chances, count, begin, successor, probability, cumulative):
    """Write a row at entries begin.. by falling probability (ties by state); return the entry after it.

    ``outcomes`` (int64) and ``chances`` (float64) hold ``count`` outcomes whose chances sum to 1: equal outcomes are
    merged, chances of 0 left out, and both arrays are used up as scratch.
    """
    end = begin
    for i in range(count):
        if chances[i] > 0.0:
            for j in range(i + 1, count):
                if outcomes[j] == outcomes[i]:
                    chances[i] += chances[j]
                    chances[j] = 0.0
            place = end
            while place > begin and (
                probability[place - 1] < chances[i]
                or (probability[place - 1] == chances[i] and successor[place - 1] > outcomes[i])
            ):
                probability[place] = probability[place - 1]
                successor[place] = successor[place - 1]
                place -= 1
            probability[place] = chances[i]
            successor[place] = outcomes[i]
            end += 1
    total = 0.0
    for k in range(begin, end):
        total += probability[k]
        cumulative[k] = min(total, 1.0)
    cumulative[end - 1] = 1.0
    return end


@kernel
def reaching(row_start, successor, terminal, n_actions, goal):
    """Return the states from which the goal can be reached with some luck, bool (n,); the goal itself is one.

    No path leads through a terminal state, as their rows are empty.
    """
    n = terminal.shape[0]
    found = np.zeros(n, dtype=np.bool_)
    found[goal] = True
    changed = True
    while changed:
        changed = False
        for s in range(n):
            if not found[s]:
                for k in range(row_start[s * n_actions], row_start[(s + 1) * n_actions]):
                    if found[successor[k]]:
                        found[s] = True
                        changed = True
                        break
    return found
