import numpy as np
import pytest

from common.config import Settings
from common.errors import UsageError
from common.worlds import registry, sample_world


def test_every_simple_family_works_without_arguments():
    assert {"bandit", "garnet", "gridworld"} <= set(registry.families())
    for name in ("bandit", "garnet", "gridworld"):
        world = sample_world(name, seed=1)
        assert world.family == name
        assert world.version == registry.family(name).version
        assert world.seed == 1


def test_what_a_world_carries_rebuilds_it():
    world = sample_world("gridworld", seed=2**63 + 5, n_states=9, slip=0.4, vocabulary=12)
    again = sample_world(world.family, seed=world.seed, **world.parameters)
    for name, value in vars(world).items():
        if isinstance(value, np.ndarray):
            assert np.array_equal(value, getattr(again, name)), name
        else:
            assert value == getattr(again, name), name


def test_unknown_family_names_the_known_ones():
    with pytest.raises(UsageError, match=r"unknown family 'maze': known families are .*bandit.*gridworld"):
        sample_world("maze", seed=0)
    with pytest.raises(UsageError, match="from_dense"):
        sample_world("custom", seed=0)


@pytest.mark.parametrize("seed", [-1, 1 << 64, 0.5, None])
def test_seed_must_be_a_64_bit_integer(seed):
    with pytest.raises(UsageError, match=r"\[0, 2\*\*64\)"):
        sample_world("bandit", seed=seed)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("bandit", {"n_states": 3}, "'n_states' does not exist; settings here are n_actions, vocabulary"),
        ("bandit", {"n_actions": 1}, "greater than or equal to 2, got 1"),
        ("garnet", {"branching": 17}, "branching must be at most 16 .* got 17"),
        ("garnet", {"branching": 3, "band": 1}, "branching must be at most 2 .* got 3"),
        ("garnet", {"n_states": 8, "vocabulary": 7}, "vocabulary must be at least n_states = 8, got 7"),
        ("garnet", {"reward_kind": "rich"}, "'reward_kind'.* got 'rich'"),
        ("gridworld", {"n_states": 8, "vocabulary": 7}, "vocabulary must be at least n_states = 8, got 7"),
        ("gridworld", {"slip": 1.5}, "'slip'.* got 1.5"),
        ("gridworld", {"rows": 9}, "rows must be at most n_states / 2 = 8, got 9"),
        ("gridworld", {"reach": 2}, "reach over 1 needs a line"),
        ("gridworld", {"rows": 1, "reach": 16}, "reach must be under n_states"),
    ],
)
def test_bad_parameters_are_refused_with_rule_and_value(name, parameters, message):
    with pytest.raises(UsageError, match=message):
        sample_world(name, seed=0, **parameters)


@pytest.mark.parametrize("name", ["garnet", "gridworld"])
def test_a_gap_that_no_candidate_reaches_is_refused_with_counts(name):
    with pytest.raises(UsageError, match=r"none of 20000 candidates .*gap \d+.*lower min_gap"):
        sample_world(name, seed=0, n_states=4, n_actions=2, reward_scale=0.01, min_gap=10.0)


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="'bandit' is taken"):
        registry.register(registry.Family("bandit", 1, Settings, lambda settings, seed: None))
