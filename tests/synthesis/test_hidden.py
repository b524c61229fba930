"""Sequences of hidden states and of several tokens: states stored, labels by state, one order of draws as in play."""

import json

import numpy as np
import pytest

from common.agents import behaviour
from common.config import parse
from common.dataset import open_dataset
from common.dataset.schema import DISCOUNTS, Tag
from common.dataset.writer import create_dataset
from common.errors import UsageError
from common.synthesis.generate import generate, play, world_at
from common.synthesis.recipe import Recipe, identity_digest
from common.worlds import sample_world, solve
from common.worlds.batch import WorldBatch
from common.worlds.solve import optimal_actions
from datagen.plan import make_plan
from datagen.verify import verify
from datagen.work import make_shard

POMDP = {"family": "pomdp", "parameters": {"n_states": [8, 12], "n_actions": [2, 5], "n_observations": [4, 16]}}
GARNET = {"family": "garnet", "parameters": {"n_states": [4, 12], "n_actions": [2, 4]}}
OTHERS = [
    {"family": "gridworld", "parameters": {"n_states": [4, 16], "n_actions": [2, 5]}},
    {"family": "anymdp", "parameters": {"n_states": [8, 16]}, "weight": 0.5},
    {"family": "bandit", "parameters": {"n_actions": [2, 5]}, "weight": 0.5},
]
MACRO = {"family": "multi-token-pomdp", "parameters": {"n_states": [8, 12], "n_actions": 3, "n_observations": 16}}


def recipe(*families, **changes):
    return parse(
        Recipe,
        {
            "name": "hidden",
            "sequences": 8,
            "length": 120,
            "sequences_per_shard": 4,
            "vocabulary": 16,
            "actions": 5,
            "families": families,
            "behaviours": [{"kind": "random"}, {"kind": "oracle"}, {"kind": "q-learning"}],
            **changes,
        },
        "recipe",
    )


@pytest.fixture(scope="module")
def mixed() -> Recipe:
    """All families of one token, by weight, with ranges, most worlds smaller than the vocabulary."""
    return recipe({**POMDP, "weight": 2.0}, GARNET, *OTHERS)


@pytest.fixture(scope="module")
def macro() -> Recipe:
    return recipe(MACRO, actions=9)


def check(batch, wanted, index):
    """Assert what holds for a sequence of any family; return whether it hides its state."""
    world, row = world_at(wanted, index), batch.rows[index]
    state, stored, tag = batch.state[index], batch.stored_state[index], batch.tag[index]
    breaks = np.isin(tag, (Tag.TERMINATED, Tag.TRUNCATED))
    np.testing.assert_array_equal(stored, world.symbol[state])
    if world.emission is None:
        np.testing.assert_array_equal(stored, batch.observation[index])
    else:
        np.testing.assert_array_equal(stored, state)
        shown = batch.observation[index].reshape(len(state), -1)
        dense = world.emission.to_dense(wanted.vocabulary)
        for token in range(world.observation_tokens):
            assert (dense[token, state, shown[:, token]] > 0.0).all()
    assert (world.terminal[state[breaks & (tag == Tag.TERMINATED)]]).all()
    assert not world.terminal[state[~breaks]].any()
    folded = np.array(row["action_map"])
    transition = world.to_dense()["transition"]
    live = np.flatnonzero(~breaks[:-1])
    taken = folded[batch.action[index][live]]
    assert (transition[state[live], taken, state[live + 1]] > 0.0).all()
    expected = np.zeros((len(DISCOUNTS), wanted.vocabulary), dtype=np.uint64)
    for d, discount in enumerate(DISCOUNTS):
        best = optimal_actions(solve(world, discount))
        for s in np.flatnonzero(~world.terminal):
            expected[d, world.symbol[s]] = sum(1 << i for i, a in enumerate(folded) if best[s, a])
    np.testing.assert_array_equal(batch.oracle[index], expected)
    assert (batch.oracle[index][3, stored[~breaks]] > 0).all()
    return world.emission is not None


