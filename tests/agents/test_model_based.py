"""The model-based learner against a plain one; noise and drift as configured; the coin; what happens at a terminal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.agents import TabularAgent, behaviour, model
from common.agents.model_based import _OPTIMISM, _PLACE
from common.config import parse
from common.dataset.schema import Tag
from common.random import generator, uniform
from common.synthesis.generate import generate, play
from common.synthesis.recipe import Recipe
from common.synthesis.record import Mixture
from common.worlds import sample_world


class PlainModel:
    """Optimistic Thompson sampling as the specification words it: dense counts, everything computed anew."""

    def __init__(self, n, a, gamma, order):
        self.gamma, self.order = gamma, order
        self.counts, self.rewards = np.full((n, a, n), 0.01), np.zeros((n, a, n))
        self.visits, self.met = np.ones((n, a)), np.zeros(n, dtype=bool)
        self.v, self.q, self.spread, self.root = np.zeros(n), np.zeros((n, a)), 0.01, np.ones((n, a))

    def observe(self, s, a, r, s2, terminated, truncated):
        self.counts[s, a, s2] += 1
        self.rewards[s, a, s2] += r
        self.visits[s, a] += 1
        if terminated and not self.met[s2]:
            self.met[s2], self.counts[s2], self.rewards[s2] = True, 0.0, 0.0
        if terminated or truncated:
            self.sweep()

    def sweep(self):
        total = self.counts.sum(axis=2, keepdims=True)
        transition = np.divide(self.counts, total, out=np.zeros_like(self.counts), where=total > 0)
        estimate = np.divide(self.rewards, self.counts, out=np.zeros_like(self.counts), where=self.counts > 0)
        self.spread, self.root = max(estimate.std(), 0.01), 1 / np.sqrt(self.visits)
        for s in self.order:
            self.q[s] = (transition[s] * (estimate[s] + self.gamma * self.v)).sum(axis=1)
            self.v[s] = self.q[s].max()


def transitions(sequences, actions, place=0):
    """Yield (state, action, reward, next state, terminated, truncated) of a sequence with A = n_a."""
    state, action, tag, reward = (getattr(sequences, n)[place] for n in ("state", "action", "tag", "reward"))
    for t in range(len(state) - 1):
        if action[t] != actions:
            yield (
                *(int(state[t]), int(action[t]), float(reward[t]), int(state[t + 1])),
                *(bool(tag[t + 1] == Tag.TERMINATED), bool(tag[t + 1] == Tag.TRUNCATED)),
            )


def learned(agent):
    """Return (V, Q, 1 / sqrt(visits), spread) of a model, as of its last sweep."""
    return *model.learned(agent.memory, int(agent._parameters[_PLACE]), agent.n_actions), agent.memory[3]


def assert_alike(agent, plain):
    v, q, root, spread = learned(agent)
    np.testing.assert_array_equal(agent.q, q)
    np.testing.assert_allclose(v, plain.v, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(q, plain.q, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(root, plain.root, rtol=1e-12)
    assert spread == pytest.approx(plain.spread, rel=1e-9)


@pytest.mark.parametrize("gamma", [0.0, 0.9, 0.99])
def test_the_kernel_learns_what_a_plain_learner_learns(world, gamma):
    """Terminal states, truncations, episodes of all lengths; after every episode, not only at the end."""
    data = play(world, behaviour("random"), 3000, seed=1)
    order = np.array([3, 1, 0, 7, 5, 2, 6, 4])
    symbol = np.argsort(order).astype(np.uint16)
    agent = TabularAgent(behaviour("model-based", gamma=gamma), world.n_states, world.n_actions, symbol=symbol)
    plain = PlainModel(world.n_states, world.n_actions, gamma, order)
    ends = set()
    for step in transitions(data, world.n_actions):
        agent.observe(*step)
        plain.observe(*step)
        ends.add(step[4:])
        if step[4] or step[5]:
            assert_alike(agent, plain)
    assert ends == {(False, False), (True, False), (False, True)}
    assert plain.met.any()


@pytest.mark.parametrize(("n", "seed"), [(16, 3), (48, 4)])
def test_it_learns_the_same_in_the_worlds_of_the_paper(n, seed):
    """Observation order is that of the symbols; the sweep skips what hardly changes, and shows it nowhere."""
    anymdp = sample_world("anymdp", seed=seed, n_states=n, n_actions=5)
    data = play(anymdp, behaviour("model-based", preset="anymdp"), 6000, seed=seed)
    agent = TabularAgent.of_world(anymdp, behaviour("model-based", gamma=0.99))
    plain = PlainModel(n, 5, 0.99, np.argsort(anymdp.symbol))
    for step in transitions(data, 5):
        agent.observe(*step)
        plain.observe(*step)
    assert_alike(agent, plain)
    assert plain.visits.max() > 100


@given(
    size=st.tuples(st.integers(1, 256), st.integers(1, 7)),
    gammas=st.lists(st.floats(0.0, 0.99), min_size=1, max_size=5, unique=True),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=12, deadline=None)
def test_any_model_of_any_size_learns_what_a_plain_learner_learns(size, gammas, seed):
    """Sizes from 1 to 256, several discounts in one memory, episodes learned whole or step by step."""
    (n, a), rng = size, np.random.default_rng(seed)
    symbol = rng.permutation(n).astype(np.uint16)
    memory = np.full(model.memory_size(n, a, len(gammas)), np.nan)
    model.begin(memory, symbol, a)
    places = [model.value_function(memory, gamma, a) for gamma in gammas]
    plain = [PlainModel(n, a, gamma, np.argsort(symbol)) for gamma in gammas]
    ends = rng.random(n) < 0.1
    for episode in range(25):
        length = int(rng.integers(1, 30))
        state = (rng.integers(0, n, length + 1) // rng.integers(1, 4)).astype(np.uint16)
        state[:-1][ends[state[:-1]]] = np.flatnonzero(~ends)[0] if not ends.all() else 0
        action, reward = rng.integers(0, a, length).astype(np.uint8), rng.normal(size=length).astype(np.float32)
        terminated = bool(ends[state[-1]])
        for first, last in ((0, length),) if episode % 2 else ((t, t + 1) for t in range(length)):
            model.replay(memory, state, action, reward, first, last, a)
        model.end_episode(memory, int(state[-1]), terminated, a)
        for one in plain:
            for t in range(length):
                end = (terminated, not terminated) if t + 1 == length else (False, False)
                one.observe(int(state[t]), int(action[t]), float(reward[t]), int(state[t + 1]), *end)
    for place, one in zip(places, plain, strict=True):
        v, q, root = model.learned(memory, place, a)
        np.testing.assert_allclose(v, one.v, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(q, one.q, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(root, one.root, rtol=1e-12)


def test_a_terminal_state_that_is_left_again_is_forgotten_once():
    agent, plain = TabularAgent(behaviour("model-based"), 3, 2), PlainModel(3, 2, 0.99, range(3))
    rng = np.random.default_rng(0)
    for t in range(400):  # state 2 ends an episode now and then, and is otherwise a state like any other
        s, a, s2 = (int(x) for x in rng.integers((3, 2, 3)))
        step = (s, a, float(np.float32(rng.normal())), s2, s2 == 2 and t % 7 == 0, t % 11 == 0)
        agent.observe(*step)
        plain.observe(*step)
        if step[4] or step[5]:
            assert_alike(agent, plain)
    assert plain.met.tolist() == [False, False, True]


def test_actions_are_the_largest_of_value_and_a_random_part_of_the_bonus(world):
    data = play(world, behaviour("random"), 600, seed=3)
    agent = TabularAgent(behaviour("model-based", optimism=0.05, gamma=0.9), world.n_states, world.n_actions, seed=5)
    for step in transitions(data, world.n_actions):
        agent.observe(*step)
    _, q, root, spread = learned(agent)
    rng, actions = generator(5), []
    for s in range(400):
        bonus = 0.05 / (1 - 0.9) * spread * root[s % 8] * [uniform(rng) for _ in range(3)]
        actions.append(int(np.argmax(q[s % 8] + bonus)))
    assert [agent.act(s % 8) for s in range(400)] == actions
    assert agent.tag == Tag.MODEL_BASED
    assert len({(s % 8, a) for s, a in enumerate(actions)}) > 8  # the bonus decides somewhere


def test_it_acts_at_random_before_the_first_episode_has_ended():
    agent = TabularAgent(behaviour("model-based"), 4, 5)
    drawn = np.bincount([agent.act(1) for _ in range(5000)], minlength=5)
    assert np.abs(drawn - 1000).max() < 5 * np.sqrt(1000)


def test_the_preset_draws_its_coin_per_sequence():
    gammas, optimism, noise = [], [], []
    for seed in range(300):
        agent = TabularAgent(behaviour("model-based", preset="anymdp"), 8, 3, seed=seed)
        gammas.append(agent._parameters[1])
        optimism.append(agent._parameters[_OPTIMISM] * (1 - gammas[-1]))
        noise.append(agent._parameters[2])
    gammas, optimism, noise = np.array(gammas), np.array(optimism), np.array(noise)
    coin = gammas == 0.99
    assert 110 <= coin.sum() <= 190
    assert gammas[~coin].min() >= 0.9
    assert gammas[~coin].mean() == pytest.approx(0.945, abs=0.01)
    np.testing.assert_allclose(optimism[~coin], 0.005)
    assert optimism[coin].mean() == pytest.approx(0.005, rel=0.4)
    assert (noise[~coin] == 0.0).all()
    assert (noise[coin].min() > 0.1, noise[coin].max() < 0.5, noise[coin].mean()) == (
        True,
        True,
        pytest.approx(0.3, abs=0.04),
    )


def test_drifting_follows_both_schedules(world):
    """Noise first, then the oracle, else the learner; an end above the start takes effect after the first step."""
    schedules = {
        "noise": 0.5,
        "noise_decay": 0.1,
        "noise_end": 0.2,
        "share": -0.5,
        "share_growth": 0.2,
        "share_end": 0.7,
    }
    steps, runs = 220, 400
    tags = np.empty((runs, steps), dtype=int)
    for seed in range(runs):
        tag = play(world, behaviour("model-based-to-oracle", oracle=2, **schedules), 2 * steps, seed).tag[0]
        tags[seed] = tag[tag < Tag.TERMINATED][:steps]
    step, size = np.arange(steps), world.n_states * world.n_actions
    noise = np.maximum(0.2, 0.5 - 0.1 / size * step)
    oracle = (1 - noise) * np.clip(-0.5 + 0.2 / size * step, 0.0, 0.7)
    for value, expected in ((6, noise), (2, oracle), (4, 1 - noise - oracle)):
        share = (tags == value).mean(axis=0)
        assert np.abs(share - expected).max() < 5 * np.sqrt(0.25 / runs), value
        assert np.abs((share - expected).mean()) < 0.01, value
    late = behaviour("model-based-to-oracle", noise=0.0, noise_decay=0.0, noise_end=1.0, share=-1.0, share_end=0.0)
    tag = play(world, late, 60, 1).tag[0]
    acting = tag[tag < Tag.TERMINATED]
    assert acting[0] == Tag.MODEL_BASED
    assert (acting[1:] == Tag.RANDOM).all()


def test_the_defaults_are_those_of_the_specification(world):
    """Shares of noise, oracle and learner over many sequences of fixed length, against the schedules' own mean."""
    length, rng = 400, np.random.default_rng(1)
    tags = np.zeros(10)
    for seed in range(400):
        batch = play(world, behaviour("model-based-to-oracle", oracle=0, preset="anymdp"), length, seed)
        tag = batch.tag[0][batch.tag[0] < Tag.TERMINATED]
        tags += np.bincount(tag, minlength=10) / len(tag) / 400
    step, size, column = np.arange(360), 24, (20_000, 1)
    noise = rng.uniform(0, 1, column) - rng.uniform(0, 0.1, column) / size * step
    share = rng.uniform(-2, -0.5, column) + rng.uniform(0, 0.1, column) / size * step
    noise, share = np.maximum(rng.uniform(-0.5, 0.5, column), noise), np.minimum(rng.uniform(0, 0.2, column), share)
    noise, share = np.clip(noise, 0, 1), np.clip(share, 0, 1)
    expected = [noise.mean(), ((1 - noise) * share).mean()]
    np.testing.assert_allclose(tags[[6, 0]], expected, atol=0.04)
    assert tags.sum() == pytest.approx(1.0)
    assert tags[[1, 2, 3, 5, 7, 8, 9]].sum() == 0.0


