"""What holds for every world of every family, at any size: structure, rollouts, frequencies, noise and labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.agents import behaviour
from common.dataset.schema import DISCOUNTS, Tag
from common.synthesis.generate import play
from common.worlds import World, sample_world
from common.worlds.registry import families

ACTIONS = {"n_actions": st.integers(2, 8)}
PAYOFFS = {
    "reward_kind": st.sampled_from(["dense", "mixed", "sparse-goal", "goal-with-pits"]),
    "start": st.sampled_from(["fixed", "uniform"]),
    "reward_scale": st.sampled_from([None, 0.5]),
    "cap_factor": st.sampled_from([None, 0.7, 3.0]),
}
SIZES = {"n_states": st.one_of(st.integers(8, 40), st.sampled_from([64, 100, 129, 256]))}
"""Small sizes, where rare shapes are met, and large ones, up to 256."""
HIDDEN = {**SIZES, "n_observations": st.sampled_from([4, 16, 64]), **ACTIONS}
PARAMETERS = {
    "anymdp": {**SIZES, **ACTIONS},
    "bandit": ACTIONS,
    "garnet": {
        "n_states": st.one_of(st.integers(2, 40), st.sampled_from([64, 129, 256])),
        "branching": st.integers(1, 2),
        "band": st.sampled_from([None, 1, 7]),
        **ACTIONS,
        **PAYOFFS,
    },
    "gridworld": {
        **SIZES,
        "slip": st.sampled_from([0.0, 0.5, 2.0 / 3.0]),
        "wall_share": st.sampled_from([0.0, 0.3]),
        "pits": st.just("end"),
        **ACTIONS,
        **PAYOFFS,
    },
    "pomdp": HIDDEN,
    "multi-token-pomdp": {
        **HIDDEN,
        "n_states": st.integers(8, 32),
        "n_actions": st.integers(2, 4),
        "observation_tokens": st.integers(2, 4),
        "action_tokens": st.integers(1, 3),
    },
}
LARGE = {
    **PARAMETERS["multi-token-pomdp"],
    "n_states": st.just(256),
    "n_actions": st.just(2),
    "action_tokens": st.just(2),
}
CLIFFS = {**PARAMETERS["gridworld"], "pits": st.just("restart"), "start": st.just("fixed")}
EVERY = [
    *PARAMETERS.items(),
    ("gridworld", CLIFFS),
    ("custom", {"n_states": st.integers(8, 64), **ACTIONS}),
    pytest.param("multi-token-pomdp", LARGE, marks=pytest.mark.slow),
]
OFTEN = settings(max_examples=8, deadline=None, derandomize=True)
IDS = [*PARAMETERS, "gridworld-with-cliffs", "custom", "multi-token-pomdp-of-256-states"]


def test_every_family_is_tested():
    assert set(PARAMETERS) == set(families())


def drawn(data, name, parameters) -> World:
    seed = data.draw(st.integers(0, 2**64 - 1), "seed")
    chosen = data.draw(st.fixed_dictionaries(parameters), "parameters")
    if name == "custom":
        return World.from_dense(**sample_world("anymdp", seed=seed, **chosen).to_dense())
    spare = data.draw(st.integers(0, 20), "spare symbols")
    least = max(chosen.get("n_states", 1), chosen.get("n_observations", 1))
    return sample_world(name, seed=seed, vocabulary=least + spare, **chosen)


@pytest.mark.parametrize(("name", "parameters"), EVERY, ids=IDS)
@given(data=st.data())
@OFTEN
def test_structure(name, parameters, data):
    world = drawn(data, name, parameters)
    for one in (world, world.atomic()):
        rows = one.n_states * one.n_actions
        row = np.repeat(np.arange(rows), np.diff(one.row_start))
        live = np.repeat(~one.terminal, one.n_actions)
        total = np.bincount(row, one.probability, minlength=rows)
        assert np.abs(total - live).max() < 1e-12
        assert np.array_equal(np.diff(one.row_start) > 0, live)  # terminal states lead nowhere
        assert (one.cumulative[one.row_start[1:][live] - 1] == 1.0).all()
        assert (one.probability > 0.0).all()
        assert (one.noise >= 0.0).all()
        assert np.isfinite(one.reward).all()
        assert int(one.successor.max()) < one.n_states
        within = row[1:] == row[:-1]
        assert (np.diff(one.probability)[within] <= 0.0).all()
        assert (np.diff(one.cumulative)[within] >= 0.0).all()
    assert not world.terminal[world.start_states].any()
    assert abs(world.start_probabilities.sum() - 1.0) < 1e-12
    assert int(world.symbol.max()) < world.vocabulary
    assert len(set(world.symbol.tolist())) == world.n_s
    assert world.n_actions == world.atomic().n_actions ** world.action_tokens
    if world.emission is not None:
        shown = world.emission.to_dense(world.vocabulary)
        assert shown.shape == (world.observation_tokens, world.n_states, world.vocabulary)
        assert np.abs(shown.sum(axis=2) - 1.0).max() < 1e-12
        assert (world.emission.cumulative[world.emission.row_start[1:] - 1] == 1.0).all()


@pytest.mark.parametrize(("name", "parameters"), EVERY, ids=IDS)
@given(data=st.data())
@OFTEN
def test_rollouts(name, parameters, data):
    """No transition crosses an episode; successors and rewards are distributed as the world says."""
    world = drawn(data, name, parameters)
    rows = play(world, behaviour("random"), 4000, data.draw(st.integers(0, 2**32), "rollout"))
    state, action, reward, tag = (array[0] for array in (rows.state, rows.action, rows.reward, rows.tag))
    breaks = np.isin(tag, (Tag.TERMINATED, Tag.TRUNCATED))
    assert np.array_equal(action == world.n_actions, breaks)
    assert not (breaks[1:] & breaks[:-1]).any()
    assert not reward[breaks].any()
    episode = np.cumsum(breaks) - breaks
    lengths = np.bincount(episode[~breaks])
    assert lengths.max() <= world.episode_limit
    assert np.array_equal(world.terminal[state], tag == Tag.TERMINATED)
    assert (lengths[: int(breaks.sum())][tag[breaks] == Tag.TRUNCATED] == world.episode_limit).all()
    first = np.flatnonzero(np.concatenate([[True], breaks[:-1]]))
    assert np.isin(state[first], world.start_states).all()
    dense = world.to_dense()
    at = np.flatnonzero(~breaks[:-1])
    s, a, j = state[at], action[at], state[at + 1]
    p, mean, noise = (dense[key] for key in ("transition", "reward", "reward_noise"))
    assert (p[s, a, j] > 0.0).all()
    _check_frequencies(p, s, a, j)
    excess = reward[at] - mean[s, a, j]
    rounding = 1e-5 * np.maximum(1.0, np.abs(mean[s, a, j]))
    assert abs(excess.sum()) <= 6.0 * np.sqrt((noise[s, a, j] ** 2).sum()) + rounding.sum()
    if world.action_tokens > 1:
        return  # given where it leads, what several actions pay is no Gaussian
    assert (np.abs(excess) <= 7.0 * noise[s, a, j] + rounding).all()
    noisy = noise[s, a, j] > 1e-3
    if noisy.sum() > 200:
        z = excess[noisy] / noise[s, a, j][noisy]
        assert abs(z.mean()) < 5.0 / np.sqrt(z.size)
        assert abs((z**2).mean() - 1.0) < 5.0 * np.sqrt(2.0 / z.size) + 0.01


def _check_frequencies(p, s, a, j):
    """Compare how often each successor came with its probability, pooled: a sum of squares of known mean and spread."""
    chosen = p.reshape(-1, p.shape[2])
    number = s.astype(np.int64) * p.shape[1] + a
    total, variance = 0.0, 0.0
    for index in np.unique(number):
        here = j[number == index]
        expected = chosen[index]
        # how much likelier than on average the successors were: mean 0, a known variance
        score = expected[here] - (expected**2).sum()
        total += score.sum()
        variance += len(here) * ((expected**3).sum() - (expected**2).sum() ** 2)
        if len(here) >= 100:
            counts = np.bincount(here, minlength=len(expected))
            bound = 6.0 * np.sqrt(len(here) * np.maximum(expected * (1.0 - expected), 0.0)) + 4.0
            assert (np.abs(counts - len(here) * expected) <= bound).all()
    assert abs(total) <= 5.0 * np.sqrt(max(variance, 0.0)) + 1e-6


@pytest.mark.parametrize(("name", "parameters"), EVERY, ids=IDS)
@given(data=st.data())
@OFTEN
def test_labels_against_an_independent_solution(name, parameters, data):
    """Every optimal action and no other, at every discount, at every live state; nothing elsewhere."""
    world = drawn(data, name, parameters)
    dense = world.to_dense()
    expected = (dense["transition"] * dense["reward"]).sum(axis=2)
    labels = play(world, behaviour("random"), 2, 0).oracle[0]
    live = np.flatnonzero(~world.terminal)
    for d, discount in enumerate(DISCOUNTS):
        q = policy_iteration(dense["transition"], expected, discount)
        margin = 1e-9 * np.maximum(1.0, np.abs(q).max(axis=1))
        gap = q.max(axis=1)[:, None] - q
        # an action may be called either way only within rounding of the rule's own edge
        surely, never = gap <= 0.5 * margin[:, None], gap > 2.0 * margin[:, None]
        bits = (labels[d, world.symbol[live]].astype(np.uint64)[:, None] >> np.arange(q.shape[1], dtype=np.uint64)) & 1
        assert (bits.astype(bool) >= surely[live]).all()
        assert not (bits.astype(bool) & never[live]).any()
    unused = np.ones(world.vocabulary, dtype=bool)
    unused[world.symbol[live]] = False
    assert not labels[:, unused].any()


def policy_iteration(p, r, discount):
    """Return Q* (n, a) by policy iteration with LAPACK: another algorithm than ours, in float64."""
    n = len(p)
    policy = r.argmax(axis=1)
    for _ in range(200):
        chosen = np.arange(n), policy
        q = r + discount * p @ np.linalg.solve(np.eye(n) - discount * p[chosen], r[chosen])
        better = q.max(axis=1) > q[chosen] + 1e-12 * np.maximum(1.0, np.abs(q).max())
        if not better.any():
            return q
        policy = np.where(better, q.argmax(axis=1), policy)
    raise AssertionError("policy iteration did not converge")