def test_states_are_stored_and_labels_are_theirs(mixed, macro):
    batch = generate(mixed, 0, 40)
    assert batch.stored_state.dtype == np.uint8
    hidden = [check(batch, mixed, i) for i in range(40)]
    assert 5 < sum(hidden) < 30
    assert {row["family"] for row in batch.rows} == {"pomdp", "garnet", "gridworld", "anymdp", "bandit"}
    assert {row["n_a"] for row in batch.rows} == {2, 3, 4, 5}
    batch = generate(macro, 0, 8)
    assert batch.observation.shape == (8, 120, 4)
    assert all(check(batch, macro, i) for i in range(8))
    assert list(batch.arrays()) == ["observation", "action", "reward", "tag", "oracle", "state"]


def test_nothing_is_stored_where_nothing_is_hidden(tiny):
    assert generate(tiny, 0, 2).stored_state is None
    assert not tiny.hides_state
    assert tiny.observation_tokens == 1


@pytest.mark.parametrize("family", ["pomdp", "multi-token-pomdp"])
def test_a_rollout_and_a_batch_draw_the_same(family):
    """Observations come from the world's own generator, in one order everywhere."""
    world = sample_world(family, seed=3, n_states=8, n_actions=3, n_observations=9)
    rows = play(world, behaviour("random"), 900, 17)
    batch = WorldBatch([world], [17])
    assert {Tag.TERMINATED, Tag.TRUNCATED} & set(rows.tag[0].tolist())
    t = 0
    while t < 899:
        np.testing.assert_array_equal(batch.observation[0], rows.observation[0, t])
        assert batch.state[0] == rows.state[0, t]
        seen, paid, terminated, truncated = batch.step(rows.action[0, t : t + 1])
        assert paid[0] == rows.reward[0, t]
        np.testing.assert_array_equal(seen[0], rows.observation[0, t + 1])
        t += 1
        if terminated[0] or truncated[0]:
            assert rows.tag[0, t] == (Tag.TERMINATED if terminated[0] else Tag.TRUNCATED)
            t += 1


def test_behaviours_act_on_the_hidden_state():
    world = sample_world("multi-token-pomdp", seed=3, n_states=8, n_actions=3, n_observations=9)
    rows = play(world, behaviour("oracle"), 400, 1)
    acting = rows.action[0] < 9
    best = optimal_actions(solve(world))
    assert best[rows.state[0][acting], rows.action[0][acting]].all()
    assert rows.rows[0]["oracle_value"] > rows.rows[0]["random_value"]


def test_a_sequence_depends_on_its_index_alone(macro):
    whole, part = generate(macro, 0, 6), generate(macro, 4, 2)
    for name, array in part.arrays().items():
        np.testing.assert_array_equal(array, whole.arrays()[name][4:6], err_msg=name)


def test_a_dataset_of_hidden_states(tmp_path, mixed, macro):
    for number, wanted in enumerate((mixed, macro)):
        plan, url = make_plan(wanted), str(tmp_path / str(number))
        write(plan, url)
        dataset, batch = open_dataset(url), generate(wanted, 0, 8)
        assert dataset.observation_tokens == wanted.observation_tokens
        read = dataset.read(0, 8).arrays()
        assert read.keys() == batch.arrays().keys()
        for name, array in batch.arrays().items():
            np.testing.assert_array_equal(read[name], array, err_msg=name)
        assert verify(url).ok
        row = dataset.catalog(0).to_pylist()[0]
        again = sample_world(row["family"], seed=row["seed"], **json.loads(row["parameters"]))
        np.testing.assert_array_equal(again.cumulative, world_at(wanted, 0).cumulative)


def write(plan, url):
    writer = create_dataset(url, plan.header)
    for shard in range(plan.shards):
        make_shard(writer, plan.recipe, shard)
    writer.close()


@pytest.mark.parametrize(
    ("families", "changes", "message"),
    [
        ([MACRO, GARNET], {"actions": 9}, "never mixed with others .*make a dataset of each"),
        ([MACRO], {}, r"must be n_actions \*\* action_tokens .*got 5 and 3 \*\* 2 .*set actions = 9"),
        (
            [MACRO, {"family": "multi-token-pomdp", "parameters": {**MACRO["parameters"], "observation_tokens": 2}}],
            {"actions": 9},
            "never mixed",
        ),
        ([POMDP], {"vocabulary": 12}, "at least n_observations = 16, got 12; raise it"),
    ],
)
def test_what_cannot_be_one_dataset_is_refused(families, changes, message):
    with pytest.raises(UsageError, match=message):
        recipe(*families, **changes)


def test_identities_differ(mixed, macro):
    assert identity_digest(mixed) != identity_digest(macro)
