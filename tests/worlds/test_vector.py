"""Vector environments against Gymnasium's own around single ones, in each autoreset mode; speed; refusals."""

import time

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

from common.errors import UsageError
from common.worlds import sample_world
from common.worlds.environment import WorldEnv
from common.worlds.vector import WorldVectorEnv

MODES = list(AutoresetMode)


def worlds():
    """Worlds whose episodes end early and late, by termination and by the cap."""
    return [
        sample_world("anymdp", seed=1, n_states=12, n_actions=3, vocabulary=16),
        sample_world("bandit", seed=2, n_actions=3, vocabulary=16),
        sample_world("garnet", seed=3, n_states=16, n_actions=3, cap_factor=0.4, start="uniform"),
        sample_world("gridworld", seed=4, n_states=5, n_actions=3, vocabulary=16, cap_factor=1.0, start="uniform"),
    ]


def equal(one, other, path="infos"):
    assert one.keys() == other.keys(), path
    for key, value in one.items():
        if isinstance(value, dict):
            equal(value, other[key], f"{path}/{key}")
        else:
            told = other[f"_{key}"] if not key.startswith("_") else slice(None)
            assert np.array_equal(value[told], other[key][told]), f"{path}/{key}"
            assert value.dtype == other[key].dtype, f"{path}/{key}"


@pytest.mark.parametrize("mode", MODES)
def test_it_equals_gymnasiums_vector_environment_around_single_ones(mode):
    ours = WorldVectorEnv(worlds(), autoreset_mode=mode)
    theirs = SyncVectorEnv([lambda w=w: WorldEnv(w) for w in worlds()], autoreset_mode=mode)
    assert ours.metadata["autoreset_mode"] is theirs.metadata["autoreset_mode"] is mode
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.single_action_space == theirs.single_action_space
    ended = 0
    for seed in (7, None, [1, None, 3, 4]):
        for one, other in zip(ours.reset(seed=seed), theirs.reset(seed=seed), strict=True):
            equal(one, other) if isinstance(one, dict) else np.testing.assert_array_equal(one, other)
        for actions in np.random.default_rng(0).integers(0, 3, (120, 4)):
            one, other = ours.step(actions), theirs.step(actions)
            for mine, its in zip(one[:4], other[:4], strict=True):
                assert np.array_equal(mine, its)
                assert mine.dtype == its.dtype
            equal(one[4], other[4])
            assert one[0] in ours.observation_space
            over = one[2] | one[3]
            ended += over.sum()
            if mode is AutoresetMode.DISABLED and over.any():
                shown = ours.reset(options={"reset_mask": over})[0]
                assert np.array_equal(shown, theirs.reset(options={"reset_mask": over})[0])
    assert ended > 100


def test_make_vec_draws_successive_worlds_and_says_its_mode():
    envs = gym.make_vec("garnet-v0", num_envs=3, n_states=9, world_seed=5)
    assert [world.seed for world in envs.unwrapped.worlds] == [5, 6, 7]
    assert {world.n_states for world in envs.unwrapped.worlds} == {9}
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert gym.make_vec("bandit-v0", num_envs=2, world_seed=[9, 4]).unwrapped.worlds[1].seed == 4
    chosen = gym.make_vec("bandit-v0", num_envs=2, autoreset_mode="NextStep")
    assert chosen.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    sync = gym.make_vec("anymdp-v0", num_envs=2, vectorization_mode="sync")
    assert sync.reset(seed=0)[0] in sync.observation_space


def test_other_worlds_by_an_option_of_reset():
    envs = gym.make_vec("anymdp-v0", num_envs=3)
    expected, _ = gym.make_vec("anymdp-v0", num_envs=3, world_seed=40).reset(seed=2)
    shown, _ = envs.reset(seed=2, options={"world_seed": 40})
    assert np.array_equal(shown, expected)
    envs.reset()
    assert [world.seed for world in envs.unwrapped.worlds] == [40, 41, 42]


def test_seeds_given_at_construction_are_those_of_the_first_reset():
    ours, theirs = WorldVectorEnv(worlds(), [4, 5, 6, 7]), WorldVectorEnv(worlds())
    assert np.array_equal(ours.reset()[0], theirs.reset(seed=4)[0])
    actions = np.ones(4, dtype=np.int64)
    for _ in range(50):
        assert np.array_equal(ours.step(actions)[1], theirs.step(actions)[1])
    assert np.array_equal(ours.reset()[0], theirs.reset()[0])


