"""Every row of generated sequences against the rules of the dataset."""

import json

import numpy as np
import pytest

from common.dataset.schema import Tag, array_types
from common.seeding import Purpose
from common.synthesis.generate import generate, world_at
from common.synthesis.recipe import Recipe
from common.worlds import sample_world

BREAKS = (Tag.TERMINATED, Tag.TRUNCATED)


def check_sequence(world, batch, i, actions):
    """Walk through one sequence row by row; return how its episodes ended."""
    row = batch.rows[i]
    observation, action, reward, tag, state = (
        getattr(batch, name)[i] for name in ("observation", "action", "reward", "tag", "state")
    )
    dense = world.to_dense()
    np.testing.assert_array_equal(observation, world.symbol[state])
    assert state[0] in world.start_states
    ends, steps = [], 0
    for t in range(len(state)):
        if tag[t] in BREAKS:
            assert action[t] == actions
            assert reward[t] == 0.0
            assert tag[t] == (Tag.TERMINATED if world.terminal[state[t]] else Tag.TRUNCATED)
            assert world.terminal[state[t]] or steps == np.ceil(world.max_steps)
            assert t > 0
            assert tag[t - 1] not in BREAKS
            if t + 1 < len(state):
                assert state[t + 1] in world.start_states
            ends.append(int(tag[t]))
            steps = 0
            continue
        assert action[t] < actions
        assert not world.terminal[state[t]]
        assert steps < np.ceil(world.max_steps)
        steps += 1
        if t + 1 == len(state):
            continue
        taken = row["action_map"][action[t]]
        assert dense["transition"][state[t], taken, state[t + 1]] > 0.0
        mean = dense["reward"][state[t], taken, state[t + 1]]
        deviation = dense["reward_noise"][state[t], taken, state[t + 1]]
        assert abs(reward[t] - mean) <= 6 * deviation + 1e-6 * max(1.0, abs(mean))
        if world.terminal[state[t + 1]] or steps == np.ceil(world.max_steps):
            assert tag[t + 1] in BREAKS
    return ends


def test_no_row_breaks_a_rule(tiny, batch):
    ends = set()
    for i in range(60):
        ends |= set(check_sequence(world_at(tiny, i), batch, i, tiny.actions))
    assert ends == {Tag.TERMINATED, Tag.TRUNCATED}


def test_types_and_shapes(tiny, batch):
    types = array_types(tiny.vocabulary, tiny.actions)
    arrays = batch.arrays()
    assert {name: array.dtype for name, array in arrays.items()} == types
    assert arrays["oracle"].shape == (200, 4, 16)
    assert {array.shape for name, array in arrays.items() if name != "oracle"} == {(200, 512)}
    assert np.isfinite(batch.reward).all()


def test_catalog_rows_say_what_happened(tiny, batch):
    for i, row in enumerate(batch.rows):
        breaks = np.isin(batch.tag[i], BREAKS)
        assert row["sequence"] == i
        assert row["episodes"] == breaks.sum()
        assert row["return"] == pytest.approx(batch.reward[i].astype(float).sum(), abs=1e-9)
        assert set(np.unique(batch.observation[i])) <= set(row["symbol"])
        starts = [start for start, _ in row["behaviours"]]
        assert starts[0] == 0
        assert starts == sorted(set(starts))
        assert all(breaks[start - 1] for start in starts[1:])
        world = world_at(tiny, i)
        assert (row["n_s"], row["n_a"]) == (world.n_s, world.n_actions)
        if i % 10 == 0:
            again = sample_world(row["family"], seed=row["seed"], **json.loads(row["parameters"]))
            np.testing.assert_array_equal(again.cumulative, world.cumulative)
            np.testing.assert_array_equal(again.symbol, row["symbol"])


def test_tags_are_those_of_the_behaviour_that_acts(batch):
    allowed = {
        "random": {6},
        "softmax": {6},
        "least-tried": {6},
        "q-learning": {5, 6},
        "noisy-oracle": {3, 6},
        "near-optimal": {3, 6},
    }
    seen = {kind: set() for kind in allowed}
    for tag, row in zip(batch.tag, batch.rows, strict=True):
        ends = [start for start, _ in row["behaviours"][1:]] + [len(tag)]
        for (start, kind), end in zip(row["behaviours"], ends, strict=True):
            seen[kind] |= set(tag[start:end].tolist()) - {8, 9}
    assert seen == allowed


