"""Losses by position: bins, the counter by its definition, a model's losses whole and in pieces, the verdict."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from common.synthesis.recipe import load
from tests.trainer.model.parts import small
from trainer.loss import Objective
from trainer.study import length
from trainer.tokens import Rows, batch_of


@pytest.fixture(scope="module")
def rows() -> Rows:
    return length.contexts(load("tiny"), 3, 200)


def test_bins_double_in_two_steps_and_cover_all() -> None:
    bins = length.edges(200)
    assert bins[0] == (0, 8) and bins[-1][1] == 200
    assert all(a[1] == b[0] for a, b in pairwise(bins))
    assert {8, 16, 32, 64, 128} <= {first for first, _ in bins}


def test_contexts_are_random_actions_in_worlds_of_the_recipe(rows: Rows) -> None:
    assert rows.action.shape == (3, 200)
    assert set(np.unique(rows.tag)) <= {6, 8, 9}


def test_the_counter_is_its_formula(rows: Rows) -> None:
    told = length.counter(rows, 16, 5, 100)
    losses = np.zeros((3, 200))
    for b in range(3):
        seen: dict[tuple[int, int], dict[int, int]] = {}
        for t in range(199):
            action = int(rows.action[b, t])
            key = (action, 0 if action == 5 else int(rows.observation[b, t]))
            counts, following = seen.setdefault(key, {}), int(rows.observation[b, t + 1])
            losses[b, t] = -math.log((counts.get(following, 0) + 0.1) / (sum(counts.values()) + 1.6))
            counts[following] = counts.get(following, 0) + 1
    for entry in told["curve"]:
        expected = losses[:, int(entry["from"]) : int(entry["to"])].mean()
        assert entry["mean"] == pytest.approx(expected, rel=1e-9)
    changes = losses[:, 100:].mean(axis=1) - losses[:, 50:100].mean(axis=1)
    assert told["change"]["mean"] == pytest.approx(changes.mean(), rel=1e-9)
    assert told["change"]["ci95"] == pytest.approx(1.96 * changes.std(ddof=1) / 3**0.5, rel=1e-9)


@pytest.mark.parametrize("piece", [200, 64])
def test_curves_are_the_objective_s_losses_however_they_are_cut(
    piece: int, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small("rwkv7")
    model = type(model)(model.config.model_copy(update={"vocabulary": 16, "actions": 5}), seed=3).eval()
    monkeypatch.setattr(length, "load_model", lambda path: model)
    monkeypatch.setattr(length, "PIECE", piece)
    found = length.curves(Path("run"), rows, 16, 5, trained=100, batch=2)
    with torch.no_grad():
        outcome, _ = Objective(model)(batch_of(rows, np.full(3, 3), 16, 5, "oracle"))
    acts = rows.action != 5
    policy, observation = outcome.policy_BT.numpy(), outcome.observation_BT.numpy()
    for entry, whole in zip(found["observation"]["curve"], length.edges(200), strict=True):
        assert entry["mean"] == pytest.approx(observation[:, whole[0] : whole[1]].mean(), rel=1e-4)
    last = slice(int(found["policy"]["curve"][-1]["from"]), 200)
    each = [policy[b, last][acts[b, last]].mean() for b in range(3)]
    assert found["policy"]["curve"][-1]["mean"] == pytest.approx(np.mean(each), rel=1e-4)


@pytest.mark.parametrize(("mean", "word"), [(-0.1, "improves"), (0.02, "unclear"), (0.1, "breaks")])
def test_what_becomes_of_a_loss_is_told_where_the_interval_tells(mean: float, word: str) -> None:
    assert length.verdict({"mean": mean, "ci95": 0.03}) == word
