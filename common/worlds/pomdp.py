"""The family ``pomdp``: AnyMDP worlds whose state is hidden behind a random sparse emission matrix.

Labels are those of the hidden state's oracle: an upper bound that nobody who sees only observations can reach.
"""

from dataclasses import replace
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from common.random import generator
from common.seeding import splitmix64
from common.worlds.anymdp import family as anymdp
from common.worlds.emission import Emission, draw_emission
from common.worlds.registry import Family, register
from common.worlds.shape import MAX_STATES
from common.worlds.world import World


class PomdpParameters(anymdp.Parameters):
    """What can be asked of a POMDP: what can be asked of its AnyMDP, and how many symbols show it."""

    n_observations: int = Field(default=64, ge=2, le=MAX_STATES)
    """Symbols that can be shown, n_o."""
    vocabulary: int | None = Field(default=None, ge=1, le=MAX_STATES)
    """Number of observation symbols, at least ``n_observations`` and ``n_states``; None: the larger of these."""

    @model_validator(mode="after")
    def _check_observations(self) -> Self:
        if self.vocabulary is not None and self.vocabulary < self.n_observations:
            raise ValueError(
                f"vocabulary must be at least n_observations = {self.n_observations}, got {self.vocabulary}; "
                "raise it or lower n_observations"
            )
        return self


def hidden(parameters: PomdpParameters, seed: int, tokens: int = 1) -> World:
    """Return the AnyMDP world of a seed, its state hidden behind ``tokens`` emission matrices of the same seed.

    Raises:
        NoWorldError: No AnyMDP candidate was accepted.
    """
    vocabulary = parameters.vocabulary or max(parameters.n_states, parameters.n_observations)
    settings = {name: getattr(parameters, name) for name in ("n_states", "min_states", "n_actions")}
    world = anymdp.sample_anymdp(anymdp.Parameters(**settings, vocabulary=vocabulary), seed)
    rows = draw_emission(generator(splitmix64(seed)), world.n_states, parameters.n_observations, tokens, vocabulary)
    names = ("row_start", "symbol", "probability", "cumulative")
    emission = Emission(tokens=tokens, **dict(zip(names, rows, strict=True)))
    return replace(world, emission=emission, symbol=np.arange(world.n_states, dtype=np.uint16))


POMDP = register(
    Family(name="pomdp", version=anymdp.ANYMDP.version, parameters=PomdpParameters, sample=hidden, hides_state=True)
)
"""Its version is AnyMDP's: a change there changes these worlds too."""