def test_a_bandit_ends_with_every_pull_and_counts_one_state(tiny):
    recipe = Recipe.model_validate(
        {**tiny.model_dump(), "families": [{"family": "bandit", "parameters": {"n_actions": 3}}], "length": 41}
    )
    batch = generate(recipe, 0, 8)
    for i, row in enumerate(batch.rows):
        assert row["n_s"] == 1
        assert row["episodes"] == 20
        assert (batch.tag[i, 1::2] == Tag.TERMINATED).all()  # the cap of 1 is met too
        assert (batch.tag[i, 0::2] < Tag.TERMINATED).all()
        assert len(set(batch.observation[i].tolist())) == 1
        world = world_at(recipe, i)
        best = np.flatnonzero(np.isin(row["action_map"], np.argmax(world.reward)))
        assert batch.oracle[i, 3, world.symbol[0]] == np.sum(1 << best)
        assert row["oracle_value"] == pytest.approx(world.reward.max())
        assert row["random_value"] == pytest.approx(world.reward.mean())


def test_behaviours_and_families_come_by_weight(tiny):
    recipe = Recipe.model_validate({**tiny.model_dump(), "length": 2, "switch_share": 0.0})
    rows = generate(recipe, 0, 3000).rows
    for items, names in (
        (recipe.behaviours, [row["behaviours"][0][1] for row in rows]),
        (recipe.families, [row["family"] for row in rows]),
    ):
        total = sum(item.weight for item in items)
        for name in set(names):
            share = sum(i.weight for i in items if name in (getattr(i, "kind", ""), getattr(i, "family", ""))) / total
            deviation = np.sqrt(share * (1 - share) / len(rows))
            assert abs(names.count(name) / len(rows) - share) < 4.5 * deviation, name


def test_behaviours_change_only_in_their_share_of_sequences_and_as_often_as_asked(tiny):
    episodes = {"families": [{"family": "bandit", "parameters": {"n_actions": 3}}], "length": 400}
    two = {"behaviours": [{"kind": "random"}, {"kind": "least-tried"}], "switch_share": 0.4, "switch_probability": 0.1}
    rows = generate(Recipe.model_validate({**tiny.model_dump(), **episodes, **two}), 0, 400).rows
    changing = [len(row["behaviours"]) - 1 for row in rows if len(row["behaviours"]) > 1]
    assert len(changing) / 400 == pytest.approx(0.4, abs=0.11)
    # 199 episode ends, a new draw at each with .1, another behaviour with .5
    assert np.mean(changing) == pytest.approx(199 * 0.05, rel=0.1)


def test_purposes_have_worlds_of_their_own(tiny):
    seeds = [{row["seed"] for row in generate(tiny, 0, 50, purpose).rows} for purpose in Purpose]
    assert len(set().union(*seeds)) == 50 * len(Purpose)


def test_more_knowledge_earns_more(tiny, batch):
    """Mean return per episode, scaled: random < Q-learning < near-optimal < oracle, over the same worlds."""
    mixture = {
        "random": {"kind": "random"},
        "learner": {"kind": "q-learning", "alpha": 0.3, "gamma": 0.95, "epsilon": 0.1, "bonus": 0.3},
        "near": {"kind": "near-optimal", "deviation": 0.2},
        "oracle": {"kind": "oracle"},
    }
    scores = {}
    for name, settings in mixture.items():
        rows = generate(Recipe.model_validate({**tiny.model_dump(), "behaviours": [settings]}), 0, 200).rows
        scores[name] = np.mean(
            [
                (row["return"] / row["episodes"] - row["random_value"]) / (row["oracle_value"] - row["random_value"])
                for row in rows
                if row["family"] in ("garnet", "gridworld")
                and row["episodes"] >= 10
                and row["oracle_value"] - row["random_value"] > 0.1
            ]
        )
    assert scores["random"] < 0.1
    assert scores["random"] + 0.2 < scores["learner"] < scores["near"] - 0.05
    assert scores["near"] + 0.05 < scores["oracle"]
    assert scores["oracle"] == pytest.approx(1.0, abs=0.08)
