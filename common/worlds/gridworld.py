"""Gridworlds: planes with walls, pits and a goal, and lines with moves of several lengths; moves may slip.

States are the free cells (walls are none), row by row. Actions are moves in a random order, so that neither their ids
nor the symbols carry a meaning. Layouts kept for evaluation are never drawn (``grid_layout``).
"""
# mypy: disable-error-code="no-untyped-def"

import functools
from collections.abc import Callable
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_serializer, model_validator

from common.kernels import kernel
from common.random import below
from common.worlds.grid_layout import draw_walls, evaluation_maps, is_one_of, pack_maps
from common.worlds.grid_moves import draw_moves, lead_back, mark, write_moves
from common.worlds.payoffs import (
    ACCEPTED,
    EVALUATION_MAP,
    KINDS,
    UNREACHABLE,
    Payoffs,
    RewardKind,
    draw_payoffs,
    screen,
)
from common.worlds.registry import Family, register
from common.worlds.screened import Drawn, screened_world
from common.worlds.shape import MAX_STATES
from common.worlds.world import World

LEAST_SLIP = 1e-6
"""A smaller slip is none: a goal that only several of them in a row reach would have a value of 0 in float64."""


class GridworldParameters(Payoffs):
    """What can be asked of a gridworld."""

    reward_kind: RewardKind = "goal-with-pits"
    """See ``Payoffs``; a cell pays whoever arrives in it, also by bumping into a wall there."""
    n_states: int = Field(default=16, ge=4, le=1024)
    """Free cells, pits and goal included."""
    n_actions: int = Field(default=4, ge=2, le=64)
    """Moves. Plane: up to four directions, of which 2 or 3 are a random part; any further action stays or repeats."""
    rows: int | None = Field(default=None, ge=1)
    """Rows of the grid; 1 is a line; absent: a plane of random shape."""
    wall_share: float = Field(default=0.0, ge=0.0, le=0.6)
    """About this part of a plane's cells are walls."""
    slip: float = Field(default=0.0, ge=0.0, le=1.0)
    """Chance that a move slips: in a plane to either side of its direction (2/3 is FrozenLake's), on a line one cell
    short or too far. Under ``LEAST_SLIP`` none does."""
    reach: int = Field(default=1, ge=1)
    """Longest move on a line, in cells; 1 in a plane."""
    pits: Literal["end", "restart"] = "end"
    """What a pit does to whoever arrives: it ends the episode, or leads back to the start (CliffWalking's cliff)."""
    vocabulary: int | None = Field(default=None, le=MAX_STATES)
    """Number of symbols; ``n_states`` where absent."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.vocabulary is not None and self.vocabulary < self.n_states:
            raise ValueError(f"vocabulary must be at least n_states = {self.n_states}, got {self.vocabulary}; raise it")
        if self.rows is not None and 2 * self.rows > self.n_states and self.rows > 1:
            raise ValueError(f"rows must be at most n_states / 2 = {self.n_states // 2}, got {self.rows}; lower it")
        if self.reach > 1 and self.rows != 1:
            raise ValueError(f"reach over 1 needs a line, rows = 1, got reach = {self.reach} and rows = {self.rows}")
        if self.reach >= self.n_states:
            raise ValueError(f"reach must be under n_states = {self.n_states}, got {self.reach}; lower it")
        if self.pits == "restart" and self.start != "fixed":
            raise ValueError(
                f'pits = "restart" leads to one start state, got start = {self.start!r}; set it to "fixed"'
            )
        return self

    @model_serializer(mode="wrap")
    def _dump(self, dump: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Leave ``pits`` out where it is the default: so were worlds described before it was a setting."""
        values = dump(self)
        if values.get("pits") == "end":
            del values["pits"]
        return values


