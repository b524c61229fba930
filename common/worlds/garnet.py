"""Garnet worlds: a few random successors for each state and action (Bhatnagar et al., 2009; AnyMDP specification)."""
# mypy: disable-error-code="no-untyped-def"

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from common.kernels import kernel
from common.random import below, normal, uniform
from common.worlds.payoffs import (
    ACCEPTED,
    DENSE,
    KINDS,
    Payoffs,
    draw_payoffs,
    screen,
)
from common.worlds.registry import Family, register
from common.worlds.rows import write_row
from common.worlds.screened import Drawn, screened_world
from common.worlds.shape import MAX_STATES
from common.worlds.world import World


class GarnetParameters(Payoffs):
    """What can be asked of a Garnet world; the defaults are the classical Garnet(16, 5, 2)."""

    n_states: int = Field(default=16, ge=2, le=4096)
    n_actions: int = Field(default=5, ge=2, le=64)
    branching: int = Field(default=2, ge=1)
    """Successors of each state and action, at most ``n_states``."""
    sigma: float = Field(default=0.1, gt=0.0)
    """Standard deviation of the mean rewards of kind dense, one per state, action and successor."""
    band: int | None = Field(default=None, ge=1)
    """Successors lie within so many states of the state they follow (a line); anywhere where absent."""
    vocabulary: int | None = Field(default=None, le=MAX_STATES)
    """Number of symbols; ``n_states`` where absent."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.vocabulary is not None and self.vocabulary < self.n_states:
            raise ValueError(f"vocabulary must be at least n_states = {self.n_states}, got {self.vocabulary}; raise it")
        room = self.n_states if self.band is None else min(self.n_states, self.band + 1)
        if self.branching > room:
            raise ValueError(
                f"branching must be at most {room} with n_states = {self.n_states} and band = {self.band}, "
                f"got {self.branching}; lower it"
            )
        return self


@kernel
def draw_garnet(
    rng,
    n,
    n_actions,
    branching,
    band,
    kind,
    sigma,
    pit_share,
    start_uniform,
    reward_scale,
    min_gap,
    candidates,
    dropped,
):
    """Draw candidates until one passes; return the arrays of a world, or none of them filled after the last.

    Returns (found, row_start, successor, probability, cumulative, reward, terminal, starts); ``dropped``, int64
    (checks,), counts the others.
    """
    most = n * n_actions * branching
    row_start = np.zeros(n * n_actions + 1, dtype=np.int32)
    successor = np.empty(most, dtype=np.uint16)
    probability, cumulative, reward = np.empty(most), np.empty(most), np.empty(most)
    pay, terminal = np.empty(n), np.empty(n, dtype=np.bool_)
    starts = np.empty(n, dtype=np.int32)
    for _ in range(candidates):
        goal, cost = draw_payoffs(rng, kind, pit_share, 0, pay, terminal)
        _draw_rows(rng, n_actions, branching, band, terminal, row_start, successor, probability, cumulative)
        for k in range(row_start[-1]):
            reward[k] = sigma * normal(rng) if kind == DENSE else pay[successor[k]] - cost
        verdict, count = screen(
            rng,
            row_start,
            successor,
            probability,
            reward,
            terminal,
            n_actions,
            goal,
            0,
            start_uniform,
            reward_scale,
            min_gap,
            starts,
        )
        if verdict == ACCEPTED:
            end = row_start[-1]
            return (
                True,
                row_start,
                successor[:end].copy(),
                probability[:end].copy(),
                cumulative[:end].copy(),
                reward[:end].copy(),
                terminal,
                starts[:count].copy(),
            )
        dropped[verdict - 1] += 1
    return False, row_start, successor, probability, cumulative, reward, terminal, starts


@kernel
def _draw_rows(rng, n_actions, branching, band, terminal, row_start, successor, probability, cumulative):
    """Draw ``branching`` successors of every live (s, a) without replacement, with the gaps of sorted uniforms."""
    n = terminal.shape[0]
    pool = np.empty(n, dtype=np.int64)
    outcomes, chances = np.empty(branching, dtype=np.int64), np.empty(branching)
    end = 0
    for s in range(n):
        low, high = max(0, s - band), min(n, s + band + 1)
        for a in range(n_actions):
            if not terminal[s]:
                for j in range(low, high):
                    pool[j - low] = j
                for i in range(branching):
                    j = i + below(rng, high - low - i)
                    pool[i], pool[j] = pool[j], pool[i]
                    outcomes[i] = pool[i]
                for i in range(branching - 1):
                    chances[i] = uniform(rng)
                chances[branching - 1] = 1.0
                chances[:].sort()
                for i in range(branching - 1, 0, -1):
                    chances[i] -= chances[i - 1]
                end = write_row(outcomes, chances, branching, end, successor, probability, cumulative)
            row_start[s * n_actions + a + 1] = end


def sample(settings: GarnetParameters, seed: int) -> World:
    """Return the Garnet world of a seed; rewards are free of noise, and a fixed start is state 0."""

    def draw(rng: np.ndarray, dropped: np.ndarray) -> Drawn:
        return draw_garnet(
            rng,
            settings.n_states,
            settings.n_actions,
            settings.branching,
            settings.band or settings.n_states,
            KINDS.index(settings.reward_kind),
            settings.sigma,
            settings.pit_share,
            settings.start == "uniform",
            settings.reward_scale or 0.0,
            settings.min_gap,
            settings.most_candidates,
            dropped,
        )

    size = settings.n_states, settings.n_actions
    return screened_world("garnet", settings, seed, size, settings.vocabulary, draw)


register(Family("garnet", 2, GarnetParameters, sample))
