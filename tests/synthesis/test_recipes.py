"""The shipped recipes: what they hold, what their sequences look like, and fewer tasks than sequences."""

import numpy as np
import pytest

from common.agents import behaviour
from common.config import parse
from common.dataset.schema import Tag, array_types
from common.errors import UsageError
from common.seeding import Purpose
from common.synthesis import generate as generating
from common.synthesis.generate import generate, world_at
from common.synthesis.recipe import Recipe, identity_digest, load, names

PAPER = {
    "dpd": (128, 8, 16, "oracle"),
    "ad": (128, 8, 16, "action"),
    "ad-eps": (128, 8, 16, "action"),
    "dpt": (128, 8, 16, "oracle"),
    "d-small": (128, 8, 16, "oracle"),
    "d-large": (512, 12, 128, "oracle"),
    "d-long": (12, 512, 128, "oracle"),
}


@pytest.mark.parametrize("name", PAPER)
def test_sizes_are_the_papers_and_shards_hold_at_most_64_mb(name):
    sequences, length, states, label = PAPER[name]
    recipe = load(name)
    assert (recipe.name, recipe.sequences, recipe.length) == (name, 1024 * sequences, 1024 * length)
    assert (recipe.vocabulary, recipe.actions, recipe.label) == (states, 5, label)
    types = array_types(recipe.vocabulary, recipe.actions)
    row = sum(dtype.itemsize for array, dtype in types.items() if array != "oracle")
    shard = recipe.sequences_per_shard * (recipe.length * row + 4 * recipe.vocabulary * types["oracle"].itemsize)
    assert 50e6 < shard <= 64e6
    assert recipe.n_sequences < 1.001 * recipe.sequences


def test_every_shipped_recipe_is_known_here():
    assert set(names()) >= {*PAPER, "tiny"}


def short(name, **changes):
    return parse(Recipe, {**load(name).model_dump(), **changes}, "recipe")


def test_the_mixture_is_the_released_one():
    mixture = {(b.kind, getattr(b, "oracle", None)): b.weight for b in load("dpd").behaviours}
    assert mixture == {
        ("softmax", None): 0.10,
        ("model-based", None): 0.10,
        ("q-learning", None): 0.10,
        **{("model-based-to-oracle", k): 0.10 for k in range(4)},
        **{("noisy-oracle", k): 0.10 for k in (2, 3)},
        **{("oracle", k): weight for k, weight in ((1, 0.02), (2, 0.03), (3, 0.05))},
    }
    assert sum(mixture.values()) == pytest.approx(1.0)
    assert all(b.preset == "anymdp" for b in load("dpd").behaviours if b.kind != "oracle")


def test_tags_come_as_often_as_each_behaviour_shows_them():
    """Tag frequencies of the mixture are the weighted ones of its behaviours, each measured alone."""
    recipe = short("dpd", length=600, switch_share=0.0)
    count, frequencies = 60, []
    for one in recipe.behaviours:
        tag = generate(recipe.with_behaviours([one]), 0, count).tag
        frequencies.append(np.bincount(tag[tag < Tag.TERMINATED], minlength=7) / (tag < Tag.TERMINATED).sum())
    expected = np.average(frequencies, axis=0, weights=[b.weight for b in recipe.behaviours])
    tag = generate(recipe, 5000, 900).tag
    found = np.bincount(tag[tag < Tag.TERMINATED], minlength=7) / (tag < Tag.TERMINATED).sum()
    np.testing.assert_allclose(found, expected, atol=0.035)
    assert found[int(Tag.Q_LEARNING)] == pytest.approx(0.085, abs=0.03)
    for one, shares in zip(recipe.behaviours, frequencies, strict=True):
        allowed = {"softmax": {6}, "model-based": {4, 6}, "q-learning": {5, 6}, "oracle": {getattr(one, "oracle", 0)}}
        allowed |= {"noisy-oracle": {getattr(one, "oracle", 0), 6}}
        allowed |= {"model-based-to-oracle": {getattr(one, "oracle", 0), 4, 6}}
        assert set(np.flatnonzero(shares)) <= allowed[one.kind]


def test_returns_are_ordered_random_learners_oracle():
    recipe, scores = short("dpd", length=60_000), {}
    mixture = {
        "random": behaviour("softmax", preset="anymdp"),
        "q-learning": behaviour("q-learning", preset="anymdp"),
        "model-based": behaviour("model-based", preset="anymdp"),
        "drifting": behaviour("model-based-to-oracle", oracle=3),
        "distillation": behaviour("noise-distillation", until=0.5),
        "jump-start": behaviour("jump-start", explorer={"kind": "q-learning", "preset": "anymdp"}),
        "oracle": behaviour("oracle"),
    }
    for name, one in mixture.items():
        batch = generate(recipe.with_behaviours([one]), 0, 64)
        score = []
        for place, row in enumerate(batch.rows):
            breaks = np.flatnonzero(batch.action[place] == 5)
            late = slice(breaks[breaks >= 30_000][0], breaks[-1] + 1)
            episodes = (batch.action[place][late] == 5).sum() - 1
            gap = row["oracle_value"] - row["random_value"]
            score.append((batch.reward[place][late].sum() / max(episodes, 1) - row["random_value"]) / gap)
        scores[name] = float(np.median(score))
    assert scores["random"] < 0.1, scores
    for learner in ("q-learning", "model-based", "drifting", "jump-start"):
        assert scores["random"] + 0.15 < scores[learner] < scores["oracle"], scores
    assert scores["distillation"] == pytest.approx(1.0, abs=0.05), scores
    assert scores["oracle"] == pytest.approx(1.0, abs=0.05), scores


