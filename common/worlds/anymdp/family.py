"""The family ``anymdp``: its parameters, and a world from (parameters, seed)."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field, model_validator

from common.config import Settings
from common.errors import NoWorldError
from common.random import generator
from common.worlds.anymdp.acceptance import ORACLE_DISCOUNT
from common.worlds.anymdp.sampler import REJECTIONS, sample
from common.worlds.anymdp.transitions import whole_rows
from common.worlds.registry import Family, register
from common.worlds.shape import MAX_STATES
from common.worlds.world import Known, RewardTable, World

LEAST_STATES = 8
MOST_CANDIDATES = 100_000
"""Sampling gives up after so many; one in four is accepted at 16 states, more in larger worlds."""


class Parameters(Settings):
    """What can be asked of an AnyMDP world (AnyMDP specification, "Shape")."""

    n_states: int = Field(default=16, ge=1, le=MAX_STATES)
    """Number of states; the largest, where ``min_states`` is given. At least 8."""
    min_states: int | None = Field(default=None, ge=1, le=MAX_STATES)
    """The number of states is uniform from this to ``n_states``; None: ``n_states`` always."""
    n_actions: int = Field(default=5, ge=2, le=256)
    """Number of actions."""
    vocabulary: int | None = Field(default=None, ge=1, le=MAX_STATES)
    """Number of observation symbols, at least ``n_states``; None: ``n_states``."""

    @model_validator(mode="after")
    def _check_sizes(self) -> "Parameters":
        least = self.n_states if self.min_states is None else self.min_states
        if least < LEAST_STATES:
            raise ValueError(
                f"an AnyMDP world has at least {LEAST_STATES} states, got {least}; raise it, "
                "or use family bandit for 1 state, garnet or gridworld for a few"
            )
        if least > self.n_states:
            raise ValueError(f"min_states must not be over n_states {self.n_states}, got {least}; swap them")
        if self.vocabulary is not None and self.vocabulary < self.n_states:
            raise ValueError(
                f"vocabulary must be at least n_states {self.n_states}, got {self.vocabulary}; states need symbols"
            )
        return self


@dataclass(frozen=True, eq=False)
class _WholeRows:
    """A world's transitions to the last entry: they are drawn again from where the generator stood."""

    before: np.ndarray
    n_actions: int
    terminal: np.ndarray

    def __call__(self) -> np.ndarray:
        return whole_rows(self.before.copy(), self.n_actions, self.terminal)


def sample_anymdp(parameters: Parameters, seed: int) -> World:
    """Sample one world; a pure function of its arguments. About .2 ms at 16 states and 5 actions, 1 ms at 128.

    Raises:
        NoWorldError: No candidate was accepted; the message names the tests that failed.
    """
    vocabulary = parameters.n_states if parameters.vocabulary is None else parameters.vocabulary
    least = parameters.n_states if parameters.min_states is None else parameters.min_states
    counts = np.zeros(len(REJECTIONS), dtype=np.int64)
    cap, symbol, start, terminal, rows, mean, noise, mean_next, noise_next, before, policy, best, blind = sample(
        generator(seed), least, parameters.n_states, parameters.n_actions, vocabulary, MOST_CANDIDATES, counts
    )
    rejections = {name: int(count) for name, count in zip(REJECTIONS, counts, strict=True)}
    if cap == 0.0:
        raise NoWorldError(
            f"one of {MOST_CANDIDATES} candidates must pass AnyMDP's tests, none did with {parameters} and seed {seed} "
            f"({rejections}); ask for more states or actions"
        )
    n, n_actions = terminal.shape[0], parameters.n_actions
    row_start, successor, probability, cumulative, reward, deviation = rows
    start_states = np.flatnonzero(start).astype(np.int32)
    return World(
        n_states=n,
        n_actions=n_actions,
        row_start=row_start,
        successor=successor,
        probability=probability,
        cumulative=cumulative,
        reward=reward,
        noise=deviation,
        start_states=start_states,
        start_probabilities=start[start_states],
        terminal=terminal,
        max_steps=cap,
        symbol=symbol,
        vocabulary=vocabulary,
        rejections=rejections,
        reward_table=RewardTable(mean.reshape(n, n_actions, 1), noise.reshape(n, n_actions, 1), mean_next, noise_next),
        known=Known(ORACLE_DISCOUNT, policy, best, blind, (probability, reward, cap)),
        transition_table=_WholeRows(before, n_actions, terminal),
    )


ANYMDP = register(Family(name="anymdp", version=2, parameters=Parameters, sample=sample_anymdp))