def mixture_recipe(behaviours, **changes):
    return parse(
        Recipe,
        {
            "name": "mixture",
            "sequences": 1,
            "length": 3000,
            "sequences_per_shard": 1,
            "vocabulary": 16,
            "actions": 3,
            "switch_share": 1.0,
            "switch_probability": 0.3,
            "families": [{"family": "anymdp", "parameters": {"n_states": 16, "n_actions": 3}}],
            "behaviours": behaviours,
            **changes,
        },
        "recipe",
    )


def test_behaviours_that_share_a_model_learn_as_ones_with_models_of_their_own(monkeypatch):
    """Nothing but memory is shared: with the sharing taken away the same rows come out."""
    behaviours = [
        {"kind": "random"},
        {"kind": "model-based", "gamma": 0.99, "optimism": 0.02},
        {"kind": "model-based", "gamma": 0.95, "epsilon": 0.2},
        {"kind": "model-based-to-oracle", "oracle": 1, "share": 0.0, "noise": 0.2, "noise_end": 0.0},
        {"kind": "model-based-to-oracle", "oracle": 3, "gamma": 0.9, "share": 0.0, "noise": 0.1, "noise_end": 0.0},
        {"kind": "q-learning", "alpha": 0.3},
    ]
    constants = {"noise_decay": 0.0, "share_growth": 0.01, "share_end": 0.2}
    behaviours = [{**b, **(constants if b["kind"] == "model-based-to-oracle" else {})} for b in behaviours]
    recipe = mixture_recipe(behaviours)
    shared = generate(recipe, 0, 6)
    for kind in {type(b) for b in recipe.behaviours}:
        monkeypatch.setattr(kind, "shares_memory", False)
    apart = generate(recipe.model_copy(), 0, 6)
    assert len(Mixture(recipe.behaviours)._sharing) == 6
    for name, array in shared.arrays().items():
        np.testing.assert_array_equal(array, getattr(apart, name), name)
    assert len({kind for row in shared.rows for _, kind in row["behaviours"]}) == 4


def test_it_learns_from_the_steps_of_others(world):
    """A mixture's model-based behaviour acts as one that has seen every row of the sequence, whoever acted."""
    recipe = mixture_recipe([{"kind": "random"}, {"kind": "model-based", "optimism": 0.0, "gamma": 0.9}], length=1500)
    batch, compared = generate(recipe, 0, 4), 0
    for place, row in enumerate(batch.rows):
        anymdp = sample_world("anymdp", seed=row["seed"], n_states=16, n_actions=3)
        np.testing.assert_array_equal(row["symbol"], anymdp.symbol)
        plain = PlainModel(16, 3, 0.9, np.argsort(anymdp.symbol))
        tags = batch.tag[place][batch.tag[place] < Tag.TERMINATED]
        for tag, (s, a, *rest) in zip(tags, transitions(batch, 3, place), strict=False):
            q = np.sort(plain.q[s])
            if q[-1] - q[-2] > 1e-6 and tag == Tag.MODEL_BASED:
                assert a == np.argmax(plain.q[s])
                compared += 1
            plain.observe(s, a, *rest)
    assert compared > 200
