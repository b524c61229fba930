"""Baselines that count and plan: each against a plain reference, and all of them better than random play."""

import numpy as np
import pytest

from common.agents.counts import BEGUN, KNOWN, TERMINAL, TOTAL, VISITS
from common.agents.planners import ConservativeQ, Learner, Learners, PosteriorSampling, UcbQ, UcbValueIteration
from common.agents.planning import gamma
from common.errors import UsageError
from common.random import generator
from trainer.evaluation.baselines import ALL, named, tally_baseline
from trainer.evaluation.baselines.players import SETTINGS
from trainer.evaluation.baselines.shown import demonstrations
from trainer.evaluation.baselines.tune import grid, tune
from trainer.evaluation.prepared import Prepared, Request
from trainer.evaluation.score import per_step
from trainer.evaluation.suites import suite


def prepared(name: str, worlds: int = 6, steps: int = 400) -> Prepared:
    return suite(name).prepare(Request(worlds=worlds, steps=steps, vocabulary=64, actions=5))


class Chain:
    """Random play in a random world of 4 states, whose fourth is terminal, as rows, and dense counts of it."""

    def __init__(self, seed: int = 0, steps: int = 4000) -> None:
        random = np.random.default_rng(seed)
        self.rows: list[tuple[int, int, float, int]] = []
        transition, reward = random.dirichlet(np.ones(4), size=(4, 2)), random.normal(size=(4, 2))
        self.counts, self.paid, self.begun = np.zeros((4, 2, 4)), np.zeros((4, 2)), np.zeros(4)
        state, fresh = 0, True
        for _ in range(steps):
            self.begun[state] += fresh
            action = int(random.integers(2))
            reached = int(random.choice(4, p=transition[state, action]))
            self.rows.append((state, action, float(reward[state, action]), 0))
            self.counts[state, action, reached] += 1
            self.paid[state, action] += reward[state, action]
            state, fresh = reached, reached == 3
            if fresh:
                self.rows.append((3, 0, 0.0, 1))
                state = int(random.integers(3))
        if not fresh:
            self.rows.append((state, 0, 0.0, 2))

    def learnt(self, how: Learner) -> tuple[Learners, np.ndarray]:
        """A learner that was shown the rows, and its Q (3, 2) by the world's states."""
        learners = Learners(how, np.array([2]), 4, [7])
        observation, action, reward, ends = (np.array(column) for column in zip(*self.rows, strict=True))
        learners.teach(0, observation, action, reward, ends)
        return learners, learners.q[0][learners.counts.tables[0][0, :3]]

    def solved(self, discount: float, restart: float = 0.0) -> np.ndarray:
        """Q* of the mean model, by dense value iteration."""
        visits = self.counts.sum(axis=2)
        transition, reward = self.counts / np.maximum(visits, 1.0)[..., None], self.paid / np.maximum(visits, 1.0)
        value = np.zeros(4)
        for _ in range(3000):
            value[3] = restart * (self.begun[:3] * value[:3]).sum() / self.begun[:3].sum()
            q = reward + discount * transition @ value
            value[:3] = q[:3].max(axis=1)
        return q[:3]


def test_what_is_counted_is_what_was_shown() -> None:
    chain = Chain()
    learners, _ = chain.learnt(UcbQ())
    tables, order = learners.counts.tables, learners.counts.tables[0][0, :3]
    assert tables[KNOWN][0] == 3
    np.testing.assert_array_equal(tables[VISITS][0, order], chain.counts[:3].sum(axis=2))
    np.testing.assert_allclose(tables[TOTAL][0, order], chain.paid[:3])
    np.testing.assert_array_equal(tables[BEGUN][0, order], chain.begun[:3])
    assert tables[VISITS][0, TERMINAL].sum() == 0


