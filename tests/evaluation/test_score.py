"""Scores: the oracle's is 1 and random play's 0 by the path the agent takes; bins, episodes and what is left out."""

import numpy as np
import pytest

from common.worlds import World
from trainer.evaluation.baselines import tally_baseline
from trainer.evaluation.prepared import Request
from trainer.evaluation.record import Record
from trainer.evaluation.reference import Reference, counted_worlds, reference, references
from trainer.evaluation.score import episode_scores, scores
from trainer.evaluation.suites import suite
from trainer.evaluation.tally import Tally, step_bins
from trainer.evaluation.task import Task


def two_arms(better: float = 1.0, steps: float = 4.0) -> Task:
    """One state that action 0 keeps for 0 and action 1 for ``better``; an episode is ``steps`` long."""
    transition, reward = np.ones((1, 2, 1)), np.array([0.0, better]).reshape(1, 2, 1)
    world = World.from_dense(
        transition, reward, np.zeros_like(reward), np.array([0]), np.ones(1), np.array([], dtype=int), steps
    )
    return Task(name="two-arms", world=world)


def record_of(actions: list[list[int]], steps: int = 4) -> Record:
    """The record of a player in ``two_arms``."""
    action = np.array(actions, dtype=np.uint8)
    record = Record.empty(*action.shape)
    record.action[:] = action
    record.reward[:] = record.paid[:] = action
    record.truncated[:, steps - 1 :: steps] = True
    return record


def tallied(record: Record, of: list[Reference], piece: int = 10**6) -> Tally:
    """The tally of a record, taken in by pieces."""
    tally = Tally(of, record.steps)
    for first in range(0, record.steps, piece):
        part = {name: getattr(record, name)[:, first : first + piece] for name in Record.__dataclass_fields__}
        tally.add(Record(**part), first)
    return tally


@pytest.mark.parametrize("name", ["garnet-16", "anymdp-16", "anymdp-1", "frozenlake-slippery"])
def test_the_oracle_scores_one_and_random_play_nothing(name: str) -> None:
    on = suite(name).prepare(Request(worlds=96, steps=800, vocabulary=20, actions=5, seed=3))
    counted = on.counted
    for player, expected in (("oracle", 1.0), ("random", 0.0)):
        result = scores(tally_baseline(player, on), counted)
        last = result["score_by_step"][-1]
        assert abs(last["mean"] - expected) < 2.5 * last["ci95"]
        assert last["ci95"] < 0.1
        episodes = max(result["score_by_episode"], key=lambda entry: entry["worlds"] * (entry["to"] - entry["from"]))
        assert abs(episodes["mean"] - expected) < 2.5 * episodes["ci95"]
        actions = result["action_score_by_step"][-1]
        assert abs(actions["mean"] - expected) < (2.5 * actions["ci95"] if player == "random" else 1e-9)
        assert result["worlds"] == counted.sum()


def test_bins_double_and_are_cut_at_the_context() -> None:
    assert step_bins(512) == [(0, 50), (50, 100), (100, 200), (200, 400), (400, 512)]
    assert step_bins(400) == [(0, 50), (50, 100), (100, 200), (200, 400)]
    assert step_bins(30) == [(0, 30)]
    assert step_bins(70) == [(0, 50), (50, 70)]
    assert step_bins(3201)[-2:] == [(1600, 3200), (3200, 3201)]


@pytest.mark.parametrize("piece", [1000, 64, 7])
def test_scores_of_a_record_by_hand(piece: int) -> None:
    """Random earns 1/2 a step and 2 an episode, the oracle 1 and 4."""
    both = [reference(two_arms())] * 2
    record = record_of([[0] * 50 + [1] * 50 + [1] * 100, [1] * 200])
    result = scores(tallied(record, both, piece), np.array([True, True]))
    assert [entry["mean"] for entry in result["score_by_step"]] == pytest.approx([0.0, 1.0, 1.0])
    # -1 and 1: standard deviation sqrt 2 over worlds, standard error 1
    assert result["score_by_step"][0]["ci95"] == pytest.approx(1.96, abs=1e-3)
    assert [entry["mean"] for entry in result["action_score_by_step"]] == pytest.approx([0.0, 1.0, 1.0])
    assert (result["best"], result["steps_to_best"], result["asymptote"]) == (1.0, 100, 1.0)
    assert (result["episodes"], result["worlds"], result["success"]) == (100, 2, None)
    # the whole run: (150 / 200 - .5) / .5 and 1; the worst fifth is the worst of two
    assert result["bottom_quintile"] == pytest.approx(0.5)
    by_episode = {(entry["from"], entry["to"]): entry for entry in result["score_by_episode"]}
    assert by_episode[0, 1]["mean"] == pytest.approx(0.0)
    # of episodes 10 to 19 of the first world two are lost, one is half, seven are won
    assert by_episode[10, 20]["mean"] == pytest.approx(((-1 * 2 + 0 * 1 + 7) / 10 + 1) / 2)
    assert by_episode[20, 50]["worlds"] == 2
    # a window is an episode here; the 13th is lost by half, in the 14th both worlds win, after 56 steps
    assert result["by_episode"] == {
        "best": pytest.approx(1.0),
        "ci95": pytest.approx(0.0),
        "steps": 56.0,
        "episodes": 14,
        "window": 1,
        "episodes_played": 50,
        "worlds": 2,
    }
    # the first world lost two steps' worth of the oracle's advantage in each of its first 50 steps
    assert result["regret"] == pytest.approx(50.0)
    assert [entry["mean"] for entry in result["regret_by_step"]] == pytest.approx([50.0, 50.0, 50.0])


