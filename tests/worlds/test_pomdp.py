"""Hidden states and actions of several tokens: emissions, exact composition, and one order of draws everywhere."""

import itertools

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from common.errors import UsageError
from common.random import generator
from common.worlds import sample_world, solve
from common.worlds.batch import WorldBatch
from common.worlds.environment import WorldEnv
from common.worlds.vector import WorldVectorEnv

SMALL = {"n_states": 8, "n_actions": 3, "n_observations": 6, "vocabulary": 10}


def several(**changes):
    return sample_world("multi-token-pomdp", **{"seed": 5, **SMALL, "observation_tokens": 3, **changes})


def test_the_worlds_underneath_are_those_of_anymdp():
    plain = sample_world("anymdp", seed=11, n_states=20)
    world, macro = sample_world("pomdp", seed=11, n_states=20), sample_world("multi-token-pomdp", seed=11, n_states=20)
    for one in (world, macro.atoms):
        for name in ("row_start", "successor", "cumulative", "reward", "noise", "terminal", "start_states"):
            assert np.array_equal(getattr(one, name), getattr(plain, name)), name
        assert one.max_steps == plain.max_steps
    assert np.array_equal(macro.emission.symbol[: len(world.emission.symbol)], world.emission.symbol)
    assert (macro.n_actions, macro.atoms.n_actions, macro.action_tokens, macro.observation_shape) == (25, 5, 2, (4,))
    assert (world.n_actions, world.observation_shape, world.vocabulary) == (5, (), 64)


@pytest.mark.parametrize(("n_observations", "filled"), [(64, 4 * 32), (10, round(0.2 * 32 * 10)), (2, round(0.4 * 32))])
def test_emissions_are_sparse_as_specified(n_observations, filled):
    symbols, sizes = set(), []
    for seed in range(40):
        world = sample_world("pomdp", seed=seed, n_states=32, n_observations=n_observations, vocabulary=64)
        rows = world.emission.to_dense(64)[0]
        assert np.abs(rows.sum(axis=1) - 1.0).max() < 1e-12
        entries = np.diff(world.emission.row_start)
        sizes.append(int(entries.sum() - filled))
        assert 0 <= sizes[-1] <= (entries == 1).sum()  # rows that would be empty have one symbol
        assert len(set(world.emission.symbol.tolist())) <= n_observations
        symbols |= set(world.emission.symbol.tolist())
    assert len(symbols) > 40
    assert max(sizes) > 0


def test_symbols_are_shown_as_often_as_the_emission_says():
    world = several()
    batch = WorldBatch([world], [3])
    states, shown = [], []
    for action in np.random.default_rng(0).integers(0, 9, 20_000):
        states.append(batch.state[0])
        shown.append(batch.observation[0])
        batch.step(np.array([action]))
    states, shown = np.array(states), np.array(shown)
    dense = world.emission.to_dense(10)
    for token, state in itertools.product(range(3), range(8)):
        seen = shown[states == state, token]
        if len(seen) > 100:
            counts = np.bincount(seen, minlength=10) / len(seen)
            p = dense[token, state]
            assert (np.abs(counts - p) <= 5 * np.sqrt(p * (1 - p) / len(seen)) + 1e-12).all()


def by_hand(world, tokens):
    """Return P, E[r] and E[r^2] parts of macro-actions by listing every way, float64 (n, A, n) each."""
    dense = world.atomic().to_dense()
    p, mean, noise = dense["transition"], dense["reward"], dense["reward_noise"]
    n, a = p.shape[:2]
    chance, first, second = (np.zeros((n, a**tokens, n)) for _ in range(3))
    for s in np.flatnonzero(~world.terminal):
        for m, actions in enumerate(itertools.product(range(a), repeat=tokens)):
            ways = [(s, 1.0, 0.0, 0.0)]
            for action in actions:
                longer = []
                for state, q, total, variance in ways:
                    if world.terminal[state]:
                        longer.append((state, q, total, variance))
                    else:
                        longer += [
                            (j, q * p[state, action, j], total + mean[state, action, j],
                             variance + noise[state, action, j] ** 2)
                            for j in np.flatnonzero(p[state, action])
                        ]  # fmt: skip
                ways = longer
            for j, q, total, variance in ways:
                chance[s, m, j] += q
                first[s, m, j] += q * total
                second[s, m, j] += q * (variance + total**2)
    return chance, first, second


@pytest.mark.parametrize("tokens", [2, 3])
def test_macro_actions_are_composed_exactly(tokens):
    ended = 0
    for seed in range(4):
        world = several(seed=seed, action_tokens=tokens)
        dense = world.to_dense()
        chance, first, second = by_hand(world, tokens)
        assert np.abs(dense["transition"] - chance).max() < 1e-12
        assert np.abs(dense["transition"] * dense["reward"] - first).max() < 1e-9
        moments = dense["reward_noise"] ** 2 + dense["reward"] ** 2
        assert np.abs(dense["transition"] * moments - second).max() < 1e-7 * max(1.0, second.max())
        q = np.zeros(first.shape[:2])
        for _ in range(4000):
            q = first.sum(axis=2) + 0.994 * chance @ q.max(axis=1)
        assert solve(world) == pytest.approx(q, abs=1e-8 * max(1.0, np.abs(q).max()))
        ended += world.terminal.any()
    assert ended


