"""Baselines that count and plan: each against a plain reference, and all of them better than random play."""

import numpy as np
import pytest

from common.errors import UsageError
from trainer.evaluation.baselines import ALL, named, tally_baseline
from trainer.evaluation.baselines.counts import TERMINAL, Counts
from trainer.evaluation.baselines.planners import ConservativeQ, PosteriorSampling, UcbValueIteration
from trainer.evaluation.baselines.players import SETTINGS
from trainer.evaluation.baselines.shown import demonstrations
from trainer.evaluation.baselines.tune import grid, tune
from trainer.evaluation.prepared import Prepared, Request
from trainer.evaluation.score import per_step
from trainer.evaluation.suites import suite


def prepared(name: str, worlds: int = 6, steps: int = 400) -> Prepared:
    return suite(name).prepare(Request(worlds=worlds, steps=steps, vocabulary=64, actions=5))


def chain(seed: int = 0, steps: int = 4000) -> tuple[Counts, np.ndarray, np.ndarray]:
    """Counts of random play in a random world of 4 states, whose fourth is terminal, with the dense model."""
    random = np.random.default_rng(seed)
    transition, reward = random.dirichlet(np.ones(4), size=(4, 2)), random.normal(size=(4, 2))
    counts, state = Counts(2), 0
    for _ in range(steps):
        action = int(random.integers(2))
        reached = int(random.choice(4, p=transition[state, action]))
        here = counts.number(state)
        counts.add(here, action, float(reward[state, action]), TERMINAL if reached == 3 else counts.number(reached))
        state = 0 if reached == 3 else reached
    return counts, transition, reward


def solved(counts: Counts, gamma: float) -> np.ndarray:
    """Q* of the mean model, by dense value iteration."""
    dense = np.zeros((counts.states * 2, counts.states))
    np.add.at(dense, (counts.pair, counts.reached), counts.times)
    dense /= np.maximum(dense.sum(axis=1, keepdims=True), 1.0)
    q = np.zeros((counts.states, 2))
    for _ in range(2000):
        value = q.max(axis=1)
        value[TERMINAL] = 0.0
        q = counts.reward + gamma * (dense @ value).reshape(q.shape)
    return q[1:]


def test_every_planner_without_its_speciality_is_value_iteration_on_what_was_counted() -> None:
    counts, _, _ = chain()
    random, zero = np.random.default_rng(0), np.zeros((counts.states, 2))
    wanted = solved(counts, 0.9)
    plain = UcbValueIteration(gamma=0.9, bonus=0.0).plan(counts, zero, random)
    np.testing.assert_allclose(plain[1:], wanted, atol=0.1)
    offline = ConservativeQ(gamma=0.9, weight=0.0, rate=1.0).plan(counts, zero, random)
    np.testing.assert_allclose(offline[1:], wanted, atol=1e-3)
    sampled = PosteriorSampling(gamma=0.9, prior=1e-6, spread=0.0).plan(counts, zero, random)
    np.testing.assert_allclose(sampled[1:], wanted, atol=0.6)


def test_a_bonus_is_for_what_was_tried_less_and_a_penalty_for_what_the_data_does_not_show() -> None:
    counts = Counts(2)
    for _ in range(50):
        counts.add(counts.number("here"), 0, 1.0, TERMINAL)
    counts.add(1, 1, 1.0, TERMINAL)
    random, zero = np.random.default_rng(0), np.zeros((2, 2))
    hopeful = UcbValueIteration(bonus=0.5).plan(counts, zero, random)
    assert hopeful[1, 1] > hopeful[1, 0] > 1.0
    careful = ConservativeQ(weight=0.2).plan(counts, zero, random)
    assert careful[1, 0] > careful[1, 1]
    draws = [PosteriorSampling(spread=1.0).plan(counts, zero, random)[1] for _ in range(200)]
    assert np.std(draws, axis=0)[1] > 2 * np.std(draws, axis=0)[0]


@pytest.mark.parametrize("name", list(SETTINGS))
def test_learners_learn_a_world_they_know_nothing_of(name: str) -> None:
    on = prepared("small")
    tally = tally_baseline(name, on)
    again = tally_baseline(name, on)
    late, random = (per_step(t, [(200, 400)])[on.counted].mean() for t in (tally, tally_baseline("random", on)))
    assert late > random + 0.15
    np.testing.assert_array_equal(tally.episodes().total, again.episodes().total)


def test_conservative_q_learns_from_demonstrations_before_it_acts() -> None:
    on = prepared("frozenlake", steps=40)
    shown = tally_baseline("conservative-q", on, shown=demonstrations(on, "oracle", 3))
    assert per_step(shown, [(0, 40)]).mean() > 0.8


def test_learners_play_where_several_symbols_are_shown_and_where_two_share_a_world() -> None:
    for chosen, tokens in (("multi-token-pomdp", 4), ("switch2", 1)):
        request = Request(worlds=2, steps=40, vocabulary=128, actions=9, tokens=tokens)
        on = suite(chosen).prepare(request)
        for name in SETTINGS:
            assert np.isfinite(tally_baseline(name, on).sums("paid", [(0, 40)])).all()


def test_names_and_tuning() -> None:
    assert named(["all"]) == ALL
    assert named(["oracle", "oracle", "q-ucb"]) == ("oracle", "q-ucb")
    with pytest.raises(UsageError, match="sarsa"):
        named(["sarsa"])
    best = tune(suite("frozenlake"), worlds=2, steps=60, names=["q-ucb"])
    assert best["q-ucb"][1] in grid("q-ucb")
