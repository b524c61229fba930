"""All kinds of behaviour: the class acts as the rollout does, tags are true, noise reaches every action."""

from dataclasses import replace

import numpy as np
import pytest

from common.agents import TabularAgent, behaviour
from common.agents.choice import argmax, from_mask
from common.dataset.schema import DISCOUNTS, Tag
from common.errors import UsageError
from common.random import generator
from common.seeding import stream_seed
from common.synthesis.generate import play
from common.synthesis.rollout import ACT
from common.worlds.batch import WorldBatch
from common.worlds.solve import oracle_masks

EVERY = [
    behaviour("random"),
    behaviour("softmax", scale=[0.5, 3.0]),
    behaviour("softmax", scale={"exponential": 2.0}, drift=0.02),
    behaviour("q-learning", epsilon=[0, 1], bonus={"choice": [0.1, 1.0]}, initial={"log_uniform": [0.1, 1.0]}),
    behaviour("q-learning", preset="anymdp"),
    behaviour("q-learning", rule="softmax", bonus=0.5),
    behaviour("oracle", oracle=1),
    behaviour("noisy-oracle"),
    behaviour("near-optimal"),
    behaviour("least-tried"),
    behaviour("model-based", preset="anymdp"),
    behaviour("model-based", optimism=0.1, epsilon=0.2, epsilon_decay=0.1),
    behaviour("model-based-to-oracle", oracle=1, share=0.1, share_growth=0.1),
    behaviour("noise-distillation", curve="exponential"),
    behaviour("noise-distillation", curve="power", last=0.1, until=0.5),
    behaviour("jump-start"),
    behaviour("jump-start", explorer={"kind": "model-based", "preset": "anymdp"}, curve="power", guided=[1, 2]),
]


def label(settings):
    return settings.kind


@pytest.mark.parametrize("settings", EVERY, ids=label)
@pytest.mark.parametrize("shuffled", [False, True])
def test_the_class_acts_as_the_rollout_does(world, settings, shuffled):
    """Step by step through a batch of worlds, the agent writes the rows that the rollout kernel writes."""
    length, seed = 400, 9
    if shuffled:
        world = replace(world, symbol=np.array([3, 1, 0, 7, 5, 2, 6, 4], dtype=np.uint16))
    rank = np.argsort(world.symbol)
    recorded = play(world, settings, length, seed)
    batch = WorldBatch([world], [seed])
    agent = TabularAgent.of_world(world, settings, seed=stream_seed(seed, ACT), length=length)
    rows = []
    while len(rows) < length:
        state = int(batch.state[0])
        action = agent.act(state)
        following, reward, terminated, truncated = batch.step(np.array([action]))
        rows.append((world.symbol[state], action, reward[0], agent.tag))
        agent.observe(state, action, reward[0], int(rank[following[0]]), terminated[0], truncated[0])
        if terminated[0] or truncated[0]:
            rows.append((following[0], world.n_actions, 0.0, Tag.TERMINATED if terminated[0] else Tag.TRUNCATED))
    for i, name in enumerate(("observation", "action", "reward", "tag")):
        np.testing.assert_array_equal(getattr(recorded, name)[0], [row[i] for row in rows[:length]], name)


@pytest.mark.parametrize("settings", EVERY, ids=label)
def test_reset_forgets_everything(world, settings):
    agent = TabularAgent.of_world(world, settings, seed=3)

    def run():
        actions = []
        for t in range(60):
            actions.append(agent.act(t % 8))
            agent.observe(t % 8, actions[-1], 0.3, (t + 1) % 8, t % 10 == 9)
        return actions

    first = run()
    agent.reset()
    assert run() == first
    agent.reset(seed=4)
    other = run()
    agent.reset(seed=3)
    assert run() == first
    if settings.kind != "oracle":
        assert other != first


