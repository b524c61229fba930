"""Records and exact references in, numbers out: scores by step and episode, best, asymptote, success.

Score = (x - random) / (oracle - random) on the same world, where x is the reward per step or an episode's return
(paper, "Evaluation": normalised score). Every mean is over worlds, with the half width of its 95 % interval.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from trainer.evaluation.record import Record
from trainer.evaluation.reference import Reference

NORMAL_95 = 1.959963984540054
FIRST_EDGES = (0, 50, 100)
EPISODE_EDGES = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
CURVE_BLOCKS = 24
EPISODE_GAP = 1e-9
"""Smallest oracle - random per episode that makes a score by episode."""
BEST_SHARE = 0.99
"""A score counts as the best from this share of it on (paper, Table 1)."""

Bins = list[tuple[int, int]]


def step_bins(context: int) -> Bins:
    """Return the bins of ``score_by_step``: edges 0, 50, 100, 200, 400, ... doubling, cut at ``context`` steps."""
    edges = [edge for edge in FIRST_EDGES if edge < context]
    while edges[-1] >= FIRST_EDGES[-1] and 2 * edges[-1] < context:
        edges.append(2 * edges[-1])
    return list(zip(edges, [*edges[1:], context], strict=True))


def even_bins(context: int, blocks: int = CURVE_BLOCKS) -> Bins:
    """Return about ``blocks`` bins of nearly equal length, for curves."""
    edges = np.unique(np.linspace(0, context, min(blocks, context) + 1).astype(int)).tolist()
    return list(itertools.pairwise(edges))


def scores(record: Record, references: Sequence[Reference], counted: np.ndarray) -> dict[str, Any]:
    """Return all that results.json says about one player on one suite.

    Args:
        record: W worlds, T steps.
        references: One of each world.
        counted: (W,) bool, the worlds whose per-step gap is large enough to order (``reference.counted_worlds``).

    Returns:
        ``score_by_step``, ``action_score_by_step``, ``score_by_episode`` and ``curve``: lists of ``{from, to, mean,
        ci95, median, worlds}`` over worlds; ``best`` bin of ``score_by_step``, ``steps_to_best`` (the end of the first
        bin with 99 % of it), ``asymptote`` (last tenth of the context) and its ``asymptote_ci95``, ``bottom_quintile``
        (mean of the worst fifth of worlds over the whole context), ``success`` (share of the episodes ended in the
        last tenth that reached the goal; null where the suite defines none), ``episodes`` (finished, all worlds) and
        ``worlds`` (counted by step).
    """
    reward = true_rewards(record, references)
    by_step = _summaries(per_step(reward, references, step_bins(record.steps))[counted], step_bins(record.steps))
    curve = _summaries(per_step(reward, references, even_bins(record.steps))[counted], even_bins(record.steps))
    tenth = (record.steps - max(1, record.steps // 10), record.steps)
    last = _summaries(per_step(reward, references, [tenth])[counted], [tenth])[0]
    whole = np.sort(per_step(reward, references, [(0, record.steps)])[counted, 0])
    means = [entry["mean"] for entry in by_step if entry["mean"] is not None]
    best = max(means, default=None)
    return {
        "score_by_step": by_step,
        "action_score_by_step": action_scores(record, references, step_bins(record.steps)),
        "score_by_episode": episode_scores(record, reward, references),
        "curve": curve,
        "best": best,
        "steps_to_best": _steps_to(best, by_step),
        "asymptote": last["mean"],
        "asymptote_ci95": last["ci95"],
        "bottom_quintile": float(whole[: max(1, len(whole) // 5)].mean()) if len(whole) else None,
        "success": success(record, references, tenth[0]),
        "episodes": int(record.ended.sum()),
        "worlds": int(counted.sum()),
    }


def true_rewards(record: Record, references: Sequence[Reference]) -> np.ndarray:
    """Return (W, T) float64 rewards that count: the shown ones, or the unshaped ones where the suite shapes."""
    reward = record.reward.astype(np.float64)
    for w, reference in enumerate(references):
        if reference.unshaped is not None:
            reward[w] = reference.unshaped[record.state[w], record.action[w], record.next_state[w]]
    return reward


def action_scores(record: Record, references: Sequence[Reference], bins: Bins) -> list[dict[str, Any]]:
    """Score the actions themselves: sum(Q*(s,a) - mean_a Q*) / sum(max_a Q* - mean_a Q*) per world and bin.

    Always ordered (random play 0, the .994 oracle 1), on all worlds; a world is left out of a bin in which it saw
    no state where actions differ.
    """
    taken = np.empty((record.worlds, record.steps))
    possible = np.empty_like(taken)
    for w, reference in enumerate(references):
        q = reference.q[record.state[w]]
        mean = q.mean(axis=1)
        taken[w] = q[np.arange(record.steps), record.action[w]] - mean
        possible[w] = q.max(axis=1) - mean
    ratio = np.full((record.worlds, len(bins)), np.nan)
    for b, (first, last) in enumerate(bins):
        total = possible[:, first:last].sum(axis=1)
        some = total > 1e-9
        ratio[some, b] = taken[some, first:last].sum(axis=1) / total[some]
    return _summaries(ratio, bins)


def episode_scores(record: Record, reward: np.ndarray, references: Sequence[Reference]) -> list[dict[str, Any]]:
    """Score finished episodes by their number, on all worlds; each entry says how many worlds got that far.

    A world counts once in a bin, by its mean over the bin's episodes. A world whose oracle earns no more per episode
    than random play has no such score (exact references: it is left out here and named among the left out).
    """
    most = int(record.ended.sum(axis=1).max(initial=0))
    bins = [(a, b) for a, b in itertools.pairwise(EPISODE_EDGES) if a < most]
    values = np.full((record.worlds, len(bins)), np.nan)
    for w, reference in enumerate(references):
        gap = reference.oracle_return - reference.random_return
        ends = np.flatnonzero(record.ended[w])
        if gap <= EPISODE_GAP or not len(ends):
            continue
        total = np.cumsum(reward[w])[ends]
        score = (np.diff(total, prepend=0.0) - reference.random_return) / gap
        for b, (first, last) in enumerate(bins):
            if len(score) > first:
                values[w, b] = score[first:last].mean()
    return _summaries(values, [(a, min(b, most)) for a, b in bins])


def success(record: Record, references: Sequence[Reference], first: int) -> float | None:
    """Return the share of episodes ended at or after step ``first`` that reached a goal state; None without goals."""
    if any(reference.goal is None for reference in references):
        return None
    ended = record.ended[:, first:]
    reached = np.zeros_like(ended)
    for w, reference in enumerate(references):
        assert reference.goal is not None
        reached[w] = reference.goal[record.next_state[w, first:]]
    return float(reached[ended].mean()) if ended.any() else None


def per_step(reward: np.ndarray, references: Sequence[Reference], bins: Bins) -> np.ndarray:
    """Return (W, B) scores of the mean reward per step in each bin."""
    mean = np.stack([reward[:, first:last].mean(axis=1) for first, last in bins], axis=1)
    random = np.array([reference.random_per_step for reference in references])[:, None]
    gap = np.array([reference.gap_per_step for reference in references])[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return (mean - random) / gap


def _summaries(values: np.ndarray, bins: Bins) -> list[dict[str, Any]]:
    """Return mean, its 95 % half width and median over worlds of each column of (W, B) values; nan is no value.

    The median stands beside the mean because tails are heavy: a world scores far over 1 where the discounted oracle
    earns little per step (it avoids an end after which play would begin anew at once).
    """
    summaries = []
    for column, (first, last) in zip(values.T, bins, strict=True):
        seen = column[~np.isnan(column)]
        mean = float(seen.mean()) if len(seen) else None
        ci95 = float(NORMAL_95 * seen.std(ddof=1) / np.sqrt(len(seen))) if len(seen) > 1 else None
        median = float(np.median(seen)) if len(seen) else None
        summaries.append({"from": first, "to": last, "mean": mean, "ci95": ci95, "median": median, "worlds": len(seen)})
    return summaries


def _steps_to(best: float | None, by_step: list[dict[str, Any]]) -> int | None:
    for entry in by_step:
        if best is not None and entry["mean"] is not None and entry["mean"] >= best - abs(best) * (1.0 - BEST_SHARE):
            return int(entry["to"])
    return None
