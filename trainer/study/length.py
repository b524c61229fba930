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
from trainer.study.plain import best_device
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
def curves(run: Path, rows: Rows, vocabulary: int, actions: int, trained: int, batch: int = 16) -> dict[str, Any]:
    """Return a run's policy and next-observation losses by position, and how they change beyond the trained length.

    Args:
        run: Its latest checkpoint is read.
        rows: What ``contexts`` returned.
        vocabulary: V.
        actions: A.
        trained: Rows of the sequences it was trained on.
        batch: Sequences read together.
    """
    torch.set_num_threads(1)
    device = torch.device(best_device())
    objective = Objective(load_model(run)).eval().to(device)
    policy, observation, masks = [], [], []
    length = rows.action.shape[1]
    for first in range(0, len(rows.action), batch):
        part = rows.pick(slice(first, first + batch))
        whole = batch_of(part, np.full(len(part.action), 3), vocabulary, actions, "oracle")
        state: Any = None
        for begin in range(0, length, PIECE):
            segment = whole.segment(begin, min(begin + PIECE, length)).to(device)
            outcome, state = objective(segment, state)
            state = detached(state)
            policy.append((first, begin, outcome.policy_BT.cpu().numpy()))
            observation.append((first, begin, outcome.observation_BT.cpu().numpy()))
        masks.append(whole.targets.policy_mask_BT.numpy())
    acts = np.concatenate(masks)
    return {
        "policy": told(_joined(policy, acts.shape), acts, trained),
        "observation": told(_joined(observation, acts.shape), np.ones_like(acts), trained),
    }


def counter(rows: Rows, vocabulary: int, actions: int, trained: int) -> dict[str, Any]:
    """Return the loss of the next observation of a player that counts, as ``curves`` does."""
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
    return told(loss, np.ones_like(loss, dtype=bool), trained)


def told(loss_BT: np.ndarray, mask_BT: np.ndarray, trained: int) -> dict[str, Any]:
    """Return the mean over sequences in every bin, and of each sequence's change from where training ended to the end.

    The change is from the last half of the trained length to the last half of all; means have half a 95 % interval.
    """
    length = loss_BT.shape[1]
    curve = [{"from": a, "to": b, **_summary(_means(loss_BT, mask_BT, a, b))} for a, b in edges(length)]
    late = _means(loss_BT, mask_BT, length // 2, length)
    return {"curve": curve, "change": _summary(late - _means(loss_BT, mask_BT, trained // 2, trained))}


def _means(loss_BT: np.ndarray, mask_BT: np.ndarray, first: int, last: int) -> np.ndarray:
    """Return each sequence's mean between two positions, nan where nothing counts."""
    counted = mask_BT[:, first:last].sum(axis=1)
    total = (loss_BT[:, first:last] * mask_BT[:, first:last]).sum(axis=1)
    return np.divide(total, counted, out=np.full(len(total), np.nan), where=counted > 0)


def _summary(values: np.ndarray) -> dict[str, float]:
    seen = values[~np.isnan(values)]
    half = NORMAL_95 * seen.std(ddof=1) / len(seen) ** 0.5 if len(seen) > 1 else 0.0
    return {"mean": float(seen.mean()), "ci95": float(half)}


def at(curve: Curve, first: int, last: int) -> float:
    """Return the mean over the bins between two positions, each as long as it is."""
    inside = [(entry["to"] - entry["from"], entry["mean"]) for entry in curve if first <= entry["from"] < last]
    return sum(size * mean for size, mean in inside) / sum(size for size, _ in inside)


def verdict(change: dict[str, float]) -> str:
    """Return what becomes of a loss beyond the trained length, where the interval of its change tells."""
    if abs(change["mean"]) <= change["ci95"]:
        return "unclear"
    return "improves" if change["mean"] < 0 else "breaks"


def _joined(parts: list[tuple[int, int, np.ndarray]], shape: tuple[int, ...]) -> np.ndarray:
    whole = np.zeros(shape)
    for first, begin, values in parts:
        whole[first : first + values.shape[0], begin : begin + values.shape[1]] = values
    return whole
