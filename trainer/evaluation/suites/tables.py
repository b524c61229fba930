"""Gymnasium's transition tables as worlds: an environment that has ``P`` in, the same world as sparse rows out."""

from typing import Any

import numpy as np

from common.errors import UsageError
from common.worlds import World


def has_table(environment: Any) -> bool:
    """Return whether an environment shows its model, as Gymnasium's toy-text ones do."""
    bare = environment.unwrapped
    return hasattr(bare, "P") and hasattr(bare, "initial_state_distrib")


def world_of_table(environment: Any, max_steps: float) -> World:
    """Return the world of an environment's table ``P[s][a] = [(probability, successor, reward, done), ..]``.

    Args:
        environment: It has ``P`` and ``initial_state_distrib``.
        max_steps: Episode cap.

    Raises:
        UsageError: A state ends episodes when reached in one way and not in another: no set of terminal states says so.
    """
    table = environment.unwrapped.P
    start = np.asarray(environment.unwrapped.initial_state_distrib, dtype=np.float64)
    n, a = len(table), len(table[0])
    reachable, ends = _reachable(table, np.flatnonzero(start > 0.0).tolist())
    transition, reward = np.zeros((n, a, n)), np.zeros((n, a, n))
    for s in set(range(n)) - ends:
        for action, outcomes in table[s].items():
            for probability, successor, paid, done in outcomes:
                if s in reachable and probability > 0.0 and bool(done) != (successor in ends):
                    raise UsageError(f"state {successor} of {environment.spec.id} ends an episode only at times")
                transition[s, action, successor] += probability
                reward[s, action, successor] += probability * paid
    live = transition > 0.0
    reward[live] /= transition[live]
    starts = np.flatnonzero(start > 0.0)
    rest = (starts, start[starts] / start[starts].sum(), np.array(sorted(ends), dtype=np.int64))
    return World.from_dense(transition, reward, np.zeros_like(reward), *rest, max_steps)


def _reachable(table: Any, starts: list[int]) -> tuple[set[int], set[int]]:
    """Return the states an episode can be in, and those that end it. (Taxi has states no episode comes to.)"""
    seen, ends, waiting = set(starts), set(), list(starts)
    while waiting:
        for row in table[waiting.pop()].values():
            for probability, successor, _, done in row:
                if probability > 0.0 and done:
                    ends.add(successor)
                elif probability > 0.0 and successor not in seen:
                    seen.add(successor)
                    waiting.append(successor)
    return seen, ends