def test_returned_arrays_are_the_callers():
    envs = WorldVectorEnv(worlds())
    first, infos = envs.reset(seed=0)
    kept, state = first.copy(), infos["state"].copy()
    first[:] = 99
    infos["state"][:] = 99
    infos["oracle_mask"][:] = False
    again, infos = envs.reset(seed=0)
    assert np.array_equal(again, kept)
    assert np.array_equal(infos["state"], state)
    assert infos["oracle_mask"].any(axis=1).all()


def test_gymnasiums_wrappers_count_the_episodes():
    envs = DictInfoToList(RecordEpisodeStatistics(WorldVectorEnv(worlds())))
    envs.reset(seed=0)
    for _ in range(5):
        *_, infos = envs.step(np.zeros(4, dtype=np.int64))
        assert infos[1]["episode"]["l"] == 1
        assert infos[1]["final_info"]["oracle_action"] == -1
        assert infos[1]["final_obs"] == worlds()[1].symbol[1]
        assert {"state", "oracle_action", "oracle_mask"} <= infos[0].keys()


def test_pictures_of_all_worlds():
    envs = gym.make_vec("bandit-v0", num_envs=2, render_mode="rgb_array", view="graph")
    with pytest.raises(UsageError, match=r"call reset\(\) first"):
        envs.render()
    envs.reset(seed=0)
    frames = envs.render()
    assert [frame.ndim for frame in frames] == [3, 3]
    envs.close()


def test_refusals_move_nothing():
    envs = WorldVectorEnv(worlds(), autoreset_mode=AutoresetMode.DISABLED)
    with pytest.raises(gym.error.ResetNeeded, match=r"not all have begun; call reset\(\) first"):
        envs.step(np.zeros(4, dtype=int))
    envs.reset(seed=0)
    with pytest.raises(UsageError, match=r"action of world 2 must lie in 0\.\.2, got 3"):
        envs.step(np.array([0, 0, 3, 0]))
    envs.step(np.zeros(4, dtype=int))
    with pytest.raises(UsageError, match=r"the first 1; call reset\(options="):
        envs.step(np.zeros(4, dtype=int))
    for mask in (np.ones(3, dtype=bool), np.zeros(4, dtype=bool), np.ones(4)):
        with pytest.raises(UsageError, match=r"reset_mask is bool of shape \(4,\)"):
            envs.reset(options={"reset_mask": mask})
    with pytest.raises(UsageError, match="one for each of 4 worlds, got 2"):
        envs.reset(seed=[1, 2])
    with pytest.raises(UsageError, match="made with worlds="):
        envs.reset(options={"world_seed": 2})
    with pytest.raises(UsageError, match="leave reset_mask out"):
        envs.reset(options={"world_seed": 2, "reset_mask": np.ones(4, dtype=bool)})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda: {"worlds": []}, "at least one world"),
        (lambda: {"worlds": [worlds()[0], sample_world("bandit", seed=0)]}, "one vocabulary and one number of actions"),
        (lambda: {"worlds": worlds(), "num_envs": 3}, "the number of worlds, 4, got 3"),
        (lambda: {"worlds": worlds(), "n_states": 3}, "worlds already says everything"),
        (lambda: {"worlds": worlds(), "family": "anymdp"}, "takes worlds of family 'anymdp', got one of 'bandit'"),
        (lambda: {"worlds": worlds(), "seeds": [1]}, "seeds must be one for each of 4 worlds, got 1"),
        (lambda: {"family": "bandit", "num_envs": 0}, "num_envs must be >= 1, got 0"),
        (
            lambda: {"family": "bandit", "autoreset_mode": "never"},
            "one of 'NextStep', 'SameStep', 'Disabled', got 'never'",
        ),
        (dict, "needs worlds= or family="),
    ],
)
def test_bad_arguments_name_the_rule_and_the_remedy(arguments, message):
    with pytest.raises(UsageError, match=message):
        WorldVectorEnv(**arguments())


def test_a_thousand_worlds_step_fast():
    envs = gym.make_vec("anymdp-v0", num_envs=1024)
    envs.reset(seed=0)
    actions = np.random.default_rng(0).integers(0, 5, (16, 1024))
    best = np.inf
    for _ in range(20):
        begun = time.process_time()
        for row in actions:
            envs.step(row)
        best = min(best, time.process_time() - begun)
    # 10 million a second on a quiet core; the bound leaves room for a busy one
    assert 16 * 1024 / best > 2e6
