import math

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.agents import TabularAgent, behaviour, q_learning
from common.config import parse
from common.dataset.schema import Tag
from common.errors import UsageError
from common.synthesis.generate import generate, play
from common.synthesis.recipe import Recipe, load


class PlainQ:
    """Q-learning as a textbook would have it, with the settings that the kernel takes."""

    def __init__(self, n, a, alpha, gamma, initial=0.0, visit_scale=None):
        self.alpha, self.gamma, self.scale = alpha, gamma, visit_scale
        self.q = [[initial / (1 - gamma) if initial else 0.0] * a for _ in range(n)]
        self.visits = [[1] * a for _ in range(n)]

    def observe(self, s, a, r, s2, terminated):
        target = r if terminated else r + self.gamma * max(self.q[s2])
        step = self.alpha
        if self.scale is not None:
            step *= math.sqrt(max((self.scale + 1) / (self.scale + self.visits[s][a]), 0.001))
        self.q[s][a] += step * (target - self.q[s][a])
        self.visits[s][a] += 1


def transitions(sequences, actions, place=0):
    """Yield (state, action, reward, next state, terminated, truncated) of a sequence with A = n_a."""
    state, action, tag, reward = (getattr(sequences, n)[place] for n in ("state", "action", "tag", "reward"))
    for t in range(len(state) - 1):
        if action[t] != actions:
            yield (
                *(int(state[t]), int(action[t]), float(reward[t]), int(state[t + 1])),
                *(tag[t + 1] == Tag.TERMINATED, tag[t + 1] == Tag.TRUNCATED),
            )


