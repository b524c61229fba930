"""Recipes: what is refused and how it is said, what draws what, and what identifies a dataset."""

import json

import numpy as np
import pytest

from common.agents import behaviour
from common.config import parse
from common.draw import Choice, Exponential, LogUniform, Range, draw, draw_reals, real, table, whole
from common.errors import NoWorldError, UsageError
from common.random import generator
from common.synthesis.generate import generate, play, world_at
from common.synthesis.recipe import Recipe, identity_digest, load


def altered(tiny, **changes):
    return parse(Recipe, {**tiny.model_dump(), **changes}, "recipe")


GARNET = {"family": "garnet", "parameters": {"n_states": [4, 16]}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"families": [{"family": "labyrinth"}]}, "unknown family 'labyrinth': known families are anymdp, bandit, g"),
        ({"families": [{**GARNET, "weight": -1}]}, "greater than or equal to 0, got -1"),
        ({"families": [{**GARNET, "weight": 0}]}, "at least one weight must be over 0"),
        ({"families": []}, "at least 1 item"),
        ({"families": [{"family": "garnet", "parameters": {"n_states": [4, 17]}}]}, "vocabulary must be at least"),
        ({"families": [{"family": "garnet", "parameters": {"n_actions": [2, 6]}}]}, "recipe's actions, got 6"),
        ({"families": [{"family": "garnet", "parameters": {"n_states": [9, 4]}}]}, "low <= high, got"),
        ({"families": [{"family": "garnet", "parameters": {"n_states": [4.0, 9.5]}}]}, "integer is needed"),
        ({"families": [{"family": "garnet", "parameters": {"branches": 2}}]}, "parameters are .*branching"),
        ({"families": [{"family": "garnet", "parameters": {"vocabulary": 16}}]}, "recipe's own setting"),
        ({"families": [{"family": "garnet", "parameters": {"reward_kind": {"choice": ["dense", "x"]}}}]}, "'x'"),
        ({"families": [{"family": "garnet", "parameters": {"branching": [1, 9], "n_states": [4, 9]}}]}, "branching"),
        ({"behaviours": [{"kind": "telepathy"}]}, "'random', 'softmax', 'q-learning'"),
        ({"behaviours": [{"kind": "random", "weight": -0.5}]}, "greater than or equal to 0, got -0.5"),
        ({"behaviours": [{"kind": "random", "weight": 0.0}]}, "at least one weight must be over 0"),
        ({"behaviours": [{"kind": "softmax", "scale": [3, 1]}]}, "low <= high, got"),
        ({"switch_probability": 1.5}, "less than or equal to 1, got 1.5"),
        ({"length": 0}, "greater than 0, got 0"),
        ({"actions": 65}, "less than or equal to 64, got 65"),
        ({"lenght": 8}, "'lenght' does not exist; settings here are name, seed"),
    ],
)
def test_bad_recipes_are_refused(tiny, changes, message):
    with pytest.raises(UsageError, match=message):
        altered(tiny, **changes)


def test_an_unknown_recipe_is_refused_with_the_names_there_are():
    with pytest.raises(UsageError, match=r"known recipes are .*tiny"):
        load("tyni")
    with pytest.raises(UsageError, match="lenght"):
        load("tiny", ["lenght=5"])
    assert load("tiny", ["length=64", "families.0.parameters.n_states=[5, 6]"]).length == 64


def test_impossible_settings_are_drawn_anew_and_at_last_refused(tiny):
    sparse = {"n_states": 16, "reward_kind": "sparse-goal", "reward_scale": 0.5, "most_candidates": 20}
    hard = {"family": "garnet", "parameters": {**sparse, "min_gap": {"choice": [0.0, 40.0]}}}
    rows = generate(altered(tiny, families=[hard], length=8), 0, 20).rows
    tries = [row["rejections"].get("settings", 0) for row in rows]
    assert max(tries) >= 2
    assert min(tries) == 0
    assert {json.loads(row["parameters"])["min_gap"] for row in rows} == {0.0}
    for gap, message in (([40.0, 41.0], "drawn settings must give a world"), (40.0, "lower min_gap")):
        never = {"family": "garnet", "parameters": {**sparse, "min_gap": gap, "most_candidates": 1}}
        with pytest.raises(NoWorldError, match=message):
            world_at(altered(tiny, families=[never]), 0)


