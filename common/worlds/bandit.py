"""Bandits: one state, and every pull ends the episode."""
# mypy: disable-error-code="no-untyped-def"

import numpy as np
from pydantic import Field

from common.config import Settings
from common.kernels import kernel
from common.random import below, between, exponential, generator
from common.worlds.registry import Family, register
from common.worlds.shape import MAX_STATES
from common.worlds.world import World

_MOST_DRAWS = 1000
"""Draws of the arms before the base is drawn again: many arms at a small base spread too little almost surely."""


class BanditParameters(Settings):
    """What can be asked of a bandit."""

    n_actions: int = Field(default=5, ge=2, le=64)
    """Number of arms."""
    vocabulary: int | None = Field(default=None, ge=1, le=MAX_STATES)
    """Number of symbols; 1 where absent."""


@kernel
def draw_arms(rng, n_actions):
    """Return mean and noise of each arm, float64 (n_actions,) each, as the AnyMDP specification has them.

    base = clip(Exp(1), .05, 2); means U(base / 2, base), drawn until their standard deviation is over .01; noise = one
    max(U(-.3, .3), 0) times the mean.
    """
    mean = np.empty(n_actions)
    spread = 0.0
    while spread <= 0.01 * 0.01:
        base = min(max(exponential(rng, 1.0), 0.05), 2.0)
        draws = 0
        while spread <= 0.01 * 0.01 and draws < _MOST_DRAWS:
            draws += 1
            average, spread = 0.0, 0.0
            for a in range(n_actions):
                mean[a] = between(rng, 0.5 * base, base)
                average += mean[a] / n_actions
            for a in range(n_actions):
                spread += (mean[a] - average) * (mean[a] - average) / n_actions
    return mean, max(between(rng, -0.3, 0.3), 0.0) * mean


def sample(settings: BanditParameters, seed: int) -> World:
    """Return the bandit of a seed: state 0 holds the arms, state 1 is the end, shown by the same symbol."""
    rng = generator(seed)
    vocabulary = settings.vocabulary or 1
    symbol = int(below(rng, vocabulary))
    a = settings.n_actions
    mean, noise = draw_arms(rng, a)
    row_start = np.full(2 * a + 1, a, dtype=np.int32)
    row_start[: a + 1] = np.arange(a + 1)
    return World(
        n_states=2,
        n_actions=a,
        row_start=row_start,
        successor=np.ones(a, dtype=np.uint16),
        probability=np.ones(a),
        cumulative=np.ones(a),
        reward=mean,
        noise=noise,
        start_states=np.zeros(1, dtype=np.int32),
        start_probabilities=np.ones(1),
        terminal=np.array([False, True]),
        max_steps=1.0,
        symbol=np.full(2, symbol, dtype=np.uint16),
        vocabulary=vocabulary,
        counted_states=1,
    )


register(Family("bandit", 2, BanditParameters, sample))