@pytest.mark.parametrize(("name", "tags"), [("ad", {5, 6}), ("ad-eps", {3, 6}), ("dpt", {3, 5, 6})])
def test_histories_are_one_behaviours_all_along(name, tags):
    batch = generate(short(name, length=500), 0, 30)
    assert {len(row["behaviours"]) for row in batch.rows} == {1}
    assert set(np.unique(batch.tag[batch.tag < Tag.TERMINATED])) == tags
    assert (batch.oracle[:, 3].sum(axis=1) > 0).all()


def test_worlds_of_the_large_set_have_16_to_128_states_shown_in_128_symbols():
    rows = generate(short("d-large", length=50), 0, 24).rows
    states = [row["n_s"] for row in rows]
    assert min(states) >= 16
    assert max(states) <= 128
    assert len(set(states)) > 15
    assert max(max(row["symbol"]) for row in rows) > 120


def test_fewer_tasks_than_sequences(tiny):
    """Sequence i has the world of sequence i modulo the tasks, and its own behaviours, steps and rewards."""
    few = short("tiny", tasks=5, length=128)
    own, shared = generate(short("tiny", length=128), 0, 5), generate(few, 0, 20)
    for name, array in own.arrays().items():
        np.testing.assert_array_equal(getattr(shared, name)[:5], array, name)
    for i, row in enumerate(shared.rows):
        first = shared.rows[i % 5]
        for same in ("seed", "family", "parameters", "n_s", "n_a", "symbol", "action_map", "oracle_value"):
            assert row[same] == first[same]
        np.testing.assert_array_equal(shared.oracle[i], shared.oracle[i % 5])
        assert row["sequence"] == i
        assert world_at(few, i).seed == row["seed"]
        assert i < 5 or not np.array_equal(shared.tag[i], shared.tag[i % 5]) or row["return"] != first["return"]
    assert len({row["seed"] for row in shared.rows}) == 5
    assert {tuple(row["behaviours"][0]) for row in shared.rows[::5]} != {tuple(shared.rows[0]["behaviours"][0])}
    later = generate(few, 13, 2)
    np.testing.assert_array_equal(later.reward, shared.reward[13:15])


def test_unseen_worlds_do_not_depend_on_the_number_of_tasks():
    few, all_ = short("tiny", tasks=2, length=32), short("tiny", length=32)
    for purpose in (Purpose.VALIDATE, Purpose.EVALUATE):
        rows = generate(few, 0, 6, purpose).rows
        assert rows == generate(all_, 0, 6, purpose).rows
        assert len({row["seed"] for row in rows}) == 6


def test_the_number_of_tasks_is_part_of_the_identity_where_it_is_given(tiny):
    assert len({identity_digest(short("tiny", tasks=n)) for n in (None, 100, 1000)}) == 3
    assert identity_digest(short("tiny", tasks=None)) == identity_digest(tiny)
    assert "tasks" not in tiny.model_dump()
    with pytest.raises(UsageError, match="greater than 0, got 0"):
        short("tiny", tasks=0)


def test_several_sequences_in_a_row_share_a_task(tiny):
    """Sequence i has world (i // 3) modulo the tasks; what is made of it depends on its index alone."""
    several = short("tiny", tasks=4, sequences_per_task=3, length=96)
    whole = generate(several, 0, 24)
    seeds = [row["seed"] for row in whole.rows]
    assert [seeds.index(seed) for seed in seeds] == [i // 3 % 4 * 3 for i in range(24)]
    assert len({(row["return"], row["episodes"]) for row in whole.rows}) > 20
    alone = [generate(several.model_copy(), i, 1) for i in (23, 4, 12)]
    for i, one in zip((23, 4, 12), alone, strict=True):
        assert one.rows[0] == whole.rows[i]
        np.testing.assert_array_equal(one.reward[0], whole.reward[i])
        np.testing.assert_array_equal(one.oracle[0], whole.oracle[i])
    unseen = generate(several, 0, 6, Purpose.VALIDATE)
    assert len({row["seed"] for row in unseen.rows}) == 6
    assert identity_digest(several) != identity_digest(short("tiny", tasks=4, length=96))
    assert "sequences_per_task" not in tiny.model_dump()


def test_shared_tasks_are_solved_once_and_only_so_many_are_kept(monkeypatch):
    made = []
    real = generating.prepare
    monkeypatch.setattr(generating, "prepare", lambda world, *how: made.append(world.seed) or real(world, *how))
    generate(short("tiny", tasks=5, length=64), 0, 20)
    assert len(made) == len(set(made)) == 5
    monkeypatch.setattr(generating, "_KEPT", 20_000)
    made.clear()
    thrifty = generating.Synthesis(short("tiny", tasks=50, length=64))
    out = thrifty.room(1)
    for i in range(60):
        thrifty.write(i, out, 0)
    assert len(made) == 60
    assert 1 <= len(thrifty._kept) < 20
    assert thrifty._kept_bytes == sum(task.size for task, _ in thrifty._kept.values())
