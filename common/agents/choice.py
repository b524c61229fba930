"""Ways to pick an action that several behaviours share."""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel
from common.maths import exp, log
from common.random import below, uniform

_ONE, u = np.uint64(1), np.uint64


@kernel(inline=True)
def scheduled(rng, start, decay, end, step):
    """Return whether an event falls on this step, whose probability goes from ``start`` to ``end`` by ``decay`` a step.

    An end beyond the start takes effect after the first step. A probability of 0 draws nothing.
    """
    probability = start
    if step > 0:
        probability = max(end, start - decay * step)
    return probability > 0.0 and uniform(rng) < probability


@kernel(inline=True)
def argmax(rng, values, first, n_actions):
    """Return the index of the largest of ``values[first:first + n_actions]``, ties drawn uniformly."""
    best, found, ties = values[first], 0, 1
    for a in range(1, n_actions):
        value = values[first + a]
        if value > best:
            best, found, ties = value, a, 1
        elif value == best:
            ties += 1
    if ties > 1:
        left = below(rng, ties)
        for a in range(n_actions):
            if values[first + a] == best:
                if left == 0:
                    return np.int64(a)
                left -= 1
    return np.int64(found)


@kernel(inline=True)
def softmax_action(rng, values, first, room, n_actions, best, sharpness):
    """Return an index with probability proportional to exp(sharpness (values[first + index] - best)).

    ``best`` is the largest of them, so no weight overflows and their sum is at least 1; ``values[room:]`` has
    ``n_actions`` places to work in.
    """
    total = 0.0
    for a in range(n_actions):
        total += exp(sharpness * (values[u(first + a)] - best))
        values[u(room + a)] = total
    return from_running_sum(uniform(rng) * total, values, room, n_actions)


@kernel(inline=True)
def from_running_sum(point, values, first, n_actions):
    """Return how many of the running sums ``values[first:first + n_actions - 1]`` are ``point`` or less.

    Without a branch: which one is drawn cannot be guessed, and a wrong guess costs 5 ns.
    """
    found = 0
    for a in range(n_actions - 1):
        found += 1 if point >= values[u(first + a)] else 0
    return np.int64(found)


@kernel(inline=True)
def from_mask(rng, mask, n_actions):
    """Return one of the set bits below ``n_actions``, drawn uniformly; a uniform action where none is set."""
    count = np.int64(0)
    for a in range(n_actions):
        count += np.int64((mask >> np.uint64(a)) & _ONE)
    if count == 0:
        return below(rng, n_actions)
    left = np.int64(0)
    if count > 1:
        left = below(rng, count)
    for a in range(n_actions):
        if (mask >> np.uint64(a)) & _ONE:
            if left == 0:
                return np.int64(a)
            left -= 1
    return np.int64(0)


CURVES = ("linear", "exponential", "power")
"""Ways to fall from 1 to 0; a curve's number is its place."""


@kernel(allocates=False)
def falling(curve, sharpness, part):
    """Return what a curve is at ``part`` of its way, from 1 at 0 to 0 at 1 and beyond.

    Linear: 1 - part. Exponential: (e^(-k part) - e^-k) / (1 - e^-k). Power: (1 - part)^k. k is ``sharpness``; an
    exponential of k = 0 is linear.
    """
    if part >= 1.0:
        return 0.0
    if curve == 1 and sharpness > 1e-6:
        last = exp(-sharpness)
        return (exp(-sharpness * part) - last) / (1.0 - last)
    if curve == 2:
        return exp(sharpness * log(1.0 - part))
    return 1.0 - part