@pytest.mark.parametrize(
    "settings",
    [
        {"alpha": 0.3, "gamma": 0.9},
        {"alpha": 0.5, "gamma": 0.99, "initial": 0.4},
        {"alpha": 0.2, "gamma": 0.0, "visit_scale": 7.0},
    ],
)
def test_the_kernel_learns_what_a_plain_learner_learns(world, settings):
    data = play(world, behaviour("random"), 3000, seed=1)
    agent = TabularAgent(behaviour("q-learning", **settings), world.n_states, world.n_actions)
    plain = PlainQ(world.n_states, world.n_actions, **settings)
    kinds = set()
    for s, a, r, s2, terminated, truncated in transitions(data, world.n_actions):
        agent.observe(s, a, r, s2, terminated, truncated)
        plain.observe(s, a, r, s2, terminated)
        kinds.add((bool(terminated), bool(truncated)))
    assert kinds == {(False, False), (True, False), (False, True)}
    size = world.n_states * world.n_actions
    np.testing.assert_allclose(agent.memory[:size], np.ravel(plain.q), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(agent.q, plain.q, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(agent.memory[size : 2 * size], np.ravel(plain.visits))


@given(
    size=st.tuples(st.integers(1, 256), st.integers(1, 7)),
    settings=st.fixed_dictionaries(
        {
            "alpha": st.floats(0.001, 1.0),
            "gamma": st.floats(0.0, 0.99),
            "initial": st.sampled_from([0.0, 1.0]),
            "visit_scale": st.sampled_from([None, 3.0, 1000.0]),
        }
    ),
    seed=st.integers(0, 2**32 - 1),
)
@hypothesis.settings(max_examples=25, deadline=None)
def test_any_learner_of_any_size_learns_what_a_plain_learner_learns(size, settings, seed):
    """Sizes from 1 to 256; at first step by step, then whole episodes at once, as when it begins to act."""
    (n, a), rng = size, np.random.default_rng(seed)
    agent, plain = TabularAgent(behaviour("q-learning", **settings), n, a), PlainQ(n, a, **settings)
    memory, parameters = agent.memory, agent._parameters
    for episode in range(20):
        length = int(rng.integers(1, 40))
        state = (rng.integers(0, n, length + 1) // rng.integers(1, 9)).astype(np.uint16)
        action, reward = rng.integers(0, a, length).astype(np.uint8), rng.normal(size=length).astype(np.float32)
        terminated = bool(rng.random() < 0.5)
        end = int(Tag.TERMINATED if terminated else Tag.TRUNCATED)
        for first, last in ((0, length),) if episode > 10 else ((t, t + 1) for t in range(length)):
            q_learning.learn(parameters, memory, state, action, reward, first, last, end if last == length else 0, a)
        for t in range(length):
            last = terminated and t + 1 == length
            plain.observe(int(state[t]), int(action[t]), float(reward[t]), int(state[t + 1]), last)
    np.testing.assert_allclose(memory[: n * a], np.ravel(plain.q), rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(memory[n * a : 2 * n * a], np.ravel(plain.visits))


def test_it_learns_from_the_steps_of_others():
    """A mixture's learner acts as one that has seen every row of the sequence, whoever acted."""
    settings = {"alpha": 0.2, "gamma": 0.9, "visit_scale": 50.0}
    recipe = parse(
        Recipe,
        {
            **load("dpd").model_dump(),
            "length": 1500,
            "switch_share": 1.0,
            "behaviours": [{"kind": "random"}, {"kind": "q-learning", "epsilon": 0.0, **settings}],
        },
        "recipe",
    )
    batch, compared = generate(recipe, 0, 4), 0
    for place in range(4):
        plain = PlainQ(16, 5, **settings)
        tags = batch.tag[place][batch.tag[place] < Tag.TERMINATED]
        for tag, (s, a, r, s2, terminated, _) in zip(tags, transitions(batch, 5, place), strict=False):
            best = sorted(plain.q[s])
            if tag == Tag.Q_LEARNING and best[-1] - best[-2] > 1e-9:
                assert a == plain.q[s].index(best[-1])
                compared += 1
            plain.observe(s, a, r, s2, terminated)
    assert compared > 500


def test_the_preset_draws_its_coin_per_sequence(world):
    optimism = []
    for seed in range(200):
        agent = TabularAgent(behaviour("q-learning", preset="anymdp"), 8, 3, seed=seed, length=1000)
        optimism.append(agent.memory[0])
    optimism = np.array(optimism)
    coin = np.isclose(optimism, 100.0)  # gamma .99 exactly in one branch, U(.9, .99) in the other
    assert 70 <= coin.sum() <= 130
    others = 1.0 - 1.0 / optimism[~coin]
    assert others.min() >= 0.9
    assert others.max() <= 0.99
    assert others.std() > 0.015


def test_a_preset_leaves_nothing_else_to_set():
    with pytest.raises(UsageError, match="fixes every parameter, so leave out alpha"):
        behaviour("q-learning", preset="anymdp", alpha=0.5)
    # a resolved recipe names every setting, at its default
    resolved = behaviour("q-learning", preset="anymdp").model_dump()
    assert behaviour(**resolved) == behaviour("q-learning", preset="anymdp")


def test_softmax_actions_follow_the_formula():
    agent = TabularAgent(behaviour("q-learning", rule="softmax", epsilon=0.0, alpha=1.0, gamma=0.0), 1, 3)
    for action, reward in enumerate((0.0, 0.5, 1.0)):
        agent.observe(0, action, reward, 0, True)
    q = np.array([0.0, 0.5, 1.0])
    expected = np.exp((q - 1.0) / q.std())
    expected /= expected.sum()
    drawn = np.bincount([agent.act(0) for _ in range(20_000)], minlength=3) / 20_000
    np.testing.assert_allclose(drawn, expected, atol=0.015)


def test_sharpness_grows_with_visits_of_the_state():
    agent = TabularAgent(
        behaviour("q-learning", rule="softmax", epsilon=0.0, alpha=1.0, gamma=0.0, visit_scale=2.0), 1, 2
    )
    for action, reward in ((0, 0.0), (1, 1.0), (0, 0.0), (1, 1.0)):
        agent.observe(0, action, reward, 0, True)
    q, sharpness = agent.memory[:2], (2.0 + 5.0) / 3.0
    expected = 1.0 / (1.0 + np.exp(-sharpness * (q[1] - q[0]) / q.std()))
    drawn = np.mean([agent.act(0) for _ in range(20_000)])
    assert drawn == pytest.approx(expected, abs=0.012)


def test_the_count_bonus_prefers_what_was_tried_less():
    agent = TabularAgent(behaviour("q-learning", epsilon=0.0, alpha=1.0, gamma=0.0, bonus=1.0), 1, 2)
    agent.observe(0, 0, 0.1, 0, True)
    assert agent.act(0) == 1  # .1 + 1 / sqrt(2) < 0 + 1
    agent.observe(0, 1, -0.5, 0, True)
    assert agent.act(0) == 0


def test_epsilon_falls_and_its_steps_are_tagged_random(world):
    shares = np.zeros(200)
    for seed in range(300):
        settings = behaviour("q-learning", epsilon=0.8, epsilon_decay=0.1, epsilon_floor=0.2)
        tag = play(world, settings, 400, seed).tag[0]
        shares += tag[tag < 8][:200] == Tag.RANDOM
    shares /= 300
    expected = np.maximum(0.2, 0.8 - 0.1 / 24 * np.arange(200))
    assert np.abs(shares - expected).max() < 5 * np.sqrt(0.25 / 300)
    assert np.abs((shares - expected).mean()) < 0.01


def test_environments_may_be_larger_than_our_worlds():
    """States beyond 16 bits and actions beyond 8, of which our own worlds have none."""
    agent = TabularAgent(behaviour("q-learning", alpha=0.5, gamma=0.0, epsilon=0.0), 70_000, 300)
    agent.observe(69_999, 299, 1.0, 66_000, False)
    assert agent.act(69_999) == 299
    assert agent.q[69_999, 299] == 0.5
    assert np.count_nonzero(agent.q) == 1