@pytest.mark.parametrize("k", range(len(DISCOUNTS)))
def test_oracles_draw_uniformly_among_the_optimal_actions_of_their_discount(world, k):
    masks = np.zeros((4, 1), dtype=np.uint64)
    masks[k, 0] = 0b10110
    agent = TabularAgent(behaviour("oracle", oracle=k), 1, 5, optimal=masks)
    drawn = np.bincount([agent.act(0) for _ in range(9000)], minlength=5)
    assert drawn[[0, 3]].tolist() == [0, 0]
    assert np.abs(drawn[[1, 2, 4]] - 3000).max() < 5 * np.sqrt(3000)
    assert agent.tag == k


def test_an_oracle_takes_optimal_actions_only(world):
    masks = oracle_masks(world, DISCOUNTS)
    rows = play(world, behaviour("oracle", oracle=2), 500, 1)
    acting = rows.action[0] < world.n_actions
    bits = masks[2, rows.state[0][acting]] >> rows.action[0][acting].astype(np.uint64)
    assert (bits & np.uint64(1)).all()
    assert (rows.tag[0][acting] == Tag.ORACLE_093).all()


@pytest.mark.parametrize("kind", ["noisy-oracle", "near-optimal", "q-learning", "random", "least-tried"])
def test_noise_reaches_every_action_equally(world, kind):
    noise = {
        "noisy-oracle": {"noise": 1.0, "decay": 0.0},
        "near-optimal": {"deviation": 0.5},
        "q-learning": {"epsilon": 0.5},
    }
    rows = play(world, behaviour(kind, **noise.get(kind, {})), 12_000, 2)
    random = rows.tag[0] == Tag.RANDOM
    counts = np.bincount(rows.action[0][random], minlength=world.n_actions)
    assert np.abs(counts - counts.sum() / 3).max() < 5 * np.sqrt(counts.sum() / 3)
    share = random.sum() / (rows.tag[0] < Tag.TERMINATED).sum()
    expected = 0.5 if kind in ("near-optimal", "q-learning") else 1.0
    assert share == pytest.approx(expected, abs=0.025 if expected < 1.0 else 0.0)


def test_the_noise_of_the_noisy_oracle_decays_as_set(world):
    shares = np.zeros(150)
    for seed in range(400):
        tag = play(world, behaviour("noisy-oracle", noise=0.9, decay=0.2, floor=0.1), 300, seed).tag[0]
        shares += tag[tag < 8][:150] == Tag.RANDOM
    expected = np.maximum(0.1, 0.9 - 0.2 / 24 * np.arange(150))
    assert np.abs(shares / 400 - expected).max() < 5 * np.sqrt(0.25 / 400)
    assert np.abs((shares / 400 - expected).mean()) < 0.01


def test_parameters_are_drawn_for_each_sequence(world):
    shares = [
        (play(world, behaviour("near-optimal", deviation=[0, 1]), 400, seed).tag == Tag.RANDOM).mean()
        for seed in range(60)
    ]
    assert np.std(shares) > 0.2  # one share for all would have a spread of .025
    assert min(shares) < 0.25
    assert max(shares) > 0.65


def test_least_tried_covers_the_actions_evenly(world):
    rows = play(world, behaviour("least-tried"), 1000, 3)
    acting = rows.action[0] < world.n_actions
    counts = np.zeros((world.n_states, world.n_actions), dtype=int)
    np.add.at(counts, (rows.state[0][acting], rows.action[0][acting]), 1)
    assert np.ptp(counts, axis=1).max() <= 1
    assert counts.max() > 20


def test_a_fixed_softmax_policy_stays_as_drawn():
    agent = TabularAgent(behaviour("softmax", scale=1.5), 2, 4, seed=8)
    policy = np.diff(agent.memory.reshape(2, 4), axis=1, prepend=0.0)
    np.testing.assert_allclose(policy.sum(axis=1), 1.0)
    drawn = np.bincount([agent.act(1) for _ in range(20_000)], minlength=4) / 20_000
    np.testing.assert_allclose(drawn, policy[1], atol=0.015)


