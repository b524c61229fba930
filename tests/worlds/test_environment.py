"""Single environments: Gymnasium's own checks for every family, seeds, oracle, worlds, refusals, the documentation."""

import re
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import common.worlds
from common.errors import UsageError
from common.random import generator
from common.worlds import sample_world, solve
from common.worlds.environment import WorldEnv, generator_seed, oracle_table
from common.worlds.registry import families
from common.worlds.solve import optimal_actions
from common.worlds.step import reset, step

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = sorted(families())


def make(family, **arguments):
    return gym.make(f"{family}-v0", **arguments).unwrapped


def rollout(env, steps, seed, **options):
    """Return what random actions bring: observations, rewards, ends and true states."""
    highest = getattr(env.action_space, "nvec", getattr(env.action_space, "n", None))
    actions = np.random.default_rng(3).integers(0, highest, (steps, *env.action_space.shape))
    observation, info = env.reset(seed=seed, **options)
    shown = [(observation, 0.0, False, False, info["state"])]
    for action in actions:
        *step_shown, info = env.step(action)
        shown.append((*step_shown, info["state"]))
        if shown[-1][2] or shown[-1][3]:
            observation, info = env.reset()
            shown.append((observation, 0.0, False, False, info["state"]))
    return [(np.asarray(row[0]).tolist(), *row[1:]) for row in shown]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_passes_gymnasiums_checks_without_a_warning(family):
    check_env(make(family, render_mode="rgb_array"))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_episodes_and_another_does_not(family):
    one, other = make(family, n_actions=3), make(family, n_actions=3)
    expected = rollout(one, 300, seed=5)
    assert rollout(other, 300, seed=5) == expected
    assert rollout(one, 300, seed=5) == expected
    if family not in ("bandit", "gridworld"):  # these default worlds are deterministic
        assert rollout(one, 300, seed=6) != expected


@pytest.mark.parametrize("family", [name for name, one in families().items() if not one.hides_state])
def test_steps_are_the_kernels(family):
    env, world = make(family, world_seed=4), sample_world(family, seed=4)
    shown, rewards = [], []
    rng = generator(generator_seed(gym.utils.seeding.np_random(9)[0]))
    starts, rows = world.arrays()[5:7], world.arrays()[:5]
    actions = np.random.default_rng(3).integers(0, world.n_actions, 600)
    state, taken = reset(rng, *starts), 0
    for action in actions:
        state, reward = step(rng, state, action, world.n_actions, *rows)
        taken += 1
        shown.append((int(world.symbol[state]), int(state)))
        rewards.append(np.float32(reward))
        if world.terminal[state] or taken == world.episode_limit:
            state, taken = reset(rng, *starts), 0
            shown.append((int(world.symbol[state]), int(state)))
            rewards.append(0.0)
    played = rollout(env, 600, seed=9)
    assert [(row[0], row[4]) for row in played[1:]] == shown
    assert [row[1] for row in played[1:]] == rewards
    ends = [row for row in played if row[2] or row[3]]
    assert ends
    assert all(row[2] == world.terminal[row[4]] and row[2] != row[3] for row in ends)


def test_spaces_and_parameters_by_name():
    env = gym.make("anymdp-v0", n_states=20, min_states=12, n_actions=4, vocabulary=32, world_seed=7)
    assert env.observation_space == gym.spaces.Discrete(32)
    assert env.action_space == gym.spaces.Discrete(4)
    expected = sample_world("anymdp", seed=7, n_states=20, min_states=12, n_actions=4, vocabulary=32)
    assert np.array_equal(env.unwrapped.world.symbol, expected.symbol)
    assert np.array_equal(env.unwrapped.world.reward, expected.reward)


def test_an_option_of_reset_goes_to_another_world_and_stays():
    env = make("garnet", n_states=9, vocabulary=12)
    env.reset(seed=1, options={"world_seed": 77})
    assert (env.world.seed, env.world.n_states) == (77, 9)
    env.reset(seed=2)
    assert env.world.seed == 77
    assert rollout(env, 50, 3) == rollout(make("garnet", n_states=9, vocabulary=12, world_seed=77), 50, 3)
    assert rollout(env, 50, 3, options={"world_seed": 0}) == rollout(make("garnet", n_states=9, vocabulary=12), 50, 3)


def test_info_carries_the_oracle_with_all_ties(reference_worlds):
    tied = 0
    for world in (*reference_worlds[:3], sample_world("gridworld", seed=0)):
        best = optimal_actions(solve(world, 0.994))
        env = WorldEnv(world)
        _, info = env.reset(seed=0)
        env.action_space.seed(0)
        for _ in range(200):
            assert world.symbol[info["state"]] < env.observation_space.n
            assert np.array_equal(info["oracle_mask"], best[info["state"]])
            assert info["oracle_action"] == np.flatnonzero(info["oracle_mask"])[0]
            tied += info["oracle_mask"].sum() > 1
            *_, terminated, truncated, info = env.step(env.action_space.sample())
            if terminated:
                assert info["oracle_action"] == -1
                assert not info["oracle_mask"].any()
            if terminated or truncated:
                _, info = env.reset()
    assert tied
    action, mask = oracle_table(world, discount=0.0)
    assert not np.array_equal(mask, best)
    assert (action[world.terminal] == -1).all()


