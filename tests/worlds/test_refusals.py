"""Bad input, all in one table: every message says the rule, what was given, and what to do about it."""

import gymnasium as gym
import numpy as np
import pytest

from common.agents import behaviour
from common.config import parse
from common.errors import UsageError
from common.synthesis.generate import generate, play, world_at
from common.synthesis.recipe import Recipe
from common.worlds import World, sample_world
from common.worlds.batch import WorldBatch
from common.worlds.environment import WorldEnv
from common.worlds.vector import WorldVectorEnv


def recipe(**changes):
    family = {"family": "anymdp", "parameters": {"n_states": [8, 16]}}
    plain = {"name": "bad", "sequences": 8, "length": 32, "sequences_per_shard": 4, "vocabulary": 16, "actions": 5}
    return parse(Recipe, {**plain, "families": [family], "behaviours": [{"kind": "random"}], **changes}, "recipe bad")


def with_family(name, weight=1.0, **parameters):
    return recipe(families=[{"family": name, "weight": weight, "parameters": parameters}])


def begun(name, **parameters):
    env = gym.make(f"{name}-v0", **parameters).unwrapped
    env.reset(seed=0)
    return env


def over(name):
    env = begun(name)
    while not any(env.step(0)[2:4]):
        pass
    return env


WORLD = sample_world("bandit", seed=0, n_actions=3)
CASES = {
    # families and their settings
    "too few states": (lambda: sample_world("anymdp", seed=0, n_states=3), "at least 8 states", "got 3", "raise it"),
    "hidden, too few states": (lambda: sample_world("pomdp", seed=0, n_states=3), "at least 8", "got 3", "raise it"),
    "an unknown family": (lambda: sample_world("maze", seed=0), "unknown family", "'maze'", "known families"),
    "a family from arrays": (lambda: sample_world("custom", seed=0), "unknown", "'custom'", "World.from_dense"),
    "an unknown setting": (lambda: sample_world("garnet", seed=0, states=9), "does not exist", "'states'", "n_states"),
    "a value out of bounds": (
        lambda: sample_world("garnet", seed=0, n_actions=1),
        "or equal to 2",
        "got 1",
        "n_actions",
    ),
    "a vocabulary too small": (
        lambda: sample_world("gridworld", seed=0, n_states=9, vocabulary=5),
        "at least n_states = 9",
        "got 5",
        "raise it",
    ),
    "too many macro-actions": (
        lambda: sample_world("multi-token-pomdp", seed=0, n_actions=9),
        "at most 64",
        "9 ** 2 = 81",
        "lower one",
    ),
    "a range upside down in the family": (
        lambda: sample_world("anymdp", seed=0, n_states=9, min_states=12),
        "must not be over n_states 9",
        "12",
        "swap",
    ),
    "a seed out of range": (lambda: sample_world("bandit", seed=-1), "in [0, 2**64)", "got -1", "derive_seed"),
    # recipes
    "a range upside down": (lambda: with_family("garnet", n_states=[9, 4]), "low <= high", "[9, 4]", "n_states"),
    "a negative weight": (lambda: with_family("garnet", weight=-1), "or equal to 0", "got -1", "weight"),
    "no weight at all": (lambda: with_family("garnet", weight=0), "at least one weight", "over 0", "raise one"),
    "a family not known to a recipe": (lambda: with_family("maze"), "unknown family", "'maze'", "known families are"),
    "more states than symbols": (
        lambda: with_family("anymdp", n_states=[8, 17]),
        "vocabulary must be at least",
        "got 16",
        "states need symbols",
    ),
    "more actions than ids": (
        lambda: with_family("garnet", n_actions=[2, 6]),
        "must not exceed",
        "got 6",
        "raise actions or lower n_actions",
    ),
    "tokens beside none": (
        lambda: recipe(
            actions=25,
            vocabulary=64,
            families=[{"family": "multi-token-pomdp"}, {"family": "garnet"}],
        ),
        "never mixed",
        "(4, 2, 5)",
        "a dataset of each",
    ),
    "a behaviour not known": (lambda: recipe(behaviours=[{"kind": "psychic"}]), "kind", "psychic", "'random'"),
    "a negative index": (lambda: world_at(recipe(), -1), "must be >= 0", "got -1", "index"),
    "a negative count": (lambda: generate(recipe(), 0, -2), "must be >= 0", "-2", "first and count"),
    "play without a row": (lambda: play(WORLD, behaviour("random"), 0, 0), "length must be >= 1", "got 0", "seed"),
    "play with too few ids": (
        lambda: play(WORLD, behaviour("random"), 9, 0, actions=2),
        "from the world's 3",
        "got 2",
        "to 64",
    ),
    # environments
    "an action out of range": (lambda: begun("anymdp").step(5), "in 0..4", "got 5", "action_space.sample()"),
    "a token out of range": (
        lambda: begun("multi-token-pomdp").step(np.array([0, 5])),
        "2 integers in 0..4",
        "[0, 5]",
        "action_space.sample()",
    ),
    "a step before the reset": (lambda: WorldEnv(WORLD).step(0), "running episode", "has not begun", "call reset()"),
    "a step after the end": (lambda: over("bandit").step(0), "running episode", "has ended", "call reset()"),
    "vector: a step before the reset": (
        lambda: WorldVectorEnv([WORLD]).step(np.zeros(1, dtype=int)),
        "running episode",
        "not all",
        "call reset()",
    ),
    "batch: an action out of range": (
        lambda: WorldBatch([WORLD], [0]).step(np.array([3])),
        "must lie in 0..2",
        "got 3",
        "n_actions says",
    ),
    "batch: not integers": (
        lambda: WorldBatch([WORLD], [0]).step(np.array([0.5])),
        "integers of shape (1,)",
        "float64",
        "one a world",
    ),
    "batch: tokens beside none": (
        lambda: WorldBatch([WORLD, sample_world("multi-token-pomdp", seed=0)], [0, 0]),
        "equally many",
        "(4,)",
        "part them",
    ),
    "a world given twice": (lambda: WorldEnv(WORLD, n_states=9), "already says", "n_states", "leave one of them out"),
    # arrays
    "rows that sum to half": (
        lambda: World.from_dense(np.full((1, 2, 1), 0.5), np.zeros((1, 2, 1)), np.zeros((1, 2, 1)), [0], [1.0], [], 9),
        "must sum to 1",
        "got 0.5",
        "normalise live rows",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_with_rule_value_and_remedy(case):
    call, rule, value, remedy = CASES[case]
    with pytest.raises(UsageError) as refused:
        call()
    message = str(refused.value)
    for part in (rule, value, remedy):
        assert part in message, (part, message)