@pytest.mark.parametrize(("length", "levels"), [(10, 1), (300, 3), (10_000, 4)])
def test_a_drifting_policy_is_multiplied_by_one_matrix_every_step(length, levels):
    """Its matrix's powers are what they should be, and actions of a step come as often as the product says."""
    n, a, draws = 3, 4, 20_000
    agent = TabularAgent(behaviour("softmax", scale=1.0, drift=0.03), n, a, seed=2, length=length)
    policy = np.diff(agent.memory[: n * a].reshape(n, a), axis=1, prepend=0.0)
    sums = agent.memory[n * a :].reshape(-1, 16, a, a)[:levels, :15]
    powers = np.diff(sums, axis=3, prepend=0.0)
    for i in range(a):  # a row begins with its own action
        powers[:, :, i] = np.roll(powers[:, :, i], i, axis=-1)
    matrix = powers[0, 0]
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0)
    assert 0.005 < np.abs(matrix - np.eye(a)).max() < 0.2
    for level in range(levels):
        for k in range(15):
            expected = np.linalg.matrix_power(matrix, (k + 1) * 16**level)
            np.testing.assert_allclose(powers[level, k], expected, rtol=1e-9, atol=1e-14)
    step = 0
    for until in (7, 40, 75):  # beyond its length too
        for _ in range(until - step):
            agent.observe(0, 0, 0.0, 1, False)  # every step counts, whoever acts
        step = until
        drawn = np.bincount([agent.act(1) for _ in range(draws)], minlength=a) / draws
        expected = policy[1] @ np.linalg.matrix_power(matrix, step)
        np.testing.assert_allclose(drawn, expected, atol=0.016)
        assert np.abs(expected - policy[1]).max() > 0.03


def test_ties_are_drawn_uniformly():
    rng = generator(1)
    values = np.array([9.0, 1.0, 3.0, 3.0, 2.0, 3.0, 7.0])
    drawn = np.bincount([argmax(rng, values, 1, 5) for _ in range(9000)], minlength=5)
    assert np.abs(drawn[[1, 2, 4]] - 3000).max() < 5 * np.sqrt(3000)
    assert drawn.sum() == drawn[[1, 2, 4]].sum()
    top = np.uint64(1 << 63)
    assert from_mask(rng, top, 64) == 63


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: behaviour("sarsa"), "'random', 'softmax', 'q-learning', 'oracle', 'noisy-oracle'"),
        (lambda: behaviour("oracle", oracle=4), "less than 4, got 4"),
        (lambda: behaviour("random", weight=-1.0), "greater than or equal to 0, got -1.0"),
        (lambda: behaviour("softmax", scale=[2, 1]), "low <= high, got"),
        (lambda: behaviour("q-learning", epsilon=1.5), r"lie in \[0, 1\], got 1.5"),
        (lambda: behaviour("q-learning", alpha="fast"), "a number is needed"),
        (lambda: behaviour("q-learning", alhpa=0.1), "alhpa"),
        (lambda: TabularAgent(behaviour("oracle"), 3, 2), "optimal actions; make it with TabularAgent.of_world"),
        (lambda: TabularAgent(behaviour("random"), 0, 2), "must be >= 1, got 0, 2"),
        (lambda: TabularAgent(behaviour("oracle"), 3, 2, optimal=np.zeros((4, 2))), "got float64"),
    ],
)
def test_bad_settings_are_refused(call, message):
    with pytest.raises(UsageError, match=message):
        call()


@pytest.mark.parametrize("arguments", [(3, 0, 1), (0, 2, 1), (0, 0, 3), (-1, 0, 0)])
def test_observations_out_of_range_are_refused(arguments):
    agent = TabularAgent(behaviour("q-learning"), 3, 2)
    state, action, following = arguments
    with pytest.raises(ValueError, match=r"states lie in 0\.\.2 and actions in 0\.\.1"):
        agent.observe(state, action, 0.0, following, False)
    with pytest.raises(ValueError, match=r"a state lies in 0\.\.2, got 3"):
        agent.act(3)
