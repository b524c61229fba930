"""Sequences under other names: what is permuted, and that labels go with it."""

import numpy as np

from common.synthesis.generate import generate
from common.synthesis.recipe import load
from trainer.data.relabel import relabelled
from trainer.tokens import Rows


def test_every_row_says_the_same_under_other_names() -> None:
    recipe = load("tiny", ["length=200", "restarts=[0.93]"])
    rows = Rows.of(generate(recipe, 0, 6).arrays())
    other = relabelled(rows, recipe.actions, np.random.default_rng(3))
    assert np.array_equal(other.reward, rows.reward) and np.array_equal(other.tag, rows.tag)
    assert (other.observation != rows.observation).mean() > 0.5 and (other.action != rows.action).mean() > 0.4
    for place in range(6):
        symbol, action = {}, {recipe.actions: recipe.actions}
        for before, after in zip(rows.observation[place], other.observation[place], strict=True):
            assert symbol.setdefault(int(before), int(after)) == after
        for before, after in zip(rows.action[place], other.action[place], strict=True):
            assert action.setdefault(int(before), int(after)) == after
        assert len(set(symbol.values())) == len(symbol) and len(set(action.values())) == len(action)
        # the recorded action is optimal after where it was before, at every row and discount
        for before, after in zip(rows.observation[place], other.observation[place], strict=True):
            for of_discount, now in zip(rows.oracle[place], other.oracle[place], strict=True):
                for one, another in action.items():
                    if one < recipe.actions:
                        assert of_discount[before] >> one & 1 == now[after] >> another & 1
    assert not np.array_equal(other.observation, relabelled(rows, recipe.actions, np.random.default_rng(4)).observation)
