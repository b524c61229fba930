"""Gridworlds: planes with walls, pits and a goal, and lines with moves of several lengths; moves may slip.

States are the free cells (walls are none), row by row. Actions are moves in a random order, so that neither their ids
nor the symbols carry a meaning. Layouts kept for evaluation are never drawn (``grid_layout``).
"""
# mypy: disable-error-code="no-untyped-def"

import functools
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from common.kernels import kernel
from common.random import below, generator, shuffle, uniform
from common.seeding import splitmix64
from common.worlds.grid_layout import (
    FREE,
    GOAL,
    PIT,
    draw_walls,
    evaluation_maps,
    is_one_of,
    neighbour,
    pack_maps,
)
from common.worlds.payoffs import (
    ACCEPTED,
    CHECKS,
    EVALUATION_MAP,
    KINDS,
    Payoffs,
    RewardKind,
    draw_payoffs,
    refuse,
    screen,
)
from common.worlds.registry import Family, register
from common.worlds.rows import write_row
from common.worlds.shape import MAX_STATES, episode_cap, injection
from common.worlds.world import World

STAY = 4
"""A move beside the four directions (0 up, 1 right, 2 down, 3 left); it never slips."""


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
    short or too far."""
    reach: int = Field(default=1, ge=1)
    """Longest move on a line, in cells; 1 in a plane."""
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
        return self


@kernel
def draw_moves(rng, n_actions, line, reach):
    """Return a move for each action, int64 (n_actions,): directions and STAY, or, on a line, signed lengths and 0.

    A line has moves to both sides. Actions beyond the different moves stay or repeat a move, a coin each.
    """
    if line:
        different = np.concatenate((np.arange(-reach, 0), np.arange(1, reach + 1)))
        stay = 0
    else:
        different = np.arange(4)
        stay = STAY
    shuffle(rng, different)
    if line:
        # one to the left first, one to the right second
        for place, sign in ((0, -1), (1, 1)):
            for i in range(place, different.shape[0]):
                if different[i] * sign > 0:
                    different[place], different[i] = different[i], different[place]
                    break
    moves = np.empty(n_actions, dtype=np.int64)
    for a in range(n_actions):
        if a < different.shape[0]:
            moves[a] = different[a]
        else:
            moves[a] = stay if uniform(rng) < 0.5 else different[below(rng, different.shape[0])]
    shuffle(rng, moves)
    return moves


@kernel
def write_moves(cells, rows, columns, moves, slip, terminal, row_start, successor, probability, cumulative):
    """Write the transition rows of a grid: intended move with 1 - slip, each of its two slips with slip / 2."""
    state_of, cell_of = np.empty(cells.shape[0], dtype=np.int64), np.empty(cells.shape[0], dtype=np.int64)
    n = 0
    for cell in range(cells.shape[0]):
        state_of[cell] = -1
        if cells[cell] == FREE:
            state_of[cell], cell_of[n] = n, cell
            n += 1
    outcomes, chances = np.empty(3, dtype=np.int64), np.empty(3)
    end = 0
    for s in range(n):
        for a in range(moves.shape[0]):
            if not terminal[s]:
                chances[0], chances[1], chances[2] = 1.0 - slip, 0.5 * slip, 0.5 * slip
                for i in range(3):
                    if rows == 1:
                        to = cell_of[s]
                        if moves[a] != 0:
                            to += moves[a] + (0, -1, 1)[i]
                        to = min(max(to, 0), columns - 1)
                    elif moves[a] == STAY:
                        to = cell_of[s]
                    else:
                        to = neighbour(cell_of[s], (moves[a] + (0, 1, 3)[i]) % 4, rows, columns)
                    outcomes[i] = state_of[to] if state_of[to] >= 0 else s
                end = write_row(outcomes, chances, 3, end, successor, probability, cumulative)
            row_start[s * moves.shape[0] + a + 1] = end


@kernel
def mark(cells, terminal, goal):
    """Return a copy of ``cells`` with goal and pits of the states marked in it."""
    shown = cells.copy()
    s = 0
    for cell in range(cells.shape[0]):
        if cells[cell] == FREE:
            if s == goal:
                shown[cell] = GOAL
            elif terminal[s]:
                shown[cell] = PIT
            s += 1
    return shown


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
    found, count, height, width = False, 0, 0, 0
    shown = np.empty(0, dtype=np.uint8)
    for _ in range(candidates):
        height, width, cells = draw_walls(rng, n, rows, wall_share)
        goal, cost = draw_payoffs(rng, kind, pit_share, -1, pay, terminal)
        moves = draw_moves(rng, n_actions, height == 1, reach)
        shown = mark(cells, terminal, goal)
        verdict = EVALUATION_MAP
        if not is_one_of(shown, height, width, kept_sizes, kept_maps):
            write_moves(cells, height, width, moves, slip, terminal, row_start, successor, probability, cumulative)
            for k in range(row_start[-1]):
                reward[k] = pay[successor[k]] - cost
            verdict, count = screen(
                rng, row_start, successor, probability, reward, terminal, n_actions, goal, -1, start_uniform,
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


@functools.cache
def _kept_for_evaluation() -> tuple[np.ndarray, np.ndarray]:
    return pack_maps(evaluation_maps())


def sample(settings: GridworldParameters, seed: int) -> World:
    """Return the gridworld of a seed; rewards are free of noise."""
    n = settings.n_states
    shape = generator(splitmix64(seed))
    vocabulary = settings.vocabulary or n
    symbol = injection(shape, n, vocabulary)
    max_steps = episode_cap(shape, n) if settings.cap_factor is None else settings.cap_factor * n
    dropped = np.zeros(len(CHECKS), dtype=np.int64)
    found, _, _, _, row_start, successor, probability, cumulative, reward, terminal, starts = draw_grid(
        generator(seed),
        n,
        settings.n_actions,
        settings.rows or 0,
        settings.wall_share,
        settings.slip,
        settings.reach,
        KINDS.index(settings.reward_kind),
        settings.pit_share,
        settings.start == "uniform",
        settings.reward_scale or 0.0,
        settings.min_gap,
        *_kept_for_evaluation(),
        settings.most_candidates,
        dropped,
    )
    if not found:
        raise refuse("gridworld", settings, dropped)
    return World(
        n_states=n,
        n_actions=settings.n_actions,
        row_start=row_start,
        successor=successor,
        probability=probability,
        cumulative=cumulative,
        reward=reward,
        noise=np.zeros(reward.shape[0]),
        start_states=starts,
        start_probabilities=np.full(starts.shape[0], 1.0 / starts.shape[0]),
        terminal=terminal,
        max_steps=max_steps,
        symbol=symbol,
        vocabulary=vocabulary,
        rejections=dict(zip(CHECKS, dropped.tolist(), strict=True)),
    )


register(Family("gridworld", 1, GridworldParameters, sample))
