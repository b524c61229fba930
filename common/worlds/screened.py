"""A world of a family whose candidates are drawn until one passes the screen: what Garnet and gridworlds share."""

from collections.abc import Callable
from typing import Any

import numpy as np

from common.random import generator
from common.seeding import splitmix64
from common.worlds.payoffs import CHECKS, Payoffs, refuse
from common.worlds.shape import episode_cap, injection
from common.worlds.world import World

Drawn = tuple[Any, ...]
"""(found, row_start, successor, probability, cumulative, reward, terminal, starts)."""


def screened_world(
    family: str,
    settings: Payoffs,
    seed: int,
    size: tuple[int, int],
    vocabulary: int | None,
    draw: Callable[[np.ndarray, np.ndarray], Drawn],
) -> World:
    """Return the world of a seed; its rewards are free of noise, its start states equally likely.

    Args:
        family: The family's name, for the error.
        settings: What every screened family is asked for.
        seed: Fixes everything; symbols and episode cap come from a stream of their own.
        size: (states, actions).
        vocabulary: Observation symbols; None: one per state.
        draw: Takes a generator state and the counts of dropped candidates, which it raises; returns ``Drawn``.

    Raises:
        NoWorldError: No candidate passed.
    """
    n, n_actions = size
    shape = generator(splitmix64(seed))
    symbols = vocabulary or n
    symbol = injection(shape, n, symbols)
    max_steps = episode_cap(shape, n) if settings.cap_factor is None else settings.cap_factor * n
    dropped = np.zeros(len(CHECKS), dtype=np.int64)
    found, row_start, successor, probability, cumulative, reward, terminal, starts = draw(generator(seed), dropped)
    if not found:
        raise refuse(family, settings, dropped)
    return World(
        n_states=n,
        n_actions=n_actions,
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
        vocabulary=symbols,
        rejections=dict(zip(CHECKS, dropped.tolist(), strict=True)),
    )