@pytest.mark.parametrize("restart", [0.0, 1.0])
def test_every_planner_without_its_speciality_is_value_iteration_on_what_was_counted(restart: float) -> None:
    chain = Chain()
    wanted = chain.solved(0.9, restart)
    plain: dict[str, Learner] = {
        "ucb": UcbValueIteration(gamma=0.9, bonus=0.0, restart=restart),
        "offline": ConservativeQ(gamma=0.9, weight=0.0, rate=1.0, restart=restart),
        "sampled": PosteriorSampling(gamma=0.9, prior=1e-6, deviation=0.0, restart=restart),
    }
    # a sampled model has the counts' spread: 4000 steps over 6 rows
    near = {"ucb": 0.05, "offline": 0.05, "sampled": 0.6}
    for name, how in plain.items():
        _, q = chain.learnt(how)
        np.testing.assert_allclose(q, wanted, atol=near[name], err_msg=name)


def test_a_bonus_is_for_what_was_tried_less_and_a_penalty_for_what_the_data_does_not_show() -> None:
    def shown(how: Learner, seed: int = 0) -> np.ndarray:
        learners = Learners(how, np.array([2]), 2, [seed])
        actions = [0] * 50 + [1] * 2
        rows = [row for action in actions for row in ((0, action, 1.0, 0), (1, 0, 0.0, 1))]
        learners.teach(0, *(np.array(column) for column in zip(*rows, strict=True)))
        return learners.q[0, 1]

    hopeful = shown(UcbValueIteration(bonus=0.5))
    assert hopeful[1] > hopeful[0] > 1.0
    careful = shown(ConservativeQ(weight=0.2))
    assert careful[0] > careful[1]
    draws = np.array([shown(PosteriorSampling(deviation=1.0, prior=0.1), seed) for seed in range(200)])
    assert draws[:, 1].std() > 2 * draws[:, 0].std()
    assert abs(draws[:, 0].mean() - 1.0) < 0.1


def test_gamma_variates_have_their_moments() -> None:
    for shape in (0.05, 0.5, 1.0, 7.0):
        rng = generator(5)
        drawn = np.array([gamma(rng, shape) for _ in range(20_000)])
        assert abs(drawn.mean() - shape) < 4 * np.sqrt(shape / len(drawn))
        assert abs(drawn.var() / shape - 1.0) < 0.15


def test_learners_beside_each_other_are_learners_alone() -> None:
    """Tables grow, and what one context meets changes nothing in another."""
    random = np.random.default_rng(0)
    how = PosteriorSampling(every=3)
    together = Learners(how, np.array([2, 3]), 200, [1, 2])
    alone = [Learners(how, np.array([n]), 200, [seed]) for n, seed in ((2, 1), (3, 2))]
    seen = np.zeros(2, dtype=np.int64)
    for _ in range(120):
        actions = together.act(seen)
        reached, paid, ends = random.integers(200, size=2), random.normal(size=2), random.random(2) < 0.2
        for c, one in enumerate(alone):
            part = slice(c, c + 1)
            assert one.act(seen[part])[0] == actions[c]
            one.observe(seen[part], actions[part], paid[part], reached[part], ends[part], ~ends[part] & False)
        together.observe(seen, actions, paid, reached, ends, ~ends & False)
        seen = np.where(ends, 0, reached)


@pytest.mark.parametrize("name", list(SETTINGS))
def test_learners_learn_a_world_they_know_nothing_of(name: str) -> None:
    on = prepared("small", worlds=32)
    tally = tally_baseline(name, on)
    again = tally_baseline(name, on)
    assert per_step(tally, [(200, 400)])[on.counted].mean() > 0.5
    np.testing.assert_array_equal(tally.episodes().total, again.episodes().total)


@pytest.mark.parametrize("name", list(SETTINGS))
def test_learners_learn_frozenlake(name: str) -> None:
    on = prepared("frozenlake", worlds=16, steps=512)
    assert per_step(tally_baseline(name, on), [(200, 512)]).mean() > 0.85


def test_conservative_q_learns_from_demonstrations_before_it_acts() -> None:
    on = prepared("frozenlake", steps=40)
    shown = tally_baseline("conservative-q", on, shown=demonstrations(on, "oracle", 3))
    best = per_step(tally_baseline("oracle", on), [(0, 40)])
    np.testing.assert_allclose(per_step(shown, [(0, 40)]), best)


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
