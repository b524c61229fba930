"""A recorded sequence played again in its world: the same observations and rewards, and the observation after them.

Only the world draws; who chose the actions, and why, does not matter, so this costs a few nanoseconds a step.
"""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.kernels import kernel
from common.seeding import Purpose, derive_seed, stream_seed
from common.synthesis.generate import world_at
from common.synthesis.recipe import Recipe
from common.synthesis.rollout import WORLD
from common.worlds.emission import emit
from common.worlds.step import reset, take


def replay(recipe: Recipe, number: int, taken: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Play a training sequence's actions again.

    Args:
        recipe: Its recipe.
        number: Of the sequence.
        taken: (L,) int64, the world's own action of every row, -1 at break rows.

    Returns:
        Observations (L + 1,), or (L + 1, tokens), uint16, and rewards (L,) float32; None where the actions do not fit
        the world: episodes would end elsewhere.
    """
    world = world_at(recipe, number)
    seed = stream_seed(derive_seed(recipe.seed, Purpose.TRAIN, number), WORLD)
    tokens = world.observation_tokens
    observation = np.zeros((len(taken) + 1) * tokens, dtype=np.uint16)
    reward = np.zeros(len(taken), dtype=np.float32)
    fits = _replay(
        np.array([seed], dtype=np.uint64),
        world.atomic().arrays(),
        world.episode_limit,
        world.interface(),
        taken,
        observation,
        reward,
    )
    return (observation.reshape(-1, tokens) if tokens > 1 else observation, reward) if fits else None


@kernel(allocates=False)
def _replay(rng, world, limit, interface, taken, observation, reward):
    """Fill ``observation`` and ``reward``; return whether breaks fall where ``taken`` has them."""
    row_start, successor, cumulative, mean, noise, start_states, start_cumulative, terminal = world
    symbol, hidden, emit_row, emitted, emit_cumulative, n_atoms, tokens = interface
    length, n_states, row, in_episode = taken.shape[0], terminal.shape[0], 0, 0
    now = reset(rng, start_states, start_cumulative)
    if hidden > 0:
        emit(rng, now, n_states, hidden, emit_row, emitted, emit_cumulative, observation, 0)
    while row < length:
        if taken[row] < 0:
            return False
        if hidden == 0:
            observation[row] = symbol[now]
        now, paid = take(rng, now, taken[row], n_atoms, tokens, row_start, successor, cumulative, mean, noise, terminal)
        reward[row] = paid
        row, in_episode = row + 1, in_episode + 1
        if hidden > 0:
            emit(rng, now, n_states, hidden, emit_row, emitted, emit_cumulative, observation, row * hidden)
        else:
            observation[row] = symbol[now]
        if row < length and (terminal[now] or in_episode >= limit):
            if taken[row] >= 0:
                return False
            row, in_episode = row + 1, 0
            now = reset(rng, start_states, start_cumulative)
            if hidden > 0:
                emit(rng, now, n_states, hidden, emit_row, emitted, emit_cumulative, observation, row * hidden)
            else:
                observation[row] = symbol[now]
    return True
