"""The seven dense arrays of a world as people give them: checked, and made of one type each."""

from typing import Any

import numpy as np

from common.errors import UsageError
from common.worlds.shape import MAX_STATES

PROBABILITY_TOLERANCE = 1e-6
"""Sums of probabilities may be off by this."""


def checked(
    transition: Any,
    reward: Any,
    reward_noise: Any,
    start_states: Any,
    start_probabilities: Any,
    terminal_states: Any,
    max_steps: Any,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Return the arguments of ``World.from_dense``, arrays as float64 and int64.

    Raises:
        UsageError: One breaks its rule; the message names rule, value and remedy.
    """
    p = _numbers("transition", transition)
    if p.ndim != 3 or p.shape[0] != p.shape[2] or 0 in p.shape:
        raise UsageError(f"transition must have shape (n, a, n), got {p.shape}; put P(s'|s,a) at [s, a, s']")
    if p.shape[0] > MAX_STATES:
        raise UsageError(f"a world has at most {MAX_STATES} states, got {p.shape[0]}; merge some")
    mean, noise = _numbers("reward", reward), _numbers("reward_noise", reward_noise)
    for name, array in (("reward", mean), ("reward_noise", noise)):
        if array.shape != p.shape:
            raise UsageError(
                f"{name} must have transition's shape {p.shape}, got {array.shape}; "
                "np.broadcast_to spreads what depends on less"
            )
    starts = _states("start_states", start_states, p.shape[0])
    ends = _states("terminal_states", terminal_states, p.shape[0])
    start_p = _numbers("start_probabilities", start_probabilities).reshape(-1)
    for name, array in (("transition", p), ("reward_noise", noise), ("start_probabilities", start_p)):
        if (array < 0.0).any():
            raise UsageError(f"{name} must not be negative, got {array.min()}; raise such entries to 0")
    _check_starts(starts, start_p, ends)
    _check_rows(p, ends)
    try:
        limit = float(max_steps)
    except (TypeError, ValueError):
        limit = np.nan
    if not 0.0 < limit < np.inf:
        raise UsageError(f"max_steps must be finite and over 0, got {max_steps!r}; an episode has at least one step")
    return p, mean, noise, starts, start_p, ends, limit


def _numbers(name: str, values: Any) -> np.ndarray:
    """Return finite numbers, C-contiguous float64."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"type {array.dtype}")
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} must be an array of real numbers, got {error}; give one of floats") from None
    array = np.ascontiguousarray(array, dtype=np.float64)
    if not np.isfinite(array).all():
        raise UsageError(
            f"{name} must be finite, got {np.count_nonzero(~np.isfinite(array))} entries that are not; "
            "replace its nan and inf entries"
        )
    return array


def _states(name: str, values: Any, n: int) -> np.ndarray:
    """Return states, int64 (k,)."""
    states = np.asarray(values).reshape(-1)
    if states.size and (states.dtype.kind not in "iuf" or (states != np.floor(states)).any()):
        raise UsageError(
            f"{name} must be integers, got {states.dtype} {states.tolist()}; a mask m is np.flatnonzero(m)"
        )
    if states.size and (states.min() < 0 or states.max() >= n):
        raise UsageError(f"{name} must lie in 0..{n - 1}, got {states.tolist()}; states are the rows of transition")
    return states.astype(np.int64)


def _check_starts(starts: np.ndarray, start_p: np.ndarray, ends: np.ndarray) -> None:
    if starts.size == 0 or starts.shape != start_p.shape or abs(start_p.sum() - 1.0) > PROBABILITY_TOLERANCE:
        raise UsageError(
            f"start_probabilities must be one per start state and sum to 1, got {start_p.tolist()} "
            f"for {starts.tolist()}; normalise them"
        )
    if np.isin(starts, ends).any():
        raise UsageError(
            f"start states must not be terminal, got {np.intersect1d(starts, ends).tolist()} in both; "
            "take them out of one"
        )


def _check_rows(p: np.ndarray, ends: np.ndarray) -> None:
    live = np.ones(p.shape[0], dtype=bool)
    live[ends] = False
    sums = p.sum(axis=2)
    wrong = np.argwhere(np.abs(sums - live[:, None]) > PROBABILITY_TOLERANCE)
    if wrong.size:
        s, a = wrong[0]
        raise UsageError(
            f"transition row ({s}, {a}) must sum to {int(live[s])} ({'live' if live[s] else 'terminal'} state), "
            f"got {sums[s, a]}; normalise live rows and zero terminal ones"
        )