def test_real_quantities_draw_reals_and_counts_draw_integers(tiny):
    families = [{"family": "gridworld", "parameters": {"slip": [0, 1], "n_states": [4, 16]}}]
    rows = generate(altered(tiny, families=families, length=4), 0, 100).rows
    drawn = [json.loads(row["parameters"]) for row in rows]
    slips = np.array([p["slip"] for p in drawn])
    assert ((slips > 0.01) & (slips < 0.99)).mean() > 0.9
    assert {p["n_states"] for p in drawn} == set(range(4, 17))
    assert behaviour("near-optimal", deviation=[0, 1]).deviation == Range(low=0.0, high=1.0)
    assert isinstance(real(Range(low=0, high=1)).low, float)
    assert whole(Range(low=0, high=3)) == Range(low=0, high=3)


def test_the_kernel_draws_as_the_settings_say():
    drawn = (2.5, Range(low=1.0, high=3.0), LogUniform(log_uniform=(0.01, 1.0)), Exponential(exponential=0.3))
    drawn = (*drawn, Choice(choice=(1.0, 4.0, 7.0)))
    rows, rng = table(drawn, 8), generator(5)
    out = np.full((5000, 8), -1.0)
    for row in out:
        draw_reals(rng, rows, row)
    assert (out[:, 0] == 2.5).all()
    assert (out[:, 5:] == 0.0).all()
    assert out[:, 1].mean() == pytest.approx(2.0, abs=0.04)
    assert (out[:, 1].min() >= 1.0, out[:, 1].max() < 3.0) == (True, True)
    assert np.log(out[:, 2]).mean() == pytest.approx(np.log(0.1), abs=0.08)
    assert out[:, 3].mean() == pytest.approx(0.3, abs=0.02)
    assert np.abs(np.bincount(out[:, 4].astype(int))[[1, 4, 7]] - 5000 / 3).max() < 5 * np.sqrt(5000 / 3)
    for i, what in enumerate(drawn):
        one, other = generator(i), generator(i)
        single = np.empty(1)
        draw_reals(one, table([what], 1), single)
        assert single[0] == draw(other, what)
        assert one[0] == other[0]


def test_identity_is_what_decides_the_bytes(tiny):
    identity = identity_digest(tiny)
    resolved = json.loads(tiny.model_dump_json())
    assert identity_digest(parse(Recipe, resolved, "stored recipe")) == identity
    for same in ({"name": "other"}, {"sequences": 10}, {"sequences_per_shard": 2}):
        assert identity_digest(altered(tiny, **same)) == identity
    others = (
        *({"seed": 1}, {"length": 511}, {"vocabulary": 17}, {"actions": 6}, {"label": "action"}),
        *({"switch_share": 0.1}, {"families": [GARNET]}, {"behaviours": [{"kind": "random"}]}),
    )
    digests = {identity_digest(altered(tiny, **other)) for other in others}
    assert len(digests | {identity}) == len(others) + 1


def test_the_order_of_a_familys_parameters_changes_nothing(tiny):
    one = {"n_states": [4, 16], "branching": [1, 4], "reward_scale": [0.5, 1.0]}
    recipes = [
        altered(tiny, families=[{"family": "garnet", "parameters": dict(items)}])
        for items in (one.items(), reversed(one.items()))
    ]
    assert identity_digest(recipes[0]) == identity_digest(recipes[1])
    assert generate(recipes[0], 0, 5).rows == generate(recipes[1], 0, 5).rows


def test_sequences_are_rounded_up_to_whole_shards(tiny):
    recipe = altered(tiny, sequences=21, sequences_per_shard=8)
    assert (recipe.shards, recipe.n_sequences) == (3, 24)
    assert tiny.shards >= 32


def test_other_behaviours_meet_the_same_worlds(tiny):
    blind = tiny.without_oracle()
    assert {item.kind for item in blind.behaviours} == {"random", "q-learning", "softmax", "least-tried"}
    rows = generate(blind, 0, 30)
    assert [row["seed"] for row in rows.rows] == [row["seed"] for row in generate(tiny, 0, 30).rows]
    assert not np.isin(rows.tag, (0, 1, 2, 3)).any()
    with pytest.raises(UsageError, match="no behaviour without an oracle"):
        tiny.with_behaviours([behaviour("oracle")]).without_oracle()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda world, tiny: play(world, behaviour("random"), 0, 1), "length must be >= 1"),
        (lambda world, tiny: play(world, behaviour("random"), 5, -1), "seed in"),
        (lambda world, tiny: play(world, behaviour("random"), 5, 1, actions=2), "from the world's 3 to 64, got 2"),
        (lambda world, tiny: generate(tiny, -1, 2), "first and count must be >= 0"),
        (lambda world, tiny: world_at(tiny, -1), "index must be >= 0"),
    ],
)
def test_bad_requests_are_refused(maze, tiny, call, message):
    with pytest.raises(UsageError, match=message):
        call(maze, tiny)
