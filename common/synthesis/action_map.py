"""How A action ids stand for the n_a <= A actions of one world: a random surjection and its preimages."""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel
from common.random import below, shuffle


@kernel
def draw_action_map(rng, ids, n_actions):
    """Return a random surjection of ``ids`` action ids onto ``n_actions`` actions, int64 (ids,).

    A random n_actions of the ids take one action each, the rest a uniform one. Where the numbers are equal there is
    nothing to fold, the map is the identity and nothing is drawn. ``ids >= n_actions`` must hold.
    """
    action = np.arange(ids)
    if ids > n_actions:
        for i in range(n_actions, ids):
            action[i] = below(rng, n_actions)
        shuffle(rng, action)
    return action


@kernel
def preimages(action_map, n_actions):
    """Return (start int64 (n_actions + 1,), ids int64 (A,)): action a has the ids ``ids[start[a]:start[a + 1]]``."""
    start, ids = np.zeros(n_actions + 1, dtype=np.int64), np.empty(action_map.shape[0], dtype=np.int64)
    for action in action_map:
        start[action + 1] += 1
    for a in range(n_actions):
        start[a + 1] += start[a]
    place = start.copy()
    for i in range(action_map.shape[0]):
        ids[place[action_map[i]]] = i
        place[action_map[i]] += 1
    return start, ids


@kernel(inline=True)
def unfold(rng, preimage_start, preimage, action):
    """Return the id to record for an action: uniform among its preimages; an only one draws nothing."""
    first = preimage_start[action]
    count = preimage_start[action + 1] - first
    if count > 1:
        first += below(rng, count)
    return preimage[first]
