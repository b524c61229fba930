"""What is drawn once per world whatever its family: the symbols that show its states, and the episode cap."""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel
from common.random import below, between

MAX_STATES = 65_536
"""States and symbols are stored in 16 bits."""


@kernel
def injection(rng, n, vocabulary):
    """Return the first n of a random permutation of 0..vocabulary-1, uint16 (n,): the symbols of n states."""
    symbols = np.arange(vocabulary).astype(np.uint16)
    for i in range(n):
        j = i + below(rng, vocabulary - i)
        symbols[i], symbols[j] = symbols[j], symbols[i]
    return symbols[:n].copy()


@kernel
def episode_cap(rng, n):
    """Return a cap in steps (float): U(lo, hi), lo = max(4n, 100), hi = max(min(8n, 500), lo + 1).

    From the AnyMDP specification, "Shape".
    """
    low = max(4.0 * n, 100.0)
    return between(rng, low, max(min(8.0 * n, 500.0), low + 1.0))
