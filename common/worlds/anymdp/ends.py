"""Where the episodes of a candidate start, and which states end them.

Source: the AnyMDP specification, "Transitions" 1 and 2.
"""
# mypy: disable-error-code="no-untyped-def"

from common.kernels import kernel
from common.random import between, normal, uniform

START_RANKS = 3
"""Episodes start in the lowest three ranks."""
_LEAST_START = 1e-10


@kernel(allocates=False)
def draw_starts(rng, start):
    """Fill ``start`` (START_RANKS,) float64 with the probability of starting in each rank; some are 0."""
    total = 0.0
    while total <= 0.0:
        total = 0.0
        for s in range(START_RANKS):
            weight = normal(rng)
            start[s] = weight if weight > _LEAST_START else 0.0
            total += start[s]
    for s in range(START_RANKS):
        start[s] /= total


@kernel(allocates=False)
def draw_terminals(rng, start, terminal):
    """Fill ``terminal`` (n,) bool with pitfalls and goal; return whether the last state is a terminal goal."""
    n = terminal.shape[0]
    rate = max(between(rng, -0.2, 0.4), 0.0)
    count = n + 1
    while count >= n * rate + 1.0:
        count = 0
        for s in range(n):
            terminal[s] = uniform(rng) < rate
            count += terminal[s]
    for s in range(START_RANKS):
        if start[s] > 0.0:
            terminal[s] = False
    goal_ends = uniform(rng) < 0.3
    terminal[n - 1] = goal_ends
    return goal_ends