def test_the_oracles_actions_beat_random_ones():
    env = make("anymdp", world_seed=1)
    totals = {"oracle": [], "random": []}
    for who, episodes in totals.items():
        env.action_space.seed(0)
        _, info = env.reset(seed=1)
        for _ in range(20):
            total, over = 0.0, False
            while not over:
                action = info["oracle_action"] if who == "oracle" else env.action_space.sample()
                _, reward, terminated, truncated, info = env.step(action)
                total, over = total + reward, terminated or truncated
            episodes.append(total)
            _, info = env.reset()
    assert np.mean(totals["oracle"]) > np.mean(totals["random"]) + 2.0


def test_a_given_world_stays(reference_worlds):
    env = WorldEnv(reference_worlds[0])
    assert env.reset(seed=0)[0] in env.observation_space
    with pytest.raises(UsageError, match="made with world="):
        env.reset(options={"world_seed": 3})
    with pytest.raises(UsageError, match="takes worlds of family 'anymdp', got one of 'custom'"):
        gym.make("anymdp-v0", world=reference_worlds[0])
    world = sample_world("anymdp", seed=3)
    assert np.array_equal(gym.make("anymdp-v0", world=world).unwrapped.world.reward, world.reward)


@pytest.mark.parametrize("action", [5, -1, 1.5, "up", None])
def test_an_action_out_of_range_is_refused_and_moves_nothing(action):
    env = make("anymdp")
    env.reset(seed=0)
    expected = rollout(env, 20, seed=0)
    env.reset(seed=0)
    with pytest.raises(UsageError, match=r"an action is an integer in 0\.\.4, got .*action_space"):
        env.step(action)
    assert rollout(env, 20, seed=0) == expected


@pytest.mark.parametrize("wrapped", [True, False])
def test_steps_and_pictures_need_a_running_episode(wrapped):
    env = gym.make("bandit-v0", render_mode="rgb_array")
    env = env if wrapped else env.unwrapped
    with pytest.raises(UsageError, match=r"has not begun; call reset\(\) first"):
        env.step(0)
    with pytest.raises(gym.error.ResetNeeded, match=r"call reset\(\) first"):
        env.render()
    env.reset(seed=0)
    env.step(0)
    with pytest.raises(UsageError, match=r"has ended; call reset\(\) first"):
        env.step(0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_states": 3}, "at least 8 states, got 3"),
        ({"states": 16}, "'states' does not exist; settings here are"),
        ({"world_seed": -1}, r"integer in \[0, 2\*\*64\), got -1"),
        ({"view": "map"}, "one of matrix, graph, got 'map'"),
    ],
)
def test_bad_arguments_name_the_rule_and_the_remedy(arguments, message):
    with pytest.raises(UsageError, match=message):
        gym.make("anymdp-v0", **arguments)


def test_a_world_is_given_in_one_way(reference_worlds):
    with pytest.raises(UsageError, match="got also world_seed, n_states; leave one of them out"):
        WorldEnv(reference_worlds[0], world_seed=3, n_states=16)
    with pytest.raises(UsageError, match="needs world= or family="):
        WorldEnv()
    with pytest.raises(UsageError, match="no option 'worldseed'; there are world_seed"):
        make("anymdp").reset(options={"worldseed": 3})
    with pytest.raises(UsageError, match="'rgb_array' or None, got 'human'"):
        WorldEnv(reference_worlds[0], render_mode="human")


def test_importing_the_worlds_registers_them_and_draws_nothing_in():
    code = (
        "import sys, common.worlds, gymnasium\n"
        "families = ('anymdp', 'bandit', 'garnet', 'gridworld', 'pomdp', 'multi-token-pomdp')\n"
        "assert {f'{name}-v0' for name in families} <= set(gymnasium.registry)\n"
        "assert 'custom-v0' not in gymnasium.registry\n"
        "assert not {'matplotlib', 'torch', 'ray', 'common.worlds.environment'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert set(families()) == {name.removesuffix("-v0") for name in gym.registry if _is_ours(name)}


def _is_ours(name):
    return gym.registry[name].entry_point == "common.worlds.environment:WorldEnv"


def test_the_documentation_runs():
    text = (ROOT / "docs" / "environments.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == text.count("```") // 2 >= 6
    names: dict = {}
    for block in blocks:
        exec(compile(block, "docs/environments.md", "exec"), names)
    assert names["episode_return"] > 0.0
    assert names["picture"].dtype == np.uint8
    assert common.worlds is names["common"].worlds
