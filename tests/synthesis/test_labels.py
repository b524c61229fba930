"""Labels against an independent solution, with ties and folding; oracle and random value against play."""

import numpy as np
import pytest

from common.agents import behaviour
from common.dataset.schema import DISCOUNTS
from common.errors import UsageError
from common.random import generator
from common.synthesis.action_map import draw_action_map, preimages, unfold
from common.synthesis.generate import generate, play, world_at
from common.synthesis.recipe import Recipe, load
from common.synthesis.task import prepare
from common.worlds import World


def optimal_by_iteration(world, discount, restarts=False):
    """Return bool (n, a): value iteration on dense arrays until nothing moves, ties within 1e-9.

    With ``restarts`` an end leads to the next episode's beginning, and time does not stand still in between.
    """
    dense = world.to_dense()
    expected = (dense["transition"] * dense["reward"]).sum(axis=2)
    if restarts:
        begin = np.zeros(world.n_states)
        np.add.at(begin, world.start_states, world.start_probabilities)
        ends = dense["transition"][:, :, world.terminal].sum(axis=2)
        dense["transition"][:, :, world.terminal] = 0.0
        dense["transition"] += ends[:, :, None] * begin
        dense["transition"][world.terminal] = 0.0
    q = np.zeros_like(expected)
    for _ in range(100_000):
        following = expected + discount * dense["transition"] @ q.max(axis=1)
        moved = np.abs(following - q).max()
        q = following
        if moved <= 1e-15 * max(1.0, np.abs(q).max()):
            break
    best = q.max(axis=1, keepdims=True)
    return q >= best - 1e-9 * np.maximum(1.0, np.abs(q).max(axis=1, keepdims=True))


def expected_labels(world, action_map, vocabulary):
    labels = np.zeros((len(DISCOUNTS), vocabulary), dtype=np.uint64)
    for d, discount in enumerate(DISCOUNTS):
        optimal = optimal_by_iteration(world, discount)
        for s in np.flatnonzero(~world.terminal):
            ids = [i for i, action in enumerate(action_map) if optimal[s, action]]
            labels[d, world.symbol[s]] = sum(1 << i for i in ids)
    return labels


def test_labels_have_every_id_of_every_optimal_action(tiny, batch):
    folded, tied = 0, 0
    for i in range(40):
        world, row = world_at(tiny, i), batch.rows[i]
        labels = expected_labels(world, row["action_map"], tiny.vocabulary)
        np.testing.assert_array_equal(batch.oracle[i], labels, err_msg=f"sequence {i}, {row['family']}")
        folded += world.n_actions < tiny.actions
        tied += any(optimal_by_iteration(world, d)[~world.terminal].sum(axis=1).max() > 1 for d in DISCOUNTS)
    assert folded > 10
    assert tied > 5


def test_labels_of_a_life_that_goes_on_value_the_next_episode(tiny, batch):
    recipe = Recipe.model_validate({**tiny.model_dump(), "restarts": (0.93,)})
    changed = generate(recipe, 0, 40)
    differ = 0
    for i in range(40):
        world, row = world_at(recipe, i), changed.rows[i]
        optimal = optimal_by_iteration(world, 0.93, restarts=True)
        for s in np.flatnonzero(~world.terminal):
            ids = sum(1 << k for k, action in enumerate(row["action_map"]) if optimal[s, action])
            assert changed.oracle[i, 2, world.symbol[s]] == ids, (i, row["family"], s)
        differ += not np.array_equal(changed.oracle[i, 2], batch.oracle[i, 2])
        assert row["oracle_value"] == batch.rows[i]["oracle_value"]
    assert 5 < differ < 40
    # all else, what behaviours know included, is as it was
    np.testing.assert_array_equal(changed.oracle[:, [0, 1, 3]], batch.oracle[:40, [0, 1, 3]])
    np.testing.assert_array_equal(changed.action, batch.action[:40])


def test_a_restart_is_worth_ending_early_for():
    # state 0: stay for .1, or end for .5; with an end worth 0 staying pays more in the long run
    world = World.from_dense(
        transition=np.array([[[1.0, 0.0], [0.0, 1.0]], np.zeros((2, 2))]),
        reward=np.array([[[0.1, 0.0], [0.0, 0.5]], np.zeros((2, 2))]),
        reward_noise=np.zeros((2, 2, 2)),
        start_states=np.array([0]),
        start_probabilities=np.array([1.0]),
        terminal_states=np.array([1]),
        max_steps=100.0,
    )
    assert prepare(world, np.array([0, 1])).optimal[:, 0].tolist() == [2, 2, 1, 1]
    assert prepare(world, np.array([0, 1]), restarts=(0.93,)).optimal[:, 0].tolist() == [2, 2, 2, 1]