@kernel
def draw_grid(
    rng,
    n,
    n_actions,
    rows,
    wall_share,
    slip,
    reach,
    kind,
    pit_share,
    start_uniform,
    restart,
    reward_scale,
    min_gap,
    kept_sizes,
    kept_maps,
    candidates,
    dropped,
):
    """Draw candidates until one passes; return its layout and the arrays of its world.

    Returns (found, rows, columns, cells with goal and pits, row_start, successor, probability, cumulative, reward,
    terminal, starts); ``dropped``, int64 (checks,), counts the other candidates. Maps in ``kept_*`` (``pack_maps``)
    are dropped.
    """
    most = n * n_actions * 3
    row_start = np.zeros(n * n_actions + 1, dtype=np.int32)
    successor = np.empty(most, dtype=np.uint16)
    probability, cumulative, reward = np.empty(most), np.empty(most), np.empty(most)
    pay, terminal = np.empty(n), np.empty(n, dtype=np.bool_)
    starts = np.empty(n, dtype=np.int32)
    pits = np.zeros(n, dtype=np.bool_)
    found, count, height, width, start = False, 0, 0, 0, -1
    shown = np.empty(0, dtype=np.uint8)
    for _ in range(candidates):
        height, width, cells = draw_walls(rng, n, rows, wall_share)
        goal, cost = draw_payoffs(rng, kind, pit_share, -1, pay, terminal)
        moves = draw_moves(rng, n_actions, height == 1, reach)
        shown = mark(cells, terminal, goal)
        verdict = EVALUATION_MAP
        if restart:
            start = _draw_start(rng, terminal, goal, pits)
        if restart and start < 0:
            verdict = UNREACHABLE
        elif not is_one_of(shown, height, width, kept_sizes, kept_maps):
            write_moves(cells, height, width, moves, slip, terminal, row_start, successor, probability, cumulative)
            for k in range(row_start[-1]):
                reward[k] = pay[successor[k]] - cost
            if restart:
                lead_back(pits, start, row_start, successor, probability, cumulative, reward)
            verdict, count = screen(
                rng, row_start, successor, probability, reward, terminal, n_actions, goal, start, start_uniform,
                reward_scale, min_gap, starts,
            )  # fmt: skip
        if verdict == ACCEPTED:
            found = True
            break
        dropped[verdict - 1] += 1
    k = row_start[-1]
    return (
        found, height, width, shown, row_start, successor[:k].copy(), probability[:k].copy(), cumulative[:k].copy(),
        reward[:k].copy(), terminal, starts[:count].copy(),
    )  # fmt: skip


@kernel
def _draw_start(rng, terminal, goal, pits):
    """Turn terminal states but the goal into ``pits`` that end nothing; return one of the others, -1 if none."""
    free = 0
    for s in range(pits.shape[0]):
        pits[s] = terminal[s] and s != goal
        terminal[s] = terminal[s] and s == goal
        if not pits[s] and s != goal:
            free += 1
    if free == 0:
        return -1
    start = below(rng, pits.shape[0])
    while pits[start] or start == goal:
        start = below(rng, pits.shape[0])
    return start


@functools.cache
def _kept_for_evaluation() -> tuple[np.ndarray, np.ndarray]:
    return pack_maps(evaluation_maps())


def sample(settings: GridworldParameters, seed: int) -> World:
    """Return the gridworld of a seed; rewards are free of noise."""

    def draw(rng: np.ndarray, dropped: np.ndarray) -> Drawn:
        found, _, _, _, *arrays = draw_grid(
            rng,
            settings.n_states,
            settings.n_actions,
            settings.rows or 0,
            settings.wall_share,
            settings.slip if settings.slip >= LEAST_SLIP else 0.0,
            settings.reach,
            KINDS.index(settings.reward_kind),
            settings.pit_share,
            settings.start == "uniform",
            settings.pits == "restart",
            settings.reward_scale or 0.0,
            settings.min_gap,
            *_kept_for_evaluation(),
            settings.most_candidates,
            dropped,
        )
        return found, *arrays

    size = settings.n_states, settings.n_actions
    return screened_world("gridworld", settings, seed, size, settings.vocabulary, draw)


register(Family("gridworld", 2, GridworldParameters, sample))
