"""How losses change with the position in the context, far beyond the trained length.

Contexts of random actions, so that the data are alike at every position: what changes is what is known of the world.
Beside the models stands a plain counter, p(next | observation, action) = (n + 1/10) / (N + V/10) from the counts so
far: what remembering every step would bring.

Shapes: B sequences, T positions, V symbols.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from common.agents.kinds import behaviour
from common.seeding import Purpose
from common.synthesis.generate import generate
from common.synthesis.recipe import Recipe
from trainer.checkpoints import load_model
from trainer.loss import Objective
from trainer.passes import detached
from trainer.tokens import Rows, batch_of

PIECE = 2048
"""Positions passed at once."""
FIRST = 8
PRIOR = 0.1
"""Of the counter: what a symbol counts for before it was seen."""
NORMAL_95 = 1.96
Curve = list[dict[str, float]]


def contexts(recipe: Recipe, sequences: int, length: int) -> Rows:
    """Return so long sequences of random actions in worlds that no training saw, as the recipe draws them."""
    asked = recipe.with_behaviours([behaviour("random")]).model_copy(update={"length": length})
    return Rows.of(generate(asked, 0, sequences, Purpose.EVALUATE).arrays())


def edges(length: int) -> list[tuple[int, int]]:
    """Return bins of positions: to 8, then two a doubling."""
    marks = [0, FIRST]
    while marks[-1] < length:
        marks.append(min(length, round(FIRST * 2 ** (len(marks) / 2 - 0.5))))
    return list(pairwise(marks))


@torch.no_grad()
def curves(run: Path, rows: Rows, vocabulary: int, actions: int, batch: int = 16) -> dict[str, Any]:
    """Return a run's policy and next-observation losses by position, and those of each sequence in ``spans``.

    Args:
        run: Its latest checkpoint is read.
        rows: What ``contexts`` returned.
        vocabulary: V.
        actions: A.
        batch: Sequences read together.
    """
    torch.set_num_threads(1)
    objective = Objective(load_model(run)).eval()
    policy, observation, masks = [], [], []
    length = rows.action.shape[1]
    for first in range(0, len(rows.action), batch):
        part = rows.pick(slice(first, first + batch))
        whole = batch_of(part, np.full(len(part.action), 3), vocabulary, actions, "oracle")
        state: Any = None
        for begin in range(0, length, PIECE):
            segment = whole.segment(begin, min(begin + PIECE, length))
            outcome, state = objective(segment, state)
            state = detached(state)
            policy.append((first, begin, outcome.policy_BT.numpy()))
            observation.append((first, begin, outcome.observation_BT.numpy()))
        masks.append(whole.targets.policy_mask_BT.numpy())
    acts = np.concatenate(masks)
    return {
        "policy": binned(_joined(policy, acts.shape), acts),
        "observation": binned(_joined(observation, acts.shape), np.ones_like(acts)),
    }


def counter(rows: Rows, vocabulary: int, actions: int) -> Curve:
    """Return the loss of the next observation of a player that counts."""
    sequences, length = rows.action.shape
    counts = np.full((sequences, actions + 1, vocabulary, vocabulary), PRIOR, dtype=np.float64)
    totals = np.full((sequences, actions + 1, vocabulary), PRIOR * vocabulary)
    loss = np.zeros((sequences, length))
    each = np.arange(sequences)
    observation, action = rows.observation.astype(np.int64), rows.action.astype(np.int64)
    for t in range(length - 1):
        a = action[:, t]
        # after a break comes a start state, whatever was seen before
        o = np.where(a == actions, 0, observation[:, t])
        following = observation[:, t + 1]
        loss[:, t] = -np.log(counts[each, a, o, following] / totals[each, a, o])
        counts[each, a, o, following] += 1
        totals[each, a, o] += 1
    return binned(loss, np.ones_like(loss, dtype=bool))


def binned(loss_BT: np.ndarray, mask_BT: np.ndarray) -> Curve:
    """Return the mean over sequences in every bin, with the half width of its 95 % interval."""
    told = []
    for first, last in edges(loss_BT.shape[1]):
        counted = mask_BT[:, first:last].sum(axis=1)
        means = (loss_BT[:, first:last] * mask_BT[:, first:last]).sum(axis=1)[counted > 0] / counted[counted > 0]
        spread = NORMAL_95 * means.std(ddof=1) / len(means) ** 0.5 if len(means) > 1 else 0.0
        told.append({"from": first, "to": last, "mean": float(means.mean()), "ci95": float(spread)})
    return told


def at(curve: Curve, first: int, last: int) -> float:
    """Return the mean over the bins between two positions, each as long as it is."""
    inside = [(entry["to"] - entry["from"], entry["mean"]) for entry in curve if first <= entry["from"] < last]
    return sum(size * mean for size, mean in inside) / sum(size for size, _ in inside)


def verdict(curve: Curve, trained: int) -> str:
    """Return what becomes of a loss beyond the trained length: it improves, stays or breaks, by .01 nats and more."""
    end = int(curve[-1]["to"])
    change = at(curve, end // 2, end) - at(curve, trained // 2, trained)
    return "improves" if change < -0.01 else "breaks" if change > 0.01 else "stays"


def _joined(parts: list[tuple[int, int, np.ndarray]], shape: tuple[int, ...]) -> np.ndarray:
    whole = np.zeros(shape)
    for first, begin, values in parts:
        whole[first : first + values.shape[0], begin : begin + values.shape[1]] = values
    return whole