def test_restarts_take_discounts_with_labels():
    with pytest.raises(UsageError, match=r"restarts takes some of 0.0, 0.5, 0.93, 0.994, got \[0.9\]"):
        load("tiny", ["restarts=[0.9]"])


def test_exact_ties_are_complete(maze):
    labels = play(maze, behaviour("random"), 50, 0).oracle[0]
    # at discount 0 nothing but the last step pays: any action is as good elsewhere
    assert labels[0].tolist() == [0b111, 0b111, 0b111, 0b011, 0]
    assert labels[3].tolist() == [0b011, 0b011, 0b011, 0b011, 0]


def test_many_actions_take_wider_masks(tiny):
    wide = {"families": [{"family": "garnet", "parameters": {"n_actions": 40}}], "actions": 64, "length": 64}
    batch = generate(Recipe.model_validate({**tiny.model_dump(), **wide}), 0, 2)
    assert batch.oracle.dtype == np.uint64
    for i, row in enumerate(batch.rows):
        world = world_at(Recipe.model_validate({**tiny.model_dump(), **wide}), i)
        np.testing.assert_array_equal(batch.oracle[i], expected_labels(world, row["action_map"], 16))


def test_action_maps_are_surjections_and_any_of_them(tiny, batch):
    for row in batch.rows:
        assert len(row["action_map"]) == 5
        assert set(row["action_map"]) == set(range(row["n_a"]))
        if row["n_a"] == 5:
            assert row["action_map"] == [0, 1, 2, 3, 4]
    rng = generator(3)
    counts = np.zeros((5, 3))
    for _ in range(6000):
        drawn = draw_action_map(rng, 5, 3)
        counts[np.arange(5), drawn] += 1
    assert np.abs(counts - 2000).max() < 5 * np.sqrt(2000)


def test_recorded_ids_are_uniform_among_the_preimages(maze):
    rows = play(maze, behaviour("random"), 20_000, 4, actions=7)
    action, mapped = rows.action[0], rows.rows[0]["action_map"]
    assert sorted(set(mapped)) == [0, 1, 2]
    counts = np.bincount(action[action < 7], minlength=7)
    for a in range(3):
        ids = [i for i in range(7) if mapped[i] == a]
        share = counts[ids].sum() / len(ids)
        assert np.abs(counts[ids] - share).max() < 5 * np.sqrt(share)


def test_folding_does_not_touch_what_happens(maze):
    plain = play(maze, behaviour("q-learning"), 500, 4)
    folded = play(maze, behaviour("q-learning"), 500, 4, actions=7)
    for name in ("observation", "reward", "tag", "state"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(folded, name))
    acting = plain.action[0] < 3
    taken = np.array(folded.rows[0]["action_map"])[folded.action[0][acting]]
    np.testing.assert_array_equal(taken, plain.action[0][acting])
    assert (folded.action[0][~acting] == 7).all()


def test_preimages_invert_the_map():
    action_map = np.array([2, 0, 2, 1, 0])
    start, ids = preimages(action_map, 3)
    assert [ids[start[a] : start[a + 1]].tolist() for a in range(3)] == [[1, 4], [3], [0, 2]]
    rng = generator(0)
    assert {int(unfold(rng, start, ids, 2)) for _ in range(50)} == {0, 2}


@pytest.mark.parametrize(("kind", "column"), [("oracle", "oracle_value"), ("random", "random_value")])
def test_values_are_the_mean_return_of_an_episode(maze, kind, column):
    rows = play(maze, behaviour(kind), 60_000, 5)
    breaks = rows.tag[0] >= 8
    episode = np.cumsum(breaks) - breaks
    returns = np.bincount(episode, weights=rows.reward[0].astype(float))[:-1]
    error = returns.std() / np.sqrt(len(returns))
    assert error < 0.01
    assert rows.rows[0][column] == pytest.approx(returns.mean(), abs=4 * error + 1e-9)


def test_a_fractional_cap_is_rounded_up(maze):
    rows = play(maze, behaviour("random"), 5000, 6)
    breaks = np.flatnonzero(rows.tag[0] >= 8)
    lengths = np.diff(breaks) - 1
    assert lengths.max() == 7
    assert (lengths[rows.tag[0][breaks[1:]] == 9] == 7).all()