def test_a_step_takes_its_actions_one_after_another():
    world = several(seed=2)
    env = WorldEnv(world)
    assert env.action_space == gym.spaces.MultiDiscrete([3, 3])
    assert env.observation_space == gym.spaces.MultiDiscrete([10, 10, 10])
    batch = WorldBatch([world] * 30_000, range(30_000))
    start = batch.state.copy()
    _, paid, _, _ = batch.step(np.full(30_000, 3 * 1 + 2))
    dense = world.to_dense()
    for state in np.unique(start):
        here = start == state
        p = dense["transition"][state, 5]
        counts = np.bincount(batch.reached[here], minlength=8) / here.sum()
        assert (np.abs(counts - p) <= 4.5 * np.sqrt(p * (1 - p) / here.sum()) + 1e-12).all()
        expected = (p * dense["reward"][state, 5]).sum()
        assert abs(paid[here].mean() - expected) < 5 * paid[here].std() / np.sqrt(here.sum()) + 1e-6


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("tokens", [1, 3])
def test_vector_environments_draw_what_single_ones_do(mode, tokens):
    if tokens > 1:
        worlds = [several(seed=seed) for seed in range(3)]
    else:
        worlds = [
            sample_world("pomdp", seed=1, **SMALL),
            sample_world("garnet", seed=2, n_actions=3, n_states=9, vocabulary=10, cap_factor=1.0),
            sample_world("pomdp", seed=3, **SMALL),
        ]
    ours = WorldVectorEnv(worlds, autoreset_mode=mode)
    theirs = SyncVectorEnv([lambda w=w: WorldEnv(w) for w in worlds], autoreset_mode=mode)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    np.testing.assert_array_equal(ours.reset(seed=4)[0], theirs.reset(seed=4)[0])
    theirs.action_space.seed(0)
    ended = 0
    for _ in range(300):
        action = theirs.action_space.sample()
        one, other = ours.step(action), theirs.step(action)
        for mine, its in zip(one[:4], other[:4], strict=True):
            np.testing.assert_array_equal(mine, its)
        for key in ("state", "oracle_action", "oracle_mask"):
            np.testing.assert_array_equal(one[4][key], other[4][key])
        over = one[2] | one[3]
        ended += over.sum()
        if mode is AutoresetMode.SAME_STEP:
            for i in np.flatnonzero(over):
                np.testing.assert_array_equal(one[4]["final_obs"][i], other[4]["final_obs"][i])
        if mode is AutoresetMode.DISABLED and over.any():
            options = {"reset_mask": over}
            np.testing.assert_array_equal(ours.reset(options=options)[0], theirs.reset(options=options)[0])
    assert ended > 3


def test_a_batch_equals_worlds_alone_and_draws_from_their_own_generators():
    worlds = [several(seed=seed) for seed in range(3)]
    actions = np.random.default_rng(1).integers(0, 9, (200, 3))
    together, alone = WorldBatch(worlds, [7, 8, 9]), [WorldBatch([w], [7 + i]) for i, w in enumerate(worlds)]
    for row in actions:
        np.testing.assert_array_equal(together.observation, np.concatenate([b.observation for b in alone]))
        shown = together.step(row)
        for i, batch in enumerate(alone):
            for mine, its in zip(shown, batch.step(row[i : i + 1]), strict=True):
                np.testing.assert_array_equal(mine[i : i + 1], its)
    assert [int(x) for x in together.random] == [int(b.random[0]) for b in alone]
    assert int(together.random[0]) != int(generator(7)[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sample_world("pomdp", seed=0, vocabulary=20), "at least n_observations = 64, got 20; raise it or low"),
        (lambda: sample_world("pomdp", seed=0, n_states=3), "at least 8 states, got 3"),
        (lambda: sample_world("pomdp", seed=0, n_states=80, vocabulary=70), "at least n_states 80, got 70"),
        (lambda: several(n_actions=9), r"at most 64, got 9 \*\* 2 = 81; lower one"),
        (lambda: several(observation_tokens=1), "greater than or equal to 2, got 1"),
        (lambda: WorldBatch([several(), sample_world("bandit", seed=0)], [0, 0]), "equally many tokens"),
        (lambda: WorldVectorEnv([several(), several(observation_tokens=2)]), "in equally many tokens"),
    ],
)
def test_bad_requests_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("action", [3, [0, 3], [0, -1], [0], [0.0, 1.0], None])
def test_an_action_of_wrong_tokens_is_refused(action):
    env = WorldEnv(several())
    env.reset(seed=0)
    with pytest.raises(UsageError, match=r"an action is 2 integers in 0\.\.2, got .*action_space"):
        env.step(action if action is None or isinstance(action, int) else np.array(action))
    envs = WorldVectorEnv([several()])
    envs.reset(seed=0)
    with pytest.raises(UsageError, match=r"integers of shape \(1, 2\) in 0\.\.2"):
        envs.step(np.array([action], dtype=None if action is not None else float))