def test_an_episode_cut_by_the_end_of_the_context_does_not_count() -> None:
    record = record_of([[1, 1, 1, 1, 0, 0]])
    tally = tallied(record, [reference(two_arms())])
    result = episode_scores(tally, tally.episodes())
    assert result == [{"from": 0, "to": 1, "mean": 1.0, "ci95": None, "median": 1.0, "worlds": 1}]


def test_worlds_too_flat_to_order_are_left_out() -> None:
    """By the share of the reward range, or by the absolute gap of the AnyMDP suites."""
    good, flat, none = (reference(two_arms(better)) for better in (1.0, 0.15, 0.0))
    assert counted_worlds([good, flat, none], None).tolist() == [True, True, False]
    assert counted_worlds([good, flat, none], 0.1).tolist() == [True, False, False]
    # a range of 1 and a gap of .004: the paying state is left at once and reached by either action
    transition, reward = np.zeros((2, 2, 2)), np.zeros((2, 2, 2))
    transition[0, :, 0], transition[0, :, 1] = 0.99, 0.01
    transition[1, :, 0] = 1.0
    reward[1, 1, 0] = 1.0
    rare = World.from_dense(
        transition, reward, np.zeros_like(reward), np.array([0]), np.ones(1), np.array([], dtype=int), 1000.0
    )
    weak = reference(Task(name="rare", world=rare))
    assert 0.003 < weak.gap_per_step < 0.006
    assert counted_worlds([weak], None).tolist() == [False]
    record = record_of([[1] * 60, [0] * 60])
    result = scores(tallied(record, [good, none]), np.array([True, False]))
    assert result["worlds"] == 1
    assert [entry["mean"] for entry in result["score_by_step"]] == pytest.approx([1.0, 1.0])
    # by episode the flat world has no score either, and every other world has one
    assert {entry["worlds"] for entry in result["score_by_episode"]} == {1}


def test_a_suite_without_a_world_that_counts_has_no_scores() -> None:
    result = scores(tallied(record_of([[1] * 60]), [reference(two_arms(0.0))]), np.array([False]))
    assert result["worlds"] == 0
    assert result["best"] is result["asymptote"] is result["steps_to_best"] is result["bottom_quintile"] is None
    assert [entry["mean"] for entry in result["score_by_step"]] == [None, None]


def test_relabelling_moves_symbols_and_actions_and_nothing_else() -> None:
    task = suite("frozenlake-slippery").draw(0, 0)
    one, two = task.relabelled(20, seed=1), task.relabelled(20, seed=2)
    assert one.world.symbol.tolist() != two.world.symbol.tolist()
    assert len(set(one.world.symbol.tolist())) == 16
    assert max(one.world.symbol) < one.world.vocabulary == 20
    plain, moved = task.world.to_dense(), one.world.to_dense()
    assert sorted(one.actions.tolist()) == [0, 1, 2, 3]
    for name in ("transition", "reward"):
        np.testing.assert_array_equal(plain[name][:, one.actions], moved[name])
    before, after = reference(task), reference(one)
    assert before.oracle_return == pytest.approx(after.oracle_return, abs=1e-12)
    assert before.random_return == pytest.approx(after.random_return, abs=1e-12)
    np.testing.assert_array_equal(before.q[:, one.actions], after.q)
    # a world solved once for all its relabellings
    for together, alone in zip(references([one, two]), (reference(one), reference(two)), strict=True):
        np.testing.assert_array_equal(together.oracle_policy, alone.oracle_policy)
