"""A world or a recorded sequence in, what its picture shows out; computed in a process of its own.

Rebuilding a world loads numba, and compiles once a user; the process apart keeps the server small and answering.
"""

import json
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from deploy.dashboard.views import Acted, Episode, SequenceView, WorldView

POINTS = 300
EPISODES = 3000
FINEST = 5
"""Digits of a probability that are told."""


def sample(family: str, seed: int, states: int, actions: int) -> str:
    """Return a fresh world of a family as JSON of ``WorldView``.

    Raises:
        UsageError: There is no such family, or no such world of it.
    """
    from common.worlds.registry import family as named

    known = named(family).parameters.model_fields
    asked = {"n_states": states, "n_actions": actions}
    return _view(family, seed, {name: value for name, value in asked.items() if name in known}).model_dump_json()


def sequence(url: str, number: int) -> str:
    """Return a recorded sequence as JSON of ``SequenceView``.

    Raises:
        UsageError: There is no such sequence.
        DataError: Its shard is not committed, or damaged.
    """
    from common.dataset import open_dataset
    from common.errors import UsageError

    dataset = open_dataset(url)
    if not 0 <= number < len(dataset):
        raise UsageError(f"the dataset has sequences 0..{len(dataset) - 1}, asked for {number}")
    rows, table = dataset.read_with_catalog(number, 1)
    row = table.to_pylist()[0]
    arrays = {name: array[0] for name, array in rows.arrays().items()}
    world, fault = None, None
    try:
        world = _view(row["family"], row["seed"], json.loads(row["parameters"] or "{}"), row["version"])
    except (UsageError, ValueError, TypeError) as error:
        fault = f"cannot be made again: {error}"
    return SequenceView(
        sequence=number,
        shard=number // dataset.sequences_per_shard,
        family=row["family"],
        seed=None if row["seed"] is None else str(row["seed"]),
        world=world,
        world_fault=fault,
        n_s=row["n_s"],
        n_a=row["n_a"],
        action_map=row["action_map"] or [],
        oracle_value=row["oracle_value"],
        random_value=row["random_value"],
        total=row["return"],
        behaviours=[(int(part["start"]), str(part["kind"])) for part in row["behaviours"] or []],
        rejections={str(check): int(count) for check, count in row["rejections"] or [] if count},
        episodes=_episodes(arrays, dataset.actions)[:EPISODES],
        rewards=_rewards(arrays["reward"]),
        acted=_acted(arrays["tag"]),
    ).model_dump_json()


def _view(family: str, seed: int, parameters: dict[str, Any], version: int | None = None) -> WorldView:
    from common.errors import UsageError
    from common.worlds.portrait import Portrait
    from common.worlds.registry import family as named
    from common.worlds.registry import sample_world

    if version is not None and named(family).version != version:
        raise UsageError(f"it was made by version {version} of {family}, this software has {named(family).version}")
    world = sample_world(family, seed=seed, **parameters)
    portrait = Portrait.of(world)
    rounded = partial(np.round, decimals=FINEST)
    return WorldView(
        family=family,
        seed=str(seed),
        states=world.n_states,
        actions=world.n_actions,
        discount=portrait.discount,
        transition=rounded(portrait.transition).tolist(),
        optimal_transition=rounded(portrait.optimal_transition).tolist(),
        value=portrait.value.tolist(),
        random_value=portrait.random_value.tolist(),
        level=portrait.level.tolist(),
        roles=portrait.roles,
        terminal=np.flatnonzero(world.terminal).tolist(),
        symbol=[int(symbol) for symbol in world.symbol],
        hidden=world.emission is not None,
    )


def _episodes(arrays: dict[str, np.ndarray], actions: int) -> list[Episode]:
    from common.dataset.schema import Tag

    ends = np.flatnonzero(arrays["action"] == actions)
    begins = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    total = np.concatenate(([0.0], np.cumsum(arrays["reward"], dtype=np.float64)))
    return [
        Episode(begin=int(a), end=int(b), total=float(total[b] - total[a]), terminated=bool(tag == Tag.TERMINATED))
        for a, b, tag in zip(begins, ends, arrays["tag"][ends], strict=True)
    ]


def _rewards(reward: np.ndarray) -> list[tuple[int, float]]:
    """Return rows and all reward paid until there."""
    total = np.cumsum(reward, dtype=np.float64)
    at = np.unique(np.linspace(0, len(total) - 1, min(POINTS, len(total))).astype(int))
    return [(int(row) + 1, float(total[row])) for row in at]


def _acted(tags: np.ndarray) -> list[Acted]:
    """Return how often each tag stands in each of at most a hundred stretches of the sequence."""
    edges = np.unique(np.linspace(0, len(tags), 101).astype(int)).tolist()
    return [Acted(first=a, to=b, tags=np.bincount(tags[a:b], minlength=10)[:10].tolist()) for a, b in pairwise(edges)]
